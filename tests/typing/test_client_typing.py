"""A type checker knows the result of every method, and finds the mistakes of callers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

MISTAKES = """\
from multimail import AsyncMultiMail, MultiMail
from multimail.endpoints import send_email
def sync(client: MultiMail) -> None:
    client.send_email("a@x.test")  # wrong
    client.send_email("a@x.test", "S")  # wrong
    client.send_email("a@x.test", "S", b"B")  # wrong
    client.send_email("a@x.test", "S", "B", markdown="B")  # wrong
    client.reply_email("em_1")  # wrong
    client.reply_email(body="B")  # wrong
    client.reply_email("em_1", "B", message_id="em_1")  # wrong
    client.read_email()  # wrong
    client.read_email("em_1", message_id="em_1")  # wrong
    client.cancel_message()  # wrong
    client.tag_email(tag="vip")  # wrong
    client.decide_email("em_1")  # wrong
    client.decide_email(action="approve")  # wrong
    client.check_inbox(unread=True)  # wrong
    send_email("a@x.test", "S", markdown="B")  # wrong
    client.send_email("a@x.test", "S", "B", colour="red")  # wrong
    client.check_inbox(limit="5")  # wrong
    client.read_email(5)  # wrong
    client.read_emial("em_1")  # wrong
    client.read_email("em_1").boddy  # wrong
async def asynchronous(client: AsyncMultiMail) -> None:
    client.read_email("em_1").markdown  # wrong
    await client.iter_inbox()  # wrong
"""


@pytest.fixture(scope="module")
def type_errors(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The errors of one `mypy --strict` run over both files."""
    folder = tmp_path_factory.mktemp("mypy")
    mistakes = folder / "mistakes.py"
    mistakes.write_text(MISTAKES)
    run = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    process = subprocess.run(
        [*run, f"--cache-dir={folder / 'cache'}", str(HERE / "client_types.py"), str(mistakes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert process.returncode in (0, 1), process.stdout + process.stderr
    return [line for line in process.stdout.splitlines() if ": error: " in line]


def test_methods_have_their_types(type_errors: list[str]) -> None:
    assert [line for line in type_errors if "mistakes.py" not in line] == []


def test_mistakes_of_callers_are_found(type_errors: list[str]) -> None:
    lines = MISTAKES.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    reported = [line for line in type_errors if "mistakes.py" in line]
    assert {int(line.split("mistakes.py:")[1].split(":")[0]) for line in reported} == wrong
