"""The page of the command line, generated from the commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import typer.main
from typer.core import TyperGroup

from docs_site.markdown import code, table
from multimail_cli.main import app

INTRODUCTION = """# Command line

This page is generated from the commands of `multimail`, which the extra `cli` installs. A command
that calls an API takes its key from `MULTIMAIL_API_KEY`, or from the variable that `--key-env`
names: a key is never an argument, since other users of the machine can see arguments. Every command
has `--json`. An error is one line on stderr and exit status 1.
"""
_SHARED = ("--json", "--url", "--mailbox", "--key-env", "--help")
_EXAMPLE = "inbox"
Command: TypeAlias = Any
"""A command of Click, or of the copy of Click in newer versions of Typer."""


def render() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    shared = [row for row in _get_options(root.commands[_EXAMPLE]) if _is_shared(row)]
    parts = [
        INTRODUCTION,
        "## Options of all commands",
        table(("option", "meaning"), shared),
        "## Commands",
    ]
    parts += [_render_command(path, item) for path, item in _iter_commands(root, "multimail")]
    return "\n\n".join(parts) + "\n"


def _iter_commands(group: TyperGroup, path: str) -> Iterator[tuple[str, Command]]:
    """Yield each command with its path, such as `multimail webhooks add`."""
    for name, item in group.commands.items():
        if isinstance(item, TyperGroup):
            yield from _iter_commands(item, f"{path} {name}")
        else:
            yield f"{path} {name}", item


def _render_command(path: str, command: Command) -> str:
    usage = command.get_usage(command.make_context(path, [], resilient_parsing=True))
    synopsis = usage.removeprefix("Usage: ").replace("{", "").replace("}", "")
    parts = [f"### {path}", (command.help or "").strip(), code(synopsis)]
    rows = [row for row in _get_options(command) if not _is_shared(row)]
    if rows:
        parts.append(table(("option", "meaning"), rows))
    return "\n\n".join(parts)


def _get_options(command: Command) -> Iterator[tuple[str, str]]:
    context = command.make_context(command.name or "", [], resilient_parsing=True)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name == "option":
            yield code(record[0]), record[1]


def _is_shared(row: tuple[str, str]) -> bool:
    return row[0].strip("`").split()[0] in _SHARED
