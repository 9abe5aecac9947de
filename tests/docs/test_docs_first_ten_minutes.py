"""The first ten minutes, gone through as the page tells them: real commands, a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.blocks import Block, blocks_of
from tests.docs.running import answers_the_newest, run, run_python

from multimail_cli.demo.scripted_model import ScriptedModel

BLOCKS = blocks_of("docs/first-ten-minutes.md")
PROGRAM = [sys.executable, "-c", "from multimail_cli.main import run; run()"]


def block(words: str) -> Block:
    (found,) = [one for one in BLOCKS if words in one.text]
    return found


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the reader has in the second terminal, while `multimail serve` runs in the first."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "multimail").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    (programs / "multimail").chmod(0o755)
    (serve,) = re.findall(r"^multimail (serve .+)$", block("multimail serve").text, re.MULTILINE)
    # Free ports, so that two runs do not meet; and no live DNS, which a test must not ask.
    zone = tmp_path / "nothing.zone"
    zone.write_text("; nothing is published\n")
    apart = ["--port", "0", "--smtp-port", "0", "--dns-zone", str(zone), "--json"]
    command = [*PROGRAM, *shlex.split(serve), *apart]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as serving:
        assert serving.stdout is not None
        ready: dict[str, Any] = json.loads(serving.stdout.readline())
        yield {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "MULTIMAIL_API_URL": ready["url"],
            "MULTIMAIL_API_KEY": ready["keys"]["agent"],
            "MULTIMAIL_REVIEWER_KEY": ready["keys"]["reviewer"],
            "OPENAI_API_KEY": "x",
            "LANGSMITH_TRACING": "false",
        }
        serving.terminate()


def test_the_page_leads_to_a_mail_that_left(variables: dict[str, str], tmp_path: Path) -> None:
    def shell(words: str, **replaced: str) -> str:
        text = block(words).text
        for name, value in replaced.items():
            text = text.replace(f"{name}_…", value)
        return run(["bash", "-e", "-c", text], variables, tmp_path)

    shell("multimail doctor")
    (tmp_path / "hello.eml").write_text(block("Message-ID:").text, "utf-8")
    assert "unauthenticated" in shell("multimail inject")
    with ScriptedModel(answers_the_newest) as model:
        agent = {**variables, "OPENAI_BASE_URL": model.base_url}
        assert "Held for approval" in run_python(block("create_agent").text, agent, tmp_path)
        assert model.errors == []
    (held,) = set(re.findall(r"^Email: (msg_\w+)$", shell("multimail pending"), re.MULTILINE))
    own_key = ["multimail", "approve", held]
    assert subprocess.run(own_key, env=variables, capture_output=True, check=False).returncode == 1
    assert "approved" in shell("multimail approve", msg=held)
    told = shell("multimail outbox")
    assert "Re: Order 7" in told
    assert "oversight.approve" in told
