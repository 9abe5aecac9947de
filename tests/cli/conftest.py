"""Fixtures: the real `multimail` command, mostly in its own process, against a real server."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from multimail_cli.main import run
from multimail_server.testing.server import ServerUnderTest

PROGRAM = [sys.executable, "-c", "from multimail_cli.main import run; run()"]


def bare_environment() -> dict[str, str]:
    """The environment without anything that would configure the command."""
    secret = ("MULTIMAIL_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(secret)}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The JSON document of the error on stderr."""
        report: dict[str, str] = json.loads(self.err)
        return report

    @property
    def last_line(self) -> str:
        """The last line on stdout."""
        return self.out.rstrip().splitlines()[-1]


def run_program(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> Ran:
    """Run `multimail` to its end."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        env={**bare_environment(), **(environment or {})},
        input=stdin.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_inside(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> Ran:
    """Run `multimail` to its end in this process, which spares the imports."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(os, "environ", {**bare_environment(), **(environment or {})})
        patch.setattr(sys, "argv", ["multimail", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        with pytest.raises(SystemExit) as ended:
            run()
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    code = ended.value.code
    return Ran(code if isinstance(code, int) else 0, *texts)


@dataclass(frozen=True)
class Cli:
    """The command, configured for one server as the documentation says."""

    server: ServerUnderTest

    def __call__(self, *arguments: str | Path, key: str = "agent", stdin: str = "") -> Ran:
        return run_program(*arguments, environment=self._environment(key), stdin=stdin)

    def inside(self, *arguments: str | Path, key: str = "agent", stdin: str = "") -> Ran:
        """Run it in this process."""
        return run_inside(*arguments, environment=self._environment(key), stdin=stdin)

    def _environment(self, key: str) -> dict[str, str]:
        return {
            "MULTIMAIL_API_URL": self.server.url,
            "MULTIMAIL_API_KEY": getattr(self.server.keys, key),
        }

    def ok(self, *arguments: str | Path, key: str = "agent", stdin: str = "") -> Any:
        """Run it with `--json`; return what it answers."""
        ran = self.inside(*arguments, "--json", key=key, stdin=stdin)
        assert ran.status == 0, ran.err
        assert ran.err == ""
        return ran.data


@pytest.fixture
def cli(multimail_server: ServerUnderTest) -> Cli:
    """The command against a fresh server."""
    return Cli(multimail_server)


@pytest.fixture
def multimail() -> Callable[..., Ran]:
    """The command with nothing configured."""
    return run_program


@pytest.fixture
def inside() -> Callable[..., Ran]:
    """The same within this process."""
    return run_inside
