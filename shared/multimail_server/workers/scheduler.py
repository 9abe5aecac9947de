"""Worker threads that run due work and sleep until more work is due."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ..services.context import AppContext
from ..store.protocol import StoreUnavailableError
from ..wakeups import Wakeup


class LoopBarrier:
    """Blocks until a worker has completed a full pass that started after the call.

    The worker calls `begin` before it looks for work and `end` when that work is done.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._begun = 0
        self._ended = 0

    def begin(self) -> None:
        """Begin a pass, which sees everything that was committed before."""
        with self._condition:
            self._begun += 1

    def end(self) -> None:
        """End the pass."""
        with self._condition:
            self._ended = self._begun
            self._condition.notify_all()

    def wait_for_pass(self, wake: Callable[[], None], seconds: float) -> bool:
        """Wake the worker and wait for a pass that begins after this call.

        Args:
            wake: Makes the worker begin another pass.
            seconds: The timeout.
        Returns:
            Whether the pass ended in time.
        """
        with self._condition:
            number = self._begun + 1
        wake()
        with self._condition:
            return self._condition.wait_for(lambda: self._ended >= number, seconds)


_log = logging.getLogger(__name__)
_ERROR_DELAY = timedelta(seconds=5)
_MAX_SLEEP = timedelta(hours=1)
"""Bounds the delay that a step of the system clock can cause."""
CLAIM_RETRY_SECONDS = 1.0
"""When to look again at work that another process has claimed: its death is not signalled."""


class ScheduledWorker(ABC):
    """A thread that runs due work. `start` it once, `wake` it after a commit, then `stop` it.

    Args:
        name: Its name in the log.
        context: The application context.
        wakeup: Notified after a commit that makes work due.
    """

    def __init__(self, name: str, context: AppContext, wakeup: Wakeup) -> None:
        self._name = name
        self._context = context
        self._wakeup = wakeup
        self._barrier = LoopBarrier()
        self._others_hold_claims = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"multimail-{name}", daemon=True)
        context.clock.on_change(self.wake)

    @abstractmethod
    def work(self) -> None:
        """Run all due work; return early once `is_stopping`."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when the next work falls due; None if none waits."""

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def with_claim(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` unless another process holds the claim `name`."""
        with self._context.store.claim(name) as claimed:
            if claimed:
                work()
            else:
                self._others_hold_claims = True

    def start(self) -> None:
        """Start the thread; it begins with work that an earlier run left."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the work in progress and stop."""
        self._stopping.set()
        self._wakeup.notify()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look for work now; from any thread."""
        self._wakeup.notify()

    def pause(self, seconds: float) -> bool:
        """Sleep; return True at once if the worker is stopping."""
        return self._stopping.wait(seconds)

    def drain(self, seconds: float) -> bool:
        """Run all work that is due by now; return whether it ended in time."""
        return self._barrier.wait_for_pass(self.wake, seconds)

    def _run(self) -> None:
        while not self.is_stopping:
            self._wakeup.clear()
            self._barrier.begin()
            until, seconds = self._pass()
            if not self._others_hold_claims:  # What is due is not done while others do it.
                self._barrier.end()
            if not self.is_stopping:
                self._wakeup.wait(until, seconds)

    def _pass(self) -> tuple[datetime, float]:
        """Run a pass; return when there is work again, and the seconds of real waiting."""
        try:
            self._others_hold_claims = False
            self.work()
            return self._get_wait(self.next_due())
        except StoreUnavailableError as error:
            if not self.is_stopping:
                _log.warning("The %s thread waits for the database: %s", self._name, error)
        except Exception:
            _log.exception("The %s thread failed and continues", self._name)
        return self._context.now() + _ERROR_DELAY, _ERROR_DELAY.total_seconds()

    def _get_wait(self, due: datetime | None) -> tuple[datetime, float]:
        latest = self._context.now() + _MAX_SLEEP
        until = min(due or latest, latest)
        seconds = self._context.clock.seconds_until(until)
        if seconds == 0 and self._others_hold_claims:
            # Work that others have claimed is still due, but not a reason to look again at once.
            return until, CLAIM_RETRY_SECONDS
        # A virtual clock notifies when it is advanced.
        return until, _MAX_SLEEP.total_seconds() if seconds is None else seconds


class PeriodicJob(Protocol):
    """A job that runs whenever it is due."""

    def run(self) -> None:
        """Run everything that is due."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the job is due next; None if only a change can make it due."""
        ...


class PeriodicJobs(ScheduledWorker):
    """Runs the periodic jobs, such as retention, in one thread.

    Args:
        context: The application context.
        jobs: The jobs.
        wakeup: Notified after a commit that makes work due.
    """

    def __init__(self, context: AppContext, jobs: Sequence[PeriodicJob], wakeup: Wakeup) -> None:
        super().__init__("jobs", context, wakeup)
        self._jobs = jobs

    def work(self) -> None:
        """Run all jobs that are due."""
        self.with_claim("jobs", self._run_jobs)

    def _run_jobs(self) -> None:
        for job in self._jobs:
            job.run()

    def next_due(self) -> datetime | None:
        """Return when the next job is due; None if none waits."""
        times = [job.next_due() for job in self._jobs]
        return min((time for time in times if time is not None), default=None)
