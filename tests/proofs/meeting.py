"""A store at whose door writers meet: in a race both have read before either has written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import Reader, Store, Tx
from multimail_server.store.sqlite import SqliteStore
from multimail_server.testing.server import ServerUnderTest

T = TypeVar("T")
_PATIENCE = 20.0


class Who(StrEnum):
    """Whose writes can be held, by the beginning of their threads' names."""

    REQUESTS = "AnyIO worker"
    MAIL = "multimail-smtp"
    OUTBOX = "multimail-outbox"


@dataclass(slots=True)
class _Guest:
    may_go: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class MeetingStore:
    """Hands everything to another store, and can hold writes back before they reach it.

    Args:
        inner: The store that does the work.
    """

    def __init__(self, inner: SqliteStore | PostgresStore) -> None:
        self._inner = inner
        self._changed = threading.Condition()
        self._held: tuple[str, ...] = ()
        self._guests: list[_Guest] = []

    def hold(self, who: Who) -> None:
        """From now on keep back the writes of requests, of arriving mail or of the outbox too."""
        with self._changed:
            self._held = (*self._held, who)

    def await_guests(self, count: int) -> None:
        """Wait until so many writes are kept back."""
        with self._changed:
            met = self._changed.wait_for(lambda: len(self._guests) >= count, _PATIENCE)
        assert met, f"{len(self._guests)} of {count} writes have come"

    def release_in_order(self, *order: int) -> None:
        """Let the writes in one after the other; later ones are not held any more."""
        guests = self._let_go()
        for number in order:
            guests[number].may_go.set()
            assert guests[number].done.wait(_PATIENCE)

    def release_together(self, *order: int) -> None:
        """Let the writes share one commit, by keeping the writer busy until all have queued up."""
        inside, leave = threading.Event(), threading.Event()

        def keep_busy(_: Tx) -> None:
            inside.set()
            leave.wait(_PATIENCE)

        busy = threading.Thread(target=self._inner.write, args=(keep_busy,))
        busy.start()
        assert inside.wait(_PATIENCE)
        guests = self._let_go()
        for count, number in enumerate(order, start=1):
            guests[number].may_go.set()
            while self._queued() < count:
                assert not guests[number].done.wait(0.001)
        leave.set()
        busy.join()
        assert all(guests[number].done.wait(_PATIENCE) for number in order)

    def read(self, work: Callable[[Reader], T]) -> T:
        """See `Store.read`."""
        return self._inner.read(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        """See `Store.write`; waits for its turn where it is held."""
        guest = self._arrive()
        try:
            if guest is not None:
                assert guest.may_go.wait(2 * _PATIENCE)
            return self._inner.write(work)
        finally:
            if guest is not None:
                guest.done.set()

    def close(self) -> None:
        """See `Store.close`; nobody is kept back any more."""
        for guest in self._let_go():
            guest.may_go.set()
        self._inner.close()

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """See `Store.claim`."""
        return self._inner.claim(name)

    def on_remote_commit(self, heard: Callable[[], None]) -> None:
        """See `Store.on_remote_commit`."""
        self._inner.on_remote_commit(heard)

    def _queued(self) -> int:
        """Return how many writes wait for the commit that is under way."""
        return self._inner._group.jobs.qsize()

    def _let_go(self) -> list[_Guest]:
        with self._changed:
            guests, self._guests, self._held = self._guests, [], ()
        return guests

    def _arrive(self) -> _Guest | None:
        name = threading.current_thread().name
        with self._changed:
            if not self._held or not name.startswith(self._held):
                return None
            guest = _Guest()
            self._guests.append(guest)
            self._changed.notify_all()
            return guest


class MeetingServer(ServerUnderTest):
    """A server under test whose store is a `MeetingStore`, at `door`."""

    door: MeetingStore

    def _open_store(self) -> Store:
        store = super()._open_store()
        assert isinstance(store, SqliteStore | PostgresStore)
        self.door = MeetingStore(store)
        return self.door
