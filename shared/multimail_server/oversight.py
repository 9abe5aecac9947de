"""The oversight table: which event leads from which state to which, by direction and mode.

`transition` is a pure function and the only authority; `services.transitions` applies its result.
The mode is the one stored with the message when it was sent or received, so loosening a mailbox
later releases nothing that was held. The table is finite: `every_case` enumerates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class Direction(StrEnum):
    """Whether a message is sent or received."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Mode(StrEnum):
    """Oversight modes, from the strictest to the loosest."""

    READ_ONLY = "read_only"
    GATED_ALL = "gated_all"
    GATED_SEND = "gated_send"
    MONITORED = "monitored"
    AUTONOMOUS = "autonomous"

    def is_looser_than(self, other: Mode) -> bool:
        """Return whether this mode is looser than `other`."""
        modes = list(Mode)
        return modes.index(self) > modes.index(other)


class State(StrEnum):
    """The status of a message, named as in the API."""

    PENDING_SCAN = "pending_scan"
    PENDING_SEND_APPROVAL = "pending_send_approval"
    PENDING_INBOUND_APPROVAL = "pending_inbound_approval"
    SCHEDULED = "scheduled"
    SCHEDULED_FIRST = "scheduled_first"
    """Waits for its `send_at` and then for its decision. The API calls it scheduled."""
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
    """Events that can happen to a message."""

    SCANNED = "scanned"
    """The scan passed; the mode decides whether it can leave or be seen."""
    SCANNED_FOR_LATER = "scanned_for_later"
    """The same for a message with a future `send_at`."""
    SCANNED_TO_SCHEDULE_FIRST = "scanned_to_schedule_first"
    """The same if the decision is to be made at `send_at`."""
    SCANNED_AS_SUSPECT = "scanned_as_suspect"
    """The scan flagged inbound mail."""
    SCANNED_AS_SPAM = "scanned_as_spam"
    """The scan quarantined inbound mail."""
    APPROVED = "approved"
    APPROVED_FOR_LATER = "approved_for_later"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"
    """Its `send_at` was changed to another future time."""
    UNDONE = "undone"
    """Its approval was taken back before it left: it needs a new decision."""
    REVISED = "revised"
    """A reviewer edited it: the new revision needs its own decision."""
    EDITED = "edited"
    """Its sender edited it before it was approved."""
    EXPIRED = "expired"
    DUE = "due"
    """The outbox picked it up."""
    DELIVERED = "delivered"
    """The relay or the test outbox accepted it."""
    FAILED = "failed"
    """Its delivery failed for good."""
    OPENED = "opened"
    """A key read its content."""
    MARKED_UNREAD = "marked_unread"
    """It is marked as unread; an archived one is back in the inbox."""
    ARCHIVED = "archived"
    """It left the inbox."""
    UNARCHIVED = "unarchived"
    """It is back in the inbox, read."""
    REPORTED_SPAM = "reported_spam"
    REPORTED_CLEAN = "reported_clean"
    """It was reported as not spam."""
    PURGED = "purged"
    """Its retention time ended: its content is erased."""


class Effect(StrEnum):
    """Effects to apply in the transaction that changes the state."""

    AWAIT_DECISION = "await_decision"
    ENQUEUE = "enqueue"
    ENQUEUE_FOR_LATER = "enqueue_for_later"
    WITHDRAW = "withdraw"
    NOTIFY = "notify"
    """Notify the operator of a send without a decision."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The event is allowed and leads to `state`."""

    state: State
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class NoOp:
    """The event happened before; nothing changes."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event is rejected, with a `code` for programs and a `message` for people."""

    code: str
    message: str


Outcome = Transition | NoOp | Rejected
Case = tuple[Direction, Mode, State, Event]

GATED = (Mode.GATED_ALL, Mode.GATED_SEND)
FREE = (Mode.MONITORED, Mode.AUTONOMOUS)
INBOUND_FREE = (Mode.READ_ONLY, Mode.GATED_SEND, Mode.MONITORED, Mode.AUTONOMOUS)
HELD = frozenset({State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL})
"""The states of a message that awaits a decision."""

RELAYED = frozenset({State.SENDING, State.SENT})
"""The states of a message that the relay may have accepted."""

NOT_SENT = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED, State.SEND_FAILED})
"""The states of an outbound message that never leaves."""

HIDDEN = frozenset(
    {State.PENDING_INBOUND_APPROVAL, State.REJECTED, State.SPAM_QUARANTINED, State.DELETED}
)
"""States in which only reviewers can see the content of an inbound message."""

OVER = (State.SENT, State.SEND_FAILED, State.REJECTED, State.CANCELLED, State.EXPIRED)
"""Final states of outbound mail, which can only be purged."""
KEPT = (State.UNREAD, State.READ, State.ARCHIVED, State.REJECTED, State.PENDING_INBOUND_APPROVAL,
        State.SPAM_FLAGGED, State.SPAM_QUARANTINED)  # fmt: skip
"""States of inbound mail that retention can purge."""

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
    "It was approved, so its content can no longer change. Change its `send_at`, or cancel it and "
    "send another one.",
)
_PURGE = Transition(State.DELETED)

_Row = tuple[Direction, tuple[Mode, ...], State, Event, Outcome]

_ROWS: tuple[_Row, ...] = (
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED, _HOLD),
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED_FOR_LATER, _HOLD),
    (_OUT, GATED, State.PENDING_SCAN, Event.SCANNED_TO_SCHEDULE_FIRST, _GATE_LATER),
    # At `send_at` it enters the approval queue.
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
    # The approver saw the old time, so a new time needs a new decision.
    (_OUT, GATED, State.SCHEDULED, Event.RESCHEDULED, _HOLD_AGAIN),
    (_OUT, GATED, State.SCHEDULED, Event.UNDONE, _HOLD_AGAIN),
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
    *((_IN, tuple(Mode), before, event, _REPEAT if before is after else Transition(after))
      for event, after, states in (
        (Event.MARKED_UNREAD, State.UNREAD, (State.UNREAD, State.READ, State.ARCHIVED)),
        (Event.ARCHIVED, State.ARCHIVED,
         (State.UNREAD, State.READ, State.ARCHIVED, State.SPAM_FLAGGED)),
        (Event.UNARCHIVED, State.READ, (State.READ, State.ARCHIVED)),
      ) for before in states),
    (_IN, tuple(Mode), State.UNREAD, Event.UNARCHIVED, _REPEAT),
    # If all inbound mail needs a decision, the scan is advisory.
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
    # In a mailbox that holds all inbound mail, only an approval reveals a message.
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
    State.EXPIRED: "It expired before a decision and can no longer be sent",
    State.REJECTED: "It was rejected",
    State.SENT: "It has already been sent",
    State.SENDING: "It is being sent",
    State.SCHEDULED: "It was approved and is scheduled",
    State.SCHEDULED_FIRST: "It enters the approval queue at its `send_at`",
    State.SEND_FAILED: "Its delivery has failed",
    State.DELETED: "Its retention time ended and its content is erased",
}


def transition(direction: Direction, mode: Mode, state: State, event: Event) -> Outcome:
    """Return the result of `event`. Pure and total: events that aren't in the table are rejected.

    Args:
        direction: The direction of the message.
        mode: The mode stored with the message, not the mailbox's present mode.
        state: The present state of the message.
        event: The event.
    """
    result = TABLE.get((direction, mode, state, event))
    if result is not None:
        return result
    if direction is Direction.OUTBOUND and mode is Mode.READ_ONLY:
        return Rejected("read_only", "This mailbox is read_only: it cannot send.")
    if state is State.EXPIRED:
        return Rejected("expired", f"{_OVER[state]}.")
    code = "already_decided" if event in _DECISIONS else "not_possible"
    if state is State.SCHEDULED_FIRST:
        code = "not_yet"
    return Rejected(code, f"{_OVER.get(state, _NOT_HELD)}; its status is {state.wire}.")


_DECISIONS = frozenset({Event.APPROVED, Event.APPROVED_FOR_LATER, Event.REJECTED})


def every_case() -> Iterator[Case]:
    """Yield every combination of direction, mode, state and event."""
    yield from product(Direction, Mode, State, Event)


def hides_content(direction: Direction, state: State) -> bool:
    """Return whether only reviewers can see the content of the message."""
    return direction is Direction.INBOUND and state in HIDDEN
