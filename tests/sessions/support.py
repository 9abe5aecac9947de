"""Send tokens and durable stores for the session store tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest

from multimail.sessions import RedisSessionStore, SendToken, SqliteSessionStore

Durable: TypeAlias = SqliteSessionStore | RedisSessionStore
OpenStore: TypeAlias = Callable[[], Durable]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def locate(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> str:
    """Return a new path, or a Redis URL with a new key prefix as its fragment."""
    if kind == "sqlite":
        return str(tmp_path / "store.db")
    return f"{request.getfixturevalue('redis_server').url}#{uuid4().hex}:"


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
