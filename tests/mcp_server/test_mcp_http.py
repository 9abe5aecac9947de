"""The endpoint: on this machine only, or with a token; and for no page of another origin."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest
from tests.cli.conftest import run_inside
from tests.mcp_server.support import ENDPOINT, TOKEN, Command, connected, say

from multimail import ConfigurationError
from multimail._config import Secret
from multimail.tools import DEFAULT_TOOLS
from multimail_mcp import HttpOptions

WITH_TOKEN = {"MULTIMAIL_MCP_TOKEN": TOKEN}
START: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def ask(url: str, **headers: str) -> httpx.Response:
    """Open a session, as any page or program could try to."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(url, json=START, headers={**ACCEPT, **named}, timeout=30)


async def test_the_tools_work_over_streamable_http(command: Command) -> None:
    mail = command.box.receive_proven("Is it ready?")
    async with connected(command.endpoint()) as client:
        assert len((await client.list_tools()).tools) == len(DEFAULT_TOOLS)
        assert "Is it ready?" in await say(client, "read_email", email_id=mail["id"])
        answer = await say(client, "reply_email", email_id=mail["id"], body="Yes.")
    assert answer.startswith("Accepted")
    assert len(command.box.left()) == 1


def test_a_page_of_another_origin_gets_nothing(command: Command) -> None:
    url = command.endpoint("--allowed-origin", "https://app.example.com")
    assert ask(url).status_code == 200
    assert ask(url, Origin="http://localhost:5173").status_code == 200
    assert ask(url, Origin="https://app.example.com").status_code == 200
    assert ask(url, Origin="https://evil.example").status_code == 403
    assert ask(url, Origin="null").status_code == 403


def test_a_name_that_was_rebound_to_this_machine_gets_nothing(command: Command) -> None:
    url = command.endpoint("--allowed-host", "mail.example.com", "--allowed-host", "a.example:80")
    assert ask(url, Host="localhost").status_code == 200
    assert ask(url, Host="mail.example.com").status_code == 200
    assert ask(url, Host="mail.example.com:8443").status_code == 200
    assert ask(url, Host="a.example:80").status_code == 200
    for host in ("evil.example", "mail.example.com.evil.example", "a.example:81"):
        assert ask(url, Host=host).status_code == 421


def test_a_header_that_names_no_conversation_is_refused(command: Command) -> None:
    url = command.endpoint()
    refused = ask(url, MultiMail_Conversation="two words")
    assert refused.status_code == 400
    assert "valid conversation name" in refused.text
    assert ask(url, MultiMail_Conversation="ticket-17").status_code == 200


async def test_requests_without_the_token_are_refused(command: Command) -> None:
    url = command.endpoint(**WITH_TOKEN)
    assert ask(url).status_code == 401
    assert ask(url, Authorization=f"Bearer {TOKEN}x").status_code == 401
    assert ask(url, Authorization=f"Basic {TOKEN}").status_code == 401
    async with connected(url, Authorization=f"Bearer {TOKEN}") as client:
        assert command.box.address in await say(client, "list_mailboxes")


def test_a_session_is_of_no_use_without_the_token(command: Command) -> None:
    url = command.endpoint(**WITH_TOKEN)
    opened = ask(url, Authorization=f"Bearer {TOKEN}")
    assert opened.status_code == 200
    assert ask(url, Mcp_Session_Id=opened.headers["mcp-session-id"]).status_code == 401


REFUSED = [
    (("--host", "0.0.0.0"), "", "it has no token"),
    (("--host", "192.0.2.1"), "", "it has no token"),
    (("--host", "::"), "", "it has no token"),
    (("--host", "mail.example.com"), "", "it has no token"),
    (("--host", "0.0.0.0"), TOKEN, "host name that clients use"),
    ((), "short", "fewer than 20 characters"),
    (("--per-session", "--stateless"), "", "--per-session cannot be combined"),
    (("--conversation", "two words"), "", "valid conversation name"),
    (("--include", "decide_email"), "", "no tool 'decide_email'"),
]


@pytest.mark.parametrize(("options", "token", "why"), REFUSED)
def test_what_would_be_unsafe_or_useless_does_not_start(
    command: Command, options: tuple[str, ...], token: str, why: str
) -> None:
    environment = {**command.environment, "MULTIMAIL_MCP_TOKEN": token}
    ran = run_inside("mcp", *ENDPOINT, *options, environment=environment)
    assert ran.status in (1, 2)
    assert ran.out == ""
    assert why in " ".join(ran.err.split())
    assert command.key not in ran.err
    assert not token or token not in ran.err


@pytest.mark.parametrize(
    "options",
    [("--host", "0.0.0.0"), ("--port", "0"), ("--stateless",), ("--allowed-host", "a.example")],
)
def test_an_option_of_the_endpoint_needs_the_endpoint(options: tuple[str, ...]) -> None:
    ran = run_inside("mcp", *options, environment={"MULTIMAIL_API_KEY": "mm_test_x"})
    assert (ran.status, ran.out) == (2, "")
    assert f"{options[0]} needs --http" in " ".join(ran.err.split())


def test_an_address_that_is_not_here_is_said_to_be(command: Command) -> None:
    process = command.start(*ENDPOINT, "--host", "192.0.2.1", **WITH_TOKEN)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Cannot listen on 192.0.2.1" in command.log()
    assert TOKEN not in command.log()


def test_this_machine_needs_no_token_by_any_of_its_names() -> None:
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "::1"):
        assert not HttpOptions(host=host).is_open
    assert HttpOptions(host="::1").host_names()[-2:] == ["[::1]", "[::1]:*"]
    with pytest.raises(ConfigurationError):
        HttpOptions(host="")


def test_the_options_do_not_show_the_token() -> None:
    options = HttpOptions(host="192.0.2.1", token=Secret(TOKEN))
    assert options.is_open
    assert TOKEN not in repr(options)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(command: Command, end: signal.Signals) -> None:
    process = command.start(*ENDPOINT)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(end)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out, command.log()) == (0, "", "")


def test_address_is_printed(command: Command) -> None:
    process = command.start("--http", "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("multimail is ready for MCP clients at http://127.0.0.1:")
    assert line.rstrip().endswith("/mcp")


def test_without_a_key_it_says_how_to_get_one() -> None:
    ran = run_inside("mcp")
    assert (ran.status, ran.out) == (1, "")
    assert "MULTIMAIL_API_KEY is not set" in ran.err
    assert "`multimail serve` prints keys" in ran.err


def test_without_the_sdk_it_names_the_extra(command: Command) -> None:
    hidden = "import sys; sys.modules['mcp'] = None; from multimail_cli.main import run; run()"
    program = command.arguments()
    program[2] = hidden
    process = subprocess.run(
        [sys.executable, *program[1:]],
        env=command.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 1
    assert 'pip install "multimail[mcp]"' in process.stderr
