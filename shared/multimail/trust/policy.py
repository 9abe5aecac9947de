"""The trust policy: what messages may show and cause. Pure functions from facts to one decision."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import ConfigurationError
from .addresses import AddressList, normalize_address, normalize_addresses, normalize_domain
from .daily_caps import DailyCaps
from .decisions import (
    Action,
    Finding,
    GuardDecision,
    OperationKind,
    PolicyName,
    Treatment,
    decide,
    get_action,
    get_treatment,
)
from .evidence import Authentication, parse_event
from .facts import EnclosedFile, ReplyFacts
from .labels import OWN, Assessment, Label, Standing, Tier, assess
from .payment import fold_payment
from .provenance import is_proven, name_message, name_payment
from .providers import PUBLIC_PROVIDERS
from .taint import Taint, severity_key


class TrustPolicy:
    """What messages may show and cause.

    Args:
        name: `standard`, `strict`, or `off`, which only application code can choose.
        listed: The addresses and domains that the operator trusts, as senders and as recipients:
            `ann@example.com`, `example.com`, `*.example.com`.
        accept_unaligned_dkim: Accept an API's bare `dkim_valid: true` as proof of the domain in
            From. A forger who signs with another domain then passes.
        arc_sealers: Domains whose ARC seal saves a forwarded message from `failed`.
        sends_per_session: The most messages that one conversation may send.
        sends_per_thread: The most messages that may be sent in one thread within 24 hours.
        free_per_address: The most messages to one address within 24 hours that no human decides
            on; tags (`ann+x@`) are ignored.
        free_per_organisation: The same for all addresses of one organisation, which a public mail
            provider is not.
        contact_forms: Addresses and domains of the operator's contact forms: Reply-To of their mail
            is the customer, whose address anybody could have typed.
        listed_payments: Accounts and cards that outgoing mail may name whatever mail said.
        public_providers: More domains at which anybody can have an address, besides
            `PUBLIC_PROVIDERS`.

    Raises:
        ConfigurationError: An invalid name, entry or number.
    """

    __slots__ = (
        "accept_unaligned_dkim",
        "arc_sealers",
        "contact_forms",
        "free_per_address",
        "free_per_organisation",
        "listed",
        "listed_payments",
        "name",
        "public_providers",
        "sends_per_session",
        "sends_per_thread",
    )

    def __init__(
        self,
        name: PolicyName = "standard",
        *,
        listed: Iterable[str] = (),
        accept_unaligned_dkim: bool = False,
        arc_sealers: Iterable[str] = (),
        sends_per_session: int = 50,
        sends_per_thread: int = 20,
        free_per_address: int = 20,
        free_per_organisation: int = 60,
        contact_forms: Iterable[str] = (),
        listed_payments: Iterable[str] = (),
        public_providers: Iterable[str] = (),
    ) -> None:
        if name not in ("strict", "standard", "off"):
            raise ConfigurationError(f"policy {name!r} must be strict, standard or off.")
        if min(sends_per_session, sends_per_thread) < 1:
            raise ConfigurationError("sends_per_session and sends_per_thread must be at least 1.")
        if min(free_per_address, free_per_organisation) < 0:
            raise ConfigurationError(
                "free_per_address and free_per_organisation must be at least 0."
            )
        self.name: PolicyName = name
        self.listed = AddressList(listed)
        self.accept_unaligned_dkim = accept_unaligned_dkim
        self.arc_sealers = frozenset(map(normalize_domain, _list_texts(arc_sealers)))
        self.sends_per_session = sends_per_session
        self.sends_per_thread = sends_per_thread
        self.free_per_address = free_per_address
        self.free_per_organisation = free_per_organisation
        self.contact_forms = AddressList(contact_forms)
        self.listed_payments = frozenset(_list_texts(listed_payments))
        more = map(normalize_domain, _list_texts(public_providers))
        self.public_providers = PUBLIC_PROVIDERS.union(more)

    def __repr__(self) -> str:
        return f"TrustPolicy({self.name!r}, listed={list(self.listed.entries)!r})"

    def assess(
        self, evidence: Authentication | None, sender: str, known: Collection[str] = ()
    ) -> Assessment:
        """Return the assessment of a message.

        Args:
            evidence: Its authentication results; None when none were reported.
            sender: Its From.
            known: Normalized addresses to which a human has approved a send before.
        """
        assessment = assess(
            evidence,
            accept_unaligned_dkim=self.accept_unaligned_dkim,
            arc_sealers=self.arc_sealers,
        )
        # Without authentication the address in From may be anyone's claim, so it stays new.
        standing = self.standing(sender, known) if assessment.is_certain else Standing.NEW
        if standing is assessment.standing:
            return assessment
        return Assessment(assessment.label, assessment.reasons, standing)

    def standing(self, address: str, known: Collection[str] = ()) -> Standing:
        """Return the standing of an address that is not in doubt."""
        if address in self.listed:
            return Standing.LISTED
        return Standing.KNOWN if known and normalize_address(address) in known else Standing.NEW

    def build_daily_caps(self, recipients: Iterable[str]) -> DailyCaps:
        """Return the caps on what leaves for these recipients without a human."""
        exempt = frozenset(to for to in normalize_addresses(recipients) if to in self.listed)
        caps = self.free_per_address, self.free_per_organisation
        return DailyCaps(*caps, exempt, self.public_providers)

    def treatment(self, assessment: Assessment) -> Treatment:
        """Return how the text of a message is shown to a model."""
        return get_treatment(self.name, assessment.tier)

    def withholds_attachments(self, assessment: Assessment) -> bool:
        """Return whether a model may not see the attachments of a message."""
        return self.name != "off" and assessment.tier >= Tier.UNPROVEN

    def on_attachment(self, assessment: Assessment, message_id: str) -> GuardDecision:
        """Decide whether to show an attachment of a message."""
        refusal = Finding(Action.REFUSE, *_explain_distrust(assessment))
        findings = [refusal] if self.withholds_attachments(assessment) else []
        return decide("download_attachment", assessment, findings, self.name, message_id)

    def on_reply(
        self, facts: ReplyFacts, taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a reply.

        Args:
            facts: The message that it answers, and its recipients.
            taint: What the conversation was shown.
            allowed: Normalized addresses that app code declared or a human approved before.
        """
        is_own = facts.assessment.label is Label.OWN
        merged = taint if is_own else taint.merge(Taint.from_assessment(facts.assessment))
        findings: list[Finding] = []
        if self.name != "off":
            findings = [
                *self._reply_findings(facts),
                *facts.auto_reply.findings(),
                *self._bulk_findings(facts),
                *self._worse_taint(facts, taint),
                *self._new_recipients(_list_unvouched(facts), merged, allowed),
                *self.find_new_payments(facts.payments, taint, allowed),
                *self._file_findings(facts.files, facts.recipients, merged, allowed),
            ]
        return decide("reply_email", facts.assessment, findings, self.name, facts.message_id)

    def _reply_findings(self, facts: ReplyFacts) -> Iterator[Finding]:
        action = get_action(self.name, OperationKind.REPLY, facts.assessment.tier)
        yield Finding(action, *_explain_distrust(facts.assessment))
        sender = normalize_address(facts.sender)
        others = [to for to in facts.reply_to if normalize_address(to) != sender]
        strangers = [to for to in others if not facts.is_vouched(to)]
        if strangers and not self._is_form(facts.sender):
            names = tuple(map(normalize_address, strangers))
            yield Finding(Action.HOLD, "reply_to_differs", names=names)

    def _worse_taint(self, facts: ReplyFacts, taint: Taint) -> Iterator[Finding]:
        """Find whether the conversation was shown worse mail than the message it answers."""
        if taint.worst is not None and taint.worst.tier > facts.assessment.tier:
            yield self.get_taint_finding(OperationKind.CHANGE, taint.worst)

    def get_taint_finding(self, kind: OperationKind, worst: Assessment) -> Finding:
        """Return what the worst mail that a conversation was shown means for an operation."""
        code = "tainted_not_listed" if worst.is_certain else f"tainted_{worst.label}"
        return Finding(get_action(self.name, kind, worst.tier), code)

    def _bulk_findings(self, facts: ReplyFacts) -> Iterator[Finding]:
        """Find whether a reply to bulk mail reaches others than a proven author."""
        author = normalize_address(facts.sender)
        is_to_author = set(map(normalize_address, facts.recipients)) <= {author}
        is_to_list = any(map(facts.auto_reply.is_list_address, (facts.sender, *facts.recipients)))
        if facts.assessment.is_certain and is_to_author and not is_to_list:
            return
        signs = list(facts.auto_reply.list_bulk_signs())
        if is_to_list and not signs:
            signs = [Finding(Action.HOLD, "mailing_list")]
        yield from signs

    def _is_form(self, sender: str) -> bool:
        return sender in self.contact_forms

    def on_send(
        self,
        recipients: Sequence[str],
        taint: Taint,
        allowed: Collection[str] = (),
        payments: Collection[str] = (),
        files: Sequence[EnclosedFile] = (),
    ) -> GuardDecision:
        """Decide on a new message.

        Args:
            recipients: All of its recipients: to, cc and bcc.
            taint: What the conversation was shown.
            allowed: As for `on_reply`.
            payments: The payment details that it names.
            files: The stored files that it encloses.
        """
        findings: list[Finding] = []
        if self.name != "off":
            findings += self._file_findings(files, recipients, taint, allowed)
        if taint.worst is not None and self.name != "off":
            others = (to for to in recipients if not is_proven(normalize_address(to), taint.named))
            findings += [
                *self._new_recipients(others, taint, allowed),
                self.get_taint_finding(OperationKind.CHANGE, taint.worst),
                *self.find_new_payments(payments, taint, allowed),
            ]
        sources = (taint.worst or OWN, *(file.assessment for file in files))
        return decide("send_email", max(sources, key=severity_key), findings, self.name)

    def on_revise(
        self,
        email_id: str,
        recipients: Sequence[str],
        taint: Taint,
        allowed: Collection[str] = (),
        payments: Collection[str] = (),
        files: Sequence[EnclosedFile] = (),
    ) -> GuardDecision:
        """Decide on a change of an own message that awaits a human: as a send, and as a withdrawal.

        Args:
            email_id: The message.
            recipients: All recipients that it has then.
            taint: What the conversation was shown.
            allowed: As for `on_reply`.
            payments: The payment details that its new text names.
            files: Stored files that it encloses now.
        """
        sending = self.on_send(recipients, taint, allowed, payments, files)
        worst = taint.worst
        if self.name == "off" or worst is None or worst.tier < Tier.UNPROVEN:
            return replace(sending, operation="revise_message", message_id=email_id)
        withdrawal = self.get_taint_finding(OperationKind.WITHDRAW, worst)
        return decide("revise_message", worst, [withdrawal], self.name, email_id)

    def on_forward(
        self,
        original: EnclosedFile,
        recipients: Sequence[str],
        taint: Taint,
        allowed: Collection[str] = (),
        payments: Collection[str] = (),
    ) -> GuardDecision:
        """Decide on a forward: text of others, which goes to whom the operator or a user chose.

        Args:
            original: The message, and who has it.
            recipients: All recipients of the forward.
            taint: What the conversation was shown.
            allowed: As for `on_reply`.
            payments: The payment details that the note names.
        """
        findings: list[Finding] = []
        about = original.assessment
        if self.name != "off":
            merged = taint if about is OWN else taint.merge(Taint.from_assessment(about))
            others = [to for to in recipients if normalize_address(to) not in original.holders]
            findings = [
                *self._new_recipients(others, merged, allowed),
                *self.find_new_payments(payments, taint, allowed),
            ]
            if merged.worst is not None:
                findings.append(self.get_taint_finding(OperationKind.CHANGE, merged.worst))
            unlisted = [to for to in recipients if to not in self.listed]
            if about.tier is Tier.FAILED and unlisted:
                names = tuple(map(normalize_address, unlisted))
                findings.append(Finding(Action.REFUSE, "forward_of_failed", names=names))
        return decide("forward_email", about, findings, self.name, original.message_id)

    def _file_findings(
        self,
        files: Iterable[EnclosedFile],
        recipients: Iterable[str],
        taint: Taint,
        allowed: Collection[str],
    ) -> Iterator[Finding]:
        """Find files of mail that would reach somebody who does not have them."""
        reached = {normalize_address(to): to for to in recipients}
        for file in files:
            others = reached.keys() - file.holders
            names = tuple(sorted(others))
            if file.assessment.tier is Tier.FAILED:
                yield Finding(Action.REFUSE, "file_from_failed")
            elif file.assessment.label is not Label.OWN and others:
                yield Finding(Action.HOLD, "file_from_mail", names=names)
            elif taint.worst is not None and any(
                to not in allowed and reached[to] not in self.listed for to in others
            ):
                yield Finding(Action.HOLD, "file_of_others", names=names)

    def on_add_contact(
        self, address: str, taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a new contact, from which later conversations take the address."""
        findings: list[Finding] = []
        if taint.worst is not None and self.name != "off":
            is_unproven = not is_proven(normalize_address(address), taint.named)
            findings = [
                *self._new_recipients((address,) if is_unproven else (), taint, allowed),
                self.get_taint_finding(OperationKind.CHANGE, taint.worst),
            ]
        return decide("add_contact", taint.worst or OWN, findings, self.name)

    def on_cancel(self, taint: Taint) -> GuardDecision:
        """Decide on the withdrawal of an own message."""
        findings: list[Finding] = []
        if taint.worst is not None:
            findings = [self.get_taint_finding(OperationKind.WITHDRAW, taint.worst)]
        return decide("cancel_message", taint.worst or OWN, findings, self.name)

    def on_tag(self, email_id: str, tags: Mapping[str, str], taint: Taint) -> GuardDecision:
        """Decide on tags of a message, which a later conversation will be shown.

        Args:
            email_id: The message.
            tags: Names and values; a tag without a value has the value `true`.
            taint: What the conversation was shown.
        """
        findings: list[Finding] = []
        if taint.worst is not None and self.name != "off":
            findings = [self.get_taint_finding(OperationKind.INTERNAL, taint.worst)]
            if not all(map(is_plain_tag, tags.items())):
                findings.append(Finding(Action.REFUSE, "tag_from_mail"))
            if name_message(email_id) not in taint.named:
                findings.append(Finding(Action.REFUSE, "other_message"))
        return decide("tag_email", taint.worst or OWN, findings, self.name, email_id)

    def on_mark(self, email_ids: Collection[str], taint: Taint) -> GuardDecision:
        """Decide on marks of messages: read, unread, archived, back in the inbox, spam.

        Args:
            email_ids: The messages.
            taint: What the conversation was shown.
        """
        findings: list[Finding] = []
        if taint.worst is not None and self.name != "off":
            findings = [self.get_taint_finding(OperationKind.INTERNAL, taint.worst)]
            if not taint.named.keys() >= set(map(name_message, email_ids)):
                findings.append(Finding(Action.REFUSE, "other_message"))
        email_id = next(iter(email_ids)) if len(email_ids) == 1 else None
        return decide("mark_email", taint.worst or OWN, findings, self.name, email_id)

    def find_new_payments(
        self, payments: Collection[str], taint: Taint, allowed: Collection[str]
    ) -> Iterator[Finding]:
        """Find payment details that mail of others supplied."""
        known = set(map(fold_payment, (*self.listed_payments, *allowed)))
        supplied = {detail for detail in payments if name_payment(detail) in taint.named}
        if supplied - known:
            details = tuple(sorted(supplied - known))
            yield Finding(Action.HOLD, "payment_from_mail", names=details)

    def _new_recipients(
        self, addresses: Iterable[str], taint: Taint, allowed: Collection[str]
    ) -> Iterator[Finding]:
        """Find the addresses that only mail can have supplied."""
        if taint.worst is None:
            return
        tiers: dict[str, Tier] = {}
        for address in addresses:
            normalized = normalize_address(address)
            if normalized not in allowed and address not in self.listed:
                # An address that was not seen may have been spelled out in words.
                tiers[normalized] = taint.named.get(normalized, Tier.LISTED)
        if tiers:
            action = get_action(self.name, OperationKind.INTRODUCE, max(tiers.values()))
            count = f"{len(tiers)} address{'es' * (len(tiers) > 1)}"
            yield Finding(action, "recipient_from_mail", count, tuple(sorted(tiers)))

    def admit(self, event: Mapping[str, Any] | object) -> GuardDecision:
        """Decide whether a message may start an agent at all, for a webhook's handler.

        Args:
            event: A webhook's event or its `data`, as decoded JSON; or a message of the client.
                A payload is only as good as its signature: verify that first, and prefer the
                message that the API returns for its id.

        Returns:
            `allow` where the domain in From is authenticated; `hold` where it is not (and in
            `strict`, where only the route is); `refuse` for `failed`.
        """
        parsed = parse_event(event)
        assessment = self.assess(parsed.evidence, parsed.sender)
        findings: list[Finding] = []
        if self.name != "off":
            actions = _STRICT_ADMISSION if self.name == "strict" else _ADMISSION
            reason = _explain_distrust(assessment, is_about_listing=False)
            findings = [Finding(actions.get(assessment.label, Action.HOLD), *reason)]
        return decide("admit", assessment, findings, self.name, parsed.message_id)


def is_plain_tag(tag: tuple[str, str]) -> bool:
    """Return whether a tag is a word, or a name and a word, too short to carry a sentence."""
    name, value = tag
    word = name if value == "true" else f"{name}={value}"
    return len(word) <= _MAX_PLAIN_TAG and _PLAIN_TAG.fullmatch(word) is not None


_PLAIN_TAG = re.compile(r"[a-z0-9_-]+(?:=[a-z0-9_-]+)?")
_MAX_PLAIN_TAG = 24


def _list_texts(texts: Iterable[str]) -> Iterable[str]:
    """Return the texts; a single one is no iterable of letters."""
    return (texts,) if isinstance(texts, str) else texts


def _list_unvouched(facts: ReplyFacts) -> list[str]:
    return [to for to in facts.other_recipients if not facts.is_vouched(to)]


def _explain_distrust(assessment: Assessment, *, is_about_listing: bool = True) -> tuple[str, str]:
    """Return the code and the detail of the reason for distrusting a sender."""
    if assessment.is_certain and is_about_listing:
        return "sender_not_listed", ""
    return f"sender_{assessment.label}", "; ".join(assessment.reasons[:3])


_ADMISSION = {
    Label.OWN: Action.ALLOW,
    Label.AUTHENTICATED: Action.ALLOW,
    Label.AUTHENTICATED_PATH: Action.ALLOW,
    Label.FAILED: Action.REFUSE,
}
_STRICT_ADMISSION = _ADMISSION | {Label.AUTHENTICATED_PATH: Action.HOLD}
