"""Takes two fixed costs off every test: loading certificates, and waiting for uvicorn to stop."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import httpx
import pytest
import uvicorn.server

_LONGEST_SLEEP = 0.01


def share_tls_contexts(patch: pytest.MonkeyPatch) -> None:
    """Let httpx clients with the same TLS settings share a context: loading one takes 30 ms."""
    create = functools.cache(httpx.create_ssl_context)
    patch.setattr("httpx._transports.default.create_ssl_context", create)


def stop_servers_promptly(patch: pytest.MonkeyPatch) -> None:
    """Let uvicorn check every 10 ms, not every 100, whether it has to stop and whether it can."""
    patch.setattr(uvicorn.server, "asyncio", _ShortSleeps())


class _ShortSleeps:
    """Stands for the module asyncio in `uvicorn.server`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        """Sleep for `delay` seconds, at most 10 ms."""
        await asyncio.sleep(min(delay, _LONGEST_SLEEP))
