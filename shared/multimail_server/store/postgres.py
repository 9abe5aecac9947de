"""The PostgreSQL store: for several server processes on one database.

A process has one connection that writes, one for its claims, one that listens, and up to eight
that read. What is local to SQLite's file is shared here: `claim` keeps two processes from doing
the same work, and `on_remote_commit` tells each what the others committed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from .group_commit import GroupCommit
from .postgres_claims import Claims
from .postgres_connecting import Database, said, unavailable
from .postgres_listening import Listener
from .postgres_schema import migrate
from .postgres_verbs import PostgresReader
from .postgres_writer import Writer
from .protocol import Reader, StoreUnavailableError, Tx

T = TypeVar("T")

_READERS = 8
_STARTUP_TIMEOUT = 5.0


class PostgresStore:
    """A `Store` in a PostgreSQL database.

    Args:
        url: Such as `postgresql://user@host:5432/name`; what it leaves out is taken from libpq's
            environment and password file.
    Raises:
        StoreUnavailableError: It cannot be reached, it cannot be used, or a newer version has
            written it.
    """

    def __init__(self, url: str) -> None:
        self._database = Database.from_url(url)
        self._token = secrets.token_hex(8)
        self._open = ExitStack()
        try:
            self._begin()
        except psycopg.Error as error:
            self._open.close()
            raise StoreUnavailableError(
                f"{self._database.shown} cannot be used: {said(error)}"
            ) from None
        except BaseException:
            self._open.close()
            raise

    def __repr__(self) -> str:
        return f"PostgresStore({self._database.shown!r})"

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent snapshot. See `Store.read`."""
        try:
            return self._read(work)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if isinstance(error, PoolTimeout | PoolClosed):
                raise unavailable(error) from None
        # The database may have been restarted: look which connections are left, then again.
        try:
            self._pool.check()
            return self._read(work)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise unavailable(error) from None

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one durable transaction. See `Store.write`."""
        return self._group.write(work)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Keep other processes from working on `name`. See `Store.claim`."""
        return self._claims.claim(name)

    def on_remote_commit(self, heard: Callable[[], None]) -> None:
        """Call `heard` after commits of other processes. See `Store.on_remote_commit`."""

        def connected() -> None:
            self._claims.renew()
            heard()

        listener = Listener(self._database, self._token, heard, connected)
        listener.start()
        self._open.callback(listener.stop)

    def close(self) -> None:
        """Finish the writes that were begun, then close every connection."""
        self._open.close()

    def _begin(self) -> None:
        database = self._database
        connection = database.connect()
        writer = Writer(database, self._token, connection)
        self._open.callback(writer.close)
        migrate(connection, database.shown)
        self._claims = Claims(database)
        self._open.callback(self._claims.close)
        self._pool = ConnectionPool(
            database.conninfo,
            min_size=1,
            max_size=_READERS,
            open=True,
            configure=self._configure,
            timeout=_STARTUP_TIMEOUT,
            reconnect_timeout=_STARTUP_TIMEOUT,
            name="multimail",
            num_workers=1,
        )
        self._open.callback(self._pool.close)
        self._group = GroupCommit(writer.commit)
        self._open.callback(self._group.close)

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        connection.autocommit = True
        self._database.prepare(connection)
        connection.autocommit = False
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True

    def _read(self, work: Callable[[Reader], T]) -> T:
        with self._pool.connection() as connection:
            return work(PostgresReader(connection))
