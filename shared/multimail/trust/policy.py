"""The trust policy: what messages may show and cause. Pure functions from facts to one decision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from ..errors import ConfigurationError
from .addresses import AddressList, normalize_address, normalize_domain
from .automation import SIGNS, Sign, list_signs
from .evidence import Authentication, parse_event
from .labels import OWN, Assessment, Label, Standing, Tier, assess
from .taint import Taint

PolicyName: TypeAlias = Literal["strict", "standard", "off"]


class Action(StrEnum):
    """What the guard says to an operation."""

    ALLOW = "allow"
    """The mailbox's own oversight mode decides."""
    HOLD = "hold"
    """A human decides, even where the mailbox would not ask for one."""
    REFUSE = "refuse"
    """It is not done, and no human is asked."""


class Treatment(StrEnum):
    """How much of a message's text a model is shown. It is always delimited by marks."""

    MARKED = "marked"
    """All of it."""
    DEFANGED = "defanged"
    """Links can be read and cannot be followed."""
    LINKS_REMOVED = "links_removed"
    """The text without its links, and no attachments."""
    WITHHELD = "withheld"
    """Only From, the recipients, the date and the subject."""


class OperationKind(StrEnum):
    """What an operation can cause: the rows of the decision table."""

    REPLY = "reply"
    """A reply to the address in From, and to no other."""
    INTRODUCE = "introduce"
    """A send to, or a contact for, an address that only mail supplied."""
    CHANGE = "change"
    """Any other change that reaches people: a send to an address that is allowed."""
    INTERNAL = "internal"
    """What reaches no other person: a tag, the withdrawal of an own message."""


_ALLOW, _HOLD, _REFUSE = Action.ALLOW, Action.HOLD, Action.REFUSE
_MARKED, _DEFANGED = Treatment.MARKED, Treatment.DEFANGED
_LINKS_REMOVED, _WITHHELD = Treatment.LINKS_REMOVED, Treatment.WITHHELD
# The columns are the tiers: LISTED, PROVEN, UNPROVEN, FAILED.
_TREATMENTS: dict[PolicyName, tuple[Treatment, Treatment, Treatment, Treatment]] = {
    "standard": (_MARKED, _DEFANGED, _LINKS_REMOVED, _WITHHELD),
    "strict": (_MARKED, _LINKS_REMOVED, _WITHHELD, _WITHHELD),
    "off": (_MARKED, _MARKED, _MARKED, _MARKED),
}
_ACTIONS: dict[PolicyName, dict[OperationKind, tuple[Action, Action, Action, Action]]] = {
    "standard": {
        OperationKind.REPLY: (_ALLOW, _ALLOW, _HOLD, _REFUSE),
        OperationKind.INTRODUCE: (_HOLD, _HOLD, _HOLD, _REFUSE),
        OperationKind.CHANGE: (_ALLOW, _ALLOW, _HOLD, _HOLD),
        OperationKind.INTERNAL: (_ALLOW, _ALLOW, _ALLOW, _ALLOW),
    },
    "strict": {
        OperationKind.REPLY: (_ALLOW, _HOLD, _HOLD, _REFUSE),
        OperationKind.INTRODUCE: (_HOLD, _HOLD, _HOLD, _REFUSE),
        OperationKind.CHANGE: (_ALLOW, _HOLD, _HOLD, _HOLD),
        OperationKind.INTERNAL: (_ALLOW, _HOLD, _HOLD, _HOLD),
    },
    "off": dict.fromkeys(OperationKind, (_ALLOW, _ALLOW, _ALLOW, _ALLOW)),
}


def get_treatment(policy: PolicyName, tier: Tier) -> Treatment:
    """Return how a message of that tier is shown."""
    return _TREATMENTS[policy][tier]


def get_action(policy: PolicyName, kind: OperationKind, tier: Tier) -> Action:
    """Return the cell of the decision table; `allow` leaves it to the mailbox's mode."""
    return _ACTIONS[policy][kind][tier]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for or against an operation.

    Attributes:
        action: The action that this reason alone requires.
        code: A machine-readable word.
        reason: The same in plain words.
    """

    action: Action
    code: str
    reason: str

    @property
    def severity(self) -> int:
        """How strict the action is: 0 (allow), 1 (hold) or 2 (refuse)."""
        return _SEVERITIES.index(self.action)


_SEVERITIES = (Action.ALLOW, Action.HOLD, Action.REFUSE)


@dataclass(frozen=True, slots=True)
class GuardDecision:
    """The guard's decision on an operation, the same in every framework.

    Attributes:
        action: What may happen.
        operation: `reply_email`, `send_email`, … or `admit`.
        label: Of the message that it is about; for a send, of the least believable message that
            the conversation was shown, or `own` where it was shown none.
        standing: Of that message's sender.
        reasons: Why, in plain words, most severe first; empty where it is allowed.
        codes: The same as machine-readable words, in the same order.
        policy: The policy that decided.
        message_id: The message that it is about; None where it is about none.
    """

    action: Action
    operation: str
    label: Label
    standing: Standing
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    policy: PolicyName
    message_id: str | None = None

    @property
    def code(self) -> str:
        """The code of the most severe reason, or `allowed`."""
        return self.codes[0] if self.codes else "allowed"

    def as_refusal(self, code: str, reason: str) -> GuardDecision:
        """Return the same decision as a refusal, with one more reason in the second place."""
        return replace(
            self,
            action=Action.REFUSE,
            reasons=(*self.reasons[:1], reason, *self.reasons[1:]),
            codes=(*self.codes[:1], code, *self.codes[1:]),
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-serializable data."""
        return {
            "action": self.action.value,
            "operation": self.operation,
            "code": self.code,
            "codes": list(self.codes),
            "label": self.label.value,
            "standing": self.standing.value,
            "reasons": list(self.reasons),
            "policy": self.policy,
            "message_id": self.message_id,
        }


def decide(
    operation: str,
    about: Assessment,
    findings: Iterable[Finding],
    policy: PolicyName,
    message_id: str | None = None,
) -> GuardDecision:
    """Return the decision that findings amount to: the most severe one decides, all are listed.

    Args:
        operation: The operation's name.
        about: The assessment that the decision shows.
        findings: The reasons against it; without any it is allowed.
        policy: The policy that decides.
        message_id: The message that it is about.
    """
    against = sorted(
        (finding for finding in findings if finding.action is not Action.ALLOW),
        key=lambda finding: -finding.severity,
    )
    return GuardDecision(
        action=against[0].action if against else Action.ALLOW,
        operation=operation,
        label=about.label,
        standing=about.standing,
        reasons=tuple(dict.fromkeys(finding.reason for finding in against)),
        codes=tuple(dict.fromkeys(finding.code for finding in against)),
        policy=policy,
        message_id=message_id,
    )


@dataclass(frozen=True, slots=True)
class AutoReplyHeaders:
    """The header fields that say whether a message may be answered automatically (RFC 3834).

    Attributes:
        auto_submitted: Auto-Submitted, RFC 3834 section 5.
        list_id: List-Id, RFC 2919.
        precedence: Precedence, which has no standard.
        automatic: The sign of a program that the server found; see `automation.SIGNS`. Without
            it, as from a server that doesn't look for one, the other fields decide.
        is_from_own_mailbox: Whether From of this inbound message is this very mailbox.
    """

    auto_submitted: str = ""
    list_id: str = ""
    precedence: str = ""
    automatic: str = ""
    is_from_own_mailbox: bool = False

    def findings(self) -> Iterator[Finding]:
        """Yield the reasons against an automatic reply, RFC 3834 section 2: no mail loops."""
        if self.is_from_own_mailbox:
            yield Finding(Action.REFUSE, "own_mail", "it claims to be from this very mailbox")
        sign = self._get_sign()
        if sign is not None:
            action = Action.REFUSE if sign.refuses else Action.HOLD
            yield Finding(action, sign.code, sign.reason)
        if self.list_id.strip():
            yield Finding(Action.HOLD, "mailing_list", "it came through a mailing list (List-Id)")
        if self.precedence.strip().lower() in _BULK:
            yield Finding(Action.HOLD, "bulk_mail", "it is bulk mail (Precedence)")

    def _get_sign(self) -> Sign | None:
        if self.automatic:
            newer = Sign(self.automatic, "a program sent it")
            return SIGNS.get(self.automatic, newer)
        fields = {"auto-submitted": [self.auto_submitted], "precedence": [self.precedence]}
        return next(list_signs(fields), None)


_BULK = frozenset({"bulk", "list"})


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What the decision on a reply depends on.

    Attributes:
        message_id: The message that is answered.
        assessment: Of that message.
        sender: Its From.
        reply_to: Its Reply-To.
        recipients: Every recipient of the reply.
        auto_reply: What its header says of automatic replies.
    """

    message_id: str
    assessment: Assessment
    sender: str
    reply_to: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    auto_reply: AutoReplyHeaders = field(default_factory=AutoReplyHeaders)

    @property
    def other_recipients(self) -> list[str]:
        """The recipients beside From and Reply-To of the message that is answered."""
        answered = {normalize_address(self.sender), *map(normalize_address, self.reply_to)}
        return [one for one in self.recipients if normalize_address(one) not in answered]


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

    Raises:
        ConfigurationError: An invalid name, entry or number.
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
            raise ConfigurationError(f"policy {name!r} must be strict, standard or off.")
        if min(sends_per_session, sends_per_thread) < 1:
            raise ConfigurationError("sends_per_session and sends_per_thread must be at least 1.")
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
                *self._worse_taint(facts, taint),
                *self._new_recipients(facts.other_recipients, merged, allowed),
            ]
        return decide("reply_email", facts.assessment, findings, self.name, facts.message_id)

    def _reply_findings(self, facts: ReplyFacts) -> Iterator[Finding]:
        action = get_action(self.name, OperationKind.REPLY, facts.assessment.tier)
        yield Finding(action, *_explain_distrust(facts.assessment))
        if {normalize_address(one) for one in facts.reply_to} - {normalize_address(facts.sender)}:
            yield Finding(Action.HOLD, "reply_to_differs", "Reply-To is not the address in From")

    def _worse_taint(self, facts: ReplyFacts, taint: Taint) -> Iterator[Finding]:
        """Find whether the conversation was shown worse mail than the message it answers."""
        if taint.worst is not None and taint.worst.tier > facts.assessment.tier:
            yield self._taint_finding(OperationKind.CHANGE, taint.worst)

    def _taint_finding(self, kind: OperationKind, worst: Assessment) -> Finding:
        code, mail = f"tainted_{worst.label}", f"mail that is {worst.label}"
        if worst.is_certain:
            code, mail = "tainted_not_listed", "mail of a sender whom the operator does not list"
        action = get_action(self.name, kind, worst.tier)
        return Finding(action, code, f"the conversation was shown {mail}")

    def on_send(
        self, recipients: Iterable[str], taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a new message.

        Args:
            recipients: All of its recipients: to, cc and bcc.
            taint: What the conversation was shown.
            allowed: As for `on_reply`.
        """
        return self._on_change("send_email", OperationKind.CHANGE, taint, recipients, allowed)

    def on_add_contact(
        self, address: str, taint: Taint, allowed: Collection[str] = ()
    ) -> GuardDecision:
        """Decide on a new contact, from which later conversations take the address."""
        return self._on_change("add_contact", OperationKind.CHANGE, taint, (address,), allowed)

    def on_internal_change(self, operation: str, taint: Taint) -> GuardDecision:
        """Decide on a change that reaches no other person: `tag_email`, `cancel_message`."""
        return self._on_change(operation, OperationKind.INTERNAL, taint, (), ())

    def _on_change(
        self,
        operation: str,
        kind: OperationKind,
        taint: Taint,
        addresses: Iterable[str],
        allowed: Collection[str],
    ) -> GuardDecision:
        findings: list[Finding] = []
        if taint.worst is not None and self.name != "off":
            findings = [
                *self._new_recipients(addresses, taint, allowed),
                self._taint_finding(kind, taint.worst),
            ]
        return decide(operation, taint.worst or OWN, findings, self.name)

    def _new_recipients(
        self, addresses: Iterable[str], taint: Taint, allowed: Collection[str]
    ) -> Iterator[Finding]:
        """Find the addresses that only mail can have supplied."""
        if taint.worst is None:
            return
        by_tier: dict[Tier, set[str]] = {}
        for address in addresses:
            normalized = normalize_address(address)
            if normalized not in allowed and address not in self.listed:
                # An address that was not seen may have been spelled out in words.
                tier = taint.addresses.get(normalized, Tier.LISTED)
                by_tier.setdefault(tier, set()).add(normalized)
        for tier, unexplained in by_tier.items():
            count = len(unexplained)
            source = "mail that failed" if tier is Tier.FAILED else "mail"
            yield Finding(
                get_action(self.name, OperationKind.INTRODUCE, tier),
                "recipient_from_mail",
                f"{count} address{'es' * (count > 1)} may come only from {source}",
            )

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


def _explain_distrust(assessment: Assessment, *, is_about_listing: bool = True) -> tuple[str, str]:
    """Return the reason code and message for distrusting a sender."""
    if assessment.is_certain and is_about_listing:
        return "sender_not_listed", "the operator does not list the sender"
    reasons = "; ".join(assessment.reasons[:3])
    message = f"the sender is {assessment.label}" + (f": {reasons}" if reasons else "")
    return f"sender_{assessment.label}", message


_ADMISSION = {
    Label.OWN: Action.ALLOW,
    Label.AUTHENTICATED: Action.ALLOW,
    Label.AUTHENTICATED_PATH: Action.ALLOW,
    Label.FAILED: Action.REFUSE,
}
_STRICT_ADMISSION = _ADMISSION | {Label.AUTHENTICATED_PATH: Action.HOLD}
