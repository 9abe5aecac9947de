"""The command line's entry point: it gathers the commands. Heavy imports stay inside them."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Annotated

import typer

from . import demo, doctor, local, mail, mcp, review, serve, webhooks

app = typer.Typer(
    name="multimail",
    help="Email for AI agents: a mailbox, its human oversight, and a server for this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _part in (serve, mcp, demo, mail, review, local, doctor):
    app.registered_commands += _part.app.registered_commands
app.add_typer(webhooks.app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"multimail {version('multimail')}")
        raise typer.Exit


@app.callback()
def multimail(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Email for AI agents: a mailbox, its human oversight, and a server for this machine.

    Set MULTIMAIL_API_KEY, and MULTIMAIL_API_URL for another server than the hosted one.
    """
    del version


def run() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character of some mail must not stop the command.
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="replace")
    app()
