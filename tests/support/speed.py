"""What this process does at once in tests, and what it waits for although the machine is busy."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import httpx
import pytest
import uvicorn.server

from multimail_server.testing.server import ServerUnderTest

_MAX_SLEEP = 0.01


def share_tls_contexts(patch: pytest.MonkeyPatch) -> None:
    """Let httpx clients with the same TLS settings share a context: loading one takes 30 ms."""
    create = functools.cache(httpx.create_ssl_context)
    patch.setattr("httpx._transports.default.create_ssl_context", create)


def stop_servers_promptly(patch: pytest.MonkeyPatch) -> None:
    """Let uvicorn check every 10 ms, not every 100, whether it has to stop and whether it can."""
    patch.setattr(uvicorn.server, "asyncio", _ShortSleeps())


def wait_longer(patch: pytest.MonkeyPatch) -> None:
    """Let a busy machine be late: approvals wait 20 s for a delivery, tests 60 s for a message."""
    defaults = ServerUnderTest.wait_for_message.__kwdefaults__
    assert defaults is not None
    patch.setattr("multimail_server.services.decisions._DELIVERY_TIMEOUT", 20.0)
    patch.setitem(defaults, "timeout", 60.0)


class _ShortSleeps:
    """Stands for the module asyncio in `uvicorn.server`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        """Sleep for `delay` seconds, at most 10 ms."""
        await asyncio.sleep(min(delay, _MAX_SLEEP))
