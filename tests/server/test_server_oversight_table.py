"""The oversight table, enumerated: every path that any sequence of events can take."""

from __future__ import annotations

from collections import deque

import pytest

from multimail_server.oversight import (
    FREE,
    GATED,
    Direction,
    Effect,
    Event,
    Mode,
    NoOp,
    Rejected,
    State,
    Transition,
    every_case,
    hides_content,
    transition,
)

APPROVALS = {Event.APPROVED, Event.APPROVED_FOR_LATER}
AWAY = {State.SCHEDULED, State.SENDING, State.SENT}


def reachable(direction: Direction, mode: Mode, without: set[Event] | None = None) -> set[State]:
    """Return every state that a new message can come to, by events outside `without`."""
    found, queue = {State.PENDING_SCAN}, deque([State.PENDING_SCAN])
    while queue:
        state = queue.popleft()
        for event in set(Event) - (without or set()):
            result = transition(direction, mode, state, event)
            if isinstance(result, Transition) and result.state not in found:
                found.add(result.state)
                queue.append(result.state)
    return found


def test_every_case_has_an_outcome() -> None:
    kinds = [type(transition(*case)) for case in every_case()]
    assert len(kinds) == len(Direction) * len(Mode) * len(State) * len(Event)
    assert set(kinds) == {Transition, NoOp, Rejected}


@pytest.mark.parametrize("mode", GATED)
def test_nothing_leaves_a_gated_mailbox_without_an_approval(mode: Mode) -> None:
    assert not AWAY & reachable(Direction.OUTBOUND, mode, without=APPROVALS)
    assert reachable(Direction.OUTBOUND, mode) >= AWAY


def test_nothing_ever_leaves_a_read_only_mailbox() -> None:
    assert reachable(Direction.OUTBOUND, Mode.READ_ONLY) == {State.PENDING_SCAN}


@pytest.mark.parametrize("mode", FREE)
def test_a_free_mailbox_sends_by_itself_and_takes_no_decisions(mode: Mode) -> None:
    assert State.SENT in reachable(Direction.OUTBOUND, mode)
    for state in State:
        for event in (*APPROVALS, Event.REJECTED):
            assert isinstance(transition(Direction.OUTBOUND, mode, state, event), Rejected)


def test_gated_all_shows_no_inbound_mail_before_an_approval() -> None:
    states = reachable(Direction.INBOUND, Mode.GATED_ALL, without=APPROVALS)
    assert all(hides_content(Direction.INBOUND, state) for state in states - {State.PENDING_SCAN})
    assert State.UNREAD in reachable(Direction.INBOUND, Mode.GATED_ALL)


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELLED, State.EXPIRED, State.SENT])
@pytest.mark.parametrize("mode", GATED)
def test_what_is_over_stays_over(mode: Mode, state: State) -> None:
    for event in set(Event) - {Event.PURGED}:
        assert not isinstance(transition(Direction.OUTBOUND, mode, state, event), Transition)
    forgotten = transition(Direction.OUTBOUND, mode, state, Event.PURGED)
    assert forgotten == Transition(State.DELETED)


@pytest.mark.parametrize("mode", Mode)
def test_the_outbox_holds_exactly_what_is_scheduled_or_sending(mode: Mode) -> None:
    """Follow the outbox row through every step: it is there when and only when it must be."""
    holding = {State.SCHEDULED, State.SCHEDULED_FIRST, State.SENDING}
    for state in reachable(Direction.OUTBOUND, mode):
        for event in Event:
            result = transition(Direction.OUTBOUND, mode, state, event)
            if not isinstance(result, Transition):
                continue
            held = state in holding
            if Effect.WITHDRAW in result.effects:
                held = False
            if {Effect.ENQUEUE, Effect.ENQUEUE_FOR_LATER} & set(result.effects):
                held = True
            assert held == (result.state in holding), (state, event)


def test_an_approved_message_that_is_moved_needs_a_new_approval() -> None:
    moved = transition(Direction.OUTBOUND, Mode.GATED_SEND, State.SCHEDULED, Event.RESCHEDULED)
    assert moved == Transition(
        State.PENDING_SEND_APPROVAL, (Effect.WITHDRAW, Effect.AWAIT_DECISION)
    )


def test_refusals_are_sentences() -> None:
    for case in every_case():
        result = transition(*case)
        if isinstance(result, Rejected):
            assert result.message.endswith(".")
            assert result.code == result.code.lower()


@pytest.mark.parametrize("mode", GATED)
def test_what_is_scheduled_first_can_only_enter_the_queue(mode: Mode) -> None:
    leads_to = {
        event: result.state
        for event in Event
        if isinstance(
            result := transition(Direction.OUTBOUND, mode, State.SCHEDULED_FIRST, event), Transition
        )
    }
    assert leads_to == {
        Event.DUE: State.PENDING_SEND_APPROVAL,
        Event.CANCELLED: State.CANCELLED,
        Event.RESCHEDULED: State.SCHEDULED_FIRST,
        Event.EDITED: State.SCHEDULED_FIRST,
    }
