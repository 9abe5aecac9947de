"""`multimail listen`: print events as they happen, or run a command for each."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .context import KEY_VARIABLE, CommandContext, command
from .cursor_file import CursorFile, get_default_path
from .event_command import STOP_TIMEOUT, EventCommand

if TYPE_CHECKING:
    from multimail import MultiMail
    from multimail._listening import Listener
    from multimail.webhooks import Event

app = typer.Typer()


@command(app, ends_with_command=True)
def listen(
    context: CommandContext,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only this type, such as message.received; repeatable."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="EVENT",
            help="Begin behind this event, or with the `oldest`, where the cursor file has none. "
            "Default: now.",
        ),
    ] = None,
    cursor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep the last handled event in this file, and go on behind it. Default with "
            "--exec: a file in the state directory (XDG_STATE_HOME).",
        ),
    ] = None,
    execute: Annotated[
        bool,
        typer.Option(
            "--exec", help="Run COMMAND for each event, with the event as JSON on its stdin."
        ),
    ] = False,
    max_tries: Annotated[
        int | None,
        typer.Option(
            min=1, help="The most times that a command runs for one event. Default: no limit."
        ),
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND [ARGUMENT]...]", show_default=False)
    ] = None,
) -> None:
    """Print events as lines of JSON as they happen, or run a command for each.

    A command runs without a shell, one at a time. One that fails is repeated, and its event counts
    as handled when it succeeds. It finds the key in MULTIMAIL_API_KEY.
    """
    if execute is not bool(arguments):
        raise typer.BadParameter("Write --exec and then the command, after all other options.")
    if arguments and shutil.which(arguments[0]) is None:
        raise typer.BadParameter(f"--exec: there is no program {arguments[0]!r} here.")
    with context.client() as client:
        path = cursor
        if path is None and execute:
            path = _get_default_path(client, types or [])
        file = CursorFile(path) if path else None
        handler = _build_handler(context, client, arguments or [], max_tries)
        with file.lock() if file else nullcontext():
            known = file.read() if file else None
            listener = client.listen(types=types, mailbox=context.mailbox, after=known or after)
            _Listening(listener, handler, file).run()


@dataclass(frozen=True, slots=True)
class _Handler:
    """What is done with an event, and how that is ended.

    Attributes:
        handle: Returns whether the event was handled.
        stop: Ends what `handle` is doing; from another thread.
    """

    handle: Callable[[Event], bool]
    stop: Callable[[], None]


def _get_default_path(client: MultiMail, types: list[str]) -> Path:
    # Not by the key: a new one goes on where the old one was.
    return get_default_path(client.base_url, client.config.mailbox or "", *sorted(types))


def _build_handler(
    context: CommandContext, client: MultiMail, arguments: list[str], max_tries: int | None
) -> _Handler:
    if not arguments:
        return _Handler(_print, lambda: None)
    environment = {KEY_VARIABLE: context.require_key(), "MULTIMAIL_API_URL": client.base_url}
    event_command = EventCommand(arguments, environment, max_tries)
    return _Handler(event_command.handle, event_command.stop)


def _print(event: Event) -> bool:
    print(json.dumps(event.payload), flush=True)
    return True


class _Listening:
    """Handles events in a thread until SIGINT, SIGTERM or an error.

    The main thread waits for signals: a handler that raised an exception could end a write or the
    start of a command halfway.
    """

    def __init__(self, listener: Listener, handler: _Handler, file: CursorFile | None) -> None:
        self._listener, self._handler, self._file = listener, handler, file
        # A signal handler may call SimpleQueue.put, and hardly anything else that locks.
        self._ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="multimail-listen", daemon=True)

    def run(self) -> None:
        """Listen until a signal.

        Raises:
            MultiMailError: As `Listener` does.
            CommandError: A command has failed as often as it may.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ends.put(None))
        self._thread.start()
        problem = self._ends.get()
        self._listener.close()
        self._handler.stop()
        self._thread.join(STOP_TIMEOUT)
        if problem is not None:
            raise problem

    def _work(self) -> None:
        try:
            self._listener.connect()
            if self._file and self._listener.cursor and self._file.read() is None:
                self._file.write(self._listener.cursor)
            for event in self._listener:
                if not self._handler.handle(event):
                    return
                if self._file and event.id:
                    self._file.write(event.id)
        except BaseException as error:
            self._ends.put(error)
        else:
            self._ends.put(None)
