"""Group commit: transactions that arrive during a commit share the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .protocol import StoreUnavailableError, Tx

T = TypeVar("T")

MAX_BATCH = 64
"""Transactions that share one commit."""


@dataclass(slots=True)
class Job:
    """A function given to `Store.write`, which one thread waits for."""

    work: Callable[[Tx], Any]
    _outcome: tuple[Any, BaseException | None] = (None, None)
    _unsettled: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._unsettled.acquire()

    def settle(self, result: Any, problem: BaseException | None) -> None:
        """Return a result, or raise a problem, where the job is awaited."""
        self._outcome = result, problem
        self._unsettled.release()

    def wait(self) -> Any:
        """Return the result once the job is settled, or raise its problem."""
        with self._unsettled:
            result, problem = self._outcome
        if problem is None:
            return result
        try:
            raise problem
        finally:
            del self, problem  # the traceback leads here: a cycle would keep it in memory


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
        result: T = job.wait()
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
