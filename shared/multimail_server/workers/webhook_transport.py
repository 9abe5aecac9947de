"""The connections of webhooks: each to an address that was checked after its name was resolved."""

from __future__ import annotations

import asyncio
import socket
from urllib.request import getproxies, proxy_bypass

import httpx

from ..webhook_targets import WebhookTargets


class TargetRefusedError(Exception):
    """A webhook leads to an address that is not allowed; the message is for its owner."""


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, in the order of preference."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class WebhookTransport(httpx.AsyncBaseTransport):
    """Connects to the very address that was checked, so that DNS can't answer otherwise later.

    No connection is used twice: each request resolves and checks again. Where `HTTPS_PROXY` names a
    proxy, it resolves the names, and decides where they may lead.

    Args:
        targets: Which addresses are allowed.
    """

    def __init__(self, targets: WebhookTargets) -> None:
        self._targets = targets
        limits = httpx.Limits(max_keepalive_connections=0)
        self._direct = httpx.AsyncHTTPTransport(limits=limits)
        proxy = getproxies().get("https")
        self._proxied = httpx.AsyncHTTPTransport(proxy=proxy, limits=limits) if proxy else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first allowed address of its host that can be connected to."""
        host, is_https = request.url.host, request.url.scheme == "https"
        if not self._targets.allows_host(host):
            raise _refuse()
        if self._proxied is not None and is_https and not proxy_bypass(host):
            return await self._proxied.handle_async_request(request)
        addresses = await resolve(host, request.url.port or (443 if is_https else 80))
        allowed = list(filter(self._targets.allows_address, addresses))
        if not allowed:
            raise _refuse()
        for address in allowed[:-1]:
            try:
                return await self._send(request, address)
            except httpx.ConnectError:
                continue
        return await self._send(request, allowed[-1])

    async def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # with the Host that was requested
            stream=request.stream,
            # The certificate must be of the host, not of the address.
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self._direct.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


def _refuse() -> TargetRefusedError:
    return TargetRefusedError(
        "it leads to an address that is not public; the operator can allow its network with "
        "--webhook-networks"
    )
