"""Group commit: transactions that wait for one another share the next commit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .protocol import StoreUnavailableError, Tx

T = TypeVar("T")

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Job:
    """A function that was given to `write`, and where its result is awaited."""

    work: Callable[[Tx], Any]
    done: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """A thread that commits what was queued, in order, up to 64 jobs at a time.

    Args:
        commit: Runs jobs in one transaction, and settles each when that is durable.
    Attributes:
        jobs: What waits; None tells the thread to end.
    """

    def __init__(self, commit: Callable[[list[Job]], None]) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._commit = commit
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._drain, name="multimail-store", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction; return when it is durable. See `Store.write`."""
        job = Job(work)
        with self._lock:
            if self._closed:
                raise StoreUnavailableError("The database is closed: the server is stopping.")
            self.jobs.put(job)
        result: T = job.done.result()
        return result

    def close(self) -> None:
        """Take no more jobs, and return when those that were taken are done."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self.jobs.put(None)
        self._thread.join()

    def _drain(self) -> None:
        last = False
        while not last and (job := self.jobs.get()) is not None:
            batch = [job]
            while len(batch) < _BATCH and not last:
                try:
                    following = self.jobs.get_nowait()
                except queue.Empty:
                    break
                last = following is None
                if following is not None:
                    batch.append(following)
            self._commit(batch)
