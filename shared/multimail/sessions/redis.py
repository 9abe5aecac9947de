"""Sessions in Redis, which workers on several machines may share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..redis_link import RedisLink
from ..trust.labels import Assessment, Label, Standing, Tier
from ..trust.taint import Taint, severity_key
from .store import THREAD_WINDOW, SendToken

if TYPE_CHECKING:
    from redis.client import Pipeline

_FORMAT = "1"

# KEYS: the sends of the session, and those of the thread where there is one.
# ARGV: key, moment, moment from which a thread's sends count, cap per session, cap per thread.
_TAKE_SEND = """
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


class RedisSessionStore:
    """Remembers in Redis 6.2 or newer (or Valkey), for workers on any number of machines.

    What it remembers has no expiry, as in a file: a conversation may be resumed years later. What
    Redis forgets, the guard has forgotten: see `docs/trust.md` for eviction, restarts, failover.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; credentials in it are never shown.
        prefix: What the name of every key begins with. In a Redis Cluster put braces around it
            (`{multimail}:`): then all keys are in one slot.
        timeout: Seconds to wait for a connection, and for each answer.

    Raises:
        ConfigurationError: The extra `redis` is not installed, the URL cannot be read, Redis
            evicts keys that have no expiry, or what is in it is of another version's format.
        MemoryUnavailableError: Redis cannot be reached; the methods raise it too. A tool whose
            guard cannot remember answers with an error and does nothing.
    """

    def __init__(self, url: str, *, prefix: str = "multimail:", timeout: float = 5.0) -> None:
        self._link = RedisLink(url, prefix=prefix, timeout=timeout)
        self._take_send = self._link.redis.register_script(_TAKE_SEND)
        self._link.require_keeping()
        self._require_format()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._link!r})"

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _require_format(self) -> None:
        name = self._link.key("sessions", "format")
        with self._link.asking() as redis:
            redis.set(name, _FORMAT, nx=True)
            found = redis.get(name)
        if found != _FORMAT:
            raise ConfigurationError(
                f"The sessions in Redis at {self._link.place} below {self._link.prefix!r} are of"
                f" format {found!r}, and this version reads {_FORMAT!r}: use the version of"
                " multimail that wrote them, or another prefix."
            )

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """See `SessionStore.taint`."""
        wanted = list(addresses)
        with self._link.asking() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.smembers(self._link.key("taint", session))
            if wanted:
                pipe.zmscore(self._link.key("named", session), wanted)
            shown, *scores = pipe.execute()
        found = zip(wanted, scores[0] if scores else (), strict=True)
        named = {address: Tier(int(tier)) for address, tier in found if tier is not None}
        return Taint(max(map(_assessment, shown), key=severity_key, default=None), named)

    def grow_taint(self, session: str, more: Taint) -> None:
        """See `SessionStore.grow_taint`."""
        # Every assessment is kept and the worst one found when asked: sets lose no write.
        with self._link.asking() as redis, redis.pipeline() as pipe:
            if more.worst is not None:
                said = f"{more.worst.label.value} {more.worst.standing.value}"
                pipe.sadd(self._link.key("taint", session), said)
            if more.addresses:
                tiers = {address: int(tier) for address, tier in more.addresses.items()}
                pipe.zadd(self._link.key("named", session), tiers, lt=True)
            pipe.execute()

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.declare`."""
        self._add(self._link.key("declared", session), addresses)

    def declared(self, session: str) -> frozenset[str]:
        """See `SessionStore.declared`."""
        with self._link.asking() as redis:
            found = redis.smembers(self._link.key("declared", session))
        return frozenset(map(str, found))

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_known`."""
        self._add(self._link.key("known", scope), addresses)

    def _add(self, name: str, addresses: Iterable[str]) -> None:
        some = list(addresses)
        if some:
            with self._link.asking() as redis:
                redis.sadd(name, *some)

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """See `SessionStore.known`."""
        wanted = list(addresses)
        if not wanted:
            return frozenset()
        with self._link.asking() as redis:
            found = redis.smismember(self._link.key("known", scope), wanted)
        return frozenset(one for one, is_known in zip(wanted, found, strict=True) if is_known)

    def note_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.note_held`."""
        some = list(addresses)
        if not some:
            return
        with self._link.asking() as redis, redis.pipeline() as pipe:
            number = redis.incr(self._link.key("held-number"))
            for address in some:
                pipe.zadd(self._link.key("held", scope, address), {email_id: number}, nx=True)
            pipe.sadd(self._link.key("held-to", scope, email_id), *some)
            pipe.execute()

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """See `SessionStore.held_to`."""
        with self._link.asking() as redis, redis.pipeline(transaction=False) as pipe:
            for address in addresses:
                name = self._link.key("held", scope, address)
                pipe.zrevrange(name, 0, limit - 1, withscores=True)
            rows = {(email, number) for found in pipe.execute() for email, number in found}
        newest = sorted(rows, key=lambda row: row[1], reverse=True)
        return list(dict.fromkeys(email for email, _ in newest))[:limit]

    def forget_held(self, scope: str, email_id: str) -> None:
        """See `SessionStore.forget_held`."""
        to = self._link.key("held-to", scope, email_id)

        def forget(pipe: Pipeline) -> None:
            addresses = pipe.smembers(to)
            pipe.multi()
            for address in addresses:
                pipe.zrem(self._link.key("held", scope, str(address)), email_id)
            pipe.delete(to)

        with self._link.asking() as redis:
            redis.transaction(forget, to)

    def take_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """See `SessionStore.take_send`."""
        names = [self._link.key("sends", token.session)]
        if token.thread:
            names.append(self._link.key("thread", token.thread))
        moments = (token.at.timestamp(), (token.at - THREAD_WINDOW).timestamp())
        with self._link.asking():
            return str(self._take_send(names, [token.key, *moments, per_session, per_thread]))

    def reset(self, session: str) -> None:
        """See `SessionStore.reset`."""
        # What was sent in a thread stands under the thread, and still counts for it.
        kinds = ("taint", "named", "declared", "sends")
        with self._link.asking() as redis:
            redis.delete(*(self._link.key(kind, session) for kind in kinds))


def _assessment(said: str) -> Assessment:
    label, _, standing = said.partition(" ")
    return Assessment(Label(label), standing=Standing(standing))
