"""Races made deterministic: a store that holds writes back until both sides of a race have read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar

import httpx
from tests.server.pages import Person
from tests.support.server import ServerFixture

from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import FindScope, Reader, Scope, Store, Tx
from multimail_server.store.sqlite import SqliteStore
from multimail_server.testing import VirtualClock

T = TypeVar("T")
_TIMEOUT = 60.0


class Writer(StrEnum):
    """Threads whose writes can be held back, by the beginning of their names."""

    REQUESTS = "AnyIO worker"
    MAIL = "multimail-smtp"
    OUTBOX = "multimail-outbox"


@dataclass(slots=True)
class _HeldWrite:
    released: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class InterleavingStore:
    """Passes all calls to another store, and can hold writes back before they reach it.

    Args:
        inner: The store that does the work.
    """

    def __init__(self, inner: SqliteStore | PostgresStore) -> None:
        self._inner = inner
        self._changed = threading.Condition()
        self._held: tuple[str, ...] = ()
        self._waiting: list[_HeldWrite] = []

    def hold(self, writer: Writer) -> None:
        """From now on keep back the writes of requests, of arriving mail or of the outbox too."""
        with self._changed:
            self._held = (*self._held, writer)

    def wait_for_held(self, count: int) -> None:
        """Wait until so many writes are kept back."""
        with self._changed:
            met = self._changed.wait_for(lambda: len(self._waiting) >= count, _TIMEOUT)
        assert met, f"{len(self._waiting)} of {count} writes have come"

    def release_in_order(self, *order: int) -> None:
        """Let the writes in one after the other; later ones are not held any more."""
        writes = self._release_all()
        for number in order:
            writes[number].released.set()
            assert writes[number].done.wait(_TIMEOUT)

    def release_together(self, *order: int) -> None:
        """Let the writes share one commit, by keeping the writer busy until all have queued up."""
        inside, leave = threading.Event(), threading.Event()

        def occupy(_: Tx) -> None:
            inside.set()
            leave.wait(_TIMEOUT)

        busy = threading.Thread(target=self._inner.write, args=(occupy,))
        busy.start()
        assert inside.wait(_TIMEOUT)
        writes = self._release_all()
        for count, number in enumerate(order, start=1):
            writes[number].released.set()
            while self._queued() < count:
                assert not writes[number].done.wait(0.001)
        leave.set()
        busy.join()
        assert all(writes[number].done.wait(_TIMEOUT) for number in order)

    def read(self, work: Callable[[Reader], T]) -> T:
        """See `Store.read`."""
        return self._inner.read(work)

    def write(self, work: Callable[[Tx], T], scope: Scope | FindScope | None = None) -> T:
        """See `Store.write`; waits for its turn where it is held."""
        held = self._hold()
        try:
            if held is not None:
                assert held.released.wait(2 * _TIMEOUT)
            return self._inner.write(work, scope)
        finally:
            if held is not None:
                held.done.set()

    def close(self) -> None:
        """See `Store.close`; releases all writes."""
        for write in self._release_all():
            write.released.set()
        self._inner.close()

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """See `Store.claim`."""
        return self._inner.claim(name)

    def on_remote_commit(self, callback: Callable[[], None]) -> None:
        """See `Store.on_remote_commit`."""
        self._inner.on_remote_commit(callback)

    def _queued(self) -> int:
        """Return how many writes wait for the commit that is under way."""
        if isinstance(self._inner, PostgresStore):
            return self._inner._lanes.count_unsettled() - 1
        return self._inner._group.jobs.qsize()

    def _release_all(self) -> list[_HeldWrite]:
        with self._changed:
            writes, self._waiting, self._held = self._waiting, [], ()
        return writes

    def _hold(self) -> _HeldWrite | None:
        name = threading.current_thread().name
        with self._changed:
            if not self._held or not name.startswith(self._held):
                return None
            held = _HeldWrite()
            self._waiting.append(held)
            self._changed.notify_all()
            return held


class InterleavingServer(ServerFixture):
    """A server under test whose store is an `InterleavingStore`, at `held_store`."""

    held_store: InterleavingStore

    def _open_store(self) -> Store:
        store = super()._open_store()
        assert isinstance(store, SqliteStore | PostgresStore)
        self.held_store = InterleavingStore(store)
        return self.held_store


Order = Literal["first", "second", "together", "together, second first"]
ORDERS: tuple[Order, ...] = ("first", "second", "together", "together, second first")
Call = Callable[[], Any]
DECISIONS = ("oversight.approve", "oversight.reject", "email.cancel", "email.expire")


class Race:
    """A server, and two calls whose writes are held until both have come."""

    def __init__(self, server: InterleavingServer, clock: VirtualClock, order: Order) -> None:
        self.server, self.clock, self._order = server, clock, order
        self.box, self.admin = server.box, server.admin
        self.person = Person(server)
        self._pool = ThreadPoolExecutor(4)

    def send(self, **more: Any) -> httpx.Response:
        """Send a message."""
        return self.server.send(subject="Race", **more)

    def decide(self, email_id: str, action: str, by: httpx.Client | None = None) -> httpx.Response:
        """Approve or reject."""
        return self.server.decide(email_id, action, by)

    def cancel(self, email_id: str) -> httpx.Response:
        """Cancel a message."""
        return self.server.cancel(email_id)

    def reschedule(self, email_id: str, hours: int) -> httpx.Response:
        """Give a message another moment."""
        return self.server.reschedule(email_id, send_at=self.hours_ahead(hours))

    def hours_ahead(self, hours: int) -> str:
        """Return a moment as the wire writes it."""
        return (self.clock.now() + timedelta(hours=hours)).isoformat()

    def edit(self, email_id: str) -> Call:
        """Return the call that saves another subject, from a form that is open."""
        path = f"/review/{email_id}/edit"
        self.person.sign_in(self.server.keys.reviewer)
        form = {**self.person.form(path, path), "subject": "Better"}
        return lambda: self.person.post(path, form)

    def key(self, *scopes: str) -> tuple[str, httpx.Client]:
        """Create a key; return its id and a client that uses it."""
        new_key = self.server.create_key(*scopes)
        return new_key["id"], self.server.http(new_key["key"])

    def run(self, first: tuple[Writer, Call], second: tuple[Writer, Call]) -> list[Any]:
        """Hold both writes, then let them in, in this test's order; return the calls' results.

        A call that is not a request of its own (the clock's tick) may return at once.
        """
        results: list[Future[Any]] = []
        for writer, call in (first, second):
            self.server.held_store.hold(writer)
            results.append(self._pool.submit(call))
            self.server.held_store.wait_for_held(len(results))
        self._release()
        return [result.result(60) for result in results]

    def run_against_the_outbox(self, start: Call, second: Call) -> list[Any]:
        """Let `second` meet what `start` gives the outbox to do; `start` itself is not held."""
        self.server.held_store.hold(Writer.OUTBOX)
        started = start()
        self.server.held_store.wait_for_held(1)
        self.server.held_store.hold(Writer.REQUESTS)
        result = self._pool.submit(second)
        self.server.held_store.wait_for_held(2)
        self._release()
        return [started, result.result(60)]

    def _release(self) -> None:
        numbers = (1, 0) if "second" in self._order else (0, 1)
        if self._order.startswith("together"):
            self.server.held_store.release_together(*numbers)
        else:
            self.server.held_store.release_in_order(*numbers)

    def actions(self, *wanted: str) -> list[str]:
        """Return these actions of the audit log in the order in which they were committed."""
        return [entry["action"] for entry in reversed(self.server.audit(*wanted))]

    def settled_status(self, email_id: str) -> str:
        """Return a message's status once it has left `sending`."""
        row = self.server.wait_for_message(
            lambda mail: mail["id"] == email_id and mail["status"] != "sending",
            direction="outbound",
        )
        return str(row["status"])

    def close(self) -> None:
        """End the threads and the browser."""
        self._pool.shutdown()
        self.person.client.close()


def codes(answers: list[Any]) -> list[int]:
    """Return the statuses of answers, sorted."""
    return sorted(answer.status_code for answer in answers)
