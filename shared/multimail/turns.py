"""Turns: requests that wait for a connection wait in a line, and not in httpcore's pool."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


class Turns:
    """Lets in as many requests as there are connections; the others wait here, in order.

    In httpcore's own queue each of them would cost time that grows with the number of all that
    wait: it goes through every request and connection whenever one of them is done.
    Source: https://github.com/encode/httpcore/pull/1035.

    Args:
        connections: How many connections the client's pool has at most.
    """

    def __init__(self, connections: int) -> None:
        self._free = asyncio.Semaphore(connections)

    async def send(self, client: httpx.AsyncClient, sending: dict[str, Any]) -> httpx.Response:
        """Send a request when it is its turn.

        Args:
            client: Whose pool it is.
            sending: What `client.send` is given; its `request` says how long to wait at most.

        Raises:
            httpx.PoolTimeout: It was not within the time that a connection may be waited for.
        """
        await self._wait(sending["request"])
        try:
            return await client.send(**sending)
        finally:
            self._free.release()

    async def _wait(self, request: httpx.Request) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no connection was free", request=request) from None
