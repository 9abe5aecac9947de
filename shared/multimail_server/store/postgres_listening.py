"""Hearing of other processes' commits, by LISTEN."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

from .postgres_connecting import Database, said
from .postgres_writer import CHANNEL
from .protocol import StoreUnavailableError

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_AFTER_TROUBLE_SECONDS = 1.0
_STARTUP_TIMEOUT = 10.0


class Listener:
    """A thread that calls `heard` after each commit of another process.

    Args:
        database: Where they commit.
        token: What this process's own commits say.
        heard: Called once for commits that arrive together.
        connected: Called when it listens, and whenever it listens again after the connection was
            lost, since commits may have been missed.
    """

    def __init__(
        self,
        database: Database,
        token: str,
        heard: Callable[[], None],
        connected: Callable[[], None],
    ) -> None:
        self._database = database
        self._token = token
        self._heard = heard
        self._connected = connected
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="multimail-listener", daemon=True)

    def start(self) -> None:
        """Begin; return when every commit from now on is heard of."""
        self._thread.start()
        self._listening.wait(_STARTUP_TIMEOUT)

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (psycopg.Error, StoreUnavailableError) as error:
                _log.warning("Commits of other servers are not heard of now: %s", said(error))
            self._stopping.wait(_AFTER_TROUBLE_SECONDS)

    def _listen(self) -> None:
        with self._database.connect() as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            self._connected()
            self._listening.set()
            while not self._stopping.is_set():
                # Several that came together are one; the generator ends at the first of them.
                told = connection.notifies(timeout=_LOOK_SECONDS, stop_after=1)
                if any(one.payload != self._token for one in told):
                    self._heard()
