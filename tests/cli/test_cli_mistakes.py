"""Likely mistakes of the first five minutes: each gets one sentence that says what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KEY = f"mm_test_{'a' * 32}"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


CLIENT = {
    "server down": ({"MULTIMAIL_API_URL": "http://127.0.0.1:9"}, "inbox", "multimail serve"),
    "no scheme": ({"MULTIMAIL_API_URL": "localhost:8025"}, "inbox", "http://127.0.0.1:8025"),
    "wrong scheme": ({"MULTIMAIL_API_URL": "https:"}, "inbox", "plain http"),
    "no key": ({"MULTIMAIL_API_KEY": ""}, "inbox", "export MULTIMAIL_API_KEY="),
    "wrong variable": (
        {"MULTIMAIL_API_KEY": "", "MULTIMAIL_KEY": KEY},
        "inbox",
        "--key-env MULTIMAIL_KEY",
    ),
    "wrong key": ({"MULTIMAIL_API_KEY": KEY}, "inbox", "The key is that of MULTIMAIL_API_KEY"),
    "another service's key": ({"MULTIMAIL_API_KEY": "sk-1"}, "inbox", "unknown on this server"),
    "key not exported": ({}, "inbox --key-env REVIEWER", "REVIEWER is not set"),
    "wrong mailbox": ({}, "inbox --mailbox x@example.org", "It can use: agent@"),
    "agent decides": ({}, "approve msg_x", "reviewer's key"),
    "agent makes keys": ({}, "keys make agent", "needs admin"),
    "no such file": ({}, "inject none.eml", "Check the path"),
    "wrong role": ({}, "keys make boss", "agent, reviewer, admin"),
}


@pytest.mark.parametrize(("environment", "line", "remedy"), CLIENT.values(), ids=CLIENT)
def test_a_mistake_is_answered_with_what_to_do(
    cli: Any, inside: Any, environment: dict[str, str], line: str, remedy: str
) -> None:
    url = environment.get("MULTIMAIL_API_URL")
    if url == "https:":
        environment = {"MULTIMAIL_API_URL": cli.server.url.replace("http:", url)}
    own = {"MULTIMAIL_API_URL": cli.server.url, "MULTIMAIL_API_KEY": cli.server.keys.agent}
    ran = inside(*line.split(), environment={**own, **environment})
    assert (ran.status, ran.err.count("\n")) == (1, 1), ran.err
    assert remedy in ran.err


def test_the_version_in_the_url_does_no_harm(cli: Any, inside: Any) -> None:
    key = cli.server.keys.agent
    own = {"MULTIMAIL_API_URL": f"{cli.server.url}/v1/", "MULTIMAIL_API_KEY": key}
    assert inside("inbox", environment=own).status == 0


SERVER = {
    "port taken": ("--port {taken}", "already in use. Choose another --port"),
    "SMTP port taken": ("--smtp-port {taken}", "already in use. Choose another --smtp-port"),
    "no port": ("--port 99999", "65535"),
    "relay": ("--relay smtp:/mail.example.com", "--relay (or MULTIMAIL_RELAY) cannot be used"),
    "data": ("--data /dev/null/mail.sqlite3", "this user may write"),
    "public URL": ("--public-url mail.example.com", "https://mail.example.com"),
    "mode": ("--mode gated", "gated_send"),
    "option": ("--prot 8025", "--port"),
    "setting": ("--config {folder}/wrong.toml", "Did you mean smtp_port?"),
    "no settings": ("--config {folder}/none.toml", "cannot be read"),
}


@pytest.mark.parametrize(("line", "remedy"), SERVER.values(), ids=SERVER)
def test_a_server_that_cannot_start_says_why(
    inside: Any, taken: int, tmp_path: Path, line: str, remedy: str
) -> None:
    (tmp_path / "wrong.toml").write_text("smpt_port = 2525\n")
    words = line.format(taken=taken, folder=tmp_path).split()
    free = {"MULTIMAIL_PORT": "0", "MULTIMAIL_SMTP_PORT": "0"}
    ran = inside("serve", *words, environment=free)
    assert ran.status in (1, 2)
    assert "Traceback" not in ran.err
    assert remedy in " ".join(ran.err.replace("│", " ").split())


def test_settings_come_from_options_then_variables_then_the_file(
    inside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inside("init").status == 0
    file = tmp_path / "multimail.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert inside("init").status == 1
    # The last of the three that is wrong is the one that is used.
    file.write_text('public_url = "from-file"\n')
    assert "'from-file'" in inside("serve").err
    variable = {"MULTIMAIL_PUBLIC_URL": "from-variable"}
    assert "'from-variable'" in inside("serve", environment=variable).err
    option = inside("serve", "--public-url", "from-option", environment=variable)
    assert "'from-option'" in option.err


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        ("import multimail_cli; multimail_cli.run()", "typer", "[server,cli]"),
        ("import langchain_multimail", "langchain_core", "[langchain]"),
        ("import crewai_multimail", "crewai", "[crewai]"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(code: str, missing: str, extra: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; {code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert extra in done.stderr.splitlines()[-1]
