"""Rate limiting by key, for HTTP requests and SMTP connections."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta

MAX_KEYS = 10_000
_WINDOW = timedelta(minutes=1)


class RateLimiter:
    """Limits how many requests each key may make in a minute (generic cell rate algorithm).

    A full minute's allowance may be used at once and then refills evenly. The limiter is
    thread-safe. It remembers the 10,000 keys that were used last.

    Args:
        per_minute: How many requests one key may make in a minute; at least 1.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._interval = _WINDOW / per_minute
        self._full_at: OrderedDict[str, timedelta] = OrderedDict()
        self._lock = threading.Lock()

    def acquire(self, key: str, now: timedelta) -> timedelta:
        """Count one request of `key`, unless its allowance is used up.

        Args:
            key: Identifies who makes the request, such as an API key id or an IP address.
            now: The time since any fixed moment. A clock that stands still refills nothing.

        Returns:
            Zero if the request is allowed, else how long to wait before the next attempt.
        """
        with self._lock:
            # The moment at which the allowance will be full again.
            full_at = max(self._full_at.get(key, now), now) + self._interval
            wait = full_at - _WINDOW - now
            if wait > timedelta(0):
                return wait
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
            if len(self._full_at) > MAX_KEYS:
                self._full_at.popitem(last=False)
            return timedelta(0)
