"""The ground of the MCP tests: `multimail mcp` in its own process, and the official client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent
from tests.tools.support import Inbox

PROGRAM = [sys.executable, "-c", "from multimail_cli.main import run; run()", "mcp"]
ENDPOINT = ("--http", "--port", "0", "--json")
TOKEN = "an-endpoint-token-of-the-tests"


@dataclass
class Command:
    """`multimail mcp` for a mailbox.

    Attributes:
        box: The mailbox.
        key: The API key in its environment.
        options: Its options, in every transport.
        errors: What it wrote to stderr.
    """

    box: Inbox
    key: str = field(repr=False)
    options: tuple[str, ...]
    errors: TextIO

    def __init__(self, box: Inbox, key: str, *options: str) -> None:
        self.box, self.key, self.options = box, key, options
        file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - close() closes it
        self.errors = cast(TextIO, file)
        self._running: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process: server, key and mailbox."""
        bare = {name: value for name, value in os.environ.items() if "MULTIMAIL" not in name}
        return {**bare, "MULTIMAIL_API_KEY": self.key, "MULTIMAIL_API_URL": self.box.server.url}

    def arguments(self, *options: str) -> list[str]:
        """Return the whole command line."""
        return [*PROGRAM, *self.options, *options]

    def stdio_parameters(self, *options: str, **variables: str) -> StdioServerParameters:
        """Return what a client needs to start it."""
        program, *arguments = self.arguments(*options)
        environment = {**self.environment, **variables}
        return StdioServerParameters(command=program, args=arguments, env=environment)

    @asynccontextmanager
    async def stdio(self, *options: str) -> AsyncIterator[ClientSession]:
        """Start it, and connect the official client over stdio."""
        async with (
            stdio_client(self.stdio_parameters(*options), errlog=self.errors) as streams,
            ClientSession(*streams) as client,
        ):
            await client.initialize()
            yield client

    def start(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        """Start it with pipes for its stdin and stdout."""
        process = subprocess.Popen(
            self.arguments(*options),
            env={**self.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self._running.append(process)
        return process

    def endpoint(self, *options: str, **variables: str) -> str:
        """Start it for streamable HTTP and return its URL."""
        process = self.start(*ENDPOINT, *options, **variables)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, self.log()
        return str(json.loads(line)["url"])

    def log(self) -> str:
        """Return what it has written to stderr."""
        self.errors.seek(0)
        return self.errors.read()

    def close(self) -> None:
        """End what is still running."""
        for process in self._running:
            process.kill()
            process.communicate()
        self.errors.close()


@asynccontextmanager
async def connected(url: str, **headers: str) -> AsyncIterator[ClientSession]:
    """Connect the official client to an endpoint, in a new session of the protocol."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx.AsyncClient(headers=named, timeout=30) as network,
        streamable_http_client(url, http_client=network) as (incoming, outgoing, _),
        ClientSession(incoming, outgoing) as client,
    ):
        await client.initialize()
        yield client


def get_text(result: CallToolResult) -> str:
    """Return the text of a result, which is its one content, and in its structured content too."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert result.structuredContent is not None
    assert result.structuredContent["text"] == content.text
    assert result.structuredContent["ok"] is not result.isError
    return content.text


async def say(client: ClientSession, name: str, /, **arguments: Any) -> str:
    """Call a tool and return its text."""
    return get_text(await client.call_tool(name, arguments))


def send(to: str = "bob@example.org", **more: Any) -> Mapping[str, Any]:
    """Return the arguments of a send."""
    return {"to": [to], "subject": "Report", "body": "It is done.", **more}
