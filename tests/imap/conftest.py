"""Fixtures of the tests over IMAP: a real Dovecot with one connected account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.dovecot import PASSWORD, USER, Dovecot
from tests.support.server import ServerFixture
from tests.support.smtp_sink import SmtpSink

from multimail_server import ServerConfig

PROGRAM = "from multimail_cli.main import run; run()"
TOKEN = "ya29.first"
Serve = Callable[..., ServerFixture]
Connect = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """Where mail that is submitted ends."""
    with SmtpSink() as running:
        yield running


@pytest.fixture
def dovecot(sink: SmtpSink) -> Iterator[Dovecot]:
    """The provider."""
    with Dovecot(int(sink.url.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The server's data file, which does not exist yet."""
    return tmp_path / "mail.db"


@pytest.fixture
def place(request: pytest.FixtureRequest, data: Path, monkeypatch: Any) -> dict[str, Any]:
    """Where the data is: the file; `postgres` as the parameter, a database with its key file."""
    if getattr(request, "param", "") != "postgres":
        return {"data": data}
    monkeypatch.setenv("MULTIMAIL_SECRET_KEY_FILE", str(data.with_name("secret.key")))
    return {"database": request.getfixturevalue("database_url")}


@pytest.fixture
def connect(dovecot: Dovecot, place: dict[str, Any]) -> Connect:
    """Run `multimail connect` for the account; `command` stands in for it, `password` too."""

    def run(*more: str, command: str = "connect", password: str = PASSWORD) -> Any:
        hosts = (
            "--imap", f"127.0.0.1:{dovecot.imap_port}", "--smtp", f"127.0.0.1:{dovecot.smtp_port}",
            "--tls", "none",
        )  # fmt: skip
        options = hosts if command == "connect" else ()
        if options and not {"--token-command", "--oauth"} & set(more):
            options += ("--password-env", "TEST_PASSWORD")
        ((kind, where),) = place.items()
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, command, USER, f"--{kind}", str(where), "--json",
             *options, *more],
            capture_output=True, text=True, check=False, env=_environment(password),
        )  # fmt: skip

    return run


def _environment(password: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MULTIMAIL") or "SECRET_KEY" in name
    }
    kept |= {name.removeprefix("KEPT_"): value for name, value in kept.items() if "KEPT_" in name}
    return {**kept, "TEST_PASSWORD": password, "TEST_TOKEN": TOKEN}


@pytest.fixture
def serve(place: dict[str, Any]) -> Iterator[Serve]:
    """Start a server on the data."""
    with ExitStack() as stack:

        def start(**settings: Any) -> ServerFixture:
            config = ServerConfig(**{"port": 0, "smtp_port": 0, **place, **settings})
            return stack.enter_context(ServerFixture(config))

        yield start


@pytest.fixture
def server(connect: Connect, serve: Serve) -> ServerFixture:
    """A server that works on the account."""
    done = connect()
    assert done.returncode == 0, done.stderr
    assert "keys" not in json.loads(done.stdout)
    return serve()
