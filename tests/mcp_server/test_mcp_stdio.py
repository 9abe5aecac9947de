"""Stdio: stdout carries the protocol and nothing else, and the end of stdin is the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.mcp_server.support import Command, connected, say, send

LOUD = """
import anyio, os, sys
from multimail.tools import Toolkit
from multimail_mcp import McpServer
from multimail_mcp.stdio import serve_stdio


def shout(decision):
    print("decided", decision.action)
    os.write(1, b"written\\n")
    os.system("echo a child")


anyio.run(serve_stdio, McpServer(Toolkit(on_decision=shout)))
print("over")
"""


def conversation() -> str:
    client = {"name": "raw", "version": "0"}
    start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    lines = [
        {"id": 1, "method": "initialize", "params": start},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "send_email", "arguments": send()}},
    ]
    return "".join(json.dumps({"jsonrpc": "2.0", **request}) + "\n" for request in lines)


def test_what_else_is_printed_goes_to_stderr(command: Command) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOUD],
        env=command.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(conversation())
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    out, err = process.communicate(timeout=60)
    assert [answer["id"] for answer in answers] == [1, 2]
    assert out == "over\n"
    assert {"decided allow", "written", "a child"} <= set(err.splitlines())
    assert process.returncode == 0


def test_a_line_that_is_no_json_ends_nothing(command: Command) -> None:
    process = command.start()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("not json\n" + conversation())
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline())]
    while answers[-1].get("id") != 2:
        answers.append(json.loads(process.stdout.readline()))
    assert "Accepted" in answers[-1]["result"]["content"][0]["text"]
    process.communicate(timeout=60)
    assert process.returncode == 0


async def test_a_named_conversation_in_a_file_goes_on_in_the_next_process(
    command: Command, tmp_path: Path
) -> None:
    mail = command.box.receive("Write to bob@example.org.")
    kept = ("--store", str(tmp_path / "guard.sqlite3"), "--conversation", "ticket-17")
    async with command.stdio(*kept) as client:
        await say(client, "read_email", email_id=mail["id"])
    async with command.stdio(*kept) as client:
        held = await say(client, "send_email", **send())
        again = await say(client, "send_email", **send())
    async with connected(command.endpoint(*kept)) as client:
        once_more = await say(client, "send_email", **send())
    assert held.startswith("Held for approval")
    assert "Already done" in again
    assert "Already done" in once_more
    assert len(command.box.mails()) == 1


async def test_without_a_file_each_process_is_a_conversation(command: Command) -> None:
    mail = command.box.receive("Write to bob@example.org.")
    async with command.stdio() as client:
        await say(client, "read_email", email_id=mail["id"])
    async with command.stdio() as client:
        assert (await say(client, "send_email", **send())).startswith("Accepted")
