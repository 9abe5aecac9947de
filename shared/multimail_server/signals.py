"""Signals: lets a thread wait until something that other threads do has happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Signals:
    """Wakes everybody who waits whenever anything was committed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def changed(self) -> None:
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
