"""Signals: lets a thread wait until something that other threads do has happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

T = TypeVar("T")


class Wakeup:
    """Wakes one sleeper, unless it will be up by itself in time.

    A send that waits three days for its decision gives the outbox nothing to do now: to wake it
    for each would cost more than the send.
    """

    def __init__(self) -> None:
        self._notified = threading.Event()
        self._up_at: datetime | None = None

    def notify(self, due: datetime | None = None) -> None:
        """Say, after the commit, that something is due at `due`; None for now."""
        up_at = self._up_at
        if due is None or up_at is None or due < up_at:
            self._notified.set()

    def clear(self) -> None:
        """Called by the sleeper before it looks for work: it sees all that was rung for before."""
        self._up_at = None
        self._notified.clear()

    def sleep(self, until: datetime, seconds: float) -> bool:
        """Called by the sleeper: wait for a ring, or so many seconds, which end at `until`.

        Returns:
            Whether it was rung for.
        """
        self._up_at = until
        return self._notified.wait(seconds)


class WakeupGroup:
    """Several sleepers' alarms, rung together."""

    def __init__(self, *wakeups: Wakeup) -> None:
        self._alarms = wakeups

    def notify(self, due: datetime | None = None) -> None:
        """Ring each. See `Alarm.ring`."""
        for alarm in self._alarms:
            alarm.notify(due)


class LatchedWakeup:
    """Wakes one worker after a commit, from the moment on at which there can be work for it.

    Most servers have no webhook: for them a commit costs no look at the database.
    """

    def __init__(self) -> None:
        self._wake: Callable[[], None] = lambda: None
        self._armed = False

    def on_notify(self, wake: Callable[[], None]) -> None:
        """Name what wakes the worker; it may be called from any thread."""
        self._wake = wake

    def notify(self) -> None:
        """Wake the worker, now and after every commit that follows."""
        self._armed = True
        self._wake()

    def committed(self) -> None:
        """Wake the worker if it was ever rung for."""
        if self._armed:
            self._wake()


class CommitSignal:
    """Wakes everybody who waits whenever anything was committed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def notify_all(self) -> None:
        """Say that something was committed."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait_for(self, look: Callable[[], T | None], seconds: float) -> T | None:
        """Return what `look` finds, as soon as it finds something; None after `seconds`.

        `look` runs at once and after each change, in the calling thread and under no lock.
        """
        deadline = time.monotonic() + seconds
        while True:
            seen = self._count
            found = look()
            left = deadline - time.monotonic()
            if found is not None or left <= 0:
                return found
            self._wait_beyond(seen, left)

    def _wait_beyond(self, seen: int, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, seconds)
