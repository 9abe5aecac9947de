"""Limits: how large a request may be, and how many each key may make."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import ApiError

MAX_MESSAGE_BYTES = 25 * 1024 * 1024
_ENCODED = 4 / 3
_ROOM_FOR_JSON = 512 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken of one key, and in one request.

    Attributes:
        requests_per_minute: Of one key; None for as many as it likes.
        message_bytes: The largest message, by SMTP and by the API.
    """

    requests_per_minute: int | None = None
    message_bytes: int = MAX_MESSAGE_BYTES

    def longest_body(self, wanted: int) -> int:
        """Return how many bytes a body may have where a route would take `wanted`."""
        # Base64 makes four bytes of three, and the rest of the JSON needs room too.
        return min(wanted, int(self.message_bytes * _ENCODED) + _ROOM_FOR_JSON)


class Rates:
    """Counts requests by key: a minute's worth may come at once, then they refill evenly.

    The generic cell rate algorithm: for each key the moment is kept at which all that it has used
    will have refilled. By the server's clock, so that a virtual one that stands still refills
    nothing.

    Args:
        per_minute: Requests that one key may make; None for no limit.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._each = timedelta(minutes=1) / per_minute if per_minute else None
        self._refilled: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def take(self, key_id: str, now: datetime) -> None:
        """Count one request; raise a 429 with Retry-After where the key has none left."""
        if self._each is None:
            return
        with self._lock:
            refilled = max(self._refilled.get(key_id, now), now) + self._each
            wait = refilled - timedelta(minutes=1) - now
            if wait <= timedelta(0):
                self._refilled[key_id] = refilled
                return
        raise _too_many(self._each, math.ceil(wait.total_seconds()))


def _too_many(each: timedelta, seconds: int) -> ApiError:
    allowed = round(timedelta(minutes=1) / each)
    return ApiError(
        429,
        "rate_limited",
        f"This key has made the {allowed} requests that it may make in a minute. Nothing was done; "
        f"try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )
