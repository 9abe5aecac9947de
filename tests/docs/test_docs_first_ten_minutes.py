"""First ten minutes, as the page describes it: real commands, a real server."""

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
from tests.docs.blocks import Block, read_blocks
from tests.docs.running import answer_newest, run, run_python

from multimail_cli.demo.scripted_model import ScriptedModel

BLOCKS = read_blocks("docs/first-ten-minutes.md")
PROGRAM = [sys.executable, "-c", "from multimail_cli.main import run; run()"]


def get_block(words: str) -> Block:
    (block,) = [block for block in BLOCKS if words in block.text]
    return block


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the second terminal, while `multimail serve` runs in the first."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "multimail").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    (programs / "multimail").chmod(0o755)
    (serve,) = re.findall(
        r"^multimail (serve .+)$", get_block("multimail serve").text, re.MULTILINE
    )
    # Free ports, so that runs don't collide, and no live DNS.
    zone = tmp_path / "nothing.zone"
    zone.write_text("; nothing is published\n")
    isolated = ["--port", "0", "--smtp-port", "0", "--dns-zone", str(zone), "--json"]
    command = [*PROGRAM, *shlex.split(serve), *isolated]
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


def test_the_page_leads_to_a_sent_mail(variables: dict[str, str], tmp_path: Path) -> None:
    def shell(words: str, **replaced: str) -> str:
        text = get_block(words).text
        for name, value in replaced.items():
            text = text.replace(f"{name}_…", value)
        return run(["bash", "-e", "-c", text], variables, tmp_path)

    shell("multimail doctor")
    (tmp_path / "hello.eml").write_text(get_block("Message-ID:").text, "utf-8")
    assert "unauthenticated" in shell("multimail inject")
    with ScriptedModel(answer_newest) as model:
        agent = {**variables, "OPENAI_BASE_URL": model.base_url}
        assert "Held for approval" in run_python(get_block("create_agent").text, agent, tmp_path)
        assert model.errors == []
    (held,) = set(re.findall(r"^Email: (msg_\w+)$", shell("multimail pending"), re.MULTILINE))
    own_key = ["multimail", "approve", held]
    assert subprocess.run(own_key, env=variables, capture_output=True, check=False).returncode == 1
    assert "approved" in shell("multimail approve", msg=held)
    output = shell("multimail outbox")
    assert "Re: Order 7" in output
    assert "oversight.approve" in output
