"""The contract of all session stores."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sessions.support import Durable, token
from tests.support.redis_server import RedisServer

from multimail.sessions import (
    MemorySessionStore,
    RedisSessionStore,
    SessionStore,
    SqliteSessionStore,
)
from multimail.trust import UNTAINTED, Assessment, Label, Standing, Taint, Tier

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@evil.example"
PROVEN = Assessment(Label.AUTHENTICATED)
LISTED = Assessment(Label.AUTHENTICATED, standing=Standing.LISTED)
PLAIN = Assessment(Label.UNAUTHENTICATED)
FORGED = Assessment(Label.FAILED)


def test_a_new_conversation_is_untainted(store: SessionStore) -> None:
    assert store.taint("s", [EVE]) == UNTAINTED
    assert store.declared("s") == frozenset()
    assert store.known("box", [EVE]) == frozenset()
    assert store.held_to("box", [EVE], 3) == []


def test_taint_only_grows(store: SessionStore) -> None:
    for assessment, worst in [
        (PROVEN, PROVEN),
        (FORGED, FORGED),
        (LISTED, FORGED),
        (PLAIN, FORGED),
    ]:
        store.merge_taint("s", Taint.from_assessment(assessment))
        assert store.taint("s").worst == worst


def test_empty_taint_changes_nothing(store: SessionStore) -> None:
    store.merge_taint("s", UNTAINTED)
    assert store.taint("s").worst is None
    store.merge_taint("s", Taint.from_assessment(PLAIN))
    store.merge_taint("s", UNTAINTED)
    assert store.taint("s").worst == PLAIN


@pytest.mark.parametrize("label", Label)
@pytest.mark.parametrize("standing", Standing)
def test_every_assessment_is_stored(store: SessionStore, label: Label, standing: Standing) -> None:
    assessment = Assessment(label, standing=standing)
    store.merge_taint("s", Taint.from_assessment(assessment))
    assert store.taint("s").worst == assessment


def test_an_address_keeps_the_best_tier_that_named_it(store: SessionStore) -> None:
    store.merge_taint("s", Taint.from_assessment(FORGED, [EVE, BOB]))
    store.merge_taint("s", Taint.from_assessment(PLAIN, [BOB]))
    store.merge_taint("s", Taint.from_assessment(FORGED, [BOB, ANN]))
    named = store.taint("s", [ANN, BOB, EVE, "unseen@x.example"]).named
    assert named == {ANN: Tier.FAILED, BOB: Tier.UNPROVEN, EVE: Tier.FAILED}
    assert store.taint("s", [BOB]).named == {BOB: Tier.UNPROVEN}
    assert store.taint("s").named == {}


def test_conversations_are_separate(store: SessionStore) -> None:
    store.merge_taint("one", Taint.from_assessment(FORGED, [EVE]))
    store.declare("one", [ANN])
    assert store.taint("two", [EVE]) == UNTAINTED
    assert store.declared("two") == frozenset()
    store.reset("two")
    assert store.taint("one", [EVE]).named == {EVE: Tier.FAILED}


def test_declared_addresses_add_up(store: SessionStore) -> None:
    store.declare("s", [ANN])
    store.declare("s", [BOB, ANN])
    assert store.declared("s") == {ANN, BOB}


def test_known_addresses_belong_to_a_scope(store: SessionStore) -> None:
    store.add_known("box", [ANN, BOB])
    store.add_known("box", [ANN])
    assert store.known("box", [ANN, EVE]) == {ANN}
    assert store.known("other", [ANN]) == frozenset()
    store.reset("box")
    assert store.known("box", [BOB]) == {BOB}


def test_held_sends_are_found_by_address_the_newest_first(store: SessionStore) -> None:
    for number in range(5):
        store.add_held("box", f"msg-{number}", [ANN, BOB] if number % 2 else [ANN])
    assert store.held_to("box", [ANN], 3) == ["msg-4", "msg-3", "msg-2"]
    assert store.held_to("box", [BOB], 3) == ["msg-3", "msg-1"]
    assert store.held_to("box", [BOB, ANN], 9) == [f"msg-{n}" for n in (4, 3, 2, 1, 0)]
    assert store.held_to("box", [EVE], 3) == []
    assert store.held_to("other", [ANN], 3) == []
    store.remove_held("box", "msg-3")
    assert store.held_to("box", [BOB], 3) == ["msg-1"]
    store.remove_held("box", "never")


def test_session_limit(store: SessionStore) -> None:
    assert [store.count_send(token(key), 2, 9) for key in "abc"] == ["", "", "session"]
    assert store.count_send(token("c", session="t"), 2, 9) == ""


def test_thread_limit_across_sessions(store: SessionStore) -> None:
    answers = [store.count_send(token(key, session=key, thread="t"), 9, 2) for key in "abc"]
    assert answers == ["", "", "thread"]
    assert store.count_send(token("c", session="c", thread="u"), 9, 2) == ""
    assert store.count_send(token("d", session="c"), 9, 2) == ""


def test_rejected_send_is_not_counted(store: SessionStore) -> None:
    assert store.count_send(token("a", thread="t"), 2, 1) == ""
    assert store.count_send(token("b", thread="t"), 2, 1) == "thread"
    assert store.count_send(token("c"), 2, 1) == ""
    assert store.count_send(token("d"), 2, 1) == "session"


def test_the_same_key_counts_once(store: SessionStore) -> None:
    for _ in range(3):
        assert store.count_send(token("a", thread="t"), 1, 1) == ""
    assert store.count_send(token("b"), 1, 9) == "session"
    assert store.count_send(token("b", session="s2", thread="t"), 9, 1) == "thread"


def test_thread_limit_has_a_window_of_a_day(store: SessionStore) -> None:
    assert store.count_send(token("a", thread="t"), 9, 1) == ""
    assert store.count_send(token("b", thread="t", hours=23.99), 9, 1) == "thread"
    assert store.count_send(token("b", thread="t", hours=24), 9, 1) == ""
    assert store.count_send(token("c", session="x", thread="t", hours=25), 9, 1) == "thread"


def test_session_limit_has_no_window(store: SessionStore) -> None:
    assert store.count_send(token("a"), 1, 9) == ""
    assert store.count_send(token("b", hours=1000), 1, 9) == "session"


def test_reset_keeps_the_counts_of_threads(store: SessionStore) -> None:
    store.merge_taint("s", Taint.from_assessment(FORGED, [EVE]))
    store.declare("s", [ANN])
    assert store.count_send(token("a", thread="t"), 2, 1) == ""
    assert store.count_send(token("b"), 2, 1) == ""
    store.reset("s")
    assert store.taint("s", [EVE]) == UNTAINTED
    assert store.declared("s") == frozenset()
    assert store.count_send(token("c", thread="t"), 2, 1) == "thread"
    assert [store.count_send(token(key), 2, 1) for key in "def"] == ["", "", "session"]
    store.reset("s")
    store.reset("never seen")


def test_session_limit_holds_across_threads_of_a_process(store: SessionStore) -> None:
    start = threading.Barrier(8)

    def take(worker: int) -> int:
        start.wait()
        tokens = [token(f"{worker}-{number}") for number in range(5)]
        return sum(store.count_send(send, 7, 99) == "" for send in tokens)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 7


def test_concurrent_taint_keeps_the_worst(store: SessionStore) -> None:
    some = [PROVEN, PLAIN, FORGED, LISTED] * 5

    def grow(number: int) -> None:
        store.merge_taint("s", Taint.from_assessment(some[number], [f"a{number}@x.example"]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(grow, range(len(some))))
    taint = store.taint("s", [f"a{number}@x.example" for number in range(len(some))])
    assert taint.worst == FORGED
    assert len(taint.named) == len(some)


LABELS = st.sampled_from([PROVEN, LISTED, PLAIN, FORGED])
SOME = st.lists(st.sampled_from([ANN, BOB, EVE]), max_size=3)
SESSIONS, KEYS, BOXES = st.sampled_from(["s", "t"]), st.sampled_from("abcd"), st.just("box")
HELD = {"a": [ANN], "b": [BOB, ANN], "c": [EVE, BOB, ANN], "d": [EVE]}
STEPS = st.one_of(
    st.tuples(st.just("merge_taint"), SESSIONS, st.builds(Taint.from_assessment, LABELS, SOME)),
    st.tuples(st.just("declare"), SESSIONS, SOME),
    st.tuples(st.just("add_known"), BOXES, SOME),
    KEYS.map(lambda key: ("add_held", "box", key, HELD[key])),
    st.tuples(st.just("remove_held"), BOXES, KEYS),
    st.tuples(st.just("reset"), SESSIONS),
    st.tuples(
        st.just("count_send"),
        st.builds(token, KEYS, SESSIONS, st.sampled_from(["", "x"]), st.floats(0, 60)),
        st.just(2),
        st.just(2),
    ),
)


def read_all(store: SessionStore) -> list[Any]:
    """Return everything that a store reports."""
    every = [ANN, BOB, EVE]
    return [
        [(store.taint(session, every), store.declared(session)) for session in ("s", "t")],
        store.known("box", every),
        [store.held_to("box", [address], 9) for address in every],
    ]


def compare_with_memory(steps: list[tuple[Any, ...]], durable: Durable) -> None:
    """Apply the steps to a durable store and in memory, and compare the results."""
    memory = MemorySessionStore()
    for name, *arguments in steps:
        answers = [getattr(store, name)(*arguments) for store in (memory, durable)]
        assert answers[0] == answers[1], (name, arguments)
        assert read_all(memory) == read_all(durable)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=14))
def test_sqlite_equals_memory(steps: list[tuple[Any, ...]]) -> None:
    with (
        TemporaryDirectory() as folder,
        closing(SqliteSessionStore(Path(folder) / "store")) as durable,
    ):
        compare_with_memory(steps, durable)


@settings(max_examples=60)
@given(steps=st.lists(STEPS, max_size=14))
def test_redis_equals_memory(redis_server: RedisServer, steps: list[tuple[Any, ...]]) -> None:
    with closing(RedisSessionStore(redis_server.url, prefix=f"{uuid4().hex}:")) as durable:
        compare_with_memory(steps, durable)


def test_memory_evicts_addresses_of_old_conversations() -> None:
    store = MemorySessionStore()
    for number in range(1034):
        store.merge_taint(f"s{number}", Taint.from_assessment(FORGED, [EVE]))
    kept = [n for n in range(1034) if store.taint(f"s{n}", [EVE]).named]
    assert kept == list(range(10, 1034))
    assert all(store.taint(f"s{n}").worst == FORGED for n in range(1034))


@pytest.mark.parametrize("odd", ["x'; DROP TABLE taint; --", "a:b\r\nFLUSHALL", "*", "ä\0"])
def test_values_are_not_interpreted(store: SessionStore, odd: str) -> None:
    store.merge_taint(odd, Taint.from_assessment(PLAIN, [odd]))
    store.declare(odd, [odd])
    assert store.taint(odd, [odd]).named == {odd: Tier.UNPROVEN}
    assert store.declared(odd) == {odd}
