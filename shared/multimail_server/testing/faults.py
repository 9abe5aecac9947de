"""Faults to inject: what fails, where, and how often, and a relay that replies by them.

Only a server on a loopback address without live keys accepts them, and requests with a live key and
the mail of one never meet them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..errors import ApiError
from ..workers.relay import RecipientResult, RelayOutcomeUnknown

SMTP, RELAY = "smtp", "relay"
"""The places besides API requests: inbound SMTP, and the relay."""
_ACCEPTED = RecipientResult(accepted=True, code=250, detail="2.0.0 Accepted", permanent=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject.

    Attributes:
        id: Its id.
        operation: The operation as requested; `smtp` and `relay` aren't API requests.
        method: The method of matching requests; None for any.
        path: The path of matching requests; `{…}` and `*` match one segment.
        recipient: Only for this recipient; None for all.
        status: The HTTP status or SMTP code to respond with.
        latency_seconds: How long the response is delayed, in real time.
        retry_after_seconds: The Retry-After of the response.
        reset_after_accept: The work is done, and its response is lost.
        left: How many times the fault still happens; None for always.
    """

    id: str
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    recipient: str | None = None
    status: int | None = None
    latency_seconds: float = 0.0
    retry_after_seconds: int | None = None
    reset_after_accept: bool = False
    left: int | None = 1

    def matches_request(self, method: str, path: str) -> bool:
        """Return whether a request matches."""
        if self.path is None or (self.method or method) != method:
            return False
        return same_path(self.path, path)

    def matches_recipients(self, recipients: Iterable[str]) -> bool:
        """Return whether any of the recipients matches."""
        return self.recipient is None or self.recipient in {
            address.lower() for address in recipients
        }


class Faults:
    """The faults that are still to happen, oldest first. Safe to use from many threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._faults.append(fault)

    def all(self) -> list[Fault]:
        """Return the faults that are still to happen."""
        with self._lock:
            return list(self._faults)

    def clear(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all; return how many there were."""
        with self._lock:
            kept = [fault for fault in self._faults if fault_id not in (None, fault.id)]
            cleared = len(self._faults) - len(kept)
            self._faults = kept
        return cleared

    def take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        """Return the oldest matching fault, and count that it happened."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if matches(fault):
                    self._count(position, fault)
                    return fault
        return None

    def at(self, place: str, recipients: Iterable[str]) -> bool:
        """Return whether there is a fault at `smtp` or `relay` for any recipient."""
        addresses = tuple(recipients)
        return any(
            fault.operation == place and fault.matches_recipients(addresses) for fault in self.all()
        )

    def take_at(self, place: str, recipient: str) -> Fault | None:
        """Take the oldest fault at `smtp` or `relay` for one recipient."""
        return self.take(
            lambda fault: fault.operation == place and fault.matches_recipients([recipient])
        )

    def _count(self, position: int, fault: Fault) -> None:
        if fault.left is None:
            return
        if fault.left > 1:
            self._faults[position] = replace(fault, left=fault.left - 1)
        else:
            del self._faults[position]


def same_path(first: str, second: str) -> bool:
    """Return whether two paths can be the same; `{…}` and `*` match any one segment."""
    left, right = first.strip("/").split("/"), second.strip("/").split("/")
    if len(left) != len(right):
        return False
    return all(
        a == b or _is_wildcard(a) or _is_wildcard(b) for a, b in zip(left, right, strict=True)
    )


def _is_wildcard(segment: str) -> bool:
    return segment == "*" or segment.startswith("{")


class FakeRelay:
    """A `Relay` that accepts every recipient without a fault.

    Args:
        faults: The faults to inject.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Return the result for each recipient; see `Relay`."""
        del mail_from, raw
        faults = {address: self._faults.take_at(RELAY, address) for address in recipients}
        if any(fault is not None and fault.reset_after_accept for fault in faults.values()):
            raise RelayOutcomeUnknown("the relay's reply was lost (injected fault)")
        return {
            address: _ACCEPTED if fault is None else _build_refusal(fault)
            for address, fault in faults.items()
        }


def _build_refusal(fault: Fault) -> RecipientResult:
    code = fault.status or 451
    detail = f"{code // 100}.0.0 Injected fault"
    return RecipientResult(accepted=False, code=code, detail=detail, permanent=code >= 500)


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
