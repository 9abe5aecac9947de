"""The history of the kill proof: what was asked of the server, and what it acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import httpx

Decision = Literal["approve", "reject", "cancel", "withdraw", "miss"]
"""`withdraw` approves and then cancels; `miss` approves when the message has expired."""
Outcome = Literal["sent", "rejected", "cancelled", "expired"]
GateTiming = Literal["gate_first", "schedule_first"]

PENDING_TTL = timedelta(seconds=2)
"""How long a send of the load may wait for its decision."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a send may leave at the earliest, and whether it is decided on before or then."""

    send_at: datetime
    gate_timing: GateTiming


@dataclass(slots=True)
class Entry:
    """One message of the load, by its token.

    Attributes:
        token: Its subject.
        inbound: Whether it was handed in by SMTP; else it was sent by HTTP.
        asked_at: When it was first asked for.
        schedule: For a send with `send_at`.
        stored: Whether the server acknowledged it.
        id: Where it was answered.
        waits_since: By when it was seen to wait for a decision.
        decision: What was decided; set before the request for it leaves.
        outcome: What the server acknowledged that it has come to, or will come to at its time.
    """

    token: str
    inbound: bool
    asked_at: datetime
    schedule: Schedule | None = None
    stored: bool = False
    id: str = ""
    waits_since: datetime | None = None
    decision: Decision | None = None
    outcome: Outcome | None = None

    @property
    def is_decided_late(self) -> bool:
        """Whether it enters the queue at its `send_at`."""
        return self.schedule is not None and self.schedule.gate_timing == "schedule_first"

    @property
    def is_approved(self) -> bool:
        """Whether an approval of it was ever asked for."""
        return self.decision in ("approve", "withdraw")

    def can_have_expired(self, now: datetime) -> bool:
        """Return whether it can have waited for its decision in vain by now."""
        begin = self.asked_at
        if self.schedule is not None and self.is_decided_late:
            begin = max(begin, self.schedule.send_at)
        return begin + PENDING_TTL <= now

    def has_expired(self, now: datetime) -> bool:
        """Return whether it has surely waited too long by now without a decision."""
        return self.waits_since is not None and self.waits_since + PENDING_TTL <= now


@dataclass(slots=True)
class History:
    """Every message that was ever asked for, and a count of what was acknowledged.

    Attributes:
        on_acknowledged: Called whenever the server has acknowledged something.
        now: The server's time, or, while it moves, what it moves to.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    on_acknowledged: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, token: str, *, inbound: bool, schedule: Schedule | None = None) -> Entry:
        """Note that a message is about to be handed to the server."""
        with self._lock:
            return self.entries.setdefault(token, Entry(token, inbound, self.now(), schedule))

    def stored(self, entry: Entry, email_id: str = "") -> None:
        """Note that the server acknowledged the message."""
        entry.stored = True
        entry.id = email_id or entry.id
        if not entry.is_decided_late:
            entry.waits_since = entry.waits_since or self.now()
        self.on_acknowledged()

    def decided(self, entry: Entry, outcome: Outcome) -> None:
        """Note what the server answered to a decision."""
        entry.outcome = outcome
        self.on_acknowledged()


Now = Callable[[], datetime]


class Reviewer(Protocol):
    """Makes the requests of a decision."""

    def review(self, entry: Entry, action: str) -> httpx.Response:
        """Approve or reject a message."""
        ...

    def cancel(self, entry: Entry) -> httpx.Response:
        """Cancel a message."""
        ...


def decide(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    """Make the decision that the entry plans.

    Args:
        entry: A send that the server has, with its plan.
        api: Makes the requests.
        now: The server's time.
    Returns:
        What the server says that it has come to; None where it is too early to decide.
    Raises:
        AssertionError: The server answers what cannot be.
    """
    assert entry.decision is not None
    return _DECISIONS[entry.decision](entry, api, now)


def _approve(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    answer = api.review(entry, "approve")
    if answer.status_code != 200:
        return _explain_refusal(entry, answer, now)
    status = answer.json()["message_status"]
    assert status in ("scheduled", "sending", "sent"), answer.text
    if entry.is_decided_late and entry.schedule:
        assert entry.schedule.send_at <= now(), f"approved before it was to be seen: {entry}"
        assert status != "scheduled", answer.text
    return "sent"


def _reject(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    answer = api.review(entry, "reject")
    return "rejected" if answer.status_code == 200 else _explain_refusal(entry, answer, now)


def _cancel(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    answer = api.cancel(entry)
    return "cancelled" if answer.status_code == 200 else _explain_refusal(entry, answer, now)


def _withdraw(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    approved = _approve(entry, api, now)
    return _cancel(entry, api, now) if approved == "sent" else approved


def _miss(entry: Entry, api: Reviewer, now: Now) -> Outcome | None:
    if not entry.has_expired(now()):
        return None
    answer = api.review(entry, "approve")
    assert answer.status_code == 409, f"approved although it expired: {entry}"
    return _explain_refusal(entry, answer, now)


_DECISIONS: dict[Decision, Callable[[Entry, Reviewer, Now], Outcome | None]] = {
    "approve": _approve,
    "reject": _reject,
    "cancel": _cancel,
    "withdraw": _withdraw,
    "miss": _miss,
}


def _explain_refusal(entry: Entry, answer: httpx.Response, now: Now) -> Outcome | None:
    """Return what a refusal says became of the message, if it can be true."""
    answer_body = answer.json()
    assert answer.status_code == 409, answer.text
    if answer_body["code"] == "not_yet":
        assert entry.is_decided_late, f"{entry}: {answer.text}"
        return None
    if answer_body["code"] == "expired":
        assert entry.can_have_expired(now()), f"{entry}: {answer.text}"
        return "expired"
    assert entry.decision == "withdraw", f"{entry}: {answer.text}"
    if answer_body["status"] == "cancelled":
        return "cancelled"  # The answer to the same decision was lost in an earlier run.
    assert answer_body["status"] in ("sending", "sent"), f"{entry}: {answer.text}"
    return "sent"
