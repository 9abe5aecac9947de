"""Claims: which process works on what, as advisory locks that end with the connection.

A process that dies, however it dies, loses its connection and with it its claims, at once. One
that lives and loses its connection (the database restarted, say) takes its claims again before any
other process takes new ones: for a while after such a loss nobody else is given a claim.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from .postgres_connecting import Database, Native, unavailable

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10.0


class Claims:
    """The claims of one process, on a connection of their own; for any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._quiet_until = 0.0
        self._connection = database.connect()

    @contextmanager
    def claim(self, what: str) -> Iterator[bool]:
        """Hold `what` for as long as the context lasts; give False where somebody else has it."""
        number = _number_of(what)
        ours = self._take(number)
        try:
            yield ours
        finally:
            if ours:
                self._let_go(number)

    def renew(self) -> None:
        """Take again what is held, if the connection was lost and nobody has noticed."""
        with self._lock:
            with suppress(psycopg.Error):
                self._connected().execute("SELECT 1")
            self._connected()

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._connection.close()

    def _take(self, number: int) -> bool:
        with self._lock:
            try:
                connection = self._connected()
                if number in self._held or time.monotonic() < self._quiet_until:
                    return False
                taken = _lock(connection, number)
            except psycopg.Error as error:
                raise unavailable(error) from None
            if taken:
                self._held.add(number)
            return taken

    def _let_go(self, number: int) -> None:
        with self._lock:
            self._held.discard(number)
            # A connection that is lost has let go of it already.
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock(%s)", (number,))

    def _connected(self) -> Native:
        if self._connection.closed:
            self._connection = self._database.connect()
            self._quiet_until = time.monotonic() + _GRACE_SECONDS
            for number in self._held:
                if not _lock(self._connection, number):
                    _log.warning("A claim was lost with its connection: its work may be done twice")
        return self._connection


def _lock(connection: Native, number: int) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    return row == (True,)


def _number_of(what: str) -> int:
    digest = hashlib.sha256(f"multimail {what}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
