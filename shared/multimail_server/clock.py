"""Injectable sources of time and of ids."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
ID_DIGITS = {digit: value for value, digit in enumerate(_ALPHABET)}
"""The value of each digit of an id."""
_SHIFTS = range(120, -1, -10)
RANDOM_BITS = 80
_BYTES = RANDOM_BITS // 8
_FETCHED = 64


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...

    def seconds_until(self, moment: datetime) -> float | None:
        """Return the real seconds until `moment`; None if waiting doesn't move the clock."""
        ...

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the clock is advanced by hand."""
        ...


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def seconds_until(self, moment: datetime) -> float | None:
        """Return the seconds from now to `moment`, at least 0."""
        return max(0.0, (moment - self.now()).total_seconds())

    def on_change(self, callback: Callable[[], None]) -> None:
        """Do nothing: this clock isn't advanced by hand."""


class Ids:
    """Generates sortable ids: a prefix, 48 bits of milliseconds and 80 random bits, in base 32.

    Ids of one generator strictly increase, even within a millisecond and when the clock steps back,
    so they serve as the sort key of listings.

    Args:
        clock: The source of the milliseconds.
        seed: Makes the ids repeatable; None uses the system's random generator.
    """

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = _SystemBits() if seed is None else random.Random(seed)  # noqa: S311 - by request
        self._last = 0
        self._lock = threading.Lock()

    def new(self, prefix: str, *, above: str | None = None) -> str:
        """Return a new id such as `msg_01JD…`.

        Args:
            prefix: Without the underscore.
            above: An id of another generator, whose clock may be ahead: the new one is greater.
        """
        floor = (above and id_number(prefix, above)) or 0
        milliseconds = int(self._clock.now().timestamp() * 1000)
        number = (milliseconds << RANDOM_BITS) | self._random.getrandbits(RANDOM_BITS - 1)
        with self._lock:
            floor = max(floor, self._last)
            if number <= floor:
                number = floor + 1 + self._random.getrandbits(32)
            self._last = number
        return id_text(prefix, number)


class _SystemBits:
    """The system's random bits, fetched for many ids at once: each fetch releases the GIL."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def getrandbits(self, count: int) -> int:
        """Return a number of `count` random bits, at most 80."""
        try:
            number = self._numbers.pop()  # atomic: no two threads get the same
        except IndexError:
            fetched = os.urandom(_BYTES * _FETCHED)
            numbers = [fetched[at : at + _BYTES] for at in range(0, len(fetched), _BYTES)]
            number, *rest = [int.from_bytes(each) for each in numbers]
            self._numbers += rest
        return number >> (RANDOM_BITS - count)


def derived_id(prefix: str, moment: datetime, position: int, *facts: str) -> str:
    """Return an id in the form of `Ids.new` that depends on its arguments only.

    Args:
        prefix: Without the underscore.
        moment: Ids of later moments sort after it.
        position: Orders the ids of one moment; below 65,536.
        facts: What distinguishes the id from others of that moment and position.
    """
    digest = hashlib.sha256("\n".join(facts).encode()).digest()
    tail = ((position & 0xFFFF) << 64) | int.from_bytes(digest[:8], "big")
    return id_text(prefix, (to_milliseconds(moment) << RANDOM_BITS) | tail)


def to_milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds since 1970 that ids begin with."""
    return int(moment.timestamp() * 1000)


def id_text(prefix: str, number: int) -> str:
    """Return the text of an id: the number in 26 base-32 digits."""
    return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def id_number(prefix: str, text: str) -> int | None:
    """Return the number that `id_text` made an id of; None if it made none."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != len(_SHIFTS) * 2 or not set(digits) <= ID_DIGITS.keys():
        return None
    number = 0
    for digit in digits:
        number = number * len(_ALPHABET) + ID_DIGITS[digit]
    return number
