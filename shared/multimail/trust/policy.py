"""Policy: what messages may cause. Pure functions from what is known to one decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError
from .addresses import AddressList, normalised, normalize_domain
from .decision import Action, Finding, GuardDecision, PolicyName, concluded
from .evidence import Authentication
from .labels import OWN, Assessment, Label, Standing, Tier, assess
from .loops import Automation, automation_findings
from .reported import reported_message
from .table import Row, Treatment, action, treatment
from .taint import Taint


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What a reply depends on.

    Attributes:
        message_id: The message that is answered.
        assessment: What is thought of it.
        sender: Its From.
        reply_to: Its Reply-To.
        recipients: Everyone whom the reply would reach.
        automation: What it says of having been written by a machine.
    """

    message_id: str
    assessment: Assessment
    sender: str
    reply_to: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    automation: Automation = field(default_factory=Automation)


class TrustPolicy:
    """What messages may cause.

    Args:
        name: `standard`, `strict`, or `off`, which only application code can choose.
        listed: Whom the operator vouches for, as senders and as recipients:
            `ann@example.com`, `example.com`, `*.example.com`.
        accept_unaligned_dkim: Take an API's bare `dkim_valid: true` for proof of the domain in
            From. A forger who signs with a domain of his own passes then.
        arc_sealers: Domains whose ARC seal saves a forwarded message from `failed`.
        sends_per_session: The most messages that one conversation may send.
        sends_per_thread: The most messages that may be sent in one thread within 24 hours.

    Raises:
        ConfigurationError: A name, an entry or a number that cannot be meant.
    """

    __slots__ = (
        "accept_unaligned_dkim",
        "arc_sealers",
        "listed",
        "name",
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
    ) -> None:
        if name not in ("strict", "standard", "off"):
            raise ConfigurationError(f"policy {name!r} is none of strict, standard, off.")
        if min(sends_per_session, sends_per_thread) < 1:
            raise ConfigurationError("sends_per_session and sends_per_thread are at least 1.")
        self.name: PolicyName = name
        self.listed = AddressList(listed)
        self.accept_unaligned_dkim = accept_unaligned_dkim
        self.arc_sealers = frozenset(map(normalize_domain, arc_sealers))
        self.sends_per_session = sends_per_session
        self.sends_per_thread = sends_per_thread

    def __repr__(self) -> str:
        return f"TrustPolicy({self.name!r}, listed={list(self.listed.entries)!r})"

    def assess(
        self, evidence: Authentication | None, sender: str, known: Collection[str] = ()
    ) -> Assessment:
        """Return what is thought of a message.

        Args:
            evidence: What is known of its way here; None when nothing was reported.
            sender: Its From.
            known: Normalised addresses to which a human has approved a send before.
        """
        found = assess(
            evidence,
            accept_unaligned_dkim=self.accept_unaligned_dkim,
            arc_sealers=self.arc_sealers,
        )
        # Of an address that nobody vouches for, only its claimant is known: a stranger.
        standing = self.standing(sender, known) if found.is_certain else Standing.NEW
        if standing is found.standing:
            return found
        return Assessment(found.label, found.reasons, standing)

    def standing(self, address: str, known: Collection[str] = ()) -> Standing:
        """Return the standing of an address that is not in doubt."""
        if address in self.listed:
            return Standing.LISTED
        return Standing.KNOWN if known and normalised(address) in known else Standing.NEW

    def treatment(self, assessment: Assessment) -> Treatment:
        """Return how the text of a message is shown to a model."""
        return treatment(self.name, assessment.tier)

    def withholds_attachments(self, assessment: Assessment) -> bool:
        """Whether a model may not see what is attached to a message."""
        return self.name != "off" and assessment.tier >= Tier.UNPROVEN

    def on_attachment(self, assessment: Assessment, message_id: str) -> GuardDecision:
        """Decide on showing what is attached to a message."""
        refused = Finding(Action.REFUSE, *_objection(assessment))
        findings = [refused] if self.withholds_attachments(assessment) else []
        return concluded("download_attachment", assessment, findings, self.name, message_id)

    def on_reply(
        self, facts: ReplyFacts, taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a reply.

        Args:
            facts: What it answers, and whom it reaches.
            taint: What the conversation was shown.
            allowed: Normalised addresses that app code declared or a human approved before.
        """
        own = facts.assessment.label is Label.OWN
        grown = taint if own else taint.grown(Taint.by(facts.assessment))
        findings: list[Finding] = []
        if self.name != "off":
            findings = [
                *self._answered(facts),
                *automation_findings(facts.automation),
                *self._tainted_otherwise(facts, taint),
                *self._introduced(_others(facts), grown, allowed),
            ]
        return concluded("reply_email", facts.assessment, findings, self.name, facts.message_id)

    def _answered(self, facts: ReplyFacts) -> Iterator[Finding]:
        found = action(self.name, Row.REPLY, facts.assessment.tier)
        yield Finding(found, *_objection(facts.assessment))
        elsewhere = {normalised(one) for one in facts.reply_to} - {normalised(facts.sender)}
        if elsewhere:
            yield Finding(Action.HOLD, "reply_to_differs", "Reply-To is not the address in From")

    def _tainted_otherwise(self, facts: ReplyFacts, taint: Taint) -> Iterator[Finding]:
        """Find what worse mail than the one that is answered may have asked for."""
        if taint.worst is not None and taint.worst.tier > facts.assessment.tier:
            yield self._tainted(Row.CHANGE, taint.worst)

    def _tainted(self, row: Row, worst: Assessment) -> Finding:
        code, said = f"tainted_{worst.label}", f"mail that is {worst.label}"
        if worst.is_certain:
            code, said = "tainted_not_listed", "mail of a sender whom the operator does not list"
        found = action(self.name, row, worst.tier)
        return Finding(found, code, f"the conversation was shown {said}")

    def on_send(
        self, recipients: Iterable[str], taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a new message.

        Args:
            recipients: Everyone whom it would reach: to, cc and bcc.
            taint: What the conversation was shown.
            allowed: As for `on_reply`.
        """
        return self._changed("send_email", Row.CHANGE, taint, recipients, allowed)

    def on_add_contact(
        self, address: str, taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on an entry in the address book, from where later conversations take it."""
        return self._changed("add_contact", Row.CHANGE, taint, (address,), allowed)

    def on_note(self, operation: str, taint: Taint) -> GuardDecision:
        """Decide on what reaches nobody: `tag_email`, `cancel_message`."""
        return self._changed(operation, Row.NOTE, taint, (), ())

    def _changed(
        self,
        operation: str,
        row: Row,
        taint: Taint,
        addresses: Iterable[str],
        allowed: Collection[str],
    ) -> GuardDecision:
        findings: list[Finding] = []
        if taint.worst is not None and self.name != "off":
            findings = [
                *self._introduced(addresses, taint, allowed),
                self._tainted(row, taint.worst),
            ]
        return concluded(operation, taint.worst or OWN, findings, self.name)

    def _introduced(
        self, addresses: Iterable[str], taint: Taint, allowed: Collection[str]
    ) -> Iterator[Finding]:
        """Find the addresses that only mail can have supplied."""
        if taint.worst is None:
            return
        doubtful: dict[Tier, set[str]] = {}
        for address in addresses:
            one = normalised(address)
            if one not in allowed and address not in self.listed:
                # An address that was not seen may have been spelled out in words.
                doubtful.setdefault(taint.addresses.get(one, Tier.LISTED), set()).add(one)
        for tier, some in doubtful.items():
            what = "1 address" if len(some) == 1 else f"{len(some)} addresses"
            where = "mail that failed" if tier is Tier.FAILED else "mail"
            yield Finding(
                action(self.name, Row.INTRODUCE, tier),
                "recipient_from_mail",
                f"{what} may come from nowhere but {where}",
            )

    def admit(self, event: Mapping[str, Any] | object) -> GuardDecision:
        """Decide whether a message may set off an agent at all, for a webhook's handler.

        Args:
            event: A webhook's event or its `data`, as decoded JSON; or a message of the client.
                A payload is only as good as its signature: verify that first, and prefer the
                message that the API gives for its id.

        Returns:
            `allow` for what the domain in From vouches for; `hold` for what nobody vouches for
            (and in `strict`, for a sender vouched for by route only); `refuse` for what failed.
        """
        reported = reported_message(event)
        found = self.assess(reported.evidence, reported.sender)
        findings: list[Finding] = []
        if self.name != "off":
            row = _ADMITTED_STRICTLY if self.name == "strict" else _ADMITTED
            said = _objection(found, is_about_listing=False)
            findings = [Finding(row.get(found.label, Action.HOLD), *said)]
        return concluded("admit", found, findings, self.name, reported.message_id)


def _objection(assessment: Assessment, *, is_about_listing: bool = True) -> tuple[str, str]:
    """Return a code and words for what is against a sender."""
    if assessment.is_certain and is_about_listing:
        return "sender_not_listed", "the operator does not list the sender"
    why = "; ".join(assessment.reasons[:3])
    said = f"the sender is {assessment.label}" + (f": {why}" if why else "")
    return f"sender_{assessment.label}", said


def _others(facts: ReplyFacts) -> list[str]:
    """Return whom a reply reaches beside the one it answers."""
    answered = {normalised(facts.sender), *map(normalised, facts.reply_to)}
    return [one for one in facts.recipients if normalised(one) not in answered]


_ADMITTED = {
    Label.OWN: Action.ALLOW,
    Label.AUTHENTICATED: Action.ALLOW,
    Label.AUTHENTICATED_PATH: Action.ALLOW,
    Label.FAILED: Action.REFUSE,
}
_ADMITTED_STRICTLY = _ADMITTED | {Label.AUTHENTICATED_PATH: Action.HOLD}
