"""The PostgreSQL store: for several server processes on one database.

A process has one connection that writes, one for its claims, one that listens for the commits of
other processes, and up to eight that read.

Processes take turns to write: a transaction begins by locking `schema_version`, before its snapshot
is taken. So writes happen one after the other, as in SQLite, and what the services rely on holds
for several processes too: the order of commits is, to the millisecond, the order of the audit log
and of ids, and after the commit that revokes a key, no request of that key commits. SERIALIZABLE
transactions would give neither, and would mostly be retries on rows as hot as these.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from .changes import SqlTx
from .group_commit import GroupCommit, Job
from .migrate import lacks_search_index, load_migrations
from .postgres_connections import (
    CHANNEL,
    Claims,
    Database,
    Listener,
    NativeConnection,
    error_text,
    unavailable,
)
from .protocol import CommitOutcomeUnknownError, Reader, StoreUnavailableError, Tx
from .queries import SqlReader
from .sql import POSTGRES, Cursor

T = TypeVar("T")
Outcome = tuple[Job, Any, BaseException | None]

MAX_READERS = 8
POOL_TIMEOUT = 5.0
"""Seconds to wait for a connection that reads."""
MAX_ATTEMPTS = 5
"""Of a transaction that the database undid."""
COMMIT_CHECK_TIMEOUT = 10.0
"""Seconds to find out whether a commit that got no reply was made."""
COMMIT_CHECK_PAUSE = 0.2
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

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one durable transaction. See `Store.write`."""
        return self._group.write(work)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Keep other processes from claiming `name`. See `Store.claim`."""
        return self._claims.claim(name)

    def on_remote_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after commits of other processes. See `Store.on_remote_commit`."""

        def on_connect() -> None:
            self._claims.renew()
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
        writer = Writer(database, self._token, connection)
        self._open.callback(writer.close)
        _migrate(connection, database.name)
        self._claims = Claims(database)
        self._open.callback(self._claims.close)
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
            return work(SqlReader(PostgresConnection(connection), POSTGRES))


class PostgresConnection:
    """A `Connection` for the store's SQL, on psycopg's."""

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self._inner = inner

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement. PostgreSQL cannot store U+0000: U+FFFD takes its place."""
        storable = [
            value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values
        ]
        return self._inner.execute(_with_placeholders(sql), storable)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement for each row."""
        for row in rows:
            self.execute(sql, row)


@cache
def _with_placeholders(sql: str) -> bytes:
    # In the store's SQL a question mark is always a placeholder, and there is no percent sign.
    return sql.replace("?", "%s").encode()


class _RolledBackError(psycopg.OperationalError):
    """The connection broke during a commit, which was not made."""


_RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected, _RolledBackError)


class Writer:
    """The connection that writes; used by one thread.

    Args:
        database: The database.
        token: Identifies this process to the others; hexadecimal.
        connection: The first connection.
    """

    def __init__(self, database: Database, token: str, connection: NativeConnection) -> None:
        self._database = database
        self._connection = connection
        self._begin = (
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; "
            "LOCK TABLE schema_version IN EXCLUSIVE MODE; "
            f"NOTIFY {CHANNEL}, '{token}'; SELECT pg_current_xact_id()::text"
        ).encode()

    def commit(self, batch: list[Job]) -> None:
        """Run jobs in one transaction, each in a savepoint of its own, and settle them."""
        try:
            outcomes = self._run_batch(batch)
        except StoreUnavailableError as problem:
            outcomes = [(job, None, type(problem)(str(problem))) for job in batch]
        except BaseException as problem:
            outcomes = [(job, None, problem) for job in batch]
        for job, result, refusal in outcomes:
            job.settle(result, refusal)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run_batch(self, batch: list[Job]) -> list[Outcome]:
        """Run a transaction, again if the database undid it."""
        problem = StoreUnavailableError("The database cannot be used now.")
        for _ in range(MAX_ATTEMPTS):
            try:
                if self._connection.closed:
                    self._connection = self._database.connect()
            except psycopg.Error as error:
                raise unavailable(error) from None
            try:
                return self._run_transaction(batch)
            except psycopg.Error as error:
                problem = unavailable(error)
                self._roll_back()
                if not (isinstance(error, _RETRYABLE) or self._connection.closed):
                    break
        raise problem

    def _run_transaction(self, batch: list[Job]) -> list[Outcome]:
        transaction_id = self._begin_transaction()
        outcomes = [(job, *self._run_job(job)) for job in batch]
        try:
            reply = self._connection.execute("COMMIT")
        except psycopg.Error as error:
            if not self._connection.closed:
                raise
            if not self._was_committed(transaction_id, error):
                raise _RolledBackError(error_text(error)) from None
            return outcomes
        if reply.statusmessage != "COMMIT":
            raise psycopg.OperationalError(f"the reply to COMMIT was {reply.statusmessage}")
        return outcomes

    def _begin_transaction(self) -> str:
        """Begin a transaction, when it is this process's turn; return its id."""
        rows = self._connection.execute(self._begin, prepare=False)
        while rows.nextset():
            pass
        return str(rows.fetchall()[0][0])

    def _run_job(self, job: Job) -> tuple[Any, BaseException | None]:
        """Run one job; a problem with the database itself ends the batch."""
        problem: BaseException
        self._connection.execute("SAVEPOINT job")
        try:
            tx = SqlTx(PostgresConnection(self._connection), POSTGRES)
            result = job.work(tx)
            tx.finish()
            self._connection.execute("RELEASE job")
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            # Its detail contains the whole row, which may contain a secret.
            problem = type(error)(error_text(error))
        except BaseException as error:
            problem = error
        else:
            return result, None
        self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")
        return None, problem

    def _was_committed(self, transaction_id: str, error: psycopg.Error) -> bool:
        """Return whether a commit that got no reply was made."""
        end = time.monotonic() + COMMIT_CHECK_TIMEOUT
        while time.monotonic() < end:
            with suppress(psycopg.Error):
                self._connection = self._database.connect()
                row = self._connection.execute(
                    "SELECT pg_xact_status(%s::xid8)", (transaction_id,)
                ).fetchone()
                if row is not None and row[0] in ("committed", "aborted"):
                    return bool(row[0] == "committed")
            time.sleep(COMMIT_CHECK_PAUSE)
        raise CommitOutcomeUnknownError(
            "The connection to the database broke during a commit and could not be restored. The "
            "change may have been made. Check, or repeat the request with the same idempotency "
            f"key ({error_text(error)})."
        )

    def _roll_back(self) -> None:
        with suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")


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
