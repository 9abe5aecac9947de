"""Server time and ids: the only two places where the server asks what time it is or rolls dice."""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = range(120, -1, -10)
RANDOM_BITS = 80


class Clock(Protocol):
    """What the server asks of time."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        ...

    def seconds_until(self, moment: datetime) -> float | None:
        """Return the seconds of real waiting until `moment`; None when waiting brings no time."""
        ...

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever time is moved by hand."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)

    def seconds_until(self, moment: datetime) -> float | None:
        """Return the seconds from now to `moment`, at least 0."""
        return max(0.0, (moment - self.now()).total_seconds())

    def on_change(self, callback: Callable[[], None]) -> None:
        """Do nothing: nobody moves this clock."""


class VirtualClock:
    """A clock that stands still until a test advances it.

    Args:
        start: The first moment, aware; 2026-01-01T00:00:00Z when not given.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the moment that the clock was last set to."""
        with self._lock:
            return self._now

    def advance(self, delta: timedelta) -> datetime:
        """Move time by `delta` and wake everything that waits for a moment; return the new time."""
        with self._lock:
            self._now += delta
            now = self._now
        for callback in self._callbacks:
            callback()
        return now

    def seconds_until(self, moment: datetime) -> float | None:
        """Return 0 for a moment that has come, else None: waiting does not move this clock."""
        return 0.0 if moment <= self.now() else None

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each `advance`."""
        self._callbacks.append(callback)


class Ids:
    """Makes sortable ids: a prefix, 48 bits of milliseconds, 80 random bits, in base 32.

    Ids of one generator strictly increase, within a millisecond and when the clock steps back too,
    so that they serve as the sort key of a listing.

    Args:
        clock: Where the milliseconds come from.
        seed: Makes the ids repeatable, for tests; None draws from the system's generator.
    """

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random: random.Random = (
            secrets.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - by request
        )
        self._last = 0
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return a new id such as `msg_01JD…`; `prefix` is given without the underscore."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        # Before the lock: asking the system lets other threads run, and they would wait for it.
        number = (milliseconds << RANDOM_BITS) | self._random.getrandbits(RANDOM_BITS - 1)
        with self._lock:
            if number <= self._last:
                number = self._last + 1 + self._random.getrandbits(32)
            self._last = number
        return id_text(prefix, number)


def derived_id(prefix: str, moment: datetime, position: int, *facts: str) -> str:
    """Return an id in the form of `Ids.new` that rolls no dice: equal facts give the same one.

    Args:
        prefix: Without the underscore.
        moment: The ids of later moments sort after it.
        position: Orders the ids of one moment; below 65,536.
        facts: What tells this thing from every other one of that moment and position.
    """
    digest = hashlib.sha256("\n".join(facts).encode()).digest()
    tail = ((position & 0xFFFF) << 64) | int.from_bytes(digest[:8], "big")
    return id_text(prefix, (int(moment.timestamp() * 1000) << RANDOM_BITS) | tail)


def id_text(prefix: str, number: int) -> str:
    """Return an id as it is written: the number in 26 digits of base 32."""
    return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])
