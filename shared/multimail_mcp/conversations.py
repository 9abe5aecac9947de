"""Conversations: to which conversation, with its taint and its sends, a request belongs.

Over stdio the process has one client, which is one conversation. Over streamable HTTP a protocol
session is not always a conversation: the clients of CrewAI and LangChain open a new session for
each call by default, and protocol revision 2026-07-28 has no sessions. Mail that one call has shown
must affect the next call's send, so all requests to an endpoint are one conversation, unless the
client's code names one in a header or the operator states that each session is one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from multimail.errors import ConfigurationError

CONVERSATION_HEADER = "MultiMail-Conversation"
"""The HTTP header in which the client's code, never its model, names a conversation."""

_NAME = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Conversations:
    """Assigns requests to conversations.

    Args:
        pinned: The name of one conversation for all requests. It outlives this process if the
            toolkit's store does.
        per_session: Make each protocol session a conversation, if there are sessions.

    Raises:
        ConfigurationError: `pinned` is not 1 to 200 printable ASCII characters without a space.
    """

    pinned: str | None = None
    per_session: bool = False
    _shared: str = field(default_factory=lambda: f"mcp-{secrets.token_hex(16)}")

    def __post_init__(self) -> None:
        if self.pinned is not None:
            validate_name(self.pinned)

    def resolve(self, session_id: str | None, headers: Mapping[str, str]) -> str:
        """Return the conversation of a request.

        Args:
            session_id: The protocol session, if the transport keeps and has checked one.
            headers: The headers of the HTTP request; empty over stdio.

        Raises:
            ConfigurationError: The value of the header is not a valid name.
        """
        if self.pinned is not None:
            return self.pinned
        name = headers.get(CONVERSATION_HEADER)
        if name is not None:
            return validate_name(name)
        return f"mcp-{session_id}" if self.per_session and session_id else self._shared


def validate_name(name: str) -> str:
    """Return the name of a conversation if it is valid.

    Raises:
        ConfigurationError: The name is not 1 to 200 printable ASCII characters without a space.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r:.60} is not a valid conversation name.",
            remedy="Use 1 to 200 printable ASCII characters without a space.",
        )
    return name
