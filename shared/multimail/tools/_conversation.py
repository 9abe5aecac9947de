"""Conversations: what taint, declared recipients and duplicates belong to."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_current: ContextVar[str | None] = ContextVar("multimail_conversation", default=None)


def get_process_conversation() -> str:
    """Return the id of the conversation of calls in this process that name none."""
    return _build_process_conversation(os.getpid())


@cache
def _build_process_conversation(process_id: int) -> str:
    # A child of a fork is another process; the number alone is used again by the system.
    return f"process-{process_id}-{secrets.token_hex(8)}"


def get_conversation() -> str | None:
    """Return the id that `conversation` set for the running code, or None."""
    return _current.get()


@contextmanager
def conversation(session_id: str) -> Iterator[None]:
    """Make the running code's tool calls belong to one conversation.

    It holds for the code inside the `with` block and for the tasks and threads that a framework
    starts there with a copy of the context, as asyncio and LangChain do.

    Args:
        session_id: The conversation, unique among everything that shares a session store.
    """
    token = _current.set(session_id)
    try:
        yield
    finally:
        _current.reset(token)
