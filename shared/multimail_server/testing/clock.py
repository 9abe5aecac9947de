"""The virtual clock, which stands still until a test advances it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ..clock import Clock, SystemClock
from ..extension import Worker

_DRAIN_TIMEOUT = 60.0


class VirtualClock:
    """A clock that stands still until a test advances it.

    Args:
        start: The initial time, aware; default 2026-01-01T00:00:00Z.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the virtual time."""
        with self._lock:
            return self._now

    def advance(self, delta: timedelta) -> datetime:
        """Advance the time by `delta`, call the callbacks, and return the new time."""
        with self._lock:
            self._now += delta
            now = self._now
        for callback in self._callbacks:
            callback()
        return now

    def seconds_until(self, moment: datetime) -> float | None:
        """Return 0 for a past moment, else None: waiting doesn't move this clock."""
        return 0.0 if moment <= self.now() else None

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each `advance`."""
        self._callbacks.append(callback)


def advance_with_workers(clock: VirtualClock, delta: timedelta, workers: Sequence[Worker]) -> bool:
    """Advance the clock from one due moment to the next, and run the work due at each.

    So a retry is scheduled from the moment of its attempt, and not from the end.

    Args:
        clock: The clock.
        delta: By how much to advance it.
        workers: Their due work is run.
    Returns:
        Whether all due work ended in time.
    """
    target = clock.now() + delta
    drained = drain_workers(workers)
    while drained and (moment := _get_next_due(workers)) is not None and moment <= target:
        if moment <= clock.now():
            break  # A worker that leaves due work behind waits for something else.
        clock.advance(moment - clock.now())
        drained = drain_workers(workers)
    clock.advance(target - clock.now())
    return drain_workers(workers) and drained


def drain_workers(workers: Sequence[Worker]) -> bool:
    """Run all due work; return whether it ended in time."""
    drained = [worker.drain(_DRAIN_TIMEOUT) for worker in workers]
    return all(drained)


def _get_next_due(workers: Sequence[Worker]) -> datetime | None:
    times = [worker.next_due() for worker in workers]
    return min((time for time in times if time is not None), default=None)


def parse_clock(text: str) -> Clock:
    """Return the clock of a setting: `system`, `virtual` or `virtual:<ISO 8601 time>`.

    Raises:
        ValueError: The setting has another form.
    """
    kind, colon, start = text.partition(":")
    if text == "system":
        return SystemClock()
    if kind != "virtual" or (colon and not start):
        raise ValueError(
            f"{text!r} is not a clock; use system, virtual or virtual:2026-01-01T00:00:00Z"
        )
    if not start:
        return VirtualClock()
    try:
        moment = datetime.fromisoformat(start)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return VirtualClock(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{start!r} is not a time such as 2026-01-01T00:00:00Z") from None
