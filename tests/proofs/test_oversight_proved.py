"""The oversight table, proved: by CrossHair on the function that the server runs, and walked."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from pathlib import Path

import pytest
from tests.proofs import oversight_contracts as contracts

from multimail_server.api_keys import SCOPES
from multimail_server.errors import ApiError
from multimail_server.oversight import (
    GATED,
    Direction,
    Effect,
    Event,
    Mode,
    State,
    Transition,
    every_case,
    hides_content,
    transition,
)
from multimail_server.services.accounts import parse_scopes

APPROVALS = {Event.APPROVED, Event.APPROVED_FOR_LATER}
CONTRACTS = [
    name
    for name, thing in vars(contracts).items()
    if inspect.isfunction(thing) and "post:" in (thing.__doc__ or "")
]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """What CrossHair says of each contract, by the line on which it begins."""
    pytest.importorskip("crosshair", reason="CrossHair comes with multimail[dev]")
    path = Path(contracts.__file__)
    options = ("--report_all", "--per_condition_timeout=120", "--analysis_kind=PEP316")
    root = path.parents[2]
    search = os.pathsep.join([str(root / "shared"), str(root)])
    done = subprocess.run(
        [sys.executable, "-m", "crosshair", "check", *options, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": search, "PYTHONHASHSEED": "0"},
    )
    starts = {name: _lines(name) for name in CONTRACTS}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        _, _, rest = line.partition(".py:")
        number, _, verdict = rest.partition(": ")
        name = next(name for name, lines in starts.items() if int(number) in lines)
        found[name] = verdict
    assert found.keys() == starts.keys(), done.stdout + done.stderr
    return found


def _lines(name: str) -> range:
    lines, first = inspect.getsourcelines(getattr(contracts, name))
    return range(first, first + len(lines))


@pytest.mark.parametrize("name", CONTRACTS[:-1])
def test_a_contract_holds_on_every_path(verdicts: dict[str, str], name: str) -> None:
    assert "Confirmed over all paths" in verdicts[name]


def test_the_checker_notices_what_is_wrong(verdicts: dict[str, str]) -> None:
    assert "false when calling" in verdicts[CONTRACTS[-1]]
    assert "APPROVED_FOR_LATER" in verdicts[CONTRACTS[-1]]


QUEUED = {State.SCHEDULED, State.SCHEDULED_FIRST, State.SENDING}


@dataclass(frozen=True, slots=True)
class Past:
    """A message, and what of its past matters: walking these covers sequences of any length."""

    state: State
    approved: bool = False
    queued: bool = False


def after(past: Past, event: Event, step: Transition) -> Past:
    """Return what a message is after a step."""
    found = replace(past, state=step.state)
    if event in APPROVALS:
        found = replace(found, approved=True)
    if Effect.WITHDRAW in step.effects:
        found = replace(found, queued=False)
    if Effect.AWAIT_DECISION in step.effects:
        found = replace(found, approved=False)
    if {Effect.ENQUEUE, Effect.ENQUEUE_FOR_LATER} & set(step.effects):
        found = replace(found, queued=True)
    return found


def every_past(direction: Direction, mode: Mode) -> set[Past]:
    """Return every message that any sequence of events can lead to."""
    start = Past(State.PENDING_SCAN)
    found, todo = {start}, deque([start])
    while todo:
        past = todo.popleft()
        for event in Event:
            result = transition(direction, mode, past.state, event)
            if isinstance(result, Transition):
                following = after(past, event, result)
                if following not in found:
                    found.add(following)
                    todo.append(following)
    return found


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("direction", Direction)
def test_no_sequence_of_events_breaks_a_promise(direction: Direction, mode: Mode) -> None:
    for past in every_past(direction, mode):
        leaves = past.state in contracts.ON_ITS_WAY
        assert past.queued == (past.state in QUEUED), past
        if direction is Direction.INBOUND:
            assert not leaves
            if mode is Mode.GATED_ALL and past.state is not State.PENDING_SCAN:
                assert past.approved or hides_content(direction, past.state), past
        elif mode in GATED:
            assert past.approved or not leaves, past
        elif mode is Mode.READ_ONLY:
            assert past == Past(State.PENDING_SCAN)


def test_every_sequence_of_four_events_one_by_one() -> None:
    """The same promise without the bookkeeping above: the events themselves are looked at."""
    for mode, events in product(GATED, product(Event, repeat=4)):
        state, approved = State.PENDING_SCAN, False
        for event in events:
            result = transition(Direction.OUTBOUND, mode, state, event)
            if isinstance(result, Transition):
                state = result.state
                approved = (approved or event in APPROVALS) and event is not Event.RESCHEDULED
            assert approved or state not in contracts.ON_ITS_WAY, events


def test_every_case_is_one_of_the_table_s_and_is_answered_the_same_twice() -> None:
    cases = list(every_case())
    assert len(set(cases)) == len(Direction) * len(Mode) * len(State) * len(Event)
    assert [transition(*case) for case in cases] == [transition(*case) for case in cases]


def test_no_set_of_scopes_both_sends_and_decides() -> None:
    every_set = chain.from_iterable(combinations(SCOPES, size) for size in range(len(SCOPES) + 1))
    granted = set()
    for scopes in every_set:
        with suppress(ApiError):
            granted.add(frozenset(parse_scopes(scopes)))
    assert len(granted) == 2 ** len(SCOPES) * 3 // 4 - 1
    assert not any({"send", "oversight"} <= scopes for scopes in granted)


def test_looser_is_a_strict_order() -> None:
    for one, other in product(Mode, Mode):
        assert one.is_looser_than(other) + other.is_looser_than(one) == (one is not other)
        for third in Mode:
            if one.is_looser_than(other) and other.is_looser_than(third):
                assert one.is_looser_than(third)
