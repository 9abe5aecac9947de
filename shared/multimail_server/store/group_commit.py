"""Group commit: transactions that arrive during a commit share the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .protocol import StoreUnavailableError, Tx

T = TypeVar("T")

MAX_BATCH = 64
"""Transactions that share one commit."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function given to `Store.write`, and the future of its result."""

    work: Callable[[Tx], Any]
    done: Future[Any] = field(default_factory=Future)

    def settle(self, result: Any, problem: BaseException | None) -> None:
        """Return a result, or raise a problem, where the job is awaited."""
        if problem is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(problem)


class GroupCommit:
    """A thread that commits the queued jobs in order, up to `MAX_BATCH` at a time.

    Args:
        commit: Runs jobs in one transaction, and settles each once that is durable.
    Attributes:
        jobs: The queue; None ends the thread.
    """

    def __init__(self, commit: Callable[[list[Job]], None]) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._commit = commit
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="multimail-store", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction, and return when it is durable. See `Store.write`."""
        job = Job(work)
        with self._lock:
            if self._closed:
                raise StoreUnavailableError("The database is closed: the server is stopping.")
            self.jobs.put(job)
        result: T = job.done.result()
        return result

    def close(self) -> None:
        """Accept no more jobs, and return when the accepted ones are settled."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self.jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing and (job := self.jobs.get()) is not None:
            batch = [job]
            while len(batch) < MAX_BATCH:
                try:
                    following = self.jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    closing = True
                    break
                batch.append(following)
            self._commit(batch)
