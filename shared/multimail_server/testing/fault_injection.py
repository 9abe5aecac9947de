"""Fault injection for HTTP: responses that are late, wrong, or lost after the work was done."""

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
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of zero: closing the socket sends RST."""


def inject_faults(
    endpoint: Endpoint, faults: Faults, build_error: Callable[[ApiError, str], Response]
) -> Endpoint:
    """Return an endpoint that injects the faults that match a request.

    Args:
        endpoint: The endpoint to wrap.
        faults: The faults to inject.
        build_error: Builds the response of an error and a request id.
    """

    async def run(request: Request) -> Response:
        fault = await _take_fault(request, faults)
        if fault is None:
            return await endpoint(request)
        if fault.latency_seconds:
            await _delay(request, fault.latency_seconds)
        if fault.status is not None:
            return build_error(_build_error(fault, fault.status), request.state.request_id)
        response = await endpoint(request)
        return ConnectionResetResponse() if fault.reset_after_accept else response

    return run


async def _delay(request: Request, seconds: float) -> None:
    """Sleep, at most until the client disconnects."""
    await request.body()  # After the body, the only message is the disconnect.
    disconnected = asyncio.ensure_future(request.receive())
    await asyncio.wait({disconnected}, timeout=seconds)
    disconnected.cancel()


async def _take_fault(request: Request, faults: Faults) -> Fault | None:
    method, path = request.method, request.url.path
    matching = [fault for fault in faults.all() if fault.matches_request(method, path)]
    if not matching or _has_live_key(request):
        return None
    recipients: set[str] = set()
    if any(fault.recipient is not None for fault in matching):
        recipients = _read_recipients(await request.body())
    return faults.take(
        lambda fault: fault.matches_request(method, path) and fault.matches_recipients(recipients)
    )


def _has_live_key(request: Request) -> bool:
    keys = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
    return "mm_live_" in keys


def _read_recipients(body: bytes) -> set[str]:
    """Return the recipients that a JSON body names."""
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return set()
    if not isinstance(document, dict):
        return set()
    values = [document.get(name) or [] for name in ("to", "cc", "bcc")]
    rows = [value if isinstance(value, list) else [value] for value in values]
    return {address.lower() for row in rows for address in row if isinstance(address, str)}


def _build_error(fault: Fault, status: int) -> ApiError:
    headers: dict[str, str] = {}
    if fault.retry_after_seconds is not None:
        headers["Retry-After"] = str(fault.retry_after_seconds)
    message = "Injected fault; nothing was done. GET /v1/test/faults lists the faults."
    return ApiError(status, "injected_fault", message, headers=headers)


class ConnectionResetResponse(Response):
    """A response that is never sent: the connection is reset instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        scope["extensions"][_RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass


def resettable_http_protocol() -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with an ASGI extension that resets the connection."""

    def build_protocol(**arguments: Any) -> Any:
        protocol: Any = cast("Any", AutoHTTPProtocol)(**arguments)
        protocol.app = _add_extension(protocol.app, lambda: _reset(protocol.transport))
        return protocol

    return cast("type[asyncio.Protocol]", build_protocol)


def _add_extension(app: ASGIApp, reset: Callable[[], None]) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[_RESET] = reset
        await app(scope, receive, send)

    return run


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
