"""The decision table: what a message of each tier may show and cause, and the guard's decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from .labels import Assessment, Label, Standing, Tier
from .reasons import describe_for_approver, describe_for_model

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
    """A short tag on a message that the conversation opened; it reaches no other person."""
    WITHDRAW = "withdraw"
    """The withdrawal of an own message that has not left."""


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
        OperationKind.WITHDRAW: (_ALLOW, _ALLOW, _REFUSE, _REFUSE),
    },
    "strict": {
        OperationKind.REPLY: (_ALLOW, _HOLD, _HOLD, _REFUSE),
        OperationKind.INTRODUCE: (_HOLD, _HOLD, _HOLD, _REFUSE),
        OperationKind.CHANGE: (_ALLOW, _HOLD, _HOLD, _HOLD),
        OperationKind.INTERNAL: (_ALLOW, _ALLOW, _ALLOW, _ALLOW),
        OperationKind.WITHDRAW: (_ALLOW, _HOLD, _REFUSE, _REFUSE),
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
        code: A machine-readable word, as in `reasons.REASONS`.
        detail: What the sentences of the code leave open. Words of mail don't belong here.
        names: What it is about: addresses or payment details. Senders choose them, so a model is
            shown them between marks only.
    """

    action: Action
    code: str
    detail: str = ""
    names: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The sentence for the model."""
        return describe_for_model(self.code, self.detail)

    @property
    def approver_reason(self) -> str:
        """The sentence for the person who decides."""
        return describe_for_approver(self.code, ", ".join(self.names) or self.detail)

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
        approver_reasons: The reasons in words for the person who decides, in the same order.
        names: The addresses and payment details that the reasons are about. Senders choose them.
    """

    action: Action
    operation: str
    label: Label
    standing: Standing
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    policy: PolicyName
    message_id: str | None = None
    approver_reasons: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The code of the most severe reason, or `allowed`."""
        return self.codes[0] if self.codes else "allowed"

    def add(self, finding: Finding, place: int = 0) -> GuardDecision:
        """Return the same decision with one more reason, and its action where that is stricter.

        Args:
            finding: The reason.
            place: Where it stands among the reasons; the first one names the decision.
        """
        stricter = max(self.action, finding.action, key=_SEVERITIES.index)
        return replace(
            self,
            action=stricter,
            reasons=_insert(self.reasons, place, finding.reason),
            codes=_insert(self.codes, place, finding.code),
            approver_reasons=_insert(self.approver_reasons, place, finding.approver_reason),
            names=tuple(dict.fromkeys((*self.names, *finding.names))),
        )

    def as_refusal(self, code: str) -> GuardDecision:
        """Return the same decision as a refusal, with the code's reason in the second place."""
        return self.add(Finding(Action.REFUSE, code), 1)

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
            "approver_reasons": list(self.approver_reasons),
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
    by_code: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: -finding.severity):
        if finding.action is not Action.ALLOW:
            by_code.setdefault(finding.code, finding)
    against = by_code.values()
    return GuardDecision(
        action=next((finding.action for finding in against), Action.ALLOW),
        operation=operation,
        label=about.label,
        standing=about.standing,
        reasons=tuple(finding.reason for finding in against),
        codes=tuple(by_code),
        policy=policy,
        message_id=message_id,
        approver_reasons=tuple(finding.approver_reason for finding in against),
        names=tuple(dict.fromkeys(name for finding in against for name in finding.names)),
    )


def _insert(texts: tuple[str, ...], place: int, text: str) -> tuple[str, ...]:
    return (*texts[:place], text, *texts[place:])
