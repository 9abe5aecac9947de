"""The stdio transport: one client, one conversation, and a stdout that carries nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import anyio
from mcp.server.stdio import stdio_server

from .sdk import bound
from .server import McpServer


async def serve_stdio(server: McpServer) -> None:
    """Serve the client at this process's stdin and stdout until it closes stdin.

    Meanwhile whatever else is written to stdout goes to stderr.
    """
    made = bound(server, sessions=False)
    try:
        with _own_stdout() as stdout:
            async with stdio_server(stdout=anyio.wrap_file(stdout)) as (incoming, outgoing):
                await made.run(incoming, outgoing, made.create_initialization_options())
    finally:
        await server.aclose()


@contextmanager
def _own_stdout() -> Iterator[TextIOWrapper]:
    """Keep stdout for the protocol: a print of any library would break it."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        with TextIOWrapper(os.fdopen(os.dup(own), "wb"), encoding="utf-8") as stream:
            yield stream
    finally:
        os.dup2(own, 1)
        os.close(own)
