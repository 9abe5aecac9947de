"""Send tokens and durable stores for the session store tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from multimail.sessions import RedisSessionStore, SendToken, SqliteSessionStore

Durable: TypeAlias = SqliteSessionStore | RedisSessionStore
OpenStore: TypeAlias = Callable[[], Durable]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def open_store_at(where: str) -> Durable:
    """Open a store that others may have open too.

    Args:
        where: The path of a file, or a Redis URL with the keys' prefix as its fragment.
    """
    if where.startswith("redis:"):
        url, _, prefix = where.partition("#")
        return RedisSessionStore(url, prefix=prefix)
    return SqliteSessionStore(where)


def token(key: str, session: str = "s", thread: str = "", hours: float = 0) -> SendToken:
    """Return a send some hours after noon."""
    return SendToken(session, thread, key, NOON + timedelta(hours=hours))
