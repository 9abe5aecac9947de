"""The link to Redis: how it is reached, and what it must promise to those who remember in it.

Needs the extra `redis`, which is imported only when a link is made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from .errors import ConfigurationError, MemoryUnavailableError

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger("multimail.redis")


class RedisLink:
    """A connection pool to one Redis database, and the names of the keys in it.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; credentials in it are never shown.
        prefix: What the name of every key begins with. In a Redis Cluster put braces around it
            (`{multimail}:`): then all keys are in one slot.
        timeout: Seconds to wait for a connection, and for each answer.

    Raises:
        ConfigurationError: The extra is not installed, or the URL cannot be read.
    """

    def __init__(self, url: str, *, prefix: str, timeout: float) -> None:
        self.prefix = prefix
        self.place = _place(url)
        self.redis = _connected(url, timeout)

    def __repr__(self) -> str:
        return f"{self.place!r}, prefix={self.prefix!r}"

    def key(self, *parts: str) -> str:
        """Return the name of a key; no two lists of parts have the same."""
        escaped = (quote(part, safe="@", errors="surrogatepass") for part in parts)
        return self.prefix + ":".join(escaped)

    @contextmanager
    def asking(self) -> Iterator[Redis]:
        """Lend the client.

        Raises:
            MemoryUnavailableError: Redis did not do what it was asked.
        """
        from redis import RedisError

        try:
            yield self.redis
        except RedisError as error:
            # A model reads the error: where Redis stands is for the operator alone.
            kind = type(error).__name__
            log.warning("Redis at %s did not do what it was asked (%s).", self.place, kind)
            raise MemoryUnavailableError(f"The shared memory did not answer ({kind})") from error

    def require_keeping(self) -> None:
        """Make sure that Redis drops no key to make room, and say so where a restart may.

        Raises:
            ConfigurationError: It evicts keys that have no expiry.
            MemoryUnavailableError: It cannot be reached.
        """
        from redis.exceptions import NoPermissionError

        with self.asking() as redis:
            try:
                facts = redis.info()
            except NoPermissionError:
                log.warning("Redis at %s does not tell its eviction policy.", self.place)
                return
        policy = str(facts.get("maxmemory_policy", ""))
        if policy.startswith("allkeys-") and facts.get("maxmemory"):
            raise ConfigurationError(
                f"Redis at {self.place} may evict any key (maxmemory-policy {policy}): the guard"
                " would forget what a conversation was shown. Use a Redis whose policy is"
                " noeviction, or one of volatile-*."
            )
        if facts.get("aof_enabled") == 0:
            log.warning(
                "Redis at %s keeps no append-only file: what the guard learnt since its last"
                " snapshot is lost when it restarts.",
                self.place,
            )

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()


def _connected(url: str, timeout: float) -> Redis:
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
            # Lone surrogates stand in addresses of hostile mail: they too must be remembered.
            encoding_errors="surrogatepass",
            # All that is asked may be asked again; few times, for somebody waits meanwhile.
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
        )
    except ValueError:
        # The error's own words can hold a piece of the password.
        raise ConfigurationError(
            "The Redis URL cannot be read. It is redis://, rediss:// or unix://, with"
            " credentials percent-encoded: redis://:p%40ss@127.0.0.1:6379/0."
        ) from None


def _place(url: str) -> str:
    """Return a URL without what may be secret in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a place that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
