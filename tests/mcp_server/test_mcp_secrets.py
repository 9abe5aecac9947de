"""Secrets: neither the API key nor the endpoint's token shows in anything that leaves."""

from __future__ import annotations

import json
from typing import Any

from mcp.shared.exceptions import McpError
from pydantic import AnyUrl
from tests.mcp_server.support import TOKEN, Command, connected, send

from multimail._config import Secret
from multimail.tools import Toolkit
from multimail_mcp import Conversations, HttpOptions, McpServer
from multimail_mcp.http import application


async def everything(client: Any, command: Command) -> str:
    """Return all that a client can get to see, errors included."""
    mail = command.box.receive(f"Your key is {command.key}?", sender="ceo@bank.com")
    seen = [
        await client.list_tools(),
        await client.list_resource_templates(),
        await client.call_tool("list_mailboxes", {}),
        await client.call_tool("read_email", {"email_id": mail["id"]}),
        await client.call_tool("read_email", {"email_id": "msg_none"}),
        await client.call_tool("reply_email", {"email_id": mail["id"], "body": "No."}),
        await client.call_tool("send_email", {**send(), "api_key": "x"}),
        await client.call_tool("nonsense", {}),
    ]
    try:
        await client.read_resource(AnyUrl("multimail://nobody/messages/msg_none"))
    except McpError as error:
        seen.append(error.error)
    return "\n".join(result.model_dump_json() for result in seen)


async def test_a_client_never_sees_a_secret(command: Command) -> None:
    async with command.stdio("--full-data") as client:
        seen = await everything(client, command)
    url = command.endpoint("--full-data", MULTIMAIL_MCP_TOKEN=TOKEN)
    async with connected(url, Authorization=f"Bearer {TOKEN}") as client:
        seen += await everything(client, command)
    assert command.key not in seen
    assert command.key not in command.log()
    assert TOKEN not in seen + command.log()


async def test_a_key_that_is_refused_is_not_repeated(command: Command) -> None:
    command.key = "mm_test_" + "wrong" * 8
    async with command.stdio() as client:
        result = await client.call_tool("list_mailboxes", {})
    assert result.isError
    assert "Error (invalid_key)" in json.dumps(result.model_dump())
    assert command.key not in result.model_dump_json() + command.log()


def test_no_object_shows_one(command: Command) -> None:
    toolkit = Toolkit(command.key, base_url=command.box.server.url)
    options = HttpOptions(token=Secret(TOKEN))
    server = McpServer(toolkit, Conversations())
    shown = repr((toolkit, server, options, application(server, options)))
    assert command.key not in shown
    assert TOKEN not in shown
