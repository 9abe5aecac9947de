"""Runs a page's Python unchanged, with a real server and a scripted model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.frameworks.agents import call_as_offered

from multimail_cli.demo.scripted_model import Conversation, Turn, say
from multimail_server.testing import ServerUnderTest

CODE = """<code>
row = check_inbox(limit=1)["emails"][0]
print(read_email(row["id"]))
print(reply_email(row["id"], body="It is on its way."))
final_answer("Answered.")
</code>"""
_ID = re.compile(r"msg_[0-9A-Z]{26}")
_EXPECTED_OUTPUT = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)

# Code that a page leaves to its reader.
READER_CODE = """
def run_my_agent(api_key, base_url):
    from multimail import MultiMail

    with MultiMail(api_key, base_url=base_url) as mail:
        (newest,) = mail.check_inbox(limit=1)
        mail.reply_email(newest.id, "Yes.")

"""


def answer_newest(conversation: Conversation) -> Turn:
    """Check the inbox, read the newest mail, reply; in code if no tools are offered."""
    if not conversation.tool_names:
        return say(CODE)
    results = conversation.results
    email_id = _ID.search(results[0].text) if results else None
    if email_id is None:
        return call_as_offered(conversation, "check_inbox", limit=1)
    if len(results) == 1:
        return call_as_offered(conversation, "read_email", email_id=email_id[0])
    if len(results) == 2:
        reply = {"email_id": email_id[0], "body": "It is on its way."}
        return call_as_offered(conversation, "reply_email", **reply)
    return say(results[2].text.splitlines()[0])


def environment(
    server: ServerUnderTest, directory: Path, model_url: str = "http://127.0.0.1:9"
) -> dict[str, str]:
    """Return a reader's environment variables; nothing in them leaves this machine."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MULTIMAIL_API_KEY": server.keys.agent,
        "MULTIMAIL_REVIEWER_KEY": server.keys.reviewer,
        "MULTIMAIL_ADMIN_KEY": server.keys.admin,
        "MULTIMAIL_API_URL": server.url,
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model_url,
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "CREWAI_STORAGE_DIR": str(directory),
        "OTEL_SDK_DISABLED": "true",
        "AGNO_TELEMETRY": "false",
        "LANGSMITH_TRACING": "false",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
    }


def run_python(code: str, variables: dict[str, str], directory: Path) -> str:
    """Run a script successfully and return its output; prompts are answered with `y`."""
    script = directory / "snippet.py"  # smolagents reads the source of a @tool function
    script.write_text(code, "utf-8")
    return run([sys.executable, str(script)], variables, directory)


def run(command: list[str], variables: dict[str, str], directory: Path) -> str:
    """Run a command successfully and return its output."""
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        cwd=directory,
        input="y\n" * 9,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def check_output(code: str, printed: str) -> None:
    """Compare output with the comments after a block's prints: `print(…)  # this`.

    `…` in a comment matches anything.
    """
    for expected in _EXPECTED_OUTPUT.findall(code):
        pattern = ".*".join(map(re.escape, expected.strip('"').split("…")))
        assert re.search(pattern, printed), f"{expected!r} is not in {printed!r}"
