"""Passes: lets a caller wait until a worker has looked at everything once more."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Passes:
    """Counts the passes of one worker's loop.

    The worker calls `begin` before it looks for work and `end` after it has done what it found.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._begun = 0
        self._ended = 0

    def begin(self) -> None:
        """Say that a pass begins: whatever was committed before is seen by it."""
        with self._condition:
            self._begun += 1

    def end(self) -> None:
        """Say that the pass is over."""
        with self._condition:
            self._ended = self._begun
            self._condition.notify_all()

    def wait_for_one(self, wake: Callable[[], None], seconds: float) -> bool:
        """Wake the worker and wait for a pass that began after this call.

        Args:
            wake: Makes the worker begin another pass.
            seconds: The longest wait.
        Returns:
            Whether it came to its end in time.
        """
        with self._condition:
            wanted = self._begun + 1
        wake()
        with self._condition:
            return self._condition.wait_for(lambda: self._ended >= wanted, seconds)
