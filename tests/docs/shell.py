"""Checks a page's commands: each exists and accepts the options on the page."""

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
from multimail_server.pages.lists import PAGE_ROUTES
from multimail_server.testing.routes import ALL_ROUTES

_JOINS = {"|", "||", "&&", ";", "&"}
_NAME = re.compile(r"[A-Za-z_]\w*=")
EXTRAS = frozenset(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)


def check(text: str) -> None:
    """Check each command of a script.

    Raises:
        AssertionError: The syntax is wrong, there's no check for a command, or it would fail.
    """
    parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
    for command in parse_commands(text):
        name = "scripts/" if command[0].startswith("scripts/") else command[0]
        assert name in CHECKS, f"No check for {name!r}: mark the block `<!-- not run: why -->`"
        CHECKS[name](command)


def parse_commands(text: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script, without variable assignments."""
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
    if "--exec" in command:  # What follows belongs to another command.
        command = command[: command.index("--exec")]
    # With --help a command parses the options before it and does nothing else.
    result = CliRunner().invoke(app, [*command[1:], "--help"])
    assert result.exit_code == 0, f"{shlex.join(command)}: {result.output}"


def _pip(command: list[str]) -> None:
    assert command[1] in ("install", "uninstall"), command
    for word in command[2:]:
        if not word.startswith("-"):
            # A path is this project: `pip install ".[server]"` in a clone.
            requirement = Requirement(re.sub(r"^\.(?=\[|$)", "multimail", word))
            assert requirement.name != "multimail" or requirement.extras <= EXTRAS, word


def _script(command: list[str]) -> None:
    path = ROOT / command[0]
    text = path.read_text("utf-8")
    assert path.stat().st_mode & 0o111, f"{path.name} isn't executable"
    if 'multimail" demo' in text:
        _multimail(["multimail", "demo", *command[1:]])
        return
    module = re.search(r"-m (benchmarks\.\w+)", text)
    if module:
        text += (ROOT / module[1].replace(".", "/") / "__main__.py").read_text("utf-8")
    for word in command[1:]:
        assert not word.startswith("--") or word in text, f"{command[0]} has no option {word}"


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
    routes = (route for route in (*ALL_ROUTES, *PAGE_ROUTES) if route.method == method)
    assert any(re.fullmatch(_pattern(route.path), path) for route in routes), f"{method} {path}"


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
