"""Terminals: a narrow one cuts no id, and a closed stream is none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SHOW = """
from multimail_cli.output import show_table
show_table(("ID", "FROM", "SUBJECT"), [("msg_" + "0" * 26, "ann@example.org", "Two words")])
"""
SEND = "from multimail_cli.main import run; run()"


def test_a_narrow_terminal_cuts_no_cell() -> None:
    controller, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40"}
    subprocess.run([sys.executable, "-c", SHOW], stdout=terminal, env=environment, check=True)
    os.close(terminal)
    screen = os.read(controller, 65536).decode()
    os.close(controller)
    assert "msg_" + "0" * 26 in screen
    assert "ann@example.org" in screen
    assert "Two words" in screen


def test_a_closed_stdin_is_an_empty_message() -> None:
    command = f"exec {sys.executable} -c '{SEND}' send --to ann@example.org --subject x --json <&-"
    environment = {**os.environ, "MULTIMAIL_API_KEY": "mm_test_x"}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "empty_body" in done.stdout + done.stderr


def test_enter_alone_approves_nothing_in_the_demo() -> None:
    controller, terminal = pty.openpty()
    command = [sys.executable, "-c", SEND, "demo"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as demo:
        os.close(terminal)
        shown = b""
        for answer in (b"\n", b"l\n"):
            shown += read_until(controller, b"decision on the page: ")
            os.write(controller, answer)
        shown += read_until(controller, b"OK: ") + read_until(controller, b"sent.")
    os.close(controller)
    assert b"It waits for a decision" in shown
    assert b"still waits for approval and nothing was" in shown
    assert demo.returncode == 0


def read_until(controller: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        shown += os.read(controller, 1)
    return shown
