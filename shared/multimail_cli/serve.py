"""The serve command: runs the embedded server in the foreground until a signal stops it."""

from __future__ import annotations

import gc
import inspect
import json
import logging
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multimail_server.clock import Clock
from multimail_server.config import DeclaredSetting, LogFormat, ServerConfig, get_settings

from .context import CommandContext, command
from .output import CommandError, console, is_terminal, show_text

if TYPE_CHECKING:
    from multimail_server.server import EmbeddedServer

app = typer.Typer()

_GC_THRESHOLD = 10_000
_KEY_USES = {
    "agent": "reads and sends, under the mailbox's oversight",
    "reviewer": "reads and decides, cannot send",
    "admin": "makes mailboxes and keys",
}


def build_options() -> list[inspect.Parameter]:
    """Return a parameter for each setting that has an option; its default is "not given"."""
    return [_build_option(item) for item in get_settings() if item.setting.option]


def build_config(options: dict[str, Any], **settings: Any) -> ServerConfig:
    """Return the configuration that the options say.

    Args:
        options: The values of the options by the names of the settings; None where not given.
        settings: Settings that have no option.
    Raises:
        typer.BadParameter: A value cannot be used.
    """
    for item in get_settings():
        value = options.get(item.name)
        if value is not None:
            settings[item.field] = _convert(item, value)
    return ServerConfig(**settings)


def option_name(item: DeclaredSetting) -> str:
    """Return the name of a setting's option, such as `--smtp-port`."""
    return f"--{item.name.replace('_', '-')}"


def default_text(item: DeclaredSetting) -> str:
    """Return the default of a setting in words."""
    if item.setting.default or item.value is None:
        return item.setting.default or "none"
    return "off" if item.value is False else str(item.value)


def _build_option(item: DeclaredSetting) -> inspect.Parameter:
    setting, is_flag, default = item.setting, item.type is bool, default_text(item)
    option: Any = typer.Option(
        False if is_flag else None,
        option_name(item),
        help=setting.help if default in ("none", "off") else f"{setting.help} Default: {default}.",
        metavar=setting.metavar,
        envvar=item.variable,
        show_envvar=bool(setting.env),
        min=setting.minimum,
        max=setting.maximum,
        show_default=False,
    )
    kind = setting.choices or _OPTION_TYPES.get(item.type, item.type)
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option,
        annotation=kind if is_flag else kind | None,
    )


_OPTION_TYPES: dict[Any, Any] = {timedelta: int, Clock: str}
"""The type of the option, for settings whose own type the command line does not know."""


def _parse_clock(text: str) -> Clock:
    from multimail_server.testing.clock import parse_clock

    return parse_clock(text)


_PARSERS: dict[Any, Callable[[Any], Any]] = {
    timedelta: lambda seconds: timedelta(seconds=seconds),
    Clock: _parse_clock,
}


def _convert(item: DeclaredSetting, value: Any) -> Any:
    try:
        return _PARSERS[item.type](value) if item.type in _PARSERS else value
    except ValueError as error:
        raise typer.BadParameter(f"{option_name(item)}: {error}.") from None


CONFIG_FILE = "multimail.toml"


def read_config_file(context: typer.Context, file: Path | None) -> Path | None:
    """Make the settings of a file the defaults of the options.

    Args:
        context: The context of the command.
        file: The file; None for the one in this folder, if there is one.
    Raises:
        typer.BadParameter: It cannot be read, or holds what is no setting.
    """
    path = file or Path(CONFIG_FILE)
    if context.resilient_parsing or (file is None and not path.exists()):
        return file
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise typer.BadParameter(f"{path} cannot be read: {reason}.") from None
    names = [item.name for item in get_settings() if item.setting.option]
    for name in values:
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = f"Did you mean {close[0]}?" if close else "`multimail init` writes all of them."
            raise typer.BadParameter(f"{path} holds {name!r}, which is no setting. {hint}")
    context.default_map = values
    return file


_QUESTIONS = ("data", "domain", "mode", "relay", "public_url")


@command(app, remote=False)
def init(
    context: CommandContext,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")] = Path(CONFIG_FILE),
) -> None:
    """Write the file of settings that `multimail serve` reads, after five questions.

    Without a terminal it asks nothing; the settings are the defaults.
    """
    if file.exists():
        raise CommandError(f"{file} exists.", "Change it, or name another file.", "exists")
    answers: dict[str, Any] = {"data": "multimail.sqlite3"}
    if is_terminal(sys.stdin):
        for item in get_settings():
            if item.name in _QUESTIONS:
                answers[item.name] = _ask(item, answers.get(item.name, item.value))
    answers["live"] = bool(answers.get("relay"))
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(render_config_file(answers))
    lines = f"{file} is written; start the server with: multimail serve"
    context.answer({"file": str(file)}, lambda: show_text(lines))


def _ask(item: DeclaredSetting, default: Any) -> str:
    print(item.setting.help, file=sys.stderr)
    while True:
        answer: str = typer.prompt(item.name, default=str(default or ""), err=True).strip()
        choices = list(item.setting.choices or ())
        if not choices or answer in choices:
            return answer
        print(f"Give one of {', '.join(choices)}.", file=sys.stderr)


def render_config_file(values: dict[str, Any]) -> str:
    """Return the text of a file of settings; those without a value are comments.

    Args:
        values: The settings to set, by their names; empty ones are left out.
    """
    parts = [
        "# The settings of `multimail serve`. An option or a variable goes before a line here."
    ]
    for item in get_settings():
        if item.setting.option:
            value = values.get(item.name)
            given = value not in (None, "", False)
            line = f"{item.name} = {_render_value(value if given else item.value)}"
            parts.append(f"# {item.setting.help}\n{line if given else f'# {line}'}")
    return "\n\n".join(parts) + "\n"


def _render_value(value: Any) -> str:
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    return json.dumps("" if value is None else value)


@command(app, remote=False, options=build_options())
def serve(
    context: CommandContext,
    memory: Annotated[
        bool,
        typer.Option("--memory", help="Keep all data in memory, as without --data or --database."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar="MULTIMAIL_CONFIG",
            callback=read_config_file,
            is_eager=True,
            help=f"Settings by their names. Default: {CONFIG_FILE}, if there is one here.",
        ),
    ] = None,
    **settings: Any,
) -> None:
    """Run the API and an SMTP server on this machine.

    A setting is taken from its option, else from its variable (MULTIMAIL_SMTP_PORT for
    --smtp-port), else from the file that `multimail init` writes.
    """
    del config  # Its callback has read it.
    places = (settings["data"], settings["database"], memory or None)
    if sum(place is not None for place in places) > 1:
        raise typer.BadParameter(
            "Give only one of --data, --database (or MULTIMAIL_DATABASE_URL) and --memory, here "
            f"and in {CONFIG_FILE}."
        )
    stopped = _stop_on_signal()
    _import_server()
    _run(context, build_config(settings, notify_operator=_show_on_terminal), stopped)


def _show_on_terminal(line: str) -> None:
    """Show a line with a one-time code to the person at the terminal; never to a log file."""
    if is_terminal(sys.stderr):
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


def _run(context: CommandContext, config: ServerConfig, stopped: threading.Event) -> None:
    from multimail_server.config import ServerStartError
    from multimail_server.server import EmbeddedServer
    from multimail_server.testing import TestSupport

    if config.log_format == LogFormat.JSON:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
    server = EmbeddedServer(config, TestSupport())
    try:
        server.start()
    except ServerStartError as error:
        raise CommandError(str(error), code="cannot_start") from None
    try:
        _tune_garbage_collection()
        _announce(context, server, config)
        stopped.wait()
    finally:
        server.stop()


class JsonFormatter(logging.Formatter):
    """Writes a record of the log as one JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time (UTC), level, logger, message and, if there is one, exception."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _tune_garbage_collection() -> None:
    """Run the garbage collector less often, and only on objects that requests make.

    Modules, models and routes live as long as the process; a request makes thousands of objects
    and hardly any cycles.
    """
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def _announce(context: CommandContext, server: EmbeddedServer, config: ServerConfig) -> None:
    if context.as_json:
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
        "For who makes keys and mailboxes (multimail keys, multimail mailboxes):",
        f"  export MULTIMAIL_ADMIN_KEY={keys.admin}",
    ]
