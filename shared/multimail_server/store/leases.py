"""Leases: which process does a piece of work that several could do, such as a hand-over.

A lease is a row with the time of the database at which it ends. Its holder moves that time on while
it works; when it dies, somebody else takes the lease over once it has ended. So nothing is held in
a connection: a pooler may sit between, and a failover keeps the leases.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

from .postgres_connections import Database, NativeConnection, unavailable
from .protocol import StoreUnavailableError

LEASE_SECONDS = 10
"""How long after its holder's last sign of life a lease ends."""
HEARTBEAT_SECONDS = 2.5
TAKEOVER_GRACE = 10.0
"""Seconds after a lost connection in which no lease is taken over: its holder may have lost its own
(the database restarted, say), and gets time to come back."""

_log = logging.getLogger(__name__)

_TAKE = """INSERT INTO leases VALUES (%(name)s, %(holder)s, clock_timestamp() + %(length)s)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
    WHERE leases.ends_at < clock_timestamp() AND %(takes_over)s
        OR leases.holder = excluded.holder -- whose first answer was lost
    RETURNING name"""
_RENEW = """UPDATE leases SET ends_at = clock_timestamp() + %(length)s
    WHERE holder = %(holder)s AND name = ANY(%(names)s) RETURNING name"""
_RELEASE = "DELETE FROM leases WHERE holder = %(holder)s AND name = ANY(%(names)s)"


class Leases:
    """The leases of one process; thread-safe.

    Args:
        database: Where they are.
        holder: Identifies this process.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._takes_over_from = 0.0
        self._connection = database.connect()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="multimail-leases", daemon=True)
        self._thread.start()

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Hold the lease `name` in the context; yield False if another process holds it."""
        is_held = self._take(name)
        try:
            yield is_held
        finally:
            if is_held:
                self._release([name])

    def renew(self) -> None:
        """Move the end of every held lease on."""
        with self._lock:
            if not self._held:
                return
            names = sorted(self._held)
            with suppress(psycopg.Error, StoreUnavailableError):
                renewed = {name for (name,) in self._run(_RENEW, names=names)}
                if renewed != self._held:
                    _log.warning("A lease ended while its work went on: it may be done twice")

    def close(self) -> None:
        """Give every lease back."""
        self._closing.set()
        self._thread.join()
        with suppress(StoreUnavailableError):
            self._release(sorted(self._held))
        self._connection.close()

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_SECONDS):
            self.renew()

    def _take(self, name: str) -> bool:
        with self._lock:
            if name in self._held:
                return False
            try:
                is_taken = bool(self._run(_TAKE, name=name))
            except psycopg.Error as error:
                raise unavailable(error) from None
            if is_taken:
                self._held.add(name)
            return is_taken

    def _release(self, names: list[str]) -> None:
        with self._lock:
            self._held.difference_update(names)
            # One that cannot be given back now ends by itself.
            with suppress(psycopg.Error):
                self._run(_RELEASE, names=names)

    def _run(self, sql: str, **values: Any) -> list[Any]:
        """Run a statement; return its rows. A connection that was lost is made again, once."""
        try:
            return self._execute(self._get_connection(), sql, values)
        except psycopg.Error:
            if not self._connection.closed:
                raise
        return self._execute(self._get_connection(), sql, values)

    def _execute(self, connection: NativeConnection, sql: str, values: dict[str, Any]) -> list[Any]:
        values |= {
            "holder": self._holder,
            "length": timedelta(seconds=LEASE_SECONDS),
            "takes_over": time.monotonic() >= self._takes_over_from,
        }
        cursor = connection.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def _get_connection(self) -> NativeConnection:
        if self._connection.closed:
            self._connection = self._database.connect()
            self._takes_over_from = time.monotonic() + TAKEOVER_GRACE
        return self._connection
