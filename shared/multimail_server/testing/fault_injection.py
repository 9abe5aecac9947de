"""Faults in the app: answers that are late, wrong, or lost after the work was done."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..errors import ApiError
from .faults import Fault, Faults

Endpoint = Callable[[Request], Awaitable[Response]]

_RESET = "multimail.reset"
_HANG_UP = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST."""


def inject_faults(
    endpoint: Endpoint, faults: Faults, refuse: Callable[[ApiError, str], Response]
) -> Any:
    """Return an endpoint that first does what a test wants to go wrong.

    Args:
        endpoint: What is asked when nothing is to go wrong.
        faults: What is.
        refuse: Makes the answer to a request with this id of a refusal.
    """

    async def run(request: Request) -> Response:
        fault = await _fault(request, faults)
        if fault is None:
            return await endpoint(request)
        if fault.latency_seconds:
            await _pause(request, fault.latency_seconds)
        if fault.status is not None:
            return refuse(_refusal(fault, fault.status), request.state.request_id)
        answer = await endpoint(request)
        return ConnectionResetResponse() if fault.reset_after_accept else answer

    return run


async def _pause(request: Request, seconds: float) -> None:
    """Wait, and no longer than the caller does."""
    await request.body()  # What is received after it can only be that the caller is gone.
    gone = asyncio.ensure_future(request.receive())
    await asyncio.wait({gone}, timeout=seconds)
    gone.cancel()


async def _fault(request: Request, faults: Faults) -> Fault | None:
    method, path = request.method, request.url.path
    near = [one for one in faults.all() if one.meets(method, path)]
    if not near or _is_live(request):
        return None
    named: set[str] = set()
    if any(one.recipient is not None for one in near):
        named = _recipients(await request.body())
    return faults.take(lambda one: one.meets(method, path) and one.is_for(named))


def _is_live(request: Request) -> bool:
    shown = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
    return "mm_live_" in shown


def _recipients(body: bytes) -> set[str]:
    """Return the addresses that a JSON body sends to."""
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return set()
    if not isinstance(asked, dict):
        return set()
    values = [asked.get(name) or [] for name in ("to", "cc", "bcc")]
    rows = [value if isinstance(value, list) else [value] for value in values]
    return {one.lower() for row in rows for one in row if isinstance(one, str)}


def _refusal(fault: Fault, status: int) -> ApiError:
    headers: dict[str, str] = {}
    if fault.retry_after_seconds is not None:
        headers["Retry-After"] = str(fault.retry_after_seconds)
    sentence = "A test asked for this fault; nothing was done. GET /v1/test/faults lists them."
    return ApiError(status, "injected_fault", sentence, headers=headers)


class ConnectionResetResponse(Response):
    """An answer that never arrives: the connection is reset instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        scope["extensions"][_RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass


def resettable_http_protocol() -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, with an ASGI extension that resets the connection."""

    def protocol(**arguments: Any) -> Any:
        made: Any = cast("Any", AutoHTTPProtocol)(**arguments)
        made.app = _with_reset(made.app, lambda: _reset(made.transport))
        return made

    return cast("type[asyncio.Protocol]", protocol)


def _with_reset(app: ASGIApp, reset: Callable[[], None]) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[_RESET] = reset
        await app(scope, receive, send)

    return run


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
    transport.abort()
