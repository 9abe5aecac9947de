"""The stdio transport: one client, one conversation, and stdout reserved for the protocol."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import anyio
from mcp.server.stdio import stdio_server

from .sdk_compat import build_sdk_server
from .server import McpServer


async def serve_stdio(server: McpServer) -> None:
    """Serve the client on stdin and stdout until it closes stdin.

    Everything else that is written to stdout in the meantime goes to stderr.
    """
    sdk_server = build_sdk_server(server, sessions=False)
    try:
        await server.check_api()
        with _reserve_stdout() as stdout:
            async with stdio_server(stdout=anyio.wrap_file(stdout)) as (incoming, outgoing):
                options = sdk_server.create_initialization_options()
                await sdk_server.run(incoming, outgoing, options)
    finally:
        await server.aclose()


@contextmanager
def _reserve_stdout() -> Iterator[TextIOWrapper]:
    """Reserve stdout for the protocol: a print of any library would break it."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with TextIOWrapper(os.fdopen(os.dup(saved), "wb"), encoding="utf-8") as stream:
            yield stream
    finally:
        os.dup2(saved, 1)
        os.close(saved)
