"""Connections to Redis, for the session store and the store of seen webhook events.

Needs the extra `redis`, which is imported when the first connection is made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ._config import Secret
from .errors import ConfigurationError, SessionStoreUnavailableError

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger("multimail.redis")


class RedisConnection:
    """A connection pool to one Redis database, with a prefix for its keys.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; its credentials are never shown.
        prefix: The start of every key. In a Redis Cluster put braces around it (`{multimail}:`),
            so that all keys are in one slot.
        timeout: Seconds to wait for a connection, and for each response.

    Raises:
        ConfigurationError: The extra `redis` is not installed, or the URL is invalid.
    """

    def __init__(self, url: str, *, prefix: str, timeout: float) -> None:
        self.prefix = prefix
        self._url = Secret(url)
        self.location = _redact_url(url)
        self.redis = _connect(url, timeout)

    def __repr__(self) -> str:
        return f"{self.location!r}, prefix={self.prefix!r}"

    def get_url(self) -> str:
        """Return the URL, for a pickle.

        Raises:
            TypeError: It contains a password.
        """
        url = self._url.reveal()
        if "@" in url or "password" in url.casefold():
            raise TypeError(
                "A store whose Redis URL has a password can't be pickled. Build the store, and the "
                "toolkit that uses it, in the new process."
            )
        return url

    def key(self, *parts: str) -> str:
        """Return the key for these parts; different parts give different keys."""
        escaped = (quote(part, safe="@", errors="surrogatepass") for part in parts)
        return self.prefix + ":".join(escaped)

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Provide the Redis client, and convert its errors.

        Raises:
            SessionStoreUnavailableError: Redis could not be reached or returned an error.
        """
        from redis import RedisError

        try:
            yield self.redis
        except RedisError as error:
            # A model reads the error: only the log names the Redis server.
            reason = type(error).__name__
            log.warning("Redis at %s failed (%s).", self.location, reason)
            message = f"The session store is unavailable ({reason})"
            raise SessionStoreUnavailableError(message) from error

    def require_no_eviction(self) -> None:
        """Check that Redis evicts no keys; log a warning if a restart may lose some.

        Raises:
            ConfigurationError: Redis may evict keys that have no expiry.
            SessionStoreUnavailableError: Redis can't be reached.
        """
        from redis.exceptions import NoPermissionError

        with self.client() as redis:
            try:
                info = redis.info()
            except NoPermissionError:
                log.warning("Redis at %s does not report its eviction policy.", self.location)
                return
        policy = str(info.get("maxmemory_policy", ""))
        if policy.startswith("allkeys-") and info.get("maxmemory"):
            raise ConfigurationError(
                f"Redis at {self.location} may evict any key (maxmemory-policy {policy}): the guard"
                " would forget what a conversation was shown. Use a Redis whose policy is"
                " noeviction, or one of volatile-*."
            )
        if info.get("aof_enabled") == 0:
            log.warning(
                "Redis at %s has no append-only file: a restart loses what was stored since its"
                " last snapshot.",
                self.location,
            )

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()


def _connect(url: str, timeout: float) -> Redis:
    try:
        from redis import Redis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError:
        raise ConfigurationError(
            'Redis needs the extra `redis`: pip install "multimail[redis]"'
        ) from None
    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            # Addresses in hostile mail can contain lone surrogates: they must be stored too.
            encoding_errors="surrogatepass",
            # All commands can be repeated; only a few times, because a caller is waiting.
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
        )
    except ValueError:
        # The original message can contain part of the password.
        raise ConfigurationError(
            "The Redis URL is invalid. Write redis://, rediss:// or unix://, with"
            " credentials percent-encoded: redis://:p%40ss@127.0.0.1:6379/0."
        ) from None


def _redact_url(url: str) -> str:
    """Return a URL without credentials and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
