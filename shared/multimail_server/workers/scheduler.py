"""Passes: lets a caller wait until a worker has looked at everything once more.

A thread that does what is due, and sleeps until something is due again.
Chores: one thread for what falls due by itself beside mail - retention, and notices by mail.
"""

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
    """Counts the passes of one worker's loop.

    The worker calls `begin` before it looks for work and `end` after it has done what it found.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._begun = 0
        self._ended = 0

    def begin(self) -> None:
        """Say that a pass begins: whatever was committed before is seen by it."""
        with self._condition:
            self._begun += 1

    def end(self) -> None:
        """Say that the pass is over."""
        with self._condition:
            self._ended = self._begun
            self._condition.notify_all()

    def wait_for_pass(self, wake: Callable[[], None], seconds: float) -> bool:
        """Wake the worker and wait for a pass that began after this call.

        Args:
            wake: Makes the worker begin another pass.
            seconds: The longest wait.
        Returns:
            Whether it came to its end in time.
        """
        with self._condition:
            wanted = self._begun + 1
        wake()
        with self._condition:
            return self._condition.wait_for(lambda: self._ended >= wanted, seconds)


_log = logging.getLogger(__name__)
_AFTER_TROUBLE = timedelta(seconds=5)
_MAX_SLEEP = timedelta(hours=1)
"""Bounds what a step of the machine's clock can delay."""
CLAIMED_SECONDS = 1.0
"""When to look again at what another process works on: nobody tells that it has died."""


class ScheduledWorker(ABC):
    """Does its work when it is due. `start` it once, `wake` it after a commit, then `stop` it.

    Args:
        name: What it is called in the log.
        context: The application's context.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(self, name: str, context: AppContext, alarm: Wakeup) -> None:
        self._name = name
        self._context = context
        self._alarm = alarm
        self._barrier = LoopBarrier()
        self._left_to_others = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"multimail-{name}", daemon=True)
        context.clock.on_change(self.wake)

    @abstractmethod
    def work(self) -> None:
        """Do all that is due now; return early once `is_stopping`."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when something falls due that waits now; None when nothing waits."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end."""
        return self._stopping.is_set()

    def alone(self, what: str, work: Callable[[], None]) -> None:
        """Do `work`, unless another process is at work on `what`."""
        with self._context.store.claim(what) as ours:
            if ours:
                work()
            else:
                self._left_to_others = True

    def start(self) -> None:
        """Begin, with what an earlier run left behind."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stopping.set()
        self._alarm.notify()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look for work now."""
        self._alarm.notify()

    def pause(self, seconds: float) -> bool:
        """Wait; return at once, with True, if it is told to end."""
        return self._stopping.wait(seconds)

    def settle(self, seconds: float) -> bool:
        """Do all that is due by now; return whether that came to its end in time."""
        return self._barrier.wait_for_pass(self.wake, seconds)

    def _run(self) -> None:
        while not self.is_stopping:
            self._alarm.clear()
            self._barrier.begin()
            until, seconds = self._pass()
            self._barrier.end()
            if not self.is_stopping:
                self._alarm.sleep(until, seconds)

    def _pass(self) -> tuple[datetime, float]:
        """Work; return until when there is nothing to do, and the seconds of real waiting."""
        try:
            self._left_to_others = False
            self.work()
            return self._pause(self.next_due())
        except StoreUnavailableError as error:
            if not self.is_stopping:
                _log.warning("The %s thread waits for the database: %s", self._name, error)
        except Exception:
            _log.exception("The %s thread met an error and goes on", self._name)
        return self._context.now() + _AFTER_TROUBLE, _AFTER_TROUBLE.total_seconds()

    def _pause(self, due: datetime | None) -> tuple[datetime, float]:
        latest = self._context.now() + _MAX_SLEEP
        until = min(due or latest, latest)
        seconds = self._context.clock.seconds_until(until)
        if seconds == 0 and self._left_to_others:
            # What others work on is still due, and no reason to look again at once.
            return until, CLAIMED_SECONDS
        # A clock that stands still comes to no moment: whoever moves it rings.
        return until, _MAX_SLEEP.total_seconds() if seconds is None else seconds


class PeriodicJob(Protocol):
    """Something that is done whenever it is due."""

    def run(self) -> None:
        """Do all that is due now."""
        ...

    def next_due(self) -> datetime | None:
        """Return when there is something to do again; None when only a change can bring it."""
        ...


class PeriodicJobs(ScheduledWorker):
    """Does chores when they are due.

    Args:
        context: The application's context.
        chores: What there is to do.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(
        self, context: AppContext, periodic_jobs: Sequence[PeriodicJob], alarm: Wakeup
    ) -> None:
        super().__init__("chores", context, alarm)
        self._chores = periodic_jobs

    def work(self) -> None:
        """Do all that is due now."""
        self.alone("chores", self._do)

    def _do(self) -> None:
        for chore in self._chores:
            chore.run()

    def next_due(self) -> datetime | None:
        """Return when a chore falls due that waits now; None when none waits."""
        moments = [chore.next_due() for chore in self._chores]
        return min((moment for moment in moments if moment is not None), default=None)
