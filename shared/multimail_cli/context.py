"""The context of a command: the API, the key and the mailbox that it uses, and its output."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from .output import CommandError, document, is_terminal, show_error

if TYPE_CHECKING:
    from multimail import MultiMail
    from multimail_server.services import Services

KEY_VARIABLE = "MULTIMAIL_API_KEY"
DATABASE_VARIABLE = "MULTIMAIL_DATABASE_URL"

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", help="The API's base URL. Default: MULTIMAIL_API_URL, else the hosted service."
    ),
]
MailboxOption = Annotated[
    str | None,
    typer.Option(
        "--mailbox", help="Address or id. Default: MULTIMAIL_MAILBOX, else the only mailbox."
    ),
]
KeyOption = Annotated[
    str,
    typer.Option("--key-env", metavar="NAME", help="The environment variable with the API key."),
]

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="FILE", help="The SQLite file of the server.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", envvar=DATABASE_VARIABLE, show_envvar=True,
        help="The PostgreSQL database of the server.",
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The shared options of a command.

    Attributes:
        url: The API's base URL as given, or None.
        mailbox: The mailbox as given, or None.
        key_env: The environment variable that holds the key.
        as_json: Whether to print JSON.
    """

    url: str | None = None
    mailbox: str | None = None
    key_env: str = KEY_VARIABLE
    as_json: bool = False

    @property
    def key(self) -> str:
        """The API key, or an empty string."""
        return os.environ.get(self.key_env, "").strip()

    def require_key(self) -> str:
        """Return the API key.

        Raises:
            CommandError: The environment variable is empty.
        """
        if not self.key:
            others = sorted(name for name, text in os.environ.items() if text.startswith("mm_"))
            found = f"{others[0]} holds one: add --key-env {others[0]}. " if others else ""
            raise CommandError(
                f"No API key: the environment variable {self.key_env} is not set.",
                f"{found}Set it: export {self.key_env}=mm_…; "
                "`multimail serve` prints keys for a server on this machine.",
                "no_key",
            )
        return self.key

    def client(self) -> MultiMail:
        """Return a client; use it in a with statement.

        Raises:
            CommandError: The environment variable of the key is empty.
        """
        from multimail import MultiMail

        return MultiMail(self.require_key(), base_url=self.url, mailbox=self.mailbox)

    def answer(self, data: Any, show: Callable[[], None]) -> None:
        """Print `data` with --json, else call `show`."""
        if self.as_json:
            document(data)
        else:
            show()

    def show_error(self, error: Exception) -> None:
        """Print an error and its remedy on stderr, without the key."""
        message, remedy, code = _describe_error(error, self.key_env)
        show_error(self._mask(message), self._mask(remedy), code, as_json=self.as_json)

    def _mask(self, text: str) -> str:
        return text.replace(self.key, key_prefix(self.key)) if self.key else text


def key_prefix(key: str) -> str:
    """Return the part of a key that can be shown."""
    for prefix in ("mm_test_", "mm_live_"):
        if key.startswith(prefix):
            return f"{prefix}…"
    return "(hidden)"


def _describe_error(error: Exception, key_env: str) -> tuple[str, str, str]:
    from multimail.errors import AuthenticationError, MultiMailError, PermissionDeniedError
    from multimail_server.errors import ApiError

    if isinstance(error, CommandError):
        return error.message, error.remedy, error.code
    if isinstance(error, (AuthenticationError, PermissionDeniedError)):
        remedy = f"The key is that of {key_env}; --key-env names the variable of another one."
        return error.message, remedy, error.code
    if isinstance(error, ApiError):
        return error.message, "", error.code
    if isinstance(error, MultiMailError):
        return error.message, error.advice, error.code
    if isinstance(error, ModuleNotFoundError):
        extras = "[server,cli,demo]"
        remedy = f'Install it: pip install "multimail{extras}", or ".{extras}" in a clone.'
        return f"This command needs the package {error.name!r}.", remedy, "not_installed"
    if isinstance(error, OSError) and error.strerror:
        file = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{file}", "Check the path.", "os_error"
    remedy = "This is a bug in multimail: please report it with the command that you ran."
    return f"Unexpected {type(error).__name__}: {error}", remedy, "internal"


Command = Callable[..., None]


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    remote: bool = True,
    options: Sequence[inspect.Parameter] = (),
    ends_with_command: bool = False,
) -> Callable[[Command], Command]:
    """Register a function as a command, with a `CommandContext` as its first argument.

    Every command gets `--json`; a remote command also gets `--url`, `--mailbox` and `--key-env`.
    An error becomes one line on stderr and exit status 1.

    Args:
        app: The application that gets the command.
        name: The command's name; default the function's.
        remote: Whether the command calls an API with a key.
        options: Options in addition to the function's own, passed to its `**` parameter.
        ends_with_command: Whether all that follows the first argument belongs to that argument.
    """
    shared = _shared_options(remote=remote)

    def register(function: Command) -> Command:
        def wrapper(**arguments: Any) -> None:
            context = CommandContext(**{key: arguments.pop(key) for key in shared})
            _run_command(context, function, arguments)

        wrapper.__name__ = function.__name__
        wrapper.__doc__ = inspect.getdoc(function)
        parameters = [*options, *_own_parameters(function), *shared.values()]
        # Which of the two typer reads depends on its version.
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {item.name: item.annotation for item in parameters}
        settings = {"allow_interspersed_args": not ends_with_command}
        app.command(name or function.__name__, context_settings=settings)(wrapper)
        return function

    return register


def _run_command(context: CommandContext, function: Command, arguments: dict[str, Any]) -> None:
    try:
        function(context, **arguments)
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except BrokenPipeError:
        # Nothing reads stdout any more. Python flushes it at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception as error:
        context.show_error(error)
        raise typer.Exit(1) from None


def _own_parameters(function: Command) -> list[inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    return [
        item.replace(annotation=hints[item.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for item in own
        if item.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _shared_options(*, remote: bool) -> dict[str, inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    options: list[tuple[str, Any, Any]] = [("as_json", JsonOption, False)]
    if remote:
        options += [
            ("url", UrlOption, None),
            ("mailbox", MailboxOption, None),
            ("key_env", KeyOption, KEY_VARIABLE),
        ]
    return {
        name: inspect.Parameter(name, kind, annotation=annotation, default=default)
        for name, annotation, default in options
    }


def read_text(body: str | None, body_file: Path | None) -> str:
    """Return the text of a message from an option, a file or stdin.

    Raises:
        typer.BadParameter: Both arguments are set.
        CommandError: The text is empty or not UTF-8.
    """
    if body is not None and body_file is not None:
        raise typer.BadParameter("Give --body or --body-file, not both.")
    try:
        text = body if body is not None else _read_body(body_file)
    except UnicodeDecodeError:
        raise CommandError(
            "The message is not UTF-8 text.", "Save it as UTF-8; send other files with --attach."
        ) from None
    if not text.strip():
        raise CommandError(
            "The message is empty.", "Give --body, --body-file, or text on stdin.", "empty_body"
        )
    return text


def _read_body(body_file: Path | None) -> str:
    if body_file is not None and str(body_file) != "-":
        return body_file.read_text(encoding="utf-8")
    if sys.stdin is None:  # It was closed.
        return ""
    if is_terminal(sys.stdin):
        print("Write the message and end it with Ctrl-D.", file=sys.stderr)
    return sys.stdin.buffer.read().decode("utf-8")


@contextmanager
def open_data(data: Path | None, database: str | None) -> Iterator[Services]:
    """Open the data of a server that does not run.

    Raises:
        CommandError: Neither was named, or both; or a server has the file open.
    """
    from multimail_server.offline import open_services
    from multimail_server.store.protocol import StoreUnavailableError

    if (data is None) == (database is None):
        raise CommandError(
            "Where the mail is kept was not named.",
            "Give --data FILE or --database URL.",
            "no_data",
        )
    try:
        with open_services(data, database) as services:
            yield services
    except StoreUnavailableError as error:
        raise CommandError(str(error), code="data_in_use") from None
