"""The README's ten lines per framework run as they stand there, on a scripted model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.frameworks.agents import call_as_offered
from tests.frameworks.apart import FRAMEWORKS

from multimail_cli.scripted_model import Conversation, ScriptedModel, Turn, say
from multimail_server.testing import ServerUnderTest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
CODE = """<code>
row = check_inbox(limit=1)["emails"][0]
print(read_email(row["id"]))
print(reply_email(row["id"], body="It is on its way."))
final_answer("Answered.")
</code>"""
_ID = re.compile(r"msg_[0-9A-Z]{26}")


def answers_the_newest(conversation: Conversation) -> Turn:
    """Check the inbox, read its newest mail, reply; in code, where no tools are offered."""
    if not conversation.tool_names:
        return say(CODE)
    texts = conversation.results
    found = _ID.search(texts[0].text) if texts else None
    if found is None:
        return call_as_offered(conversation, "check_inbox", limit=1)
    if len(texts) == 1:
        return call_as_offered(conversation, "read_email", email_id=found[0])
    if len(texts) == 2:
        reply = {"email_id": found[0], "body": "It is on its way."}
        return call_as_offered(conversation, "reply_email", **reply)
    return say("Answered.")


def block_of(framework: str) -> str:
    (found,) = [block for block in BLOCKS if f"from {framework}_multimail import" in block]
    return found


def run(code: str, server: ServerUnderTest, tmp_path: Path, model: str = "") -> str:
    environment = {
        **os.environ,
        "MULTIMAIL_API_KEY": server.keys.agent,
        "MULTIMAIL_API_URL": server.url,
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model,
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "CREWAI_STORAGE_DIR": str(tmp_path),
        "OTEL_SDK_DISABLED": "true",
        "AGNO_TELEMETRY": "false",
        "LANGSMITH_TRACING": "false",
    }
    script = tmp_path / "snippet.py"  # smolagents reads the source of a @tool function
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_ten_lines_leave_a_reply_to_be_approved(
    framework: str, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    with ScriptedModel(answers_the_newest) as model:
        run(block_of(framework), multimail_server, tmp_path, model.base_url)
        assert model.errors == []
    reply = multimail_server.wait_for_message("Re: Order 7", direction="outbound")
    assert reply["status"] == "pending_send_approval"
    assert multimail_server.outbox() == []


def test_the_lines_without_a_framework_do_the_same(
    multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    multimail_server.deliver("Hello?", subject="Order 8", sender="ann@example.org")
    (block,) = [block for block in BLOCKS if "with MultiMail() as mail" in block]
    assert re.fullmatch(r"msg_\w+ pending\n", run(block, multimail_server, tmp_path))
    reply = multimail_server.wait_for_message("Re: Order 8", direction="outbound")
    assert reply["status"] == "pending_send_approval"
