"""`wait_for_email`: it says that it waits, answers when mail comes, and ends when cancelled."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any, Self

import anyio
import httpx
import pytest
from mcp import types
from mcp.shared.memory import create_connected_server_and_client_session
from tests.mcp_server.support import Command, connected, get_text
from tests.tools.support import AT_ONCE, FaultyTransport, Inbox, make_message

from multimail import AsyncMultiMail
from multimail.tools import Toolkit
from multimail_mcp import McpServer
from multimail_mcp.sdk_compat import build_sdk_server

WAIT = {"sender": "ann@example.org", "timeout_seconds": 30}


class Reports:
    """The progress that a client received; the first report has mail sent."""

    def __init__(self, box: Inbox) -> None:
        self.box, self.received = box, list[tuple[float, float | None, str | None]]()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.received.append((progress, total, message))
        if len(self.received) == 1:
            await asyncio.to_thread(
                self.box.deliver, make_message("Here I am.", subject="New", to=self.box.address)
            )


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_wait_reports_progress_and_ends_with_the_mail(
    command: Command, transport: str
) -> None:
    # What came before the wait is not what it waits for.
    since = command.box.receive(subject="Old")["id"]
    reports = Reports(command.box)
    context = command.stdio() if transport == "stdio" else connected(command.endpoint())
    async with context as client:
        result = await client.call_tool(
            "wait_for_email", {**WAIT, "since_id": since}, progress_callback=reports
        )
    assert "It came:" in get_text(result)
    assert reports.received[0][1:] == (30, "Waiting for mail: 0 of 30 s.")
    assert [progress for progress, *_ in reports.received] == sorted(
        {progress for progress, *_ in reports.received}
    )


def test_progress_only_on_request(command: Command) -> None:
    with raw(command) as server:
        server.ask(2, "tools/call", name="wait_for_email", arguments={"timeout_seconds": 0})
        assert server.next()["id"] == 2


class Raw:
    """A client that writes JSON-RPC itself, and sees each line of the server's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Self:
        client = {"name": "raw", "version": "0"}
        facts = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.ask(1, "initialize", **facts)
        assert self.next()["id"] == 1
        self.tell("notifications/initialized")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def ask(self, number: int, method: str, **params: Any) -> None:
        self._write({"id": number, "method": method, "params": params})

    def tell(self, method: str, **params: Any) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        message: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        return message


def raw(command: Command) -> Raw:
    return Raw(command.start())


def test_a_cancelled_wait_ends_and_the_server_goes_on(command: Command) -> None:
    with raw(command) as server:
        meta = {"progressToken": "waiting"}
        server.ask(2, "tools/call", name="wait_for_email", arguments=WAIT, _meta=meta)
        assert server.next()["params"]["progressToken"] == "waiting"
        server.tell("notifications/cancelled", requestId=2, reason="No need.")
        server.ask(3, "tools/call", name="list_mailboxes", arguments={})
        cancelled, listed = server.next(), server.next()
    assert (cancelled["id"], "error" in cancelled) == (2, True)
    assert command.box.address in listed["result"]["content"][0]["text"]


class HangingTransport(FaultyTransport):
    """The network, on which the third request finds no end; it says when that was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.given_up = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if len(self.requests) < 2:
            return await super().handle_async_request(request)
        self.hangs.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.given_up.set()
        raise AssertionError


async def test_a_cancelled_call_leaves_no_request_behind(auto_box: Inbox) -> None:
    way = HangingTransport()
    network = AsyncMultiMail(
        auto_box.agent_key, base_url=auto_box.server.url, transport=way, retry=AT_ONCE
    )
    server = build_sdk_server(McpServer(Toolkit(async_client=network)), sessions=False)
    async with create_connected_server_and_client_session(server) as client:
        call = asyncio.create_task(client.call_tool("wait_for_email", dict(WAIT)))
        await way.hangs.wait()
        cancelled = types.CancelledNotification(
            params=types.CancelledNotificationParams(requestId=1)
        )
        await client.send_notification(types.ClientNotification(cancelled))
        await way.given_up.wait()
        with pytest.raises(Exception, match="cancelled"):
            await call
    await network.close()
