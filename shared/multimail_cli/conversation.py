"""Conversations: what a script of the scripted model sees of one request, read liberally."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .chat_wire import get_text

_OBSERVED = re.compile(r"\A\s*Observation:\s*", re.IGNORECASE)
_CALLED = re.compile(r"""['"]name['"]:\s*['"]([\w.-]+)['"]""")


@dataclass(frozen=True, slots=True)
class ToolText:
    """What one tool call returned, as the model was shown it."""

    name: str
    text: str
    arguments: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One request for a turn.

    Attributes:
        messages: The messages, as they came.
        tools: The tools offered, as they came.
        model: The model asked for.
        attempt: How many requests with these very messages came before: a client's retries.
    """

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    model: str = ""
    attempt: int = 0

    @classmethod
    def of(cls, request: dict[str, Any], attempt: int = 0) -> Conversation:
        """Read a request's body."""
        messages = tuple(one for one in request.get("messages") or () if isinstance(one, dict))
        tools = tuple(one for one in request.get("tools") or () if isinstance(one, dict))
        return cls(messages, tools, str(request.get("model") or ""), attempt)

    @property
    def turns(self) -> int:
        """How many turns the model has taken."""
        return sum(one.get("role") == "assistant" for one in self.messages)

    @property
    def last_user_text(self) -> str:
        """The newest text of a user."""
        asked = [one for one in self.messages if one.get("role") == "user"]
        return get_text(asked[-1].get("content")) if asked else ""

    @property
    def results(self) -> list[ToolText]:
        """Every tool result so far, oldest first."""
        return list(self._results())

    @property
    def last_tool_text(self) -> str:
        """The newest tool result, or an empty string."""
        found = self.results
        return found[-1].text if found else ""

    def tool_texts(self, name: str) -> list[str]:
        """Return what the tool of that name returned, oldest first."""
        return [one.text for one in self.results if one.name == name]

    def offered(self, name: str) -> bool:
        """Return whether the model may call a tool of that name."""
        return name in self.tool_names

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools offered."""
        return [str((one.get("function") or one).get("name") or "") for one in self.tools]

    def _results(self) -> Iterator[ToolText]:
        asked: dict[str, tuple[str, str]] = {}
        spoken = ""
        for one in self.messages:
            role, text = one.get("role"), get_text(one.get("content"))
            if role == "assistant":
                asked |= _calls(one)
                spoken = text
            elif role == "tool":
                key = str(one.get("tool_call_id") or "")
                name, arguments = asked.get(key, (str(one.get("name") or ""), ""))
                yield ToolText(name, text, arguments, key)
            elif role == "user" and _OBSERVED.match(text):
                # smolagents tells its model of calls and results in plain messages.
                named = _CALLED.findall(spoken)
                yield ToolText(named[-1] if named else "", _OBSERVED.sub("", text, count=1))


def _calls(message: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = {}
    for one in message.get("tool_calls") or ():
        function = one.get("function") or {}
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        found[str(one.get("id"))] = (str(function.get("name") or ""), text)
    return found
