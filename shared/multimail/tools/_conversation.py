"""Conversations: what taint, declared recipients and duplicates belong to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import ConfigurationError

_current: ContextVar[str | None] = ContextVar("multimail_conversation", default=None)


_PROCESS = f"process-{secrets.token_hex(8)}"


def get_process_conversation() -> str:
    """Return the id of the conversation of calls in this process that name none.

    A forked child has its parent's: it may go on with what the parent has read.
    """
    return _PROCESS


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

    Raises:
        ConfigurationError: It has no name, so that it would be that of all such calls.
    """
    if not isinstance(session_id, str) or not session_id.strip():
        raise ConfigurationError(
            f"conversation({session_id!r}) names no conversation.",
            remedy="Pass the id of the job as text, such as conversation('job-17').",
        )
    token = _current.set(session_id)
    try:
        yield
    finally:
        _current.reset(token)
