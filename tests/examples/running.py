"""Running examples: each as its reader runs it, a process of its own, on a scripted model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from multimail_cli.demo.scripted_model import Conversation, Script, Turn, call, say
from multimail_server.testing import ServerUnderTest

EXAMPLES = Path(__file__).parents[2] / "examples"
ID = re.compile(r"msg_[0-9A-Z]{26}")
_QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "AGNO_TELEMETRY": "false",
    "LANGSMITH_TRACING": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",
}


def environment(
    server: ServerUnderTest, folder: Path, model: str = "", **more: str
) -> dict[str, str]:
    """Return the environment of the example: one server, one model, nothing else."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MULTIMAIL_")}
    return {
        **own,
        **_QUIET,
        "CREWAI_STORAGE_DIR": str(folder),
        "MULTIMAIL_API_KEY": server.keys.agent,
        "MULTIMAIL_API_URL": server.url,
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model,
        **more,
    }


def start(name: str, *arguments: str, env: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start an example without waiting for its end."""
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        cwd=folder,
    )


def run(name: str, *arguments: str, env: dict[str, str], folder: Path, status: int = 0) -> str:
    """Run an example to its end and return what it printed."""
    with start(name, *arguments, env=env, folder=folder) as process:
        printed, _ = process.communicate()
    assert process.returncode == status, printed
    return printed


def held(server: ServerUnderTest, subject: str) -> dict[str, object]:
    """Return the message of that subject that awaits a human; nothing must have left."""
    found = server.wait_for_message(subject, direction="outbound")
    assert found["status"] == "pending_send_approval"
    assert server.outbox() == []
    return found


def answers_the_newest(body: str = "It is on its way.") -> Script:
    """Return the script of an agent that reads the newest mail and replies to it once."""

    def script(conversation: Conversation) -> Turn:
        texts = [one.text for one in conversation.results]
        found = ID.search(texts[0]) if texts else None
        if found is None:
            return call("check_inbox", limit=1)
        if len(texts) == 1:
            return call("read_email", email_id=found[0])
        if len(texts) == 2:
            return call("reply_email", email_id=found[0], body=body)
        return say("Answered.")

    return script
