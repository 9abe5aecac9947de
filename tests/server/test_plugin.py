"""The pytest plugin: the fixture that users get, and that it costs nothing unused."""

from __future__ import annotations

import subprocess
import sys

from multimail_server.testing.server import ServerUnderTest


def test_the_fixture_is_a_running_server(multimail_server: ServerUnderTest) -> None:
    multimail_server.deliver("Hello there.", subject="Greetings", sender="ann@example.com")
    mail = multimail_server.wait_for_message("Greetings", timeout=5)
    assert mail["from"] == "ann@example.com"
    with multimail_server.http("agent") as agent:
        reply = agent.post(
            f"/v1/mailboxes/{multimail_server.mailbox.id}/reply/{mail['id']}",
            json={"markdown": "Hello *Ann*"},
        )
    assert reply.json()["held"] is True
    assert multimail_server.outbox() == []


def test_loading_the_plugin_imports_no_server() -> None:
    program = (
        "import sys, multimail_server.testing\n"
        "heavy = {'starlette', 'uvicorn', 'httpx', 'pydantic', 'aiosmtpd', 'dns', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
