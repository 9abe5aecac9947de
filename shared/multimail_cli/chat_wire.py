"""The chat/completions wire: a turn of the scripted model as JSON and as a stream of chunks."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_PIECE = 24


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of a turn; `arguments` as text is sent as it stands, well-formed or not."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)

    def encoded(self) -> str:
        """Return the arguments as the wire carries them."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that the model server answers in place of a turn."""

    status: int = 503
    message: str = "The scripted model was told to fail."
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model does next: text, tool calls, or a failure. Turns add up by `+`."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    failure: Failure | None = None

    def __add__(self, other: Turn) -> Turn:
        text = "\n".join(part for part in (self.text, other.text) if part)
        return Turn(text, self.calls + other.calls, self.failure or other.failure)

    def cut_at(self, stop: Any) -> Turn:
        """Return the turn with its text ended before the first stop sequence."""
        wanted = [stop] if isinstance(stop, str) else stop or []
        ends = [at for one in wanted if (at := self.text.find(str(one))) >= 0]
        return Turn(self.text[: min(ends)], self.calls, self.failure) if ends else self


def get_text(content: Any) -> str:
    """Return the text of a message's content, a string or a list of parts."""
    if isinstance(content, list):
        return "\n".join(get_text(part) for part in content)
    if isinstance(content, dict):
        return str(content.get("text") or "")
    return "" if content is None else str(content)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer: the turn with the ids and counts that the wire wants."""

    request: dict[str, Any]
    turn: Turn
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    call_ids: tuple[str, ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, request: dict[str, Any], turn: Turn) -> Completion:
        """Give the turn its ids."""
        ids = tuple(f"call_{secrets.token_hex(12)}" for _ in turn.calls)
        return cls(request, turn.cut_at(request.get("stop")), call_ids=ids)

    @property
    def finish_reason(self) -> str:
        """Why the turn ends here."""
        return "tool_calls" if self.turn.calls else "stop"

    def usage(self) -> dict[str, int]:
        """Return token counts, guessed at four characters a token."""
        asked = len(json.dumps(self.request.get("messages", []), default=str)) // 4
        said = sum(len(one.name) + len(one.encoded()) for one in self.turn.calls)
        answered = 1 + (said + len(self.turn.text)) // 4
        return {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        }

    def document(self) -> dict[str, Any]:
        """Return the whole answer as one `chat.completion`."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.turn.text or (None if self.turn.calls else ""),
            "refusal": None,
        }
        if self.turn.calls:
            message["tool_calls"] = [
                _wire_call(one, key)
                for one, key in zip(self.turn.calls, self.call_ids, strict=True)
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return {
            **self._head("chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": self.usage(),
        }

    def events(self) -> Iterator[str]:
        """Yield the answer as server-sent events, ended by `[DONE]`."""
        for delta in self._deltas():
            yield _event(self._chunk(delta, None))
        yield _event(self._chunk({}, self.finish_reason))
        if (self.request.get("stream_options") or {}).get("include_usage"):
            head = self._head("chat.completion.chunk")
            yield _event({**head, "choices": [], "usage": self.usage()})
        yield "data: [DONE]\n\n"

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": "" if self.turn.text else None}
        for piece in _pieces(self.turn.text):
            yield {"content": piece}
        for index, one in enumerate(self.turn.calls):
            empty = _wire_call(ToolCall(one.name, ""), self.call_ids[index])
            yield {"tool_calls": [{"index": index, **empty}]}
            for piece in _pieces(one.encoded()):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        model = str(self.request.get("model") or "scripted")
        return {"id": self.id, "object": kind, "created": self.created, "model": model}


def _wire_call(one: ToolCall, key: str) -> dict[str, Any]:
    return {
        "id": key,
        "type": "function",
        "function": {"name": one.name, "arguments": one.encoded()},
    }


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def _event(document: dict[str, Any]) -> str:
    return f"data: {json.dumps(document)}\n\n"
