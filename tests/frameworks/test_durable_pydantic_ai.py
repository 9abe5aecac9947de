"""The durable example: it is killed while it waits for a person, goes on, and answers once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.frameworks.test_frameworks_examples import EXAMPLES, answers_the_newest

from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn
from multimail_server.testing import ServerUnderTest


def start(server: ServerUnderTest, model: ScriptedModel, home: Path) -> subprocess.Popen[str]:
    """Start the example in a process of its own, in the same directory as before."""
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / "pydantic_ai_durable.py"), "ticket-17"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home,
        env={
            **os.environ,
            "MULTIMAIL_API_KEY": server.keys.agent,
            "MULTIMAIL_API_URL": server.url,
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": model.base_url,
            "SECONDS_BETWEEN_LOOKS": "0.2",
        },
    )


@pytest.mark.parametrize("results", [2, 3], ids=["as it answers", "after it answered"])
def test_a_run_waits_for_a_person_survives_a_kill_and_answers_once(
    multimail_server: ServerUnderTest, tmp_path: Path, results: int
) -> None:
    server, reached = multimail_server, threading.Event()
    server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")

    def script(seen: Conversation) -> Turn:
        if len(seen.results) == results:
            reached.set()
        return answers_the_newest(seen)

    with ScriptedModel(script) as model:
        first = start(server, model, tmp_path)
        assert reached.wait(60), first.communicate()
        first.kill()
        first.communicate()
        second = start(server, model, tmp_path)
        held = server.wait_for_message("Re: Order 7", direction="outbound")
        with server.http("reviewer") as reviewer:
            decision = {"email_id": held["id"], "action": "approve"}
            assert reviewer.post("/v1/oversight/decide", json=decision).status_code == 200
        output, _ = second.communicate(timeout=120)
        assert model.errors == []
    assert second.returncode == 0, output
    assert f"'{held['id']}': 'sent'" in output
    assert len(server.outbox()) == 1
