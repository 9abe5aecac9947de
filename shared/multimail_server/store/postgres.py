"""The PostgreSQL store: for several server processes on one database.

A process has up to eight connections that write, eight that read, one for its leases, one that
announces its commits, and one that listens for those of other processes.

Writes of different mailboxes run at the same time, in every process; those of one mailbox run one
after the other. `protocol.Scope` says what a write relies on, and `postgres_writer` locks it. So
what the services read in a write holds until its commit, as in SQLite: after the commit that
revokes a key, for example, no request of that key commits.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from .changes import SqlTx
from .lanes import Lanes
from .leases import Leases
from .migrate import lacks_search_index, load_migrations
from .postgres_connections import (
    Announcer,
    Database,
    Listener,
    NativeConnection,
    error_text,
    unavailable,
)
from .postgres_writer import PostgresConnection, PostgresWriter
from .protocol import FindScope, Reader, Scope, StoreUnavailableError, Tx
from .queries import SqlReader
from .sql import POSTGRES

T = TypeVar("T")
_BEGIN_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
MAX_READERS = 8
POOL_TIMEOUT = 5.0
"""Seconds to wait for a connection that reads."""
MIGRATION_LOCK = 0x6D756C74696D6169
"""The advisory lock that a process holds while it migrates."""


class PostgresStore:
    """A `Store` in a PostgreSQL database.

    Args:
        url: Such as `postgresql://user@host:5432/name`; libpq's environment variables and password
            file supply what it leaves out.
    Raises:
        StoreUnavailableError: The database cannot be reached or used, or a newer version has
            written it.
    """

    def __init__(self, url: str) -> None:
        self._database = Database.from_url(url)
        self._token = secrets.token_hex(8)
        self._open = ExitStack()
        try:
            self._start()
        except psycopg.Error as error:
            self._open.close()
            raise StoreUnavailableError(
                f"{self._database.name} cannot be used: {error_text(error)}"
            ) from None
        except BaseException:
            self._open.close()
            raise

    def __repr__(self) -> str:
        return f"PostgresStore({self._database.name!r})"

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent snapshot. See `Store.read`."""
        try:
            return self._read(work)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if isinstance(error, PoolTimeout | PoolClosed):
                raise unavailable(error) from None
        # The database may have restarted: drop the connections that it closed, and try once more.
        try:
            self._pool.check()
            return self._read(work)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise unavailable(error) from None

    def write(self, work: Callable[[Tx], T], scope: Scope | FindScope | None = None) -> T:
        """Run `work` in one durable transaction. See `Store.write`."""
        if scope is not None and not isinstance(scope, Scope):
            scope = self.read(scope)
        result = self._lanes.write(work, scope)
        self._announcer.announce()
        return result

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Keep other processes from claiming `name`. See `Store.claim`."""
        return self._leases.claim(name)

    def on_remote_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after commits of other processes. See `Store.on_remote_commit`."""

        def on_connect() -> None:
            self._leases.renew()
            callback()

        listener = Listener(self._database, self._token, callback, on_connect)
        listener.start()
        self._open.callback(listener.stop)

    def close(self) -> None:
        """Finish the writes that were begun, then close every connection."""
        self._open.close()

    def _start(self) -> None:
        database = self._database
        connection = database.connect()
        self._open.callback(connection.close)
        _migrate(connection, database.name)
        self._leases = Leases(database, self._token)
        self._open.callback(self._leases.close)
        self._pool = ConnectionPool(
            database.conninfo,
            min_size=1,
            max_size=MAX_READERS,
            open=True,
            configure=self._configure,
            timeout=POOL_TIMEOUT,
            reconnect_timeout=POOL_TIMEOUT,
            name="multimail",
            num_workers=1,
        )
        self._open.callback(self._pool.close)
        self._announcer = Announcer(database, self._token)
        self._open.callback(self._announcer.close)
        self._lanes = Lanes(PostgresWriter(database, connection), lambda: PostgresWriter(database))
        self._open.callback(self._lanes.close)

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        connection.autocommit = True
        self._database.prepare(connection)

    def _read(self, work: Callable[[Reader], T]) -> T:
        with self._pool.connection() as connection, _open_snapshot(connection) as reader:
            return work(reader)


@contextmanager
def _open_snapshot(connection: NativeConnection) -> Iterator[SqlReader]:
    problem: BaseException | None = None
    with connection.pipeline() as pipeline:
        # Sent with the first query, as the end is sent with the end of the pipeline.
        connection.execute(_BEGIN_READ)
        try:
            yield SqlReader(PostgresConnection(connection, pipeline), POSTGRES)
        except BaseException as error:
            problem = error
            with suppress(psycopg.Error):
                pipeline.sync()
        connection.execute("COMMIT")
    if isinstance(problem, psycopg.Error):
        connection.close()  # What was prepared behind a failed statement was not.
    if problem is not None:
        raise problem


def _migrate(connection: NativeConnection, database: str) -> None:
    """Apply the migrations that the database lacks, all or none, one process at a time.

    Args:
        connection: In autocommit mode.
        database: Its name, for errors.
    Raises:
        StoreUnavailableError: A newer version of multimail wrote it, or it is not in UTF-8.
    """
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5min'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        _check_encoding(connection, database)
        applied = _get_version(connection)
        migrations = load_migrations(POSTGRES, applied, database)
        if migrations:
            # Waits for the writes that have begun; later ones of older servers see the new number.
            connection.execute("LOCK TABLE schema_version IN EXCLUSIVE MODE")
        for migration in migrations:
            connection.execute(migration.encode())
        if applied == 0:
            _fill_folded_letters(connection)
        if lacks_search_index(applied):
            SqlTx(PostgresConnection(connection), POSTGRES).index_all()
        if migrations:
            version = applied + len(migrations)
            connection.execute("UPDATE schema_version SET taken = %s", (version,))


def _get_version(connection: NativeConnection) -> int:
    """Return the number of the last migration; create its table in an empty database."""
    exists = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if exists != (True,):
        connection.execute("CREATE TABLE schema_version (taken BIGINT NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (0)")
    row = connection.execute("SELECT taken FROM schema_version").fetchone()
    return int(row[0]) if row else 0


def _check_encoding(connection: NativeConnection, database: str) -> None:
    row = connection.execute("SHOW server_encoding").fetchone()
    if row != ("UTF8",):
        raise StoreUnavailableError(
            f"{database} is encoded in {row and row[0]}, which cannot store all mail. Create a "
            "database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


def _fill_folded_letters(connection: NativeConnection) -> None:
    """Store what `str.casefold` does to each letter that it changes."""
    # Every script that has two cases is in the first two planes.
    letters = (chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000)
    with connection.cursor() as cursor, cursor.copy("COPY folded_letters FROM STDIN") as copy:
        for letter in letters:
            if letter != (folded := letter.casefold()):
                copy.write_row((letter, folded))
