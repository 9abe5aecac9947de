"""The page of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import typer.main
from typer.core import TyperGroup

from docs_site.markdown import code, table
from multimail_cli.main import app

INTRODUCTION = """# Command line

This page is written by code from the commands of `multimail`, which
`pip install "multimail[server,cli]"` installs. A command that speaks to an API takes its key from
`MULTIMAIL_API_KEY`, or from the variable that `--key-env` names: a key is never an argument, since
other users of a machine see arguments. Every command takes `--json`. An error is one sentence on
stderr and exit status 1.
"""
_SHARED = ("--json", "--url", "--mailbox", "--key-env", "--help")
_EXAMPLE = "inbox"
Command: TypeAlias = Any
"""A command of Click, or of the copy of Click that newer versions of Typer bring."""


def rendered() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    shared = [row for row in _options(root.commands[_EXAMPLE]) if _is_shared(row)]
    parts = [
        INTRODUCTION,
        "## Options of all commands",
        table(("option", "meaning"), shared),
        "## Commands",
    ]
    parts += [_command(path, one) for path, one in _commands(root, "multimail")]
    return "\n\n".join(parts) + "\n"


def _commands(group: TyperGroup, path: str) -> Iterator[tuple[str, Command]]:
    """Yield each command with the words that call it."""
    for name, one in group.commands.items():
        if isinstance(one, TyperGroup):
            yield from _commands(one, f"{path} {name}")
        else:
            yield f"{path} {name}", one


def _command(path: str, one: Command) -> str:
    usage = one.get_usage(one.make_context(path, [], resilient_parsing=True))
    said = usage.removeprefix("Usage: ").replace("{", "").replace("}", "")
    parts = [f"### {path}", (one.help or "").strip(), code(said)]
    rows = [row for row in _options(one) if not _is_shared(row)]
    if rows:
        parts.append(table(("option", "meaning"), rows))
    return "\n\n".join(parts)


def _options(one: Command) -> Iterator[tuple[str, str]]:
    context = one.make_context(one.name or "", [], resilient_parsing=True)
    for part in one.get_params(context):
        record = part.get_help_record(context)
        if record is not None and part.param_type_name == "option":
            yield code(record[0]), record[1]


def _is_shared(row: tuple[str, str]) -> bool:
    return row[0].strip("`").split()[0] in _SHARED
