"""A type checker sees the results of every verb, and the mistakes of its callers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

MISTAKES = """\
from multimail import AsyncMultiMail, MultiMail
def sync(client: MultiMail) -> None:
    client.send_email("a@x.test")  # wrong
    client.send_email("a@x.test", "S", b"B")  # wrong
    client.send_email("a@x.test", "S", "B", colour="red")  # wrong
    client.check_inbox(limit="5")  # wrong
    client.read_email(5)  # wrong
    client.read_emial("em_1")  # wrong
    client.read_email("em_1").boddy  # wrong
async def colour(client: AsyncMultiMail) -> None:
    client.read_email("em_1").markdown  # wrong
    await client.iter_inbox()  # wrong
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy --strict has to say, one line each, in one run for all the tests here."""
    place = tmp_path_factory.mktemp("mypy")
    mistakes = place / "mistakes.py"
    mistakes.write_text(MISTAKES)
    run = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    done = subprocess.run(
        [*run, f"--cache-dir={place / 'cache'}", str(HERE / "client_types.py"), str(mistakes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_the_verbs_have_the_types_that_their_users_see(complaints: list[str]) -> None:
    assert [line for line in complaints if "mistakes.py" not in line] == []


def test_the_mistakes_of_callers_are_found(complaints: list[str]) -> None:
    lines = MISTAKES.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    found = [line for line in complaints if "mistakes.py" in line]
    assert {int(line.split("mistakes.py:")[1].split(":")[0]) for line in found} == wrong
