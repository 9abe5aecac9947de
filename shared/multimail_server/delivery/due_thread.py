"""A thread that does what is due, and sleeps until something is due again."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta

from ..mailroom.desk import Desk
from ..passes import Passes
from ..signals import Alarm
from ..store.protocol import StoreUnavailableError

_log = logging.getLogger(__name__)
_AFTER_TROUBLE = timedelta(seconds=5)
_LONGEST_SLEEP = timedelta(hours=1)
"""Bounds what a step of the machine's clock can delay."""
CLAIMED_SECONDS = 1.0
"""When to look again at what another process works on: nobody tells that it has died."""


class DueThread(ABC):
    """Does its work when it is due. `start` it once, `wake` it after a commit, then `stop` it.

    Args:
        name: What it is called in the log.
        desk: The mailroom's desk.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(self, name: str, desk: Desk, alarm: Alarm) -> None:
        self._name = name
        self._desk = desk
        self._alarm = alarm
        self._passes = Passes()
        self._left_to_others = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"multimail-{name}", daemon=True)
        desk.clock.on_change(self.wake)

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
        with self._desk.store.claim(what) as ours:
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
        self._alarm.ring()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look for work now."""
        self._alarm.ring()

    def pause(self, seconds: float) -> bool:
        """Wait; return at once, with True, if it is told to end."""
        return self._stopping.wait(seconds)

    def settle(self, seconds: float) -> bool:
        """Do all that is due by now; return whether that came to its end in time."""
        return self._passes.wait_for_one(self.wake, seconds)

    def _run(self) -> None:
        while not self.is_stopping:
            self._alarm.wake_up()
            self._passes.begin()
            until, seconds = self._pass()
            self._passes.end()
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
        return self._desk.now() + _AFTER_TROUBLE, _AFTER_TROUBLE.total_seconds()

    def _pause(self, due: datetime | None) -> tuple[datetime, float]:
        latest = self._desk.now() + _LONGEST_SLEEP
        until = min(due or latest, latest)
        seconds = self._desk.clock.seconds_until(until)
        if seconds == 0 and self._left_to_others:
            # What others work on is still due, and no reason to look again at once.
            return until, CLAIMED_SECONDS
        # A clock that stands still comes to no moment: whoever moves it rings.
        return until, _LONGEST_SLEEP.total_seconds() if seconds is None else seconds
