"""The contract of every store: what a transaction guarantees."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store import rows

from multimail_server.oversight import State
from multimail_server.store.protocol import Reader, Store, StoreUnavailableError, Tx
from multimail_server.store.records import EventFilter


def statuses(store: Store) -> list[State]:
    return store.read(lambda tx: [m.status for m in tx.thread("mbx_1", "thr_1", 100)])


def test_write_returns_the_result_of_its_function(store: Store) -> None:
    assert store.write(lambda tx: tx.mailbox("mbx_1")) == rows.MAILBOX


def test_a_failing_write_is_undone(store: Store) -> None:
    def work(tx: Tx) -> None:
        rows.insert(tx, rows.message(1))
        tx.put(rows.outbox(1))
        tx.insert(rows.audit(1))
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        store.write(work)
    assert store.read(lambda tx: (tx.message("msg_0001"), tx.outbox_row("msg_0001"))) == (
        None,
        None,
    )
    assert store.read(lambda tx: tx.audit("acc_1", None, None, 10)) == []


def test_a_write_reads_its_own_changes(store: Store) -> None:
    def work(tx: Tx) -> State | None:
        rows.insert(tx, rows.message(1))
        tx.update_message(rows.message(1), State.REJECTED)
        now = tx.message("msg_0001")
        return now.status if now else None

    assert store.write(work) is State.REJECTED


def test_a_failing_write_does_not_undo_concurrent_ones(store: Store) -> None:
    """They may share a commit; each is applied as a whole or not at all."""

    def work(number: int) -> int:
        def insert(tx: Tx) -> int:
            rows.insert(tx, rows.message(number))
            if number % 3 == 0:
                raise LookupError(str(number))
            return number

        return store.write(insert)

    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(work, number) for number in range(60)]
    good = {future.result() for future in futures if future.exception() is None}
    assert good == {number for number in range(60) if number % 3}
    messages = store.read(lambda tx: tx.thread("mbx_1", "thr_1", 100))
    assert {message.id for message in messages} == {f"msg_{number:04}" for number in good}


def test_a_broken_reference_fails_and_changes_nothing(store: Store) -> None:
    def work(tx: Tx) -> None:
        rows.insert(tx, rows.message(1), rows.message(2, mailbox_id="mbx_unknown"))

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        store.write(work)
    assert statuses(store) == []


def test_a_read_is_one_snapshot(store: Store) -> None:
    store.write(lambda tx: rows.insert(tx, rows.message(1)))
    was_read, written = threading.Event(), threading.Event()

    def twice(tx: Reader) -> list[int]:
        before = len(tx.thread("mbx_1", "thr_1", 10))
        was_read.set()
        assert written.wait(60)
        return [before, len(tx.thread("mbx_1", "thr_1", 10))]

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(store.read, twice)
        assert was_read.wait(60)
        store.write(lambda tx: rows.insert(tx, rows.message(2)))
        written.set()
        assert reading.result(60) == [1, 1]
    assert len(statuses(store)) == 2


def test_of_concurrent_updates_from_one_status_one_succeeds(store: Store) -> None:
    message = rows.message(1)
    store.write(lambda tx: rows.insert(tx, message))
    barrier = threading.Barrier(8)

    def move(state: State) -> bool:
        barrier.wait(60)
        return store.write(lambda tx: tx.update_message(message, state)) is not None

    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(move, [State.REJECTED, State.CANCELLED] * 4))
    assert moved.count(True) == 1
    won = [State.REJECTED, State.CANCELLED][moved.index(True) % 2]
    assert statuses(store) == [won]


def test_data_is_there_after_reopening(open_store: Callable[[], Store]) -> None:
    first = open_store()
    first.write(rows.insert_owner)
    first.write(lambda tx: rows.insert(tx, rows.message(1)))
    first.close()
    second = open_store()
    assert second.read(lambda tx: tx.message("msg_0001")) == rows.message(1)
    assert second.read(lambda tx: tx.content("msg_0001")) == rows.content(1)


def test_a_closed_store_is_unavailable(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.write(lambda tx: tx.set_setting("a", "b"))
    with pytest.raises(StoreUnavailableError):
        store.read(lambda tx: tx.setting("a"))
    store.close()


def test_a_follower_of_the_event_log_misses_nothing(store: Store) -> None:
    """Writers commit in any order; what a follower has read is never added to behind its back."""
    count, read = 60, list[str]()
    writing = threading.Event()

    def write(number: int) -> None:
        assert writing.wait(60)
        store.write(lambda tx: tx.insert(rows.event(number)))

    def follow() -> int:
        """Read on from the position that was reached."""
        store.write(lambda tx: tx.number_events(7))
        reached = len(read)
        page = store.read(lambda tx: tx.events(EventFilter("acc_1", 100, after=reached)))
        for position, event in enumerate(page, start=reached + 1):
            assert event.position == position
        read.extend(event.message_id for event in page)
        return len(read)

    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(write, number) for number in range(count)]
        writing.set()
        while not all(future.done() for future in futures):
            follow()
        for future in futures:
            future.result()
    while store.read(lambda tx: tx.has_unnumbered_events()):
        follow()
    assert sorted(read) == [f"msg_{number:04}" for number in range(count)]
