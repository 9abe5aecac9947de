"""A scripted model: a model server on this machine whose turns a plain function writes.

It implements OpenAI's chat/completions, so the agent loop and the client of each framework run
against it without a key and without a network. A script is a function from a `Conversation` to a
`Turn`.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

_CHUNK_LENGTH = 24
_OBSERVATION = re.compile(r"\A\s*Observation:\s*", re.IGNORECASE)
_CALLED_TOOL = re.compile(r"""['"]name['"]:\s*['"]([\w.-]+)['"]""")
# An error of the script is final: a client that tries again would get the same response.
_DO_NOT_RETRY = {"x-should-retry": "false"}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call of a turn. `arguments` given as text is sent unchanged, well-formed or not."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)

    def encode(self) -> str:
        """Return the arguments as JSON text."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error response of the model server in place of a turn."""

    status: int = 503
    message: str = "The scripted model was told to fail."
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model does next: text, tool calls, or a failure. `+` joins turns."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    failure: Failure | None = None

    def __add__(self, other: Turn) -> Turn:
        text = "\n".join(part for part in (self.text, other.text) if part)
        return Turn(text, self.calls + other.calls, self.failure or other.failure)

    def cut_at(self, stop: Any) -> Turn:
        """Return the turn with its text cut before the first stop sequence."""
        sequences = [stop] if isinstance(stop, str) else stop or []
        ends = [end for item in sequences if (end := self.text.find(str(item))) >= 0]
        return Turn(self.text[: min(ends)], self.calls, self.failure) if ends else self


def say(text: str) -> Turn:
    """Return a turn that is text."""
    return Turn(text)


def call(name: str, /, **arguments: Any) -> Turn:
    """Return a turn that calls a tool; join several with `+`."""
    return Turn(calls=(ToolCall(name, arguments),))


def fail(
    status: int = 503,
    headers: Mapping[str, str] | None = None,
    message: str = "The scripted model was told to fail.",
) -> Turn:
    """Return a turn for which the model server responds with an error status."""
    return Turn(failure=Failure(status, message, tuple((headers or {}).items())))


@dataclass(frozen=True, slots=True)
class ToolText:
    """The result of one tool call, as the model received it."""

    name: str
    text: str
    arguments: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One request for a turn.

    Attributes:
        messages: The messages of the request, unchanged.
        tools: The tools that the request offers, unchanged.
        model: The name of the requested model.
        attempt: How many earlier requests had the same messages; above 0, the client retries.
    """

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    model: str = ""
    attempt: int = 0

    @classmethod
    def from_request(cls, request: dict[str, Any], attempt: int = 0) -> Conversation:
        """Return the conversation in the body of a request."""
        messages = tuple(item for item in request.get("messages") or () if isinstance(item, dict))
        tools = tuple(item for item in request.get("tools") or () if isinstance(item, dict))
        return cls(messages, tools, str(request.get("model") or ""), attempt)

    @property
    def turns(self) -> int:
        """The number of turns that the model has taken."""
        return sum(message.get("role") == "assistant" for message in self.messages)

    @property
    def last_user_text(self) -> str:
        """The text of the newest user message, or an empty string."""
        texts = [message for message in self.messages if message.get("role") == "user"]
        return get_text(texts[-1].get("content")) if texts else ""

    @property
    def results(self) -> list[ToolText]:
        """Every tool result so far, oldest first."""
        return list(self._iter_results())

    @property
    def last_tool_text(self) -> str:
        """The text of the newest tool result, or an empty string."""
        results = self.results
        return results[-1].text if results else ""

    def tool_texts(self, name: str) -> list[str]:
        """Return the results of the tool of that name, oldest first."""
        return [result.text for result in self.results if result.name == name]

    def offered(self, name: str) -> bool:
        """Return whether the model can call a tool of that name."""
        return name in self.tool_names

    @property
    def tool_names(self) -> list[str]:
        """The names of the offered tools."""
        return [str((tool.get("function") or tool).get("name") or "") for tool in self.tools]

    def _iter_results(self) -> Iterator[ToolText]:
        calls: dict[str, tuple[str, str]] = {}
        assistant_text = ""
        for message in self.messages:
            role, text = message.get("role"), get_text(message.get("content"))
            if role == "assistant":
                calls |= _get_calls(message)
                assistant_text = text
            elif role == "tool":
                call_id = str(message.get("tool_call_id") or "")
                name, arguments = calls.get(call_id, (str(message.get("name") or ""), ""))
                yield ToolText(name, text, arguments, call_id)
            elif role == "user" and _OBSERVATION.match(text):
                # smolagents puts calls and results into plain messages.
                names = _CALLED_TOOL.findall(assistant_text)
                result = _OBSERVATION.sub("", text, count=1)
                yield ToolText(names[-1] if names else "", result)


def get_text(content: Any) -> str:
    """Return the text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return "\n".join(get_text(part) for part in content)
    if isinstance(content, dict):
        return str(content.get("text") or "")
    return "" if content is None else str(content)


def _get_calls(message: dict[str, Any]) -> dict[str, tuple[str, str]]:
    calls = {}
    for item in message.get("tool_calls") or ():
        function = item.get("function") or {}
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        calls[str(item.get("id"))] = (str(function.get("name") or ""), text)
    return calls


Script: TypeAlias = Callable[[Conversation], Turn]


def build_script(turns: Sequence[Turn]) -> Script:
    """Return a script that takes these turns in order, from the first one in each conversation.

    The script counts the assistant's messages, so one server can serve any number of
    conversations. A failure is returned once; the client's next attempt gets the turn after it.

    Args:
        turns: The turns. A conversation that needs more of them is an error.
    """
    groups = _group_failures(turns)

    def next_turn(conversation: Conversation) -> Turn:
        if conversation.turns >= len(groups):
            raise LookupError(f"The script has {len(groups)} turns, and one more was requested.")
        group = groups[conversation.turns]
        return group[min(conversation.attempt, len(group) - 1)]

    return next_turn


def _group_failures(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Return the turns in groups: failures, and the turn that follows them."""
    groups: list[list[Turn]] = [[]]
    for turn in turns:
        groups[-1].append(turn)
        if turn.failure is None:
            groups.append([])
    return [group for group in groups if group]


class ScriptedModel:
    """A model server on a free port of this machine, as a context manager.

    Args:
        script: Returns the model's next turn in a conversation.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._attempts: Counter[str] = Counter()
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.requests: list[dict[str, Any]] = []
        """The body of every request, in order of arrival."""
        self.errors: list[str] = []
        """The errors that the script raised."""

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client; it ends in `/v1`."""
        if self._socket is None:
            raise RuntimeError("The scripted model is not running: use it in a with statement.")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._build_app(), log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="scripted-model", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server and self._thread and self._socket:
            with closing(self._socket):
                self._server.should_exit = True
                self._thread.join(timeout=5)

    def _build_app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._list_models),
            ]
        )

    async def _list_models(self, _: Request) -> Response:
        model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "multimail"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _complete(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            return _error_response(400, "The request's body is not JSON.")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return _error_response(400, "The request has no list of messages.")
        try:
            turn = self._script(Conversation.from_request(body, self._record(body)))
        except Exception as error:  # The author of a script has to see whatever it raises.
            self.errors.append(f"{type(error).__name__}: {error}")
            return _error_response(400, f"The script failed. {self.errors[-1]}", _DO_NOT_RETRY)
        return _turn_response(body, turn)

    def _record(self, body: dict[str, Any]) -> int:
        """Keep a request; return how many earlier ones had the same messages."""
        key = json.dumps(body["messages"], sort_keys=True)
        with self._lock:
            self.requests.append(body)
            earlier = self._attempts[key]
            self._attempts[key] += 1
        return earlier


@dataclass(frozen=True, slots=True)
class Completion:
    """A response of chat/completions: a turn, with the ids and counts that the format requires."""

    request: dict[str, Any]
    turn: Turn
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    call_ids: tuple[str, ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def from_turn(cls, request: dict[str, Any], turn: Turn) -> Completion:
        """Return the response to a request, with new ids."""
        ids = tuple(f"call_{secrets.token_hex(12)}" for _ in turn.calls)
        return cls(request, turn.cut_at(request.get("stop")), call_ids=ids)

    @property
    def finish_reason(self) -> str:
        """Why the turn ends here."""
        return "tool_calls" if self.turn.calls else "stop"

    def usage(self) -> dict[str, int]:
        """Return token counts, estimated at four characters a token."""
        prompt = len(json.dumps(self.request.get("messages", []), default=str)) // 4
        calls = sum(len(item.name) + len(item.encode()) for item in self.turn.calls)
        completion = 1 + (calls + len(self.turn.text)) // 4
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def document(self) -> dict[str, Any]:
        """Return the whole response as one `chat.completion`."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.turn.text or (None if self.turn.calls else ""),
            "refusal": None,
        }
        if self.turn.calls:
            message["tool_calls"] = [
                _call_document(item, call_id)
                for item, call_id in zip(self.turn.calls, self.call_ids, strict=True)
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return {
            **self._head("chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": self.usage(),
        }

    def events(self) -> Iterator[str]:
        """Yield the response as server-sent events, ended by `[DONE]`."""
        for delta in self._deltas():
            yield _format_event(self._chunk(delta, None))
        yield _format_event(self._chunk({}, self.finish_reason))
        if (self.request.get("stream_options") or {}).get("include_usage"):
            head = self._head("chat.completion.chunk")
            yield _format_event({**head, "choices": [], "usage": self.usage()})
        yield "data: [DONE]\n\n"

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": "" if self.turn.text else None}
        for piece in _split(self.turn.text):
            yield {"content": piece}
        for index, item in enumerate(self.turn.calls):
            empty = _call_document(ToolCall(item.name, ""), self.call_ids[index])
            yield {"tool_calls": [{"index": index, **empty}]}
            for piece in _split(item.encode()):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        model = str(self.request.get("model") or "scripted")
        return {"id": self.id, "object": kind, "created": self.created, "model": model}


def _turn_response(body: dict[str, Any], turn: Turn) -> Response:
    if turn.failure is not None:
        failure = turn.failure
        return _error_response(failure.status, failure.message, dict(failure.headers))
    completion = Completion.from_turn(body, turn)
    if body.get("stream"):
        return StreamingResponse(completion.events(), media_type="text/event-stream")
    return JSONResponse(completion.document())


def _error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    error = {"message": message, "type": "scripted_error", "param": None, "code": None}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def _call_document(item: ToolCall, call_id: str) -> dict[str, Any]:
    function = {"name": item.name, "arguments": item.encode()}
    return {"id": call_id, "type": "function", "function": function}


def _split(text: str) -> Iterator[str]:
    return (text[at : at + _CHUNK_LENGTH] for at in range(0, len(text), _CHUNK_LENGTH))


def _format_event(document: dict[str, Any]) -> str:
    return f"data: {json.dumps(document)}\n\n"
