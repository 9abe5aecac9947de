"""Lanes: transactions of one scope run in order and share commits, those of others run beside them.

The counterpart of `group_commit` for a database with many writers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from .group_commit import MAX_BATCH, Job
from .protocol import Scope, StoreUnavailableError, Tx

T = TypeVar("T")

MAX_WRITERS = 8
"""Transactions that one process has open at the same time."""


class Committer(Protocol):
    """Commits jobs over a connection of its own; one thread uses it."""

    def commit(self, batch: list[Job], scope: Scope | None) -> None:
        """Run jobs in one transaction, and settle each once that is durable."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Lanes:
    """Up to `MAX_WRITERS` threads, begun when they are needed, that commit the queued jobs.

    Args:
        first: Commits the first thread's jobs.
        create: Makes a committer for each further thread; it connects when it is used.
    """

    def __init__(self, first: Committer, create: Callable[[], Committer]) -> None:
        self._create = create
        self._spare: Committer | None = first
        self._changed = threading.Condition()
        self._queues: dict[Scope | None, deque[Job]] = {}
        self._ready: deque[Scope | None] = deque()
        """The scopes that have jobs and no thread at work on them, longest waiting first."""
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._unsettled = 0
        self._closed = False

    def write(self, work: Callable[[Tx], T], scope: Scope | None) -> T:
        """Run `work` in a transaction, and return when it is durable. See `Store.write`."""
        job = Job(work)
        with self._changed:
            if self._closed:
                raise StoreUnavailableError("The database is closed: the server is stopping.")
            self._enqueue(job, scope)
        result: T = job.wait()
        return result

    def close(self) -> None:
        """Accept no more jobs, and return when the accepted ones are settled."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if self._spare is not None:
            self._spare.close()

    def count_unsettled(self) -> int:
        """Return how many jobs wait or run."""
        with self._changed:
            return self._unsettled

    def _enqueue(self, job: Job, scope: Scope | None) -> None:
        self._unsettled += 1
        waiting = self._queues.get(scope)
        if waiting is not None:
            waiting.append(job)
            return
        self._queues[scope] = deque([job])
        self._ready.append(scope)
        if len(self._ready) > self._idle and len(self._threads) < MAX_WRITERS:
            self._start_thread()
        self._changed.notify()

    def _start_thread(self) -> None:
        committer, self._spare = self._spare or self._create(), None
        name = f"multimail-store-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._run, args=(committer,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, committer: Committer) -> None:
        while (taken := self._take()) is not None:
            scope, batch = taken
            committer.commit(batch, scope)
            self._release(scope, len(batch))
        committer.close()

    def _take(self) -> tuple[Scope | None, list[Job]] | None:
        """Wait for a scope with jobs, and take them; None at the end."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._ready or self._closed)
            self._idle -= 1
            if not self._ready:
                return None
            scope = self._ready.popleft()
            waiting = self._queues[scope]
            return scope, [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]

    def _release(self, scope: Scope | None, settled: int) -> None:
        with self._changed:
            self._unsettled -= settled
            if self._queues[scope]:
                self._ready.append(scope)
                self._changed.notify()
            else:
                del self._queues[scope]
                if self._closed:
                    self._changed.notify_all()
