"""Conversations: whose taint and whose sends a request counts to.

Over stdio the process has one client, which is one conversation. Over streamable HTTP the session
id of the protocol cannot be trusted to be one: CrewAI's client and LangChain's, as they come, open
a new session for each call, and revision 2026-07-28 has no sessions at all. What one call was
shown has to hold the next call's send, so all requests to an endpoint are one conversation unless
the client's code names another in a header, or the operator knows that each session is one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from multimail.errors import ConfigurationError

CONVERSATION_HEADER = "MultiMail-Conversation"
"""The HTTP header by which a client's code, and never its model, names a conversation."""

_NAME = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Conversations:
    """Tells conversations apart.

    Args:
        pinned: The name of the one conversation of all requests. It outlives this process where
            the toolkit's store does.
        per_session: Take each session of the protocol as a conversation, where there are sessions.

    Raises:
        ConfigurationError: `pinned` is not 1 to 200 printable ASCII characters without a space.
    """

    pinned: str | None = None
    per_session: bool = False
    _shared: str = field(default_factory=lambda: f"mcp-{secrets.token_hex(16)}")

    def __post_init__(self) -> None:
        if self.pinned is not None:
            checked_name(self.pinned)

    def of(self, session_id: str | None, headers: Mapping[str, str]) -> str:
        """Return the conversation of a request.

        Args:
            session_id: The protocol's session, if the transport keeps and has checked one.
            headers: Of the HTTP request; empty over stdio.

        Raises:
            ConfigurationError: The header does not hold a name.
        """
        if self.pinned is not None:
            return self.pinned
        named = headers.get(CONVERSATION_HEADER)
        if named is not None:
            return checked_name(named)
        return f"mcp-{session_id}" if self.per_session and session_id else self._shared


def checked_name(name: str) -> str:
    """Return a conversation's name if it is one.

    Raises:
        ConfigurationError: It is not 1 to 200 printable ASCII characters without a space.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r:.60} cannot name a conversation.",
            remedy="Use 1 to 200 printable ASCII characters without a space.",
        )
    return name
