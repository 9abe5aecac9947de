"""The serve command: the embedded server in the foreground, until it is told to end."""

from __future__ import annotations

import gc
import json
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import CommandError, console
from .session import Session, command

if TYPE_CHECKING:
    from multimail_server.clock import Clock
    from multimail_server.server import EmbeddedServer
    from multimail_server.settings import ServerConfig

app = typer.Typer()

_MODES = ("read_only", "gated_all", "gated_send", "monitored", "autonomous")
_LONGEST_TTL = 10 * 365 * 24 * 3600
_MADE_BEFORE_A_LOOK = 10_000
_MAY = {
    "agent": "reads and sends, under the mailbox's oversight",
    "reviewer": "reads and decides, cannot send",
    "admin": "makes mailboxes and keys",
}


@command(app, remote=False)
def serve(
    session: Session,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The API's port; 0 picks a free one.")] = 8025,
    smtp_port: Annotated[int, typer.Option(help="The SMTP port; 0 picks a free one.")] = 2525,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep everything in this file.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MULTIMAIL_DATABASE_URL",
            help="Keep everything in PostgreSQL, postgresql://…; servers may share it.",
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep nothing; the default without --data.")
    ] = False,
    dns_zone: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A master file instead of live DNS.")
    ] = None,
    relay: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MULTIMAIL_RELAY",  # its password would stand in every user's list of processes
            help="Where live mail goes, smtp://host:port. Default: MULTIMAIL_RELAY.",
        ),
    ] = None,
    domain: Annotated[str | None, typer.Option(help="The domain of new mailboxes.")] = None,
    mode: Annotated[str, typer.Option(help=f"Oversight: {', '.join(_MODES)}.")] = "gated_send",
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where people reach it, by a proxy.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Make live keys, whose mail really leaves.")
    ] = False,
    pending_ttl: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_LONGEST_TTL,
            metavar="SECONDS",
            help="How long a send waits for its decision; 72 hours.",
        ),
    ] = None,
    clock: Annotated[
        str, typer.Option(help="system, virtual, or virtual:2026-01-01T00:00:00Z.")
    ] = "system",
    seed: Annotated[
        int | None, typer.Option(help="Make the same ids in each run, for tests.")
    ] = None,
    seed_keys: Annotated[
        bool, typer.Option("--seed-keys", help="Make the same keys too; anybody can guess them.")
    ] = False,
    seed_mail: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Mail to begin with: .eml, mbox, JSON, or a directory."),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of each key; more get a 429.")
    ] = None,
    sends_per_day: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of the account; more get a 429.")
    ] = None,
    smtp_connections: Annotated[
        int, typer.Option(min=1, metavar="N", help="Open at once; more are told to try later.")
    ] = 100,
    smtp_per_minute: Annotated[
        int, typer.Option(min=1, metavar="N", help="New SMTP connections of one address.")
    ] = 1200,
    approval_codes: Annotated[
        bool,
        typer.Option("--approval-codes", help="Ask for a code before keys and mailboxes are made."),
    ] = False,
) -> None:
    """Run the API and an SMTP server on this machine."""
    if sum((data is not None, memory, database is not None)) > 1:
        raise typer.BadParameter(
            "Give --data, --database (or MULTIMAIL_DATABASE_URL) or --memory, and no two of them."
        )
    if mode not in _MODES:
        raise typer.BadParameter(f"--mode: {mode!r} is none of {', '.join(_MODES)}.")
    ended = _end_on_signal()
    _load_the_server()
    from multimail_server.settings import ServerConfig

    wanted: dict[str, Any] = {"domain": domain} if domain else {}
    if pending_ttl is not None:
        wanted["pending_ttl"] = timedelta(seconds=pending_ttl)
    config = ServerConfig(
        host=host,
        port=port,
        smtp_port=smtp_port,
        data=data,
        database=database,
        dns_zone=dns_zone,
        relay=relay,
        oversight_mode=mode,
        live=live,
        public_url=public_url,
        clock=_clock(clock),
        seed=seed,
        seeded_keys=seed_keys,
        seed_mail=seed_mail,
        requests_per_minute=requests_per_minute,
        sends_per_day=sends_per_day,
        smtp_connections=smtp_connections,
        smtp_per_minute=smtp_per_minute,
        approval_codes=approval_codes,
        notify_operator=_tell_the_terminal,
        **wanted,
    )
    _run(session, config, ended)


def _clock(text: str) -> Clock:
    from multimail_server.testing.hooks import parse_clock

    try:
        return parse_clock(text)
    except ValueError as error:
        raise typer.BadParameter(f"--clock: {error}.") from None


def _tell_the_terminal(line: str) -> None:
    """Show a line with a one-time code to the person at the terminal; never to a log file."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def _end_on_signal() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set, from now on."""
    ended = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: ended.set())
    return ended


def _load_the_server() -> None:
    """Import the server, and keep the garbage collector away from it: what is imported stays."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        import multimail_server.server  # noqa: F401
    finally:
        if collecting:
            gc.enable()
    gc.freeze()


def _run(session: Session, config: ServerConfig, ended: threading.Event) -> None:
    from multimail_server.server import EmbeddedServer
    from multimail_server.settings import ServerStartError

    server = EmbeddedServer(config)
    try:
        server.start()
    except ServerStartError as error:
        raise CommandError(str(error), code="cannot_start") from None
    try:
        _spare_the_collector()
        _announce(session, server, config)
        ended.wait()
    finally:
        server.stop()


def _spare_the_collector() -> None:
    """Let the garbage collector look less often, and only at what requests make.

    Modules, models and routes stay for as long as the process runs; a request makes thousands of
    objects and hardly a cycle.
    """
    gc.freeze()
    gc.set_threshold(_MADE_BEFORE_A_LOOK)


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
        f"  data     {_where(config)}",
        *_time_lines(server),
        "",
        *_key_lines(server),
        "",
        "Ctrl-C ends it.",
    ]
    for line in lines:
        screen.print(line)
    screen.file.flush()


def _time_lines(server: EmbeddedServer) -> list[str]:
    clock = server.services.context.test_hooks.clock
    if clock is None:
        return []
    return [f"  clock    virtual: {clock.now().isoformat()} until a test advances it"]


def _where(config: ServerConfig) -> str:
    if config.database is not None:
        return "in PostgreSQL"
    if config.data is None:
        return "in memory: nothing is kept when it ends; keep it by --data multimail.sqlite3"
    return str(config.data)


def _key_lines(server: EmbeddedServer) -> list[str]:
    keys = server.keys
    if keys is None:
        return ["The keys were shown when this data was made and are not stored in clear."]
    named = {"agent": keys.agent, "reviewer": keys.reviewer, "admin": keys.admin}
    lines = [f"  {name:<9}{key}  {_MAY[name]}" for name, key in named.items()]
    return [
        "Keys",
        *lines,
        "",
        "For an agent:",
        f"  export MULTIMAIL_API_URL={server.url}",
        f"  export MULTIMAIL_API_KEY={keys.agent}",
        "For whoever decides, and for nobody else:",
        f"  export MULTIMAIL_REVIEWER_KEY={keys.reviewer}",
        "  multimail pending --key-env MULTIMAIL_REVIEWER_KEY",
        f"  or open {server.url}/ in a browser and sign in with the reviewer's key",
    ]
