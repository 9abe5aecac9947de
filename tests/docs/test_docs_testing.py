"""The page on testing: its tests pass as they stand there, and its JSON is seed mail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from multimail_server.testing import ServerUnderTest
from multimail_server.web.routes.rehearsing import FaultBody

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(SEED,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_is_a_test_that_passes(tmp_path: Path) -> None:
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    options = ["-q", "--strict-markers", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(rf"^{len(BLOCKS)} passed", done.stdout, re.MULTILINE)


@pytest.mark.multimail_server(clock="virtual")
def test_the_json_is_seed_mail(multimail_server: ServerUnderTest) -> None:
    stored = multimail_server.seed(json.loads(SEED))
    told = ["Invoice 12", "Order 7", "Re: Order 7"]
    assert [row["subject"] for row in stored] == told


def test_every_field_of_a_fault_is_in_the_table() -> None:
    told = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## Faults")[2], re.MULTILINE)
    assert {name for row in told for name in re.findall(r"\w+", row)} == set(FaultBody.model_fields)
