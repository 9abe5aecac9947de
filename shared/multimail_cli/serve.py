"""The serve command: runs the embedded server in the foreground until a signal stops it."""

from __future__ import annotations

import gc
import json
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import CommandError, console
from .server_options import build_config, build_options
from .session import Session, command

if TYPE_CHECKING:
    from multimail_server.config import ServerConfig
    from multimail_server.server import EmbeddedServer

app = typer.Typer()

_GC_THRESHOLD = 10_000
_KEY_USES = {
    "agent": "reads and sends, under the mailbox's oversight",
    "reviewer": "reads and decides, cannot send",
    "admin": "makes mailboxes and keys",
}


@command(app, remote=False, options=build_options())
def serve(
    session: Session,
    memory: Annotated[
        bool,
        typer.Option("--memory", help="Keep all data in memory, as without --data or --database."),
    ] = False,
    **settings: Any,
) -> None:
    """Run the API and an SMTP server on this machine."""
    places = (settings["data"], settings["database"], memory or None)
    if sum(place is not None for place in places) > 1:
        raise typer.BadParameter(
            "Give only one of --data, --database (or MULTIMAIL_DATABASE_URL) and --memory."
        )
    stopped = _stop_on_signal()
    _import_server()
    _run(session, build_config(settings, notify_operator=_show_on_terminal), stopped)


def _show_on_terminal(line: str) -> None:
    """Show a line with a one-time code to the person at the terminal; never to a log file."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def _stop_on_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set from now on."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _import_server() -> None:
    """Import the server with garbage collection off: what an import makes is never garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import multimail_server.server  # noqa: F401
    finally:
        if was_enabled:
            gc.enable()
    gc.freeze()


def _run(session: Session, config: ServerConfig, stopped: threading.Event) -> None:
    from multimail_server.config import ServerStartError
    from multimail_server.server import EmbeddedServer
    from multimail_server.testing import TestSupport

    server = EmbeddedServer(config, TestSupport())
    try:
        server.start()
    except ServerStartError as error:
        raise CommandError(str(error), code="cannot_start") from None
    try:
        _tune_garbage_collection()
        _announce(session, server, config)
        stopped.wait()
    finally:
        server.stop()


def _tune_garbage_collection() -> None:
    """Run the garbage collector less often, and only on objects that requests make.

    Modules, models and routes live as long as the process; a request makes thousands of objects
    and hardly any cycles.
    """
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def _announce(session: Session, server: EmbeddedServer, config: ServerConfig) -> None:
    if session.as_json:
        print(json.dumps(server.ready()), flush=True)
        return
    screen = console()
    lines = [
        "multimail is ready",
        f"  API      {server.url}",
        f"  SMTP     {server.smtp}",
        f"  mailbox  {server.mailbox.address}  ({config.oversight_mode})",
        f"  data     {_describe_data(config)}",
        *_time_lines(server),
        "",
        *_key_lines(server),
        "",
        "Press Ctrl-C to stop.",
    ]
    for line in lines:
        screen.print(line)
    screen.file.flush()


def _time_lines(server: EmbeddedServer) -> list[str]:
    from multimail_server.testing import VirtualClock

    clock = server.config.clock
    if not isinstance(clock, VirtualClock):
        return []
    return [f"  clock    virtual: {clock.now().isoformat()}, until a test advances it"]


def _describe_data(config: ServerConfig) -> str:
    if config.database is not None:
        return "in PostgreSQL"
    if config.data is None:
        return "in memory, lost when the server stops; keep it with --data multimail.sqlite3"
    return str(config.data)


def _key_lines(server: EmbeddedServer) -> list[str]:
    keys = server.keys
    if keys is None:
        return ["The keys were shown when this data was created; only their hashes are stored."]
    by_role = {"agent": keys.agent, "reviewer": keys.reviewer, "admin": keys.admin}
    lines = [f"  {role:<9}{key}  {_KEY_USES[role]}" for role, key in by_role.items()]
    return [
        "Keys",
        *lines,
        "",
        "For an agent:",
        f"  export MULTIMAIL_API_URL={server.url}",
        f"  export MULTIMAIL_API_KEY={keys.agent}",
        "For the person who decides, and never for an agent:",
        f"  export MULTIMAIL_REVIEWER_KEY={keys.reviewer}",
        "  multimail pending --key-env MULTIMAIL_REVIEWER_KEY",
        f"  or open {server.url}/ in a browser and sign in with the reviewer's key",
    ]
