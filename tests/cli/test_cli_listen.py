"""`multimail listen`: lines of JSON, or a command for each event, that outlives its failures."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PROGRAM, Cli, bare_environment

from multimail_server.testing.server import ServerUnderTest

TIMEOUT = 60.0
RECORD = """
import json, os, sys
event = json.load(sys.stdin)
names = ("MULTIMAIL_API_KEY", "MULTIMAIL_API_URL", "MULTIMAIL_MAILBOX", "MULTIMAIL_EVENT_ID",
         "MULTIMAIL_EVENT_TYPE", "MULTIMAIL_EVENT_TRY")
row = {"event": event, "env": {n: os.environ.get(n) for n in names}, "argv": sys.argv[1:]}
print(json.dumps(row), flush=True)
"""
"""Prints what a command is given, on one line."""
Listen = Callable[..., "subprocess.Popen[str]"]


FROM_THE_BEGINNING = ("--after", "oldest", "--type", "message.received")
"""What happens before the command is connected comes too, so that no test waits for that."""


@pytest.fixture
def listen(multimail_server: ServerUnderTest, tmp_path: Path) -> Iterator[Listen]:
    """Start `multimail listen`, with its state in the test's folder."""
    environment = {
        **bare_environment(),
        "MULTIMAIL_API_URL": multimail_server.url,
        "MULTIMAIL_API_KEY": multimail_server.keys.agent,
        "XDG_STATE_HOME": str(tmp_path),
    }
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [*PROGRAM, "listen", *FROM_THE_BEGINNING, *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def read_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return json.loads(line)


def get_end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, err


def find_cursor(folder: Path) -> Path:
    [path] = (folder / "multimail").glob("*.cursor")
    return path


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_events_are_lines_of_json_until_a_signal(
    listen: Listen, multimail_server: ServerUnderTest, end: signal.Signals
) -> None:
    process = listen()
    multimail_server.deliver(subject="One \x1b[31m")
    event = read_line(process)
    assert (event["type"], event["mailbox"]) == (
        "message.received",
        multimail_server.mailbox.address,
    )
    process.send_signal(end)
    assert get_end(process) == (0, "")


def test_a_command_gets_the_event_and_the_cursor_follows(
    listen: Listen, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    server = multimail_server
    arguments = ("--exec", sys.executable, "-c", RECORD, "--a b", "$X")
    process = listen(*arguments)
    server.deliver(subject="One")
    row = read_line(process)
    event = row["event"]
    assert (event["subject"], row["argv"]) == ("One", ["--a b", "$X"])
    assert row["env"] == {
        "MULTIMAIL_API_KEY": server.keys.agent,
        "MULTIMAIL_API_URL": server.url,
        "MULTIMAIL_MAILBOX": server.mailbox.address,
        "MULTIMAIL_EVENT_ID": event["id"],
        "MULTIMAIL_EVENT_TYPE": "message.received",
        "MULTIMAIL_EVENT_TRY": "1",
    }
    process.kill()
    process.communicate()
    # Both went by while nobody listened; at least once, so that the first may come again.
    server.deliver(subject="Two")
    server.deliver(subject="Three")
    process = listen(*arguments)
    subjects = [read_line(process)["event"]["subject"] for _ in range(2)]
    if subjects[0] == "One":
        subjects = [*subjects[1:], read_line(process)["event"]["subject"]]
    assert subjects == ["Two", "Three"]
    process.terminate()
    assert get_end(process) == (0, "")
    cursor = find_cursor(tmp_path)
    assert cursor.read_text().startswith("evt_")
    assert stat.S_IMODE(cursor.stat().st_mode) == 0o600
    assert stat.S_IMODE(cursor.parent.stat().st_mode) == 0o700


def test_a_command_that_fails_is_repeated_with_the_same_event(
    listen: Listen, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    script = tmp_path / "agent.py"
    script.write_text(f"{RECORD}\nsys.exit(3 if row['env']['MULTIMAIL_EVENT_TRY'] == '1' else 0)")
    process = listen("--exec", sys.executable, str(script))
    multimail_server.deliver(subject="One")
    multimail_server.deliver(subject="Two")
    rows = [read_line(process) for _ in range(4)]
    seen = [(row["event"]["subject"], row["env"]["MULTIMAIL_EVENT_TRY"]) for row in rows]
    assert seen == [("One", "1"), ("One", "2"), ("Two", "1"), ("Two", "2")]
    process.terminate()
    status, err = get_end(process)
    assert (status, err.count("exit status 3")) == (0, 2)
    assert multimail_server.keys.agent not in err


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ([sys.executable, "-c", "raise SystemExit(7)"], "exit status 7"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "signal 9"),
    ],
)
def test_after_the_last_try_it_stops_and_the_event_is_kept(
    listen: Listen,
    multimail_server: ServerUnderTest,
    tmp_path: Path,
    command: list[str],
    problem: str,
) -> None:
    cursor = tmp_path / "cursor"
    multimail_server.deliver(subject="Poison")
    process = listen("--cursor", str(cursor), "--max-tries", "2", "--json", "--exec", *command)
    status, err = get_end(process)
    notice, report = err.splitlines()
    assert (status, json.loads(report)["code"]) == (1, "command_failed")
    assert problem in notice
    reached = cursor.read_text().strip()
    process = listen("--cursor", str(cursor), "--exec", sys.executable, "-c", RECORD)
    event = read_line(process)["event"]
    assert event["subject"] == "Poison"
    assert reached != event["id"]


def test_a_signal_ends_the_command_with_all_that_it_started(
    listen: Listen, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    process = listen("--exec", sys.executable, "-c", script)
    multimail_server.deliver()
    child = read_line(process)
    before = find_cursor(tmp_path).read_text()
    process.terminate()
    assert get_end(process) == (0, "")
    assert find_cursor(tmp_path).read_text() == before
    assert not is_running(child)


def is_running(pid: int) -> bool:
    """Return whether a process runs, and is not just waiting for its parent's attention."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_listener_uses_a_cursor_file(
    listen: Listen, multimail_server: ServerUnderTest, tmp_path: Path
) -> None:
    command = ("--cursor", str(tmp_path / "cursor"), "--exec", sys.executable, "-c", RECORD)
    first = listen(*command)
    multimail_server.deliver(subject="One")
    assert read_line(first)["event"]["subject"] == "One"
    status, err = get_end(listen("--json", *command))
    assert (status, json.loads(err)["code"]) == (1, "cursor_in_use")
    first.kill()
    first.communicate()
    multimail_server.deliver(subject="Two")
    third = listen(*command)
    subject = read_line(third)["event"]["subject"]
    # The first was handled, and may have been killed before that was on disk.
    assert "Two" in (subject, subject != "Two" and read_line(third)["event"]["subject"])


@pytest.mark.parametrize("content", ["", "two words", "\xff", "x" * 300])
def test_a_broken_cursor_file_is_not_overwritten(
    listen: Listen, tmp_path: Path, content: str
) -> None:
    (tmp_path / "cursor").write_text(content, encoding="latin-1")
    process = listen("--json", "--cursor", str(tmp_path / "cursor"))
    status, err = get_end(process)
    assert (status, json.loads(err)["code"]) == (1, "bad_cursor")
    assert (tmp_path / "cursor").read_text(encoding="latin-1") == content


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--after", "evt_x"], "invalid_after"),
        (["--type", "mail.read"], "unknown_event"),
        (["--mailbox", "no@such.test"], "not_found"),
        (["--after", "evt_0000000000000000000000009Z"], "events_lost"),
    ],
)
def test_an_error_ends_it(cli: Cli, arguments: list[str], code: str) -> None:
    ran = cli("listen", "--json", *arguments)
    assert (ran.status, ran.error["code"]) == (1, code)


@pytest.mark.parametrize(
    "arguments", [["--exec"], ["true"], ["true", "--exec"], ["--exec", "no-such-program"]]
)
def test_a_command_needs_exec_and_exec_a_program(cli: Cli, arguments: list[str]) -> None:
    assert cli.inside("listen", *arguments).status == 2
