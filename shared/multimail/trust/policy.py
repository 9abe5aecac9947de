"""Policy: the label that evidence earns, and the decision that a label leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from .evidence import Authentication, AuthResult

PolicyName: TypeAlias = Literal["strict", "standard", "off"]


class Label(StrEnum):
    """How sure it is that a message comes from the domain in its From."""

    AUTHENTICATED = "authenticated"
    """A DKIM signature passed and is aligned with From."""
    AUTHENTICATED_PATH = "authenticated_path"
    """Only the route is vouched for, by an aligned SPF pass."""
    UNAUTHENTICATED = "unauthenticated"
    """No proof, and no proof against."""
    UNKNOWN = "unknown"
    """Nobody checked, or DNS did not answer."""
    FAILED = "failed"
    """It claims a domain that disowns it, or its header block is a forgery."""
    OWN = "own"
    """Written in this mailbox."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A label and why.

    Attributes:
        label: What the evidence amounts to.
        reasons: Why, in plain words, most important first.
    """

    label: Label
    reasons: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {"label": self.label.value, "reasons": list(self.reasons)}


OWN = Assessment(Label.OWN)


def assess(evidence: Authentication | None) -> Assessment:
    """Return the label that evidence earns. The first rule that applies decides.

    Args:
        evidence: What is known; None when the API reported nothing.

    Source: RFC 7489 section 3.1 (alignment), RFC 8601 section 2.7 (results).
    """
    if evidence is None:
        return Assessment(Label.UNKNOWN, ("no authentication results were reported",))
    return next(_rules(evidence))


def _rules(evidence: Authentication) -> Iterator[Assessment]:
    if evidence.structure:
        yield Assessment(Label.FAILED, evidence.structure)
    for signature in evidence.dkim:
        if signature.result is AuthResult.PASS and signature.aligned:
            yield Assessment(Label.AUTHENTICATED, (f"signed by {signature.domain}",))
    if evidence.spf and evidence.spf.result is AuthResult.PASS and evidence.spf.aligned:
        yield Assessment(Label.AUTHENTICATED_PATH, (f"SPF pass for {evidence.spf.domain}",))
    dmarc = evidence.dmarc
    if dmarc and dmarc.result is AuthResult.PASS:
        yield Assessment(Label.AUTHENTICATED, ("DMARC pass",))
    if _dns_silent(evidence):
        yield Assessment(Label.UNKNOWN, ("DNS did not answer",))
    if dmarc and dmarc.result is AuthResult.FAIL and dmarc.policy in ("quarantine", "reject", ""):
        policy = f": the policy of {dmarc.domain} is {dmarc.policy}" if dmarc.policy else ""
        yield Assessment(Label.FAILED, (f"DMARC fail{policy}", *_signature_faults(evidence)))
    if _nothing_known(evidence):
        yield Assessment(Label.UNKNOWN, ("the authentication results prove neither way",))
    faults = _signature_faults(evidence) or ("no signature",)
    yield Assessment(Label.UNAUTHENTICATED, faults)


def _dns_silent(evidence: Authentication) -> bool:
    # What could not have vouched for From may be silent: anybody can sign with such a domain.
    signatures = [one for one in evidence.dkim if one.aligned is not False]
    spf = evidence.spf if evidence.spf and evidence.spf.aligned is not False else None
    methods = (*signatures, spf, evidence.dmarc)
    return any(method and method.result is AuthResult.TEMPERROR for method in methods)


def _nothing_known(evidence: Authentication) -> bool:
    unaligned = [s for s in evidence.dkim if s.result is AuthResult.PASS and s.aligned is None]
    if unaligned:
        return True
    methods = [*evidence.dkim, evidence.spf, evidence.dmarc]
    return all(method is None or method.result is AuthResult.UNKNOWN for method in methods)


def _signature_faults(evidence: Authentication) -> tuple[str, ...]:
    faults = []
    for signature in evidence.dkim:
        who = signature.domain or "an unnamed domain"
        if signature.result is AuthResult.PASS:
            faults.append(f"signed by {who}, which is not the domain in From")
        else:
            why = f" ({signature.reason})" if signature.reason else ""
            faults.append(f"signature of {who}: {signature.result}{why}")
    return tuple(faults)


class Action(StrEnum):
    """What the guard says to an operation."""

    ALLOW = "allow"
    HOLD = "hold"
    """A human decides, even where the mailbox would not ask one."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class GuardDecision:
    """The guard's answer, the same in every framework.

    Attributes:
        action: What may happen.
        label: The label of the message that it is about.
        reasons: Why, in plain words.
        policy: The policy that decided.
        message_id: The message that it is about.
    """

    action: Action
    label: Label
    reasons: tuple[str, ...]
    policy: PolicyName
    message_id: str | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "action": self.action.value,
            "label": self.label.value,
            "reasons": list(self.reasons),
            "policy": self.policy,
            "message_id": self.message_id,
        }


_CERTAIN = frozenset({Label.AUTHENTICATED, Label.AUTHENTICATED_PATH})


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What messages may cause.

    Attributes:
        name: `standard`, `strict`, or `off`, which only application code can choose.
    """

    name: PolicyName = "standard"

    def withholds_body(self, label: Label) -> bool:
        """Whether the model is shown only a message's metadata."""
        if self.name == "off":
            return False
        if self.name == "strict":
            return label in (Label.FAILED, Label.UNAUTHENTICATED, Label.UNKNOWN)
        return label is Label.FAILED

    def on_reply(self, assessment: Assessment, message_id: str) -> GuardDecision:
        """Decide on a reply to the sender of a message.

        Args:
            assessment: The label of the message that is answered.
            message_id: Its id.
        """
        action = self._reply_action(assessment.label)
        reasons = () if action is Action.ALLOW else assessment.reasons
        return GuardDecision(action, assessment.label, reasons, self.name, message_id)

    def _reply_action(self, label: Label) -> Action:
        if self.name == "off" or label is Label.OWN:
            return Action.ALLOW
        if label is Label.FAILED:
            return Action.REFUSE
        if label in _CERTAIN and self.name == "standard":
            return Action.ALLOW
        return Action.HOLD
