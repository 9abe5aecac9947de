"""Oversight: one pure table of what may happen to a message, and one pure function that reads it.

The mailroom executes what `outcome` answers and nothing else decides. The mode is the one frozen
on the message when it was sent or received, so a mailbox that is loosened later releases nothing
that was held. The table is finite data: `every_case` walks all of it, for a checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class Direction(StrEnum):
    """Whether a message leaves the mailbox or came to it."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Mode(StrEnum):
    """How much a human watches over a mailbox, from the strictest to the loosest."""

    READ_ONLY = "read_only"
    GATED_ALL = "gated_all"
    GATED_SEND = "gated_send"
    MONITORED = "monitored"
    AUTONOMOUS = "autonomous"

    def is_looser_than(self, other: Mode) -> bool:
        """Return whether this mode leaves an agent more freedom than `other`."""
        ladder = list(Mode)
        return ladder.index(self) > ladder.index(other)


class State(StrEnum):
    """The status of a message, in the wire's words."""

    PENDING_SCAN = "pending_scan"
    PENDING_SEND_APPROVAL = "pending_send_approval"
    PENDING_INBOUND_APPROVAL = "pending_inbound_approval"
    SCHEDULED = "scheduled"
    SCHEDULED_FIRST = "scheduled_first"
    """Waits for its `send_at`, and only then for its decision. The wire calls it scheduled."""
    SENDING = "sending"
    SENT = "sent"
    SEND_FAILED = "send_failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNREAD = "unread"
    READ = "read"
    ARCHIVED = "archived"
    DELETED = "deleted"
    SPAM_FLAGGED = "spam_flagged"
    SPAM_QUARANTINED = "spam_quarantined"

    @property
    def wire(self) -> str:
        """The status as the API shows it."""
        return "scheduled" if self is State.SCHEDULED_FIRST else self.value


class Event(StrEnum):
    """What can happen to a message."""

    SCANNED = "scanned"
    """The scan let it through; it may leave, or be seen, as soon as the mode allows."""
    SCANNED_FOR_LATER = "scanned_for_later"
    """The same for a message whose `send_at` lies ahead."""
    SCANNED_TO_SCHEDULE_FIRST = "scanned_to_schedule_first"
    """The same, where the decision is to be made at `send_at` and not before."""
    SCANNED_AS_SUSPECT = "scanned_as_suspect"
    """The scan set inbound mail aside, to be read with care."""
    SCANNED_AS_SPAM = "scanned_as_spam"
    """The scan locked inbound mail away."""
    APPROVED = "approved"
    APPROVED_FOR_LATER = "approved_for_later"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"
    """Its `send_at` was changed to another moment that lies ahead."""
    REVISED = "revised"
    """A reviewer edited it while it waited: a new revision, which needs a decision of its own."""
    EDITED = "edited"
    """Its sender changed what it says before anybody let it through."""
    EXPIRED = "expired"
    DUE = "due"
    """The outbox reached it."""
    DELIVERED = "delivered"
    """The relay, or the test outbox, has taken it."""
    FAILED = "failed"
    """It cannot be delivered any more."""
    OPENED = "opened"
    """A key read its content."""
    REPORTED_SPAM = "reported_spam"
    REPORTED_CLEAN = "reported_clean"
    """Somebody said that it is no spam after all."""
    PURGED = "purged"
    """Its time to be kept ran out: what it says is erased."""


class Effect(StrEnum):
    """What the mailroom does, in the same transaction as the change of state."""

    AWAIT_DECISION = "await_decision"
    ENQUEUE = "enqueue"
    ENQUEUE_FOR_LATER = "enqueue_for_later"
    WITHDRAW = "withdraw"
    NOTIFY = "notify"
    """Tell the human what left without a decision."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The event is allowed and leads to `state`."""

    state: State
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class NoOp:
    """The event happened before: answer as then, change nothing."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event may not happen: `code` is for programs, `message` for people."""

    code: str
    message: str


Outcome = Transition | NoOp | Rejected
Case = tuple[Direction, Mode, State, Event]

GATED = (Mode.GATED_ALL, Mode.GATED_SEND)
FREE = (Mode.MONITORED, Mode.AUTONOMOUS)
INBOUND_FREE = (Mode.READ_ONLY, Mode.GATED_SEND, Mode.MONITORED, Mode.AUTONOMOUS)
HIDDEN = frozenset(
    {State.PENDING_INBOUND_APPROVAL, State.REJECTED, State.SPAM_QUARANTINED, State.DELETED}
)
"""States in which an inbound message's content is for reviewers only."""

OVER = (State.SENT, State.SEND_FAILED, State.REJECTED, State.CANCELLED, State.EXPIRED)
"""States of outbound mail in which nothing more happens to it but that it is forgotten."""
KEPT = (State.UNREAD, State.READ, State.ARCHIVED, State.REJECTED, State.PENDING_INBOUND_APPROVAL,
        State.SPAM_FLAGGED, State.SPAM_QUARANTINED)  # fmt: skip
"""States of inbound mail that is kept for a time and then forgotten."""

_OUT, _IN = Direction.OUTBOUND, Direction.INBOUND
_REPEAT = NoOp()
_HOLD = Transition(State.PENDING_SEND_APPROVAL, (Effect.AWAIT_DECISION,))
_HOLD_AGAIN = Transition(State.PENDING_SEND_APPROVAL, (Effect.WITHDRAW, Effect.AWAIT_DECISION))
_GO = Transition(State.SENDING, (Effect.ENQUEUE,))
_GO_LATER = Transition(State.SCHEDULED, (Effect.ENQUEUE_FOR_LATER,))
_GATE_LATER = Transition(State.SCHEDULED_FIRST, (Effect.ENQUEUE_FOR_LATER,))
_STOP = Transition(State.CANCELLED, (Effect.WITHDRAW,))
_GO_AND_TELL = Transition(State.SENDING, (Effect.ENQUEUE, Effect.NOTIFY))
_GO_LATER_AND_TELL = Transition(State.SCHEDULED, (Effect.ENQUEUE_FOR_LATER, Effect.NOTIFY))
_SUSPECT = Transition(State.SPAM_FLAGGED)
_FROZEN = Rejected(
    "content_frozen",
    "It was let through, so what it says can no longer change: move its `send_at`, or cancel it "
    "and send another one.",
)
_PURGE = Transition(State.DELETED)

_Row = tuple[Direction, tuple[Mode, ...], State, Event, Outcome]

_ROWS: tuple[_Row, ...] = (
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED, _HOLD),
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED_FOR_LATER, _HOLD),
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED_TO_SCHEDULE_FIRST, _GATE_LATER),
    # Its moment came: now it enters the queue, and leaves it only by a decision.
    (_OUT, GATED, State.SCHEDULED_FIRST, Event.DUE, _HOLD_AGAIN),
    (_OUT, GATED, State.SCHEDULED_FIRST, Event.CANCELLED, _STOP),
    (_OUT, GATED, State.SCHEDULED_FIRST, Event.RESCHEDULED, _GATE_LATER),
    (_OUT, (Mode.AUTONOMOUS,), State.PENDING_SCAN, Event.SCANNED, _GO),
    (_OUT, (Mode.AUTONOMOUS,), State.PENDING_SCAN, Event.SCANNED_FOR_LATER, _GO_LATER),
    (_OUT, (Mode.MONITORED,), State.PENDING_SCAN, Event.SCANNED, _GO_AND_TELL),
    (_OUT, (Mode.MONITORED,), State.PENDING_SCAN, Event.SCANNED_FOR_LATER, _GO_LATER_AND_TELL),
    (_OUT, (Mode.AUTONOMOUS,), State.PENDING_SCAN, Event.SCANNED_TO_SCHEDULE_FIRST, _GO_LATER),
    (_OUT, (Mode.MONITORED,), State.PENDING_SCAN, Event.SCANNED_TO_SCHEDULE_FIRST,
     _GO_LATER_AND_TELL),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.APPROVED, _GO),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.APPROVED_FOR_LATER, _GO_LATER),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.REJECTED, Transition(State.REJECTED)),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.CANCELLED, Transition(State.CANCELLED)),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.EXPIRED, Transition(State.EXPIRED)),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.RESCHEDULED, _HOLD),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.REVISED, _HOLD),
    # The approver saw the old moment: a new one is a new revision, which needs a new decision.
    (_OUT, GATED, State.SCHEDULED, Event.RESCHEDULED, _HOLD_AGAIN),
    (_OUT, FREE, State.SCHEDULED, Event.RESCHEDULED, _GO_LATER),
    (_OUT, GATED, State.PENDING_SEND_APPROVAL, Event.EDITED, _HOLD),
    (_OUT, GATED, State.SCHEDULED_FIRST, Event.EDITED, _GATE_LATER),
    (_OUT, GATED, State.SCHEDULED, Event.EDITED, _FROZEN),
    (_OUT, (Mode.AUTONOMOUS,), State.SCHEDULED, Event.EDITED, _GO_LATER),
    (_OUT, (Mode.MONITORED,), State.SCHEDULED, Event.EDITED, _GO_LATER_AND_TELL),
    *((_OUT, GATED + FREE, state, event, transition) for state, event, transition in (
        (State.SCHEDULED, Event.CANCELLED, _STOP),
        (State.SCHEDULED, Event.DUE, Transition(State.SENDING)),
        (State.SENDING, Event.DUE, Transition(State.SENDING)),
        (State.SENDING, Event.DELIVERED, Transition(State.SENT, (Effect.WITHDRAW,))),
        (State.SENDING, Event.FAILED, Transition(State.SEND_FAILED, (Effect.WITHDRAW,))),
        (State.CANCELLED, Event.CANCELLED, _REPEAT),
    )),
    *((_OUT, GATED, state, event, _REPEAT)
      for state in (State.SCHEDULED, State.SENDING, State.SENT, State.SEND_FAILED)
      for event in (Event.APPROVED, Event.APPROVED_FOR_LATER)),
    (_OUT, GATED, State.REJECTED, Event.REJECTED, _REPEAT),
    (_OUT, GATED, State.EXPIRED, Event.EXPIRED, _REPEAT),
    *((_OUT, tuple(Mode), state, Event.OPENED, _REPEAT) for state in State),
    (_IN, (Mode.GATED_ALL,), State.PENDING_SCAN, Event.SCANNED,
     Transition(State.PENDING_INBOUND_APPROVAL)),
    (_IN, INBOUND_FREE, State.PENDING_SCAN, Event.SCANNED, Transition(State.UNREAD)),
    (_IN, (Mode.GATED_ALL,), State.PENDING_INBOUND_APPROVAL, Event.APPROVED,
     Transition(State.UNREAD)),
    (_IN, (Mode.GATED_ALL,), State.PENDING_INBOUND_APPROVAL, Event.REJECTED,
     Transition(State.REJECTED)),
    (_IN, (Mode.GATED_ALL,), State.REJECTED, Event.REJECTED, _REPEAT),
    *((_IN, (Mode.GATED_ALL,), state, Event.APPROVED, _REPEAT)
      for state in (State.UNREAD, State.READ, State.ARCHIVED)),
    (_IN, tuple(Mode), State.UNREAD, Event.OPENED, Transition(State.READ)),
    *((_IN, tuple(Mode), state, Event.OPENED, _REPEAT)
      for state in (State.READ, State.ARCHIVED, State.PENDING_INBOUND_APPROVAL, State.REJECTED)),
    # Where a human decides on everything that comes in, the scan only advises.
    *((_IN, (Mode.GATED_ALL,), State.PENDING_SCAN, event,
       Transition(State.PENDING_INBOUND_APPROVAL))
      for event in (Event.SCANNED_AS_SUSPECT, Event.SCANNED_AS_SPAM)),
    (_IN, INBOUND_FREE, State.PENDING_SCAN, Event.SCANNED_AS_SUSPECT, _SUSPECT),
    (_IN, INBOUND_FREE, State.PENDING_SCAN, Event.SCANNED_AS_SPAM,
     Transition(State.SPAM_QUARANTINED)),
    *((_IN, tuple(Mode), state, event, transition)
      for state in (State.UNREAD, State.READ, State.ARCHIVED)
      for event, transition in ((Event.REPORTED_SPAM, _SUSPECT), (Event.REPORTED_CLEAN, _REPEAT))),
    *((_IN, tuple(Mode), state, event, _REPEAT)
      for state in (State.SPAM_FLAGGED, State.SPAM_QUARANTINED)
      for event in (Event.REPORTED_SPAM, Event.OPENED)),
    (_IN, tuple(Mode), State.SPAM_FLAGGED, Event.REPORTED_CLEAN, Transition(State.UNREAD)),
    # In a mailbox that holds all inbound mail, only an approval shows what was hidden.
    (_IN, INBOUND_FREE, State.SPAM_QUARANTINED, Event.REPORTED_CLEAN, Transition(State.UNREAD)),
    (_IN, (Mode.GATED_ALL,), State.SPAM_FLAGGED, Event.APPROVED, _REPEAT),
    *((_OUT, tuple(Mode), state, Event.PURGED, _PURGE) for state in OVER),
    *((_IN, tuple(Mode), state, Event.PURGED, _PURGE) for state in KEPT),
)  # fmt: skip

TABLE: dict[Case, Outcome] = {
    (direction, mode, state, event): result
    for direction, modes, state, event, result in _ROWS
    for mode in modes
}

_NOT_HELD = "It does not await a decision"
_OVER: dict[State, str] = {
    State.CANCELLED: "It was cancelled",
    State.EXPIRED: "Its time for a decision ran out, so it expired and can no longer be sent",
    State.REJECTED: "It was rejected",
    State.SENT: "It has already been sent",
    State.SENDING: "It is already on its way out",
    State.SCHEDULED: "It was let through and is scheduled",
    State.SCHEDULED_FIRST: "It enters the queue at its `send_at`",
    State.SEND_FAILED: "Its delivery has failed",
    State.DELETED: "Its time to be kept ran out, and its content is erased",
}


def transition(direction: Direction, mode: Mode, state: State, event: Event) -> Outcome:
    """Return what `event` does to a message. Pure and total: what is not allowed is refused.

    Args:
        direction: Of the message.
        mode: The mode frozen on the message, not the mailbox's of today.
        state: The message's present state.
        event: What wants to happen.
    """
    found = TABLE.get((direction, mode, state, event))
    if found is not None:
        return found
    if direction is Direction.OUTBOUND and mode is Mode.READ_ONLY:
        return Rejected("read_only", "This mailbox is read_only: nothing can be sent from it.")
    if state is State.EXPIRED:
        return Rejected("expired", f"{_OVER[state]}.")
    code = "already_decided" if event in _DECISIONS else "not_possible"
    if state is State.SCHEDULED_FIRST:
        code = "not_yet"
    return Rejected(code, f"{_OVER.get(state, _NOT_HELD)}; its status is {state.wire}.")


_DECISIONS = frozenset({Event.APPROVED, Event.APPROVED_FOR_LATER, Event.REJECTED})


def every_case() -> Iterator[Case]:
    """Yield every combination that `outcome` can be asked about."""
    yield from product(Direction, Mode, State, Event)


def hides_content(direction: Direction, state: State) -> bool:
    """Return whether only a reviewer may see what the message says."""
    return direction is Direction.INBOUND and state in HIDDEN
