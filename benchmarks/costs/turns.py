"""Turns: contestants are timed one after the other, round by round, so that all meet a busy moment.

What is told is the median of each; a ratio is one of medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

Seconds = Callable[[], float]
"""Does the work once and returns how many seconds it took, by whatever clock is right for it."""


def timed(work: Callable[[], object]) -> Seconds:
    """Return a contestant that takes the time of `work` in this process."""

    def seconds() -> float:
        before = time.perf_counter()
        work()
        return time.perf_counter() - before

    return seconds


def medians(contestants: Mapping[str, Seconds], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contestant; one round before them is not counted."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-1, rounds):
        for name in _order(list(contestants), number):
            seconds = contestants[name]()
            if number >= 0:
                found[name].append(seconds)
    return {name: statistics.median(times) for name, times in found.items()}


async def async_medians(
    contestants: Mapping[str, Callable[[], Awaitable[object]]], rounds: int
) -> dict[str, float]:
    """Return the same for coroutines, in the running loop."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-1, rounds):
        for name in _order(list(contestants), number):
            before = time.perf_counter()
            await contestants[name]()
            if number >= 0:
                found[name].append(time.perf_counter() - before)
    return {name: statistics.median(times) for name, times in found.items()}


def _order(names: list[str], number: int) -> list[str]:
    """Turn the order from round to round: whoever goes second may find caches warm."""
    return names if number % 2 == 0 else names[::-1]
