"""What the guard's scenarios share: a watched toolkit, whole decisions, and the model's texts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.driver import Call, Driver, Run, Step
from tests.tools.support import Inbox, Json

from multimail.tools import Toolkit
from multimail.trust import Action, Assessment, GuardDecision, Label, PolicyName, Standing
from multimail.trust.decisions import Finding, decide

BODY = "Please pay the attached invoice today."
ACCEPTED = "Accepted for sending: <msg>{whom}. Do not send it again."
HELD = (
    "Held for approval: <msg>{whom}. A human decides. Why ({code}): {why}. Expires <time>."
    " Do not send it again; cancel_message withdraws it."
)
ANSWERED = "\n<mail <nonce>>\nTo: {to}\n</mail <nonce>>"
REFUSED = (
    "Error (refused_by_guard): {what} was not sent ({code}): {why}."
    " Do not try it in another way; tell the user instead."
)
REPLY = "The reply to <msg>"

_ID = re.compile(r"(?<![A-Za-z])(msg|thr)_[0-9A-Z]{26}")
_CODE = re.compile(r" \(code: \w+\)\Z")
_NONCE = re.compile(r"\b[0-9a-f]{32}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ")


@dataclass(frozen=True)
class Guarded:
    """An agent whose guard's decisions are watched.

    Attributes:
        driver: The framework, and the way to run it.
        toolkit: The framework's toolkit.
        decisions: Each decision, oldest first, as passed to `on_decision`.
    """

    driver: Driver
    toolkit: Any
    decisions: list[GuardDecision] = field(default_factory=list)

    def run(self, *steps: Step, session: str | None = None) -> list[str]:
        """Let the agent take the steps, and return the result of each that its model got."""
        return get_plain_results(self.driver.run(self.toolkit, *steps, session=session))

    def decided(self) -> GuardDecision:
        """Return the one decision that was made since this was asked last."""
        (decisions,) = self.decisions
        self.decisions.clear()
        return decisions


def guarded(driver: Driver, box: Inbox, **options: Any) -> Guarded:
    """Return an agent of the driver's framework with the toolkit for a mailbox."""
    decisions: list[GuardDecision] = []
    toolkit = driver.toolkit(
        box.agent_key, base_url=box.server.url, on_decision=decisions.append, **options
    )
    return Guarded(driver, toolkit, decisions)


def decision(
    action: str,
    operation: str,
    label: str,
    *reasons: tuple[str, ...],
    message_id: str | None = None,
    standing: str = "new",
    policy: PolicyName = "standard",
) -> GuardDecision:
    """Return a whole decision; a reason is its code, its detail and the names it is about."""
    findings = [
        Finding(Action(action), code, *rest[:1], names=tuple(rest[1:])) for code, *rest in reasons
    ]
    about = Assessment(Label(label), standing=Standing(standing))
    return decide(operation, about, findings, policy, message_id)


def get_plain_results(run: Run) -> list[str]:
    """Return a result as a model got it, without volatile parts or a framework's frame."""
    return [plain(text) for text in run.texts]


def plain(text: str) -> str:
    """Return the text of a result with its ids, nonces and times replaced by their kind."""
    # CrewAI's models are shown JSON, in which the text is one of the fields; and to an error's
    # text CrewAI adds the code once more.
    words = str(json.loads(text)["text"]) if text.startswith("{") else _CODE.sub("", text)
    words = _ID.sub(lambda match: f"<{match[1]}>", words)
    return _TIME.sub("<time>", _NONCE.sub("<nonce>", words))


def in_the_core(box: Inbox, step: Call, **options: Any) -> str:
    """Return the result that a model without a framework gets; only of a call that reads."""
    with_core = Toolkit(box.agent_key, base_url=box.server.url, **options)
    try:
        return plain(with_core.call(*step).text)
    finally:
        with_core.close()


def read(mail: Json) -> Call:
    """Return the call that reads a mail."""
    return "read_email", {"email_id": mail["id"]}


def reply(mail: Json, **more: Any) -> Call:
    """Return the call that answers a mail."""
    return "reply_email", {"email_id": mail["id"], "body": "It is done.", **more}


def send(to: str, **more: Any) -> Call:
    """Return the call that sends a new mail."""
    return "send_email", {"to": [to], "subject": "Report", "body": "It is done.", **more}


def accepted(to: str, *, is_reply: bool = True) -> str:
    """Return the result of a reply that may leave, or of a send."""
    if is_reply:
        return ACCEPTED.format(whom="") + ANSWERED.format(to=to)
    return ACCEPTED.format(whom=f" to {to}")


def held(to: str, guard_decision: GuardDecision) -> str:
    """Return the result of a reply or a send that waits for a human."""
    is_reply = guard_decision.operation == "reply_email"
    whom = "" if is_reply else f" to {to}"
    text = HELD.format(whom=whom, code=guard_decision.code, why=_why(guard_decision))
    return text + _fence(f"To: {to}" if is_reply else "", _about(guard_decision))


def _about(guard_decision: GuardDecision) -> str:
    names = ", ".join(guard_decision.names)
    return f"This is about: {names}" if names else ""


def _fence(*words: str) -> str:
    lines = "\n".join(filter(None, words))
    return f"\n<mail <nonce>>\n{lines}\n</mail <nonce>>" if lines else ""


def _why(guard_decision: GuardDecision) -> str:
    """Return the reasons as a model gets them: no name that a sender chose."""
    reasons = "; ".join(guard_decision.reasons[:3])
    return reasons.replace("bank.com", "a domain").replace("example.com", "a domain")


def refused(what: str, guard_decision: GuardDecision) -> str:
    """Return the result of a send that was refused."""
    text = REFUSED.format(what=what, code=guard_decision.code, why=_why(guard_decision))
    return text + _fence(_about(guard_decision))


def waits(box: Inbox, guard_decision: GuardDecision, read: str | None = None) -> None:
    """Assert that the newest send waits for a human, who sees the decision.

    Args:
        box: The mailbox.
        guard_decision: The decision.
        read: The worst label that the conversation was shown; default the decision's.
    """
    mail = box.mails()[0]
    assert mail["status"] == "pending_send_approval"
    assert box.mail(mail["id"])["metadata"] == {
        "guard_taint": read or guard_decision.label.value,
        "guard_action": "hold",
        "guard_code": guard_decision.code,
        "guard_codes": " ".join(guard_decision.codes),
        "guard_label": guard_decision.label.value,
        "guard_standing": guard_decision.standing.value,
        "guard_reasons": "; ".join(guard_decision.approver_reasons),
        "guard_policy": guard_decision.policy,
    }
    assert box.left() == []
