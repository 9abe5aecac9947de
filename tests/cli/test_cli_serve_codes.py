"""`multimail serve` shows one-time codes to the person at its terminal, and to no pipe."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import httpx

SERVE = [
    sys.executable,
    "-c",
    "from multimail_cli.main import run; run()",
    *("serve", "--json", "--port", "0", "--smtp-port", "0", "--approval-codes"),
]


def ask_for_a_key(process: subprocess.Popen[str]) -> str:
    """Ask for a key; return the code that the reviewer sees."""
    assert process.stdout is not None
    banner = json.loads(process.stdout.readline())

    def headers(role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {banner['keys'][role]}"}

    url = banner["url"]
    response = httpx.post(f"{url}/v1/api-keys", json={"name": "n"}, headers=headers("admin"))
    assert response.status_code == 202
    reply = httpx.get(f"{url}/v1/oversight/approval-codes", headers=headers("reviewer"))
    return str(reply.json()["approval_codes"][0]["code"])


def test_a_terminal_shows_the_code() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    try:
        code = ask_for_a_key(process)
        shown = b""
        while code.encode() not in shown:
            piece = os.read(ours, 4096)
            assert piece, shown
            shown += piece
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def test_a_pipe_does_not() -> None:
    process = subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        code = ask_for_a_key(process)
    finally:
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert code not in out + err
