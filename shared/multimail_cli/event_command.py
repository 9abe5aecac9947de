"""The command that `multimail listen --exec` runs for each event, without a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from .output import CommandError, plain_line, show_notice

if TYPE_CHECKING:
    from multimail.webhooks import Event

FIRST_DELAY = 0.5
"""Seconds before a failed command is repeated; it doubles with each failure."""
MAX_DELAY = 60.0
STOP_TIMEOUT = 5.0
"""Seconds for a command to end by SIGTERM; then it is killed."""


class EventCommand:
    """Runs a command for one event after the other, each until it succeeds.

    Args:
        arguments: The program and its arguments.
        environment: Variables in addition to this process's.
        max_tries: The most times that it runs for one event; None for no limit.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], max_tries: int | None
    ) -> None:
        self._arguments = list(arguments)
        self._environment = environment
        self._max_tries = max_tries
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def handle(self, event: Event) -> bool:
        """Run the command until it succeeds; return False if it was stopped before.

        Raises:
            CommandError: It has failed as often as it may.
        """
        tries = 0
        while not self._stopped.is_set():
            tries += 1
            problem = self._run(event, tries)
            if problem is None:
                return True
            if self._stopped.is_set():
                break
            self._wait(event, problem, tries)
        return False

    def stop(self) -> None:
        """End the command that runs, with all that it has started, and run no more."""
        self._stopped.set()
        with self._lock:
            process = self._process
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))

    def _wait(self, event: Event, problem: str, tries: int) -> None:
        program = plain_line(self._arguments[0], 80)
        if tries == self._max_tries:
            times = "once" if tries == 1 else f"{tries} times"
            raise CommandError(
                f"{program} failed {times} for the event {event.id}: {problem}.",
                "The event is not lost: the next start begins with it.",
                "command_failed",
            )
        delay = min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(tries - 1, 30))
        show_notice(f"{program} failed for {event.id} ({problem}); the next try is in {delay:g} s")
        self._stopped.wait(delay)

    def _run(self, event: Event, tries: int) -> str | None:
        """Run the command once; return why it failed, None if it succeeded."""
        try:
            with self._lock:
                if self._stopped.is_set():
                    return "it was not started"
                process = self._process = self._start(event, tries)
        except OSError as error:
            return f"it cannot be started: {error.strerror or type(error).__name__}"
        try:
            process.communicate(json.dumps(event.payload).encode())
        finally:
            with self._lock:
                self._process = None
        return _describe_end(process.returncode)

    def _start(self, event: Event, tries: int) -> subprocess.Popen[bytes]:
        facts = {
            "MULTIMAIL_MAILBOX": event.mailbox or event.mailbox_id or "",
            "MULTIMAIL_EVENT_ID": event.id,
            "MULTIMAIL_EVENT_TYPE": event.type,
            "MULTIMAIL_EVENT_TRY": str(tries),
        }
        environment = {**os.environ, **self._environment}
        environment.update({name: value for name, value in facts.items() if value})
        # In a process group of its own, which ends with all that it has started.
        group = None if sys.platform == "win32" else 0
        return subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            self._arguments, stdin=subprocess.PIPE, env=environment, process_group=group
        )


def _describe_end(status: int) -> str | None:
    if status == 0:
        return None
    return f"exit status {status}" if status > 0 else f"signal {-status}"


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)
