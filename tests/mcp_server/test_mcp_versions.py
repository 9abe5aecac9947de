"""Version 2 of the SDK, in an environment of its own: CrewAI keeps this one at version 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.frameworks.agents import last_turn, model
from tests.mcp_server.support import TOKEN, Command
from tests.mcp_server.test_mcp_frameworks import holds, use
from tests.packaging.environments import Environment

from multimail.tools import DEFAULT_TOOLS

# It installs the other version.
pytestmark = pytest.mark.timeout(900)

SHARED = Path(__file__).parents[2] / "shared"

CLIENTS = """
import asyncio, json, os, subprocess, sys
from importlib.metadata import version

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

program = [sys.executable, "-c", "from multimail_cli.main import run; run()", "mcp"]
mail, mailbox = sys.argv[1:]
parameters = StdioServerParameters(command=program[0], args=program[1:], env=dict(os.environ))


async def story(where, mode):
    reports = []

    async def report(*told):
        reports.append(told)

    async with Client(where(), mode=mode) as client:
        tools = (await client.list_tools()).tools
        read = await client.call_tool("read_email", {"email_id": mail})
        bad = await client.call_tool("read_email", {"email_id": "msg_none"})
        shown = await client.read_resource(f"multimail://{mailbox}/messages/{mail}")
        try:
            missing = await client.read_resource(f"multimail://{mailbox}/messages/msg_none")
        except Exception as error:
            missing = error.code
        await client.call_tool(
            "wait_for_email", {"timeout_seconds": 0, "since_id": mail}, progress_callback=report
        )
        protocol = client.protocol_version
    async with Client(where(), mode=mode) as client:
        subject = f"{where.__name__} {mode}"
        arguments = {"to": ["bob@example.org"], "subject": subject, "body": "It is done."}
        sent = await client.call_tool("send_email", arguments)
    return {
        "protocol": protocol,
        "tools": {one.name: one.input_schema for one in tools},
        "read": read.content[0].text,
        "resource": shown.contents[0].text,
        "bad": [bad.is_error, bad.structured_content["error"]["code"]],
        "missing": missing,
        "reports": len(reports),
        "sent": sent.content[0].text,
    }


async def main():
    def stdio():
        return stdio_client(parameters)

    server = subprocess.Popen(
        [*program, "--http", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    url = json.loads(server.stdout.readline())["url"]

    def http():
        return url

    try:
        told = [await story(where, mode) for where in (stdio, http) for mode in ("auto", "legacy")]
    finally:
        server.kill()
    print(json.dumps({"sdk": version("mcp"), "told": told}))


asyncio.run(main())
"""

STRANGERS = """
import json, subprocess, sys

import httpx

program = [sys.executable, "-c", "from multimail_cli.main import run; run()", "mcp"]
server = subprocess.Popen(
    [*program, "--http", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
)
url = json.loads(server.stdout.readline())["url"]
meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
good = {
    "Accept": "application/json, text/event-stream",
    "Authorization": f"Bearer {sys.argv[1]}",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/list",
}
changes = [
    {},
    {"Authorization": "Bearer another"},
    {"Host": "evil.example"},
    {"Origin": "https://evil.example"},
    {"MultiMail-Conversation": "two words"},
]
try:
    asked = [httpx.post(url, json=body, headers={**good, **one}, timeout=60) for one in changes]
    print(json.dumps([one.status_code for one in asked]))
finally:
    server.kill()
"""

AGNO = """
import asyncio, sys

from agno.agent import Agent
from agno.models.openai.like import OpenAILike
from agno.tools.mcp import MCPTools

url, model = sys.argv[1:]


async def main():
    async with MCPTools(url=url, transport="streamable-http") as tools:
        chat = OpenAILike(id="scripted", base_url=model, api_key="x")
        await Agent(model=chat, tools=[tools], telemetry=False).arun("Look after the inbox.")


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with version 2, and Agno, whose client needs it."""
    environment = Environment(tmp_path_factory.mktemp("sdk") / "2")
    environment.install(
        "mcp>=2.1,<3", "agno[mcp]>=3.1,<4", "openai", "httpx", "pydantic", "typer", "rich"
    )
    return environment


def variables(command: Command) -> dict[str, str]:
    names = ("MULTIMAIL_API_KEY", "MULTIMAIL_API_URL")
    present = {name: command.environment[name] for name in names}
    return {**present, "PYTHONPATH": str(SHARED), "AGNO_TELEMETRY": "false"}


def test_on_version_2_the_server_is_the_same_in_both_eras(
    second: Environment, command: Command
) -> None:
    mail = command.box.receive("Write to bob@example.org.")
    out = second.execute(CLIENTS, mail["id"], command.box.id, **variables(command))
    output = json.loads(out)
    assert output["sdk"].startswith("2.")
    assert [story["protocol"] for story in output["told"]] == ["2026-07-28", "2025-11-25"] * 2
    for story in output["told"]:
        assert story["tools"] == {spec.name: spec.schema() for spec in DEFAULT_TOOLS}
        assert "Write to bob@example.org." in story["read"]
        assert "Write to bob@example.org." in story["resource"]
        assert story["bad"] == [True, "not_found"]
        assert story["missing"] == -32002
        assert story["reports"] >= 1
    over_stdio, over_http = output["told"][:2], output["told"][2:]
    # A process is a conversation, and so is an endpoint, whether its clients keep sessions or not.
    assert all(story["sent"].startswith("Accepted") for story in over_stdio)
    assert all(story["sent"].startswith("Held for approval") for story in over_http)


def test_a_request_without_a_session_is_checked_as_well(
    second: Environment, command: Command
) -> None:
    known = {**variables(command), "MULTIMAIL_MCP_TOKEN": TOKEN}
    assert json.loads(second.execute(STRANGERS, TOKEN, **known)) == [200, 401, 421, 403, 400]


def test_agnos_own_client(second: Environment, command: Command) -> None:
    mail = command.box.receive("Write to bob@example.org.")
    send = {"to": ["bob@example.org"], "subject": "Report", "body": "It is done."}
    steps = [use("read_email", email_id=mail["id"]), use("send_email", **send)]
    with model(*steps, last=last_turn("agno")) as served:
        second.execute(AGNO, command.endpoint(), served.base_url, **variables(command))
        holds(command, served)
