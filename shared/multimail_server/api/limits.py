"""Limits: how large a request may be, and how many each key may make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..config import MAX_MESSAGE_BYTES
from ..errors import ApiError
from ..rate_limit import RateLimiter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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


def check_rate(limiter: RateLimiter | None, key_id: str, now: datetime) -> None:
    """Count one request of an API key, by the server's clock.

    Args:
        limiter: The limiter of all keys; None for no limit.
        key_id: The API key's id.
        now: The server's time. A virtual clock that stands still refills nothing.

    Raises:
        ApiError: 429 with Retry-After; the key has used up its requests of this minute.
    """
    if limiter is None:
        return
    wait = limiter.acquire(key_id, now - _EPOCH)
    if wait > timedelta(0):
        raise _too_many(limiter.per_minute, math.ceil(wait.total_seconds()))


def _too_many(allowed: int, seconds: int) -> ApiError:
    return ApiError(
        429,
        "rate_limited",
        f"This key has made the {allowed} requests that it may make in a minute. Nothing was done; "
        f"try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )
