"""Signals between threads: work that falls due, and commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

T = TypeVar("T")


class Wakeup:
    """Wakes a worker, unless it is already due to run before the given time.

    A send that waits three days for its decision gives the outbox nothing to do now; waking it for
    each would cost more than the send.
    """

    def __init__(self) -> None:
        self._notified = threading.Event()
        self._up_at: datetime | None = None

    def notify(self, due: datetime | None = None) -> None:
        """Wake the worker for work that is due at `due`; None for now. Call it after the commit."""
        up_at = self._up_at
        if due is None or up_at is None or due < up_at:
            self._notified.set()

    def clear(self) -> None:
        """Reset before looking for work, which then sees everything notified before."""
        self._up_at = None
        self._notified.clear()

    def wait(self, until: datetime, seconds: float) -> bool:
        """Wait for a notification, at most `seconds`, which end at `until`.

        Returns:
            Whether there was a notification.
        """
        self._up_at = until
        return self._notified.wait(seconds)


class WakeupGroup:
    """Several wakeups, notified together."""

    def __init__(self, *wakeups: Wakeup) -> None:
        self._wakeups = wakeups

    def notify(self, due: datetime | None = None) -> None:
        """Notify each; see `Wakeup.notify`."""
        for wakeup in self._wakeups:
            wakeup.notify(due)


class LatchedWakeup:
    """Wakes a worker after each commit once it has been armed.

    Most servers have no webhook; for them a commit costs no query.
    """

    def __init__(self) -> None:
        self._wake: Callable[[], None] = lambda: None
        self._armed = False

    def on_notify(self, wake: Callable[[], None]) -> None:
        """Set the callback that wakes the worker; it is called from any thread."""
        self._wake = wake

    def notify(self) -> None:
        """Arm the wakeup, and wake the worker now and after every later commit."""
        self._armed = True
        self._wake()

    def committed(self) -> None:
        """Wake the worker if the wakeup is armed."""
        if self._armed:
            self._wake()


class CommitSignal:
    """Wakes all waiting threads, and calls all subscribers, after each commit."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._callbacks: tuple[Callable[[], None], ...] = ()

    def notify_all(self) -> None:
        """Signal a commit."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()
        for callback in self._callbacks:
            callback()

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each commit, from any thread; it must not block."""
        with self._condition:
            self._callbacks = (*self._callbacks, callback)

    def unsubscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` no more."""
        with self._condition:
            self._callbacks = tuple(known for known in self._callbacks if known != callback)

    def wait_for(self, poll: Callable[[], T | None], seconds: float) -> T | None:
        """Return the first result of `poll` that is not None; None after `seconds`.

        `poll` runs at once and after each commit, in the calling thread without a lock.
        """
        deadline = time.monotonic() + seconds
        while True:
            seen = self._count
            result = poll()
            remaining = deadline - time.monotonic()
            if result is not None or remaining <= 0:
                return result
            self._wait_beyond(seen, remaining)

    def _wait_beyond(self, seen: int, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, seconds)
