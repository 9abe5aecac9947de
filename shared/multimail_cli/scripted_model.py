"""The scripted model: a model server whose turns a plain function writes.

It speaks OpenAI's chat/completions, so each framework's own agent loop and own client run against
it with no key and no network. A script is a function from a `Conversation` to a `Turn`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .chat_wire import Completion, Failure, ToolCall, Turn
from .conversation import Conversation, ToolText

__all__ = [
    "Conversation",
    "Script",
    "ScriptedModel",
    "ToolCall",
    "ToolText",
    "Turn",
    "call",
    "fail",
    "say",
    "script_of",
]

Script = Callable[[Conversation], Turn]

# The script is wrong, not the request: a client that tries again would get the same answer.
_FINAL = {"x-should-retry": "false"}


def say(text: str) -> Turn:
    """Return a turn that is text."""
    return Turn(text)


def call(name: str, /, **arguments: Any) -> Turn:
    """Return a turn that calls a tool; several such turns add up by `+`."""
    return Turn(calls=(ToolCall(name, arguments),))


def fail(
    status: int = 503,
    headers: Mapping[str, str] | None = None,
    message: str = "The scripted model was told to fail.",
) -> Turn:
    """Return a turn that the model server answers with an error status."""
    return Turn(failure=Failure(status, message, tuple((headers or {}).items())))


def script_of(turns: Sequence[Turn]) -> Script:
    """Return a script that takes these turns in order, in every conversation anew.

    It counts the assistant's messages, so that one server serves any number of conversations. A
    failure is answered once and the turn after it at the client's next try.

    Args:
        turns: The turns; a conversation that goes on after the last one is an error.
    """
    groups = _with_failures(turns)

    def next_turn(conversation: Conversation) -> Turn:
        if conversation.turns >= len(groups):
            raise LookupError(f"The script has {len(groups)} turns and was asked for one more.")
        group = groups[conversation.turns]
        return group[min(conversation.attempt, len(group) - 1)]

    return next_turn


def _with_failures(turns: Sequence[Turn]) -> list[list[Turn]]:
    groups: list[list[Turn]] = [[]]
    for turn in turns:
        groups[-1].append(turn)
        if turn.failure is None:
            groups.append([])
    return [group for group in groups if group]


class ScriptedModel:
    """A model server on a free port of this machine, as a context manager.

    Args:
        script: What the model does, by what it has been shown.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.requests: list[dict[str, Any]] = []
        """Every request's body, in order of arrival."""
        self.errors: list[str] = []
        """What went wrong in the script itself."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL; ends in `/v1`."""
        if self._socket is None:
            raise RuntimeError("The scripted model is not running: use it in a with statement.")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._application(), log_level="error", lifespan="off", timeout_graceful_shutdown=1
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

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def _models(self, _: Request) -> Response:
        model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "multimail"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _complete(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            return _error(400, "The request's body is not JSON.")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return _error(400, "The request has no list of messages.")
        try:
            turn = self._script(Conversation.of(body, self._note(body)))
        except Exception as fault:  # whatever a script raises, its author must see
            self.errors.append(f"{type(fault).__name__}: {fault}")
            return _error(400, f"The script failed. {self.errors[-1]}", _FINAL)
        return _answer(body, turn)

    def _note(self, body: dict[str, Any]) -> int:
        key = json.dumps(body["messages"], sort_keys=True)
        with self._lock:
            self.requests.append(body)
            before = self._seen[key]
            self._seen[key] += 1
        return before


def _answer(body: dict[str, Any], turn: Turn) -> Response:
    if turn.failure is not None:
        failure = turn.failure
        return _error(failure.status, failure.message, dict(failure.headers))
    completion = Completion.of(body, turn)
    if body.get("stream"):
        return StreamingResponse(completion.events(), media_type="text/event-stream")
    return JSONResponse(completion.document())


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    error = {"message": message, "type": "scripted_error", "param": None, "code": None}
    return JSONResponse({"error": error}, status_code=status, headers=headers)
