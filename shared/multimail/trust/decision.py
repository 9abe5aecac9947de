"""Decisions: what the guard says to an operation, one typed value in every framework."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from .labels import Assessment, Label, Standing

PolicyName: TypeAlias = Literal["strict", "standard", "off"]


class Action(StrEnum):
    """What the guard says to an operation."""

    ALLOW = "allow"
    """The mailbox's own mode decides."""
    HOLD = "hold"
    """A human decides, even where the mailbox would not ask one."""
    REFUSE = "refuse"
    """It is not done, and no human is asked."""


_SEVERITY = (Action.ALLOW, Action.HOLD, Action.REFUSE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against an operation.

    Attributes:
        action: What it asks for by itself.
        code: A machine-readable word.
        reason: The same in plain words.
    """

    action: Action
    code: str
    reason: str

    @property
    def severity(self) -> int:
        """How much it asks for: 0 to 2."""
        return _SEVERITY.index(self.action)


@dataclass(frozen=True, slots=True)
class GuardDecision:
    """The guard's answer, the same in every framework.

    Attributes:
        action: What may happen.
        operation: What was asked: `reply_email`, `send_email`, … or `admit`.
        label: Of the message that it is about; for a send, of the least believable message that
            the conversation was shown, or `own` where it was shown none.
        standing: Of that message's sender.
        reasons: Why, in plain words, most severe first; empty where it is allowed.
        codes: The same as machine-readable words, in the same order.
        policy: The policy that decided.
        message_id: The message that it is about, if it is about one.
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
        """The word for the most severe reason, or `allowed`."""
        return self.codes[0] if self.codes else "allowed"

    def refused(self, code: str, reason: str) -> GuardDecision:
        """Return the same as a refusal, for one more reason, which comes second."""
        return replace(
            self,
            action=Action.REFUSE,
            reasons=(*self.reasons[:1], reason, *self.reasons[1:]),
            codes=(*self.codes[:1], code, *self.codes[1:]),
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
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


def concluded(
    operation: str,
    about: Assessment,
    findings: Iterable[Finding],
    policy: PolicyName,
    message_id: str | None = None,
) -> GuardDecision:
    """Return the decision that findings amount to: the most severe decides, all are told.

    Args:
        operation: What was asked.
        about: The assessment that the decision shows.
        findings: What speaks against it; none is an allowance.
        policy: The policy that decides.
        message_id: The message that it is about.
    """
    against = sorted(
        (one for one in findings if one.action is not Action.ALLOW),
        key=lambda one: -one.severity,
    )
    return GuardDecision(
        action=against[0].action if against else Action.ALLOW,
        operation=operation,
        label=about.label,
        standing=about.standing,
        reasons=tuple(dict.fromkeys(one.reason for one in against)),
        codes=tuple(dict.fromkeys(one.code for one in against)),
        policy=policy,
        message_id=message_id,
    )
