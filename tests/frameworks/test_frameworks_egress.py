"""Nothing but this machine is asked for: an agent of each framework under an audit hook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.frameworks.agents import SEND, call_as_offered, last_turn, model
from tests.frameworks.apart import FRAMEWORKS
from tests.frameworks.one_run import REPORT
from tests.tools.support import Inbox

ROOT = Path(__file__).parents[2]
HERE = {"127.0.0.1", "::1", "localhost"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_this_machine_is_asked_for(box: Inbox, framework: str) -> None:
    with model(
        lambda seen: call_as_offered(seen, "check_inbox", limit=5),
        lambda seen: call_as_offered(seen, "send_email", **SEND),
        last=last_turn(framework),
    ) as served:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "tests.frameworks.one_run"),
                *(framework, served.base_url, box.server.url, box.agent_key),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    (report,) = [line for line in ran.stdout.splitlines() if line.startswith(REPORT)]
    queries = set(json.loads(report.removeprefix(REPORT)))
    assert "127.0.0.1" in queries
    assert queries <= HERE
    assert [mail["subject"] for mail in box.mails()] == ["Offer"]
