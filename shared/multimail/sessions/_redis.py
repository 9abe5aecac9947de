"""The session store in Redis, for workers on several machines."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Self

from .._redis import RedisConnection
from ..errors import ConfigurationError
from ..trust.labels import Assessment, Label, Standing, Tier
from ..trust.taint import Taint, severity_key
from ._store import THREAD_WINDOW, SendToken

if TYPE_CHECKING:
    from redis.client import Pipeline

_FORMAT = "1"

# KEYS: the sends of the session, and those of the thread where there is one.
# ARGV: key, time, start of the thread's window, limit per session, limit per thread.
_COUNT_SEND = """
local key, at, since = ARGV[1], ARGV[2], ARGV[3]
local thread = KEYS[2]
if redis.call('SISMEMBER', KEYS[1], key) == 1 then return '' end
if thread and redis.call('ZSCORE', thread, key) then return '' end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 'session' end
if thread and redis.call('ZCOUNT', thread, '(' .. since, '+inf') >= tonumber(ARGV[5]) then
    return 'thread'
end
redis.call('SADD', KEYS[1], key)
if thread then redis.call('ZADD', thread, at, key) end
return ''
"""
# KEYS: the sends. ARGV: key, time, start of the window, limit, seconds of the window.
_COUNT_IN_WINDOW = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return '' end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 'thread' end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return ''
"""


class RedisSessionStore:
    """A `SessionStore` in Redis 6.2 or newer (or Valkey), for any number of machines.

    Only daily counts expire: a conversation can be resumed years later. What Redis loses, the guard
    has forgotten; see `docs/trust.md` on eviction, restarts and failover.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; its credentials are never shown.
        prefix: The start of every key. In a Redis Cluster put braces around it (`{multimail}:`),
            so that all keys are in one slot.
        timeout: Seconds to wait for a connection, and for each response.

    Raises:
        ConfigurationError: The extra `redis` is not installed, the URL is invalid, Redis evicts
            keys that have no expiry, or its content has the format of another version.
        SessionStoreUnavailableError: Redis can't be reached; the methods raise it too. A tool
            then returns an error and does nothing.
    """

    def __init__(self, url: str, *, prefix: str = "multimail:", timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._connection = RedisConnection(url, prefix=prefix, timeout=timeout)
        self._count_send = self._connection.redis.register_script(_COUNT_SEND)
        self._count_in_window = self._connection.redis.register_script(_COUNT_IN_WINDOW)
        self._connection.require_no_eviction()
        self._require_format()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._unpickle, (
            self._connection.get_url(),
            self._connection.prefix,
            self._timeout,
        )

    @classmethod
    def _unpickle(cls, url: str, prefix: str, timeout: float) -> Self:
        return cls(url, prefix=prefix, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _require_format(self) -> None:
        key = self._connection.key("sessions", "format")
        with self._connection.client() as redis:
            redis.set(key, _FORMAT, nx=True)
            stored = redis.get(key)
        if stored != _FORMAT:
            where = f"Redis at {self._connection.location} below {self._connection.prefix!r}"
            raise ConfigurationError(
                f"The sessions in {where} have format {stored!r}, and this version reads"
                f" {_FORMAT!r}: use the version of multimail that wrote them, or another prefix."
            )

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """See `SessionStore.taint`."""
        requested = list(addresses)
        with self._connection.client() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.smembers(self._connection.key("taint", session))
            if requested:
                pipe.zmscore(self._connection.key("named", session), requested)
            assessments, *scores = pipe.execute()
        tiers = zip(requested, scores[0] if scores else (), strict=True)
        named = {address: Tier(int(tier)) for address, tier in tiers if tier is not None}
        return Taint(
            max(map(_parse_assessment, assessments), key=severity_key, default=None), named
        )

    def merge_taint(self, session: str, more: Taint) -> None:
        """See `SessionStore.merge_taint`."""
        # Keeps every assessment and picks the worst on reading: concurrent writes lose nothing.
        with self._connection.client() as redis, redis.pipeline() as pipe:
            if more.worst is not None:
                assessment = f"{more.worst.label.value} {more.worst.standing.value}"
                pipe.sadd(self._connection.key("taint", session), assessment)
            if more.named:
                tiers = {address: int(tier) for address, tier in more.named.items()}
                pipe.zadd(self._connection.key("named", session), tiers, lt=True)
            pipe.execute()

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.declare`."""
        self._add(self._connection.key("declared", session), addresses)

    def declared(self, session: str) -> frozenset[str]:
        """See `SessionStore.declared`."""
        with self._connection.client() as redis:
            addresses = redis.smembers(self._connection.key("declared", session))
        return frozenset(map(str, addresses))

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_known`."""
        self._add(self._connection.key("known", scope), addresses)

    def _add(self, key: str, addresses: Iterable[str]) -> None:
        values = list(addresses)
        if values:
            with self._connection.client() as redis:
                redis.sadd(key, *values)

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """See `SessionStore.known`."""
        requested = list(addresses)
        if not requested:
            return frozenset()
        with self._connection.client() as redis:
            flags = redis.smismember(self._connection.key("known", scope), requested)
        return frozenset(
            address for address, is_known in zip(requested, flags, strict=True) if is_known
        )

    def add_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_held`."""
        recipients = list(addresses)
        if not recipients:
            return
        with self._connection.client() as redis, redis.pipeline() as pipe:
            number = redis.incr(self._connection.key("held-number"))
            for address in recipients:
                pipe.zadd(self._connection.key("held", scope, address), {email_id: number}, nx=True)
            pipe.sadd(self._connection.key("held-to", scope, email_id), *recipients)
            pipe.execute()

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """See `SessionStore.held_to`."""
        with self._connection.client() as redis, redis.pipeline(transaction=False) as pipe:
            for address in addresses:
                key = self._connection.key("held", scope, address)
                pipe.zrevrange(key, 0, limit - 1, withscores=True)
            rows = {row for held in pipe.execute() for row in map(tuple, held)}
        newest = sorted(rows, key=lambda row: row[1], reverse=True)
        return list(dict.fromkeys(email_id for email_id, _ in newest))[:limit]

    def remove_held(self, scope: str, email_id: str) -> None:
        """See `SessionStore.remove_held`."""
        recipients = self._connection.key("held-to", scope, email_id)

        def remove(pipe: Pipeline) -> None:
            addresses = pipe.smembers(recipients)
            pipe.multi()
            for address in addresses:
                pipe.zrem(self._connection.key("held", scope, str(address)), email_id)
            pipe.delete(recipients)

        with self._connection.client() as redis:
            redis.transaction(remove, recipients)

    def count_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """See `SessionStore.count_send`."""
        times = (token.at.timestamp(), (token.at - THREAD_WINDOW).timestamp())
        if not token.session:
            thread = self._connection.key("counted", token.thread)
            window = int(THREAD_WINDOW.total_seconds())
            with self._connection.client():
                return str(self._count_in_window([thread], [token.key, *times, per_thread, window]))
        keys = [self._connection.key("sends", token.session)]
        if token.thread:
            keys.append(self._connection.key("thread", token.thread))
        with self._connection.client():
            return str(self._count_send(keys, [token.key, *times, per_session, per_thread]))

    def reset(self, session: str) -> None:
        """See `SessionStore.reset`."""
        # The sends of a thread are stored under the thread, and still count for it.
        kinds = ("taint", "named", "declared", "sends")
        with self._connection.client() as redis:
            redis.delete(*(self._connection.key(kind, session) for kind in kinds))


def _parse_assessment(value: str) -> Assessment:
    label, _, standing = value.partition(" ")
    return Assessment(Label(label), standing=Standing(standing))
