"""Each framework's example runs as it stands, on a scripted model; its reply waits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.frameworks.agents import call_as_offered
from tests.frameworks.apart import FRAMEWORKS

from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn, say
from multimail_server.testing import ServerUnderTest

EXAMPLES = Path(__file__).parents[2] / "examples"
BODY = "It is on its way."
CODE = f"""<code>
row = check_inbox(limit=1)["emails"][0]
print(get_thread(row["thread_id"]))
print(reply_email(row["id"], body={BODY!r}))
final_answer("Answered.")
</code>"""


def answers_the_newest(seen: Conversation) -> Turn:
    """Check the inbox, read the newest thread, reply; in code, where no tools are offered."""
    if not seen.tool_names:
        return say(CODE)
    if not seen.results:
        return call_as_offered(seen, "check_inbox", limit=1)
    email_id = _first(r"msg_[0-9A-Z]{26}", seen.results[0].text)
    if len(seen.results) == 1:
        return call_as_offered(seen, "get_thread", thread_id=email_id)
    if len(seen.results) == 2:
        return call_as_offered(seen, "reply_email", email_id=email_id, body=BODY)
    return say("Answered.")


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[0]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_example_answers_and_the_answer_waits(
    framework: str, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    with ScriptedModel(answers_the_newest) as model:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / f"{framework}_agent.py")],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={
                **os.environ,
                "MULTIMAIL_API_KEY": multimail_server.keys.agent,
                "MULTIMAIL_API_URL": multimail_server.url,
                "OPENAI_API_KEY": "x",
                "OPENAI_BASE_URL": model.base_url,
                "CREWAI_STORAGE_DIR": str(tmp_path),
            },
        )
        assert model.errors == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Answered." in done.stdout
    held = multimail_server.wait_for_message("Re: Order 7", direction="outbound")
    assert held["status"] == "pending_send_approval"
    assert multimail_server.outbox() == []
