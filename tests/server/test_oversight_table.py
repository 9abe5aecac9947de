"""The oversight table, enumerated: every case, and every path that any sequence of events takes."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, combinations, product

import pytest

from multimail_server.auth import SCOPES
from multimail_server.errors import ApiError
from multimail_server.oversight import (
    FREE,
    GATED,
    OVER,
    Direction,
    Effect,
    Event,
    Mode,
    NoOp,
    Outcome,
    Rejected,
    State,
    Transition,
    every_case,
    hides_content,
    transition,
)
from multimail_server.services.accounts import parse_scopes

OUT, IN = Direction.OUTBOUND, Direction.INBOUND
APPROVALS = {Event.APPROVED, Event.APPROVED_FOR_LATER}
ON_ITS_WAY = {State.SCHEDULED, State.SENDING, State.SENT}
QUEUED = {State.SCHEDULED, State.SCHEDULED_FIRST, State.SENDING}
INBOUND = {
    State.PENDING_INBOUND_APPROVAL,
    State.UNREAD,
    State.READ,
    State.ARCHIVED,
    State.SPAM_FLAGGED,
    State.SPAM_QUARANTINED,
}
OF_BOTH = {State.REJECTED, State.DELETED}


def get_state(result: Outcome) -> State | None:
    """Return the state that an outcome leads to; None where nothing changes."""
    return result.state if isinstance(result, Transition) else None


def test_every_case_has_one_outcome() -> None:
    cases = list(every_case())
    results = [transition(*case) for case in cases]
    assert len(set(cases)) == len(Direction) * len(Mode) * len(State) * len(Event)
    assert {type(result) for result in results} == {Transition, NoOp, Rejected}
    assert results == [transition(*case) for case in cases]


def test_gated_mail_sets_out_by_an_approval_alone() -> None:
    for mode, state, event in product(GATED, set(State) - ON_ITS_WAY, Event):
        if get_state(transition(OUT, mode, state, event)) in ON_ITS_WAY:
            assert event in APPROVALS, (mode, state, event)


def test_nothing_leaves_a_read_only_mailbox() -> None:
    for state, event in product(State, Event):
        result = transition(OUT, Mode.READ_ONLY, state, event)
        assert get_state(result) in (None, State.DELETED), (state, event)


def test_what_is_over_stays_over_and_can_be_erased() -> None:
    for mode, state, event in product(Mode, OVER, Event):
        result = transition(OUT, mode, state, event)
        if event is Event.PURGED:
            assert result == Transition(State.DELETED)
        else:
            assert get_state(result) is None, (mode, state, event)


def test_hidden_mail_is_shown_by_an_approval_alone() -> None:
    hidden = [state for state in State if state is State.PENDING_SCAN or hides_content(IN, state)]
    for state, event in product(hidden, Event):
        shown = get_state(transition(IN, Mode.GATED_ALL, state, event))
        if shown is not None and not hides_content(IN, shown):
            assert event is Event.APPROVED, (state, event)


def test_a_message_keeps_its_direction() -> None:
    for case in every_case():
        state = get_state(transition(*case))
        if state is not None and state not in OF_BOTH:
            assert (case[0] is IN) == (state in INBOUND), case


@pytest.mark.parametrize("mode", FREE)
def test_a_free_mailbox_takes_no_decisions(mode: Mode) -> None:
    for state, event in product(State, (*APPROVALS, Event.REJECTED)):
        assert isinstance(transition(OUT, mode, state, event), Rejected)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("state", State)
def test_what_was_approved_is_never_edited(mode: Mode, state: State) -> None:
    result = transition(OUT, mode, state, Event.EDITED)
    waiting = {State.PENDING_SEND_APPROVAL, State.SCHEDULED_FIRST}
    may = state in waiting if mode in GATED else mode in FREE and state is State.SCHEDULED
    assert get_state(result) is (state if may else None)
    assert get_state(transition(IN, mode, state, Event.EDITED)) is None


def test_an_approved_message_that_is_moved_needs_a_new_approval() -> None:
    moved = transition(OUT, Mode.GATED_SEND, State.SCHEDULED, Event.RESCHEDULED)
    assert moved == Transition(
        State.PENDING_SEND_APPROVAL, (Effect.WITHDRAW, Effect.AWAIT_DECISION)
    )


@pytest.mark.parametrize("mode", GATED)
def test_what_is_scheduled_first_can_only_enter_the_queue(mode: Mode) -> None:
    states = {
        event: get_state(transition(OUT, mode, State.SCHEDULED_FIRST, event)) for event in Event
    }
    assert {event: state for event, state in states.items() if state} == {
        Event.DUE: State.PENDING_SEND_APPROVAL,
        Event.CANCELLED: State.CANCELLED,
        Event.RESCHEDULED: State.SCHEDULED_FIRST,
        Event.EDITED: State.SCHEDULED_FIRST,
    }


@dataclass(frozen=True, slots=True)
class History:
    """A message, and what of its past matters: walking these covers sequences of any length."""

    state: State
    approved: bool = False
    queued: bool = False


def follow(history: History, event: Event, step: Transition) -> History:
    """Return the history of a message after one more event."""
    approved, queued = history.approved or event in APPROVALS, history.queued
    if Effect.AWAIT_DECISION in step.effects:
        approved = False
    if Effect.WITHDRAW in step.effects:
        queued = False
    if {Effect.ENQUEUE, Effect.ENQUEUE_FOR_LATER} & set(step.effects):
        queued = True
    return replace(history, state=step.state, approved=approved, queued=queued)


def every_history(direction: Direction, mode: Mode) -> set[History]:
    """Return every history that any sequence of events can lead to."""
    start = History(State.PENDING_SCAN)
    reached, todo = {start}, deque([start])
    while todo:
        history = todo.popleft()
        for event in Event:
            result = transition(direction, mode, history.state, event)
            if isinstance(result, Transition):
                following = follow(history, event, result)
                if following not in reached:
                    reached.add(following)
                    todo.append(following)
    return reached


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("direction", Direction)
def test_no_sequence_of_events_breaks_a_promise(direction: Direction, mode: Mode) -> None:
    for history in every_history(direction, mode):
        leaves = history.state in ON_ITS_WAY
        assert history.queued == (history.state in QUEUED), history
        if direction is IN:
            assert not leaves
            if mode is Mode.GATED_ALL and history.state is not State.PENDING_SCAN:
                assert history.approved or hides_content(IN, history.state), history
        elif mode in GATED:
            assert history.approved or not leaves, history
        elif mode is Mode.READ_ONLY:
            assert history == History(State.PENDING_SCAN)


@pytest.mark.parametrize("mode", [*GATED, *FREE])
def test_every_mode_that_sends_can_send_and_show(mode: Mode) -> None:
    assert {history.state for history in every_history(OUT, mode)} >= ON_ITS_WAY
    assert State.UNREAD in {history.state for history in every_history(IN, mode)}


def test_every_sequence_of_four_events() -> None:
    """The promise of gated mail without the bookkeeping above: the events themselves count."""
    for mode, events in product(GATED, product(Event, repeat=4)):
        state, approved = State.PENDING_SCAN, False
        for event in events:
            result = transition(OUT, mode, state, event)
            if isinstance(result, Transition):
                state = result.state
                approved = (approved or event in APPROVALS) and event is not Event.RESCHEDULED
            assert approved or state not in ON_ITS_WAY, events


WORDS = {
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


@pytest.mark.parametrize("state", State)
def test_a_rejection_says_what_became_of_the_message(state: State) -> None:
    result = transition(OUT, Mode.GATED_SEND, state, Event.REPORTED_CLEAN)
    assert isinstance(result, Rejected)
    words = WORDS.get(state, "It does not await a decision")
    status = "" if state is State.EXPIRED else f"; its status is {state.wire}"
    assert result.message == f"{words}{status}."


@pytest.mark.parametrize(
    ("state", "event", "code"),
    [
        (State.SENT, Event.REJECTED, "already_decided"),
        (State.SENT, Event.CANCELLED, "not_possible"),
        (State.SCHEDULED_FIRST, Event.APPROVED, "not_yet"),
        (State.EXPIRED, Event.APPROVED, "expired"),
        (State.SCHEDULED, Event.EDITED, "content_frozen"),
    ],
)
def test_a_rejection_has_a_code(state: State, event: Event, code: str) -> None:
    result = transition(OUT, Mode.GATED_SEND, state, event)
    assert isinstance(result, Rejected)
    assert result.code == code


def test_a_read_only_mailbox_rejects_with_its_mode() -> None:
    result = transition(OUT, Mode.READ_ONLY, State.PENDING_SCAN, Event.SCANNED)
    assert isinstance(result, Rejected)
    assert result.code == "read_only"


def test_no_set_of_scopes_both_sends_and_decides() -> None:
    every_set = chain.from_iterable(combinations(SCOPES, size) for size in range(len(SCOPES) + 1))
    granted = set()
    for scopes in every_set:
        with suppress(ApiError):
            granted.add(frozenset(parse_scopes(scopes)))
    assert len(granted) == 2 ** len(SCOPES) * 3 // 4 - 1
    assert not any({"send", "oversight"} <= scopes for scopes in granted)


def test_looser_is_a_strict_order() -> None:
    for first, second in product(Mode, Mode):
        assert first.is_looser_than(second) + second.is_looser_than(first) == (first is not second)
        for third in Mode:
            if first.is_looser_than(second) and second.is_looser_than(third):
                assert first.is_looser_than(third)
