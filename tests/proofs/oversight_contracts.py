"""Contracts of the oversight table, for CrossHair: each is a function with a postcondition.

`crosshair check` looks for arguments that break one. The last contract is wrong on purpose, so
that a checker which checks nothing is noticed.
"""

from __future__ import annotations

from multimail_server.oversight import (
    GATED,  # noqa: F401 - a precondition names it
    Direction,
    Event,
    Mode,
    Outcome,
    State,
    Transition,
    hides_content,
    transition,
)

APPROVALS = (Event.APPROVED, Event.APPROVED_FOR_LATER)
ON_ITS_WAY = (State.SCHEDULED, State.SENDING, State.SENT)
OUTBOUND_OVER = (
    State.SENT,
    State.SEND_FAILED,
    State.REJECTED,
    State.CANCELLED,
    State.EXPIRED,
)
INBOUND_STATES = (
    State.PENDING_INBOUND_APPROVAL,
    State.UNREAD,
    State.READ,
    State.ARCHIVED,
    State.SPAM_FLAGGED,
    State.SPAM_QUARANTINED,
)
OF_BOTH = (State.REJECTED, State.DELETED)


def sets_out(result: Outcome) -> bool:
    """Return whether a message is on its way after this."""
    return isinstance(result, Transition) and result.state in ON_ITS_WAY


def shows(result: Outcome) -> bool:
    """Return whether an inbound message can be read after this."""
    return isinstance(result, Transition) and not hides_content(Direction.INBOUND, result.state)


def is_erased(result: Outcome) -> bool:
    """Return whether nothing of a message is left but its id."""
    return isinstance(result, Transition) and result.state is State.DELETED


def fits(direction: Direction, result: Outcome) -> bool:
    """Return whether a message's new state is one of its direction."""
    if not isinstance(result, Transition) or result.state in OF_BOTH:
        return True
    return (direction is Direction.INBOUND) == (result.state in INBOUND_STATES)


def gated_mail_sets_out_by_an_approval_alone(mode: Mode, state: State, event: Event) -> Outcome:
    """
    pre: mode in GATED and state not in ON_ITS_WAY
    post: not sets_out(__return__) or event in APPROVALS
    """
    return transition(Direction.OUTBOUND, mode, state, event)


def nothing_leaves_a_read_only_mailbox(state: State, event: Event) -> Outcome:
    """
    post: not isinstance(__return__, Step) or is_erased(__return__)
    """
    return transition(Direction.OUTBOUND, Mode.READ_ONLY, state, event)


def what_is_over_stays_over(mode: Mode, state: State, event: Event) -> Outcome:
    """
    pre: state in OUTBOUND_OVER
    post: not isinstance(__return__, Step) or (event is Event.PURGED and is_erased(__return__))
    """
    return transition(Direction.OUTBOUND, mode, state, event)


def hidden_mail_is_shown_by_an_approval_alone(state: State, event: Event) -> Outcome:
    """
    pre: state is State.PENDING_SCAN or hides_content(Direction.INBOUND, state)
    post: not shows(__return__) or event is Event.APPROVED
    """
    return transition(Direction.INBOUND, Mode.GATED_ALL, state, event)


def a_message_keeps_its_direction(
    direction: Direction, mode: Mode, state: State, event: Event
) -> Outcome:
    """
    post: fits(direction, __return__)
    """
    return transition(direction, mode, state, event)


def wrong_on_purpose(mode: Mode, state: State, event: Event) -> Outcome:
    """
    pre: mode in GATED and state not in ON_ITS_WAY
    post: not sets_out(__return__) or event is Event.APPROVED
    """
    return transition(Direction.OUTBOUND, mode, state, event)
