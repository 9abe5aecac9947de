"""Webhook events that came before: an event is delivered at least once, and may be handled once.

Two orders are right, for two kinds of work:

- Claim, then work (`verify(…, seen=…)`, and `forget` where the work fails): never twice, but lost
  where the process dies in between.
- Work, then `add` (and ask `has` first): never lost, but twice where the process dies in between,
  so for work that may be repeated, such as putting an idempotent job into a queue.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from .errors import ConfigurationError
from .redis_link import RedisLink

REMEMBERED = timedelta(days=2)
"""How long an id is remembered: longer than the 27 h 35 min for which a delivery is tried."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class SeenStore(Protocol):
    """Remembers which events came before; shared by all workers that take them."""

    def has(self, event_id: str) -> bool:
        """Return whether an id is remembered."""
        ...

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Remember an id; return whether it was new. In one atomic step.

        Args:
            event_id: The event's id.
            until: From then on it may be forgotten; default in `REMEMBERED`.
        """
        ...

    def forget(self, event_id: str) -> None:
        """Let an event come again, because handling it failed."""
        ...


class MemorySeenStore:
    """A `SeenStore` in this process.

    Args:
        clock: Tells the present moment, aware.
    """

    def __init__(self, clock: Clock = _now) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def has(self, event_id: str) -> bool:
        """Return whether an id is remembered."""
        with self._lock:
            return self._has(event_id, self._clock())

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Remember an id; return whether it was new."""
        now = self._clock()
        with self._lock:
            while self._until and next(iter(self._until.values())) < now:
                del self._until[next(iter(self._until))]
            if self._has(event_id, now):
                return False
            self._until[event_id] = until or now + REMEMBERED
            return True

    def forget(self, event_id: str) -> None:
        """Let an event come again, because handling it failed."""
        with self._lock:
            self._until.pop(event_id, None)

    def _has(self, event_id: str, now: datetime) -> bool:
        until = self._until.get(event_id)
        return until is not None and until >= now


class SqliteSeenStore:
    """A `SeenStore` in a SQLite file, for the processes of one machine.

    Args:
        path: The file; it is made where there is none. It may be that of another store.
        clock: Tells the present moment, aware.

    Raises:
        ConfigurationError: `:memory:`; `MemorySeenStore` is for that.
        sqlite3.Error: The file is no database or cannot be written; the methods raise it too.
    """

    def __init__(self, path: str | Path, clock: Clock = _now) -> None:
        if str(path).startswith(":"):
            raise ConfigurationError("SqliteSeenStore takes the path of a file.")
        self._clock = clock
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(
            "CREATE TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY, until REAL) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS seen_by_until ON seen (until);"
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def has(self, event_id: str) -> bool:
        """Return whether an id is remembered."""
        sql = "SELECT 1 FROM seen WHERE id = ? AND until >= ?"
        with self._lock:
            rows = self._db.execute(sql, (_bytes(event_id), self._clock().timestamp()))
            return rows.fetchone() is not None

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Remember an id; return whether it was new."""
        now = self._clock()
        row = (_bytes(event_id), (until or now + REMEMBERED).timestamp())
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE until < ?", (now.timestamp(),))
            return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount == 1

    def forget(self, event_id: str) -> None:
        """Let an event come again, because handling it failed."""
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE id = ?", (_bytes(event_id),))


class RedisSeenStore:
    """A `SeenStore` in Redis, for any number of machines. What Redis forgets may come again.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; credentials in it are never shown.
        prefix: What the name of every key begins with.
        timeout: Seconds to wait for a connection, and for each answer.

    Raises:
        ConfigurationError: The extra `redis` is not installed, or the URL cannot be read.
        MemoryUnavailableError: By the methods, where Redis cannot be reached: answer the request
            with an error, and the event is delivered again.
    """

    def __init__(self, url: str, *, prefix: str = "multimail:", timeout: float = 5.0) -> None:
        self._link = RedisLink(url, prefix=prefix, timeout=timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._link!r})"

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def has(self, event_id: str) -> bool:
        """Return whether an id is remembered."""
        with self._link.asking() as redis:
            return redis.exists(self._link.key("seen", event_id)) == 1

    def add(self, event_id: str, until: datetime | None = None) -> bool:
        """Remember an id; return whether it was new."""
        expiry = int((until or _now() + REMEMBERED).timestamp() * 1000)
        with self._link.asking() as redis:
            return bool(redis.set(self._link.key("seen", event_id), "1", nx=True, pxat=expiry))

    def forget(self, event_id: str) -> None:
        """Let an event come again, because handling it failed."""
        with self._link.asking() as redis:
            redis.delete(self._link.key("seen", event_id))


def _bytes(event_id: str) -> bytes:
    return event_id.encode("utf-8", "surrogatepass")
