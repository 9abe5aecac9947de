"""The recipe of the events page: an agent under `multimail listen`, with a scripted model."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import list_blocks
from tests.docs.running import answer_newest, environment

from multimail_cli.demo.scripted_model import ScriptedModel
from multimail_server.testing import ServerUnderTest

pytest.importorskip("langchain_openai")
BLOCKS = [block for block in list_blocks() if block.page == "docs/events.md"]


@pytest.mark.multimail_server(domain="example.org")
def test_the_recipe_answers_a_mail(multimail_server: ServerUnderTest, tmp_path: Path) -> None:
    [agent] = [block.text for block in BLOCKS if "json.load(sys.stdin)" in block.text]
    [line] = [
        line for block in BLOCKS for line in block.text.splitlines() if "--exec python" in line
    ]
    (tmp_path / "agent.py").write_text(agent)
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    arguments = shlex.split(line)
    # It was received before: a test does not wait for the command to be connected.
    arguments[2:2] = ["--after", "oldest"]
    arguments[arguments.index("python")] = sys.executable
    with ScriptedModel(answer_newest) as model:
        variables = environment(multimail_server, tmp_path, model.base_url)
        variables["XDG_STATE_HOME"] = str(tmp_path)
        process = subprocess.Popen(
            [sys.executable, "-c", "from multimail_cli.main import run; run()", *arguments[1:]],
            env=variables,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        try:
            reply = multimail_server.wait_for_message("Re: Order 7", direction="outbound")
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
        assert model.errors == []
    assert reply["status"] == "pending_send_approval"
    assert (process.returncode, b" failed " in errors) == (0, False)
    assert list((tmp_path / "multimail").glob("*.cursor"))
