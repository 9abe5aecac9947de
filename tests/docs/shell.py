"""Checks a page's commands: each is there, and takes the options that the page gives it."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from tests.docs.blocks import ROOT
from typer.testing import CliRunner

from multimail_cli.main import app
from multimail_server.pages.views import PAGE_ROUTES
from multimail_server.testing.routes import ALL_ROUTES

_JOINS = {"|", "||", "&&", ";", "&"}
_NAME = re.compile(r"[A-Za-z_]\w*=")
EXTRAS = frozenset(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)


def check(text: str) -> None:
    """Check each command of a script.

    Raises:
        AssertionError: It is no shell, nobody here checks such a command, or it would fail.
    """
    read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    for command in commands(text):
        name = "scripts/" if command[0].startswith("scripts/") else command[0]
        assert name in CHECKS, f"Nobody checks {name!r}: mark the block `<!-- not run: why -->`"
        CHECKS[name](command)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script, without the variables that they are given."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        for word in [*lexer, ";"]:
            if word not in _JOINS:
                words.append(word)
                continue
            while words and _NAME.match(words[0]):
                words.pop(0)
            if words:
                yield words
            words = []


def _multimail(command: list[str]) -> None:
    # Asked for help, a command parses what it was given first, and does nothing else.
    done = CliRunner().invoke(app, [*command[1:], "--help"])
    assert done.exit_code == 0, f"{shlex.join(command)}: {done.output}"


def _pip(command: list[str]) -> None:
    assert command[1] in ("install", "uninstall"), command
    for word in command[2:]:
        if not word.startswith("-"):
            wanted = Requirement(word)
            assert wanted.name != "multimail" or wanted.extras <= EXTRAS, word


def _script(command: list[str]) -> None:
    path = ROOT / command[0]
    text = path.read_text("utf-8")
    assert path.stat().st_mode & 0o111, f"{path.name} cannot be run"
    if 'multimail" demo' in text:
        _multimail(["multimail", "demo", *command[1:]])
        return
    module = re.search(r"-m (benchmarks\.\w+)", text)
    if module:
        text += (ROOT / module[1].replace(".", "/") / "__main__.py").read_text("utf-8")
    for word in command[1:]:
        assert not word.startswith("--") or word in text, f"{command[0]} knows no {word}"


def _export(command: list[str]) -> None:
    assert all(_NAME.match(word) for word in command[1:]), command


def _curl(command: list[str]) -> None:
    rest = iter(command[1:])
    method, url = "GET", ""
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-d":
            json.loads(next(rest))
        elif word == "-H":
            assert ": " in next(rest)
        elif not word.startswith("-"):
            url = word
    path = urlsplit(url).path
    served = (one for one in (*ALL_ROUTES, *PAGE_ROUTES) if one.method == method)
    assert any(re.fullmatch(_pattern(one.path), path) for one in served), f"{method} {path}"


def _pattern(path: str) -> str:
    return re.sub(r"\\\{.+?\\\}", "[^/]+", re.escape(path))


def _python(command: list[str]) -> None:
    assert command[1] == "-m", command
    assert importlib.util.find_spec(command[2]) is not None, command


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "curl": _curl,
    "export": _export,
    "multimail": _multimail,
    "pip": _pip,
    "python": _python,
    "scripts/": _script,
}
