"""Limits on HTTP connections: how many are open, and how long one may wait for its client.

uvicorn limits only how long a connection idles between two requests. A client that never completes
a request, or never reads a response, would keep a connection, and with it a file, for ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ..config import Network

HEAD_TIMEOUT = 20.0
"""Seconds for the head of a request, from the connection or from the previous response on."""
WRITE_TIMEOUT = 60.0
"""Seconds for which a client may read nothing of a response."""
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)
_BODY = (
    b'{"error":"Too many connections are open. Nothing was done; close some, or try again later.",'
    b'"code":"too_many_connections"}'
)


@dataclass(slots=True)
class ConnectionLimits:
    """Counts the open connections, in all and of each address.

    Attributes:
        total: The most that are open at once; one address may have half of them.
        proxies: Networks of proxies, which speak for many clients: only `total` applies to them.
    """

    total: int
    proxies: Sequence[Network] = ()
    _open: Counter[str] = field(default_factory=Counter)

    def admit(self, address: str) -> bool:
        """Count a connection, unless there are too many."""
        of_one = self.total if self._is_proxy(address) else max(1, self.total // 2)
        if self._open.total() >= self.total or self._open[address] >= of_one:
            return False
        self._open[address] += 1
        return True

    def release(self, address: str) -> None:
        """Forget a connection that was admitted."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _is_proxy(self, address: str) -> bool:
        if not self.proxies or not address:
            return False
        peer = ip_address(address)
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self.proxies)


def limit_connections(protocol: Any, limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return an HTTP protocol of uvicorn that keeps these limits.

    Args:
        protocol: A protocol class of uvicorn, or what builds one; `auto` for uvicorn's choice.
        limits: How many connections may be open.
    """
    build_inner = AutoHTTPProtocol if protocol == "auto" else protocol

    def build(**arguments: Any) -> _LimitedConnection:
        return _LimitedConnection(build_inner(**arguments), limits)

    return cast("type[asyncio.Protocol]", build)


class _LimitedConnection(asyncio.Protocol):
    """One connection: passes everything on to uvicorn's protocol, and ends it when it is due."""

    def __init__(self, inner: Any, limits: ConnectionLimits) -> None:
        self._inner, self._limits = inner, limits
        self._transport: asyncio.Transport | None = None
        self._address: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._in_request = self._is_paused = False
        inner.app = _notify(inner.app, self._begin_request, self._end_request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._limits.admit(address):
            self._transport.write(_TOO_MANY % (len(_BODY), _BODY))
            self._transport.close()
            self._set_timer(HEAD_TIMEOUT)
            return
        self._address = address
        self._set_timer(HEAD_TIMEOUT)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        self._transport = None
        if self._address is not None:
            self._limits.release(self._address)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._address is not None:
            self._inner.data_received(data)

    def eof_received(self) -> None:
        if self._address is not None:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._set_timer(WRITE_TIMEOUT)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._wait()
        self._inner.resume_writing()

    def _begin_request(self) -> None:
        self._in_request = True
        self._wait()

    def _end_request(self) -> None:
        self._in_request = False
        self._wait()

    def _wait(self) -> None:
        """Begin to wait for the next head, unless a request is handled or a response is unread."""
        if not self._is_paused:
            self._set_timer(None if self._in_request else HEAD_TIMEOUT)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self._transport.abort)


def _notify(app: ASGIApp, begin: Callable[[], None], end: Callable[[], None]) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        begin()
        try:
            await app(scope, receive, send)
        finally:
            end()

    return run
