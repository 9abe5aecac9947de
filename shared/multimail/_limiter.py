"""Request limiter: requests that wait for a connection wait here, not in httpcore's pool."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


class RequestLimiter:
    """Lets through as many requests as there are connections; the others wait in order.

    httpcore's own queue gets slower with the number of waiting requests: it goes through every
    request and connection whenever one of them completes.
    Source: https://github.com/encode/httpcore/pull/1035.

    Args:
        max_connections: The most connections that the client's pool opens.
    """

    def __init__(self, max_connections: int) -> None:
        self._slots = asyncio.Semaphore(max_connections)

    async def send(self, client: httpx.AsyncClient, options: dict[str, Any]) -> httpx.Response:
        """Send a request once a connection is free.

        Args:
            client: The client that sends it.
            options: The arguments of `client.send`; the pool timeout of the `request` limits
                the wait.

        Raises:
            httpx.PoolTimeout: No connection became free in time.
        """
        await self._acquire(options["request"])
        try:
            return await client.send(**options)
        finally:
            self._slots.release()

    async def _acquire(self, request: httpx.Request) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no connection was free", request=request) from None
