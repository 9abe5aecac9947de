"""Growth: whether work on ten times as much text takes about ten times as long."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST = 20
_FLOOR = 0.002


def is_linear(work: Callable[[str], object], piece: str, length: int) -> bool:
    """Return whether ten times as many characters take at most twenty times the time.

    The processor's time of this process counts, the best of three, so that a busy machine does not
    decide; 2 ms are the least that is told apart.

    Args:
        work: What is measured.
        piece: What the text consists of.
        length: How many characters the longer text has.
    """
    short, long = (_took(work, piece * (size // len(piece))) for size in (length // 10, length))
    return long <= _MOST * max(short, _FLOOR)


def _took(work: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work(text)
        times.append(time.process_time() - start)
    return min(times)
