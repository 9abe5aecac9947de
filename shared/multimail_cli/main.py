"""The entry point of the command line. The commands import heavy modules when they run."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Annotated

import typer

from . import administration, backup, connect, doctor, embedded, listen, mail, mcp, review, serve
from .demo import run as demo

app = typer.Typer(
    name="multimail",
    help="Email for AI agents: mailboxes, human approval, and a server for this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _module in (serve, backup, connect, mcp, demo, mail, listen, review, embedded, doctor):
    app.registered_commands += _module.app.registered_commands
for _group in administration.GROUPS:
    app.add_typer(_group)


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print(f"multimail {version('multimail')}")
        raise typer.Exit


@app.callback()
def multimail(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Email for AI agents: mailboxes, human approval, and a server for this machine.

    Set MULTIMAIL_API_KEY. Set MULTIMAIL_API_URL to use a server other than the hosted service.
    """
    del version


def run() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show must not stop the command.
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="replace")
    app()
