"""Sends, as the tests of the session stores count them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from multimail.sessions import SendToken, SqliteSessionStore

OpenStore: TypeAlias = Callable[[], SqliteSessionStore]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def token(key: str, session: str = "s", thread: str = "", hours: float = 0) -> SendToken:
    """Return a send some hours after noon."""
    return SendToken(session, thread, key, NOON + timedelta(hours=hours))
