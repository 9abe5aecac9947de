"""Checks that the time of some work grows with the length of its text, and not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

_MAX_RATIO = 20
_MIN_SECONDS = 0.002


def is_linear(work: Callable[[str], object], piece: str, length: int) -> bool:
    """Return whether ten times as many characters take at most twenty times the time.

    It counts the processor time of this thread and takes the best of three runs, so that other
    processes and threads don't matter. Times below 2 ms count as 2 ms.

    Args:
        work: What is measured.
        piece: What the text consists of.
        length: How many characters the longer text has.
    """
    short, long = (_measure(work, piece * (size // len(piece))) for size in (length // 10, length))
    return long <= _MAX_RATIO * max(short, _MIN_SECONDS)


def _measure(work: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.thread_time()
        work(text)
        times.append(time.thread_time() - start)
    return min(times)
