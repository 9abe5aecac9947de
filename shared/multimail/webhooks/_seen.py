"""Stores of the webhook events that were handled: each is delivered at least once.

There are two safe orders of work:

- Claim, then work: pass `seen` to `verify`, and call `forget` if the work fails. An event is never
  handled twice, but it is lost if the process dies in between.
- Work, then `add`, after a check with `has`: an event is never lost, but it is handled twice if the
  process dies in between. Use it for work that can be repeated, such as enqueuing an idempotent
  job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from .._forks import keep_inherited, reset_after_fork
from .._redis import RedisConnection
from .._sqlite import connect_shared
from ..errors import ConfigurationError

RETENTION = timedelta(days=2)
"""How long an id is kept: longer than the 27 h 35 min for which a delivery is retried."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class SeenStore(Protocol):
    """Stores which events were handled; share it between all workers that handle them."""

    def has(self, event_id: str) -> bool:
        """Return whether an id is stored."""
        ...

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Store an id; return whether it was new. This is one atomic step.

        Args:
            event_id: The event's id.
            until: When the id may be removed; default after `RETENTION`.
        """
        ...

    def forget(self, event_id: str) -> None:
        """Remove an id, because handling the event failed."""
        ...


class MemorySeenStore:
    """A `SeenStore` in the memory of this process.

    Args:
        clock: Returns the current time, with a time zone.
    """

    def __init__(self, clock: Clock = _now) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def has(self, event_id: str) -> bool:
        """Return whether an id is stored."""
        with self._lock:
            return self._has(event_id, self._clock())

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Store an id; return whether it was new."""
        now = self._clock()
        with self._lock:
            while self._until and next(iter(self._until.values())) < now:
                del self._until[next(iter(self._until))]
            if self._has(event_id, now):
                return False
            self._until[event_id] = until or now + RETENTION
            return True

    def forget(self, event_id: str) -> None:
        """Remove an id, because handling the event failed."""
        with self._lock:
            self._until.pop(event_id, None)

    def _has(self, event_id: str, now: datetime) -> bool:
        until = self._until.get(event_id)
        return until is not None and until >= now


class SqliteSeenStore:
    """A `SeenStore` in a SQLite file, for the processes of one machine.

    Args:
        path: The file; created if missing. It can be the file of another store.
        clock: Returns the current time, with a time zone.

    Raises:
        ConfigurationError: The path is `:memory:`; use `MemorySeenStore`.
        sqlite3.Error: The file is not a database or can't be written; the methods raise it too.
    """

    def __init__(self, path: str | Path, clock: Clock = _now) -> None:
        if str(path).startswith(":"):
            raise ConfigurationError(
                "SqliteSeenStore needs the path of a file; use MemorySeenStore."
            )
        self._clock, self._path = clock, path
        self._lock = threading.Lock()
        self._db = connect_shared(path)
        reset_after_fork(self)
        self._db.executescript(
            "CREATE TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY, until REAL) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS seen_by_until ON seen (until);"
        )

    def _reset_after_fork(self) -> None:
        # SQLite's connections may not be used, nor closed, in a child.
        keep_inherited(self._db)
        self._lock, self._db = threading.Lock(), connect_shared(self._path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def has(self, event_id: str) -> bool:
        """Return whether an id is stored."""
        sql = "SELECT 1 FROM seen WHERE id = ? AND until >= ?"
        with self._lock:
            rows = self._db.execute(sql, (_encode(event_id), self._clock().timestamp()))
            return rows.fetchone() is not None

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Store an id; return whether it was new."""
        now = self._clock()
        row = (_encode(event_id), (until or now + RETENTION).timestamp())
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE until < ?", (now.timestamp(),))
            return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount == 1

    def forget(self, event_id: str) -> None:
        """Remove an id, because handling the event failed."""
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE id = ?", (_encode(event_id),))


class RedisSeenStore:
    """A `SeenStore` in Redis, for any number of machines. What Redis loses is handled again.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; its credentials are never shown.
        prefix: The start of every key.
        timeout: Seconds to wait for a connection, and for each response.

    Raises:
        ConfigurationError: The extra `redis` is not installed, or the URL is invalid.
        SessionStoreUnavailableError: Raised by the methods if Redis can't be reached: respond
            with an error, and the event is delivered again.
    """

    def __init__(self, url: str, *, prefix: str = "multimail:", timeout: float = 5.0) -> None:
        self._connection = RedisConnection(url, prefix=prefix, timeout=timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection!r})"

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def has(self, event_id: str) -> bool:
        """Return whether an id is stored."""
        with self._connection.client() as redis:
            return redis.exists(self._connection.key("seen", event_id)) == 1

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Store an id; return whether it was new."""
        expiry = int((until or _now() + RETENTION).timestamp() * 1000)
        with self._connection.client() as redis:
            return bool(
                redis.set(self._connection.key("seen", event_id), "1", nx=True, pxat=expiry)
            )

    def forget(self, event_id: str) -> None:
        """Remove an id, because handling the event failed."""
        with self._connection.client() as redis:
            redis.delete(self._connection.key("seen", event_id))


def _encode(event_id: str) -> bytes:
    return event_id.encode("utf-8", "surrogatepass")
