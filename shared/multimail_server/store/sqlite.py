"""The SQLite store: one writer thread with group commit, and a reading connection for each thread.

A durable commit costs an fsync. Writes that arrive during one share the next, and each returns only
after the shared COMMIT. If one of them fails, all are undone and run again, each in a savepoint of
its own, so that the others succeed. A savepoint for each from the start would copy every page that
it changes to a file: for a send, more than all the rest that is written.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from .changes import SqlTx
from .group_commit import GroupCommit, Job
from .migrate import lacks_search_index, load_migrations
from .protocol import FindScope, Reader, Scope, StoreUnavailableError, Tx
from .queries import SqlReader
from .sql import SQLITE

if sys.platform != "win32":
    import fcntl

T = TypeVar("T")
Outcome = tuple[Job, Any, BaseException | None]

_PRIVATE = 0o600
"""The mode of all files: they hold mail, DKIM keys and webhook secrets."""
BUSY_TIMEOUT = 5.0
"""Seconds to wait for a lock that another program holds on the file."""


class SqliteStore:
    """A `Store` in one SQLite file.

    Args:
        path: The file; created, with its folder, if it is missing.
    Raises:
        StoreUnavailableError: The file cannot be opened, another server has it open, or a newer
            version has written it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock_file(path)
            _make_private(path)
            self._writer = self._connect()
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise StoreUnavailableError(
                f"{path} cannot be used as a data file ({reason}). Name a file that this user may "
                "write, in a directory that exists."
            ) from error
        self._group = GroupCommit(self._commit)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent snapshot. See `Store.read`."""
        connection = self._reader()
        try:
            connection.execute("BEGIN")
            try:
                return work(SqlReader(connection, SQLITE))
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            raise StoreUnavailableError(f"The database cannot be read now: {error}") from error

    def write(self, work: Callable[[Tx], T], scope: Scope | FindScope | None = None) -> T:
        """Run `work` in one durable transaction, one after the other. See `Store.write`."""
        del scope
        return self._group.write(work)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Return a context that yields True: no other process uses the file. See `Store.claim`."""
        del name
        return nullcontext(enter_result=True)

    def on_remote_commit(self, callback: Callable[[], None]) -> None:
        """Do nothing: no other process commits. See `Store.on_remote_commit`."""

    def close(self) -> None:
        """Finish the writes that were begun, then close every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._group.close()
        for connection in (*self._readers, self._writer):
            connection.close()
        self._lock_file.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function(SQLITE.casefold_function, 1, _casefold, deterministic=True)
        return connection

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            with self._lock:
                if self._closed:
                    connection.close()
                    raise StoreUnavailableError("The database is closed: the server is stopping.")
                self._readers.append(connection)
            self._local.connection = connection
        return connection

    def _migrate(self) -> None:
        applied: int = self._writer.execute("PRAGMA user_version").fetchone()[0]
        migrations = load_migrations(SQLITE, applied, str(self._path))
        if migrations:
            # In one transaction: a new file waits for the disk once, not for each migration.
            self._writer.executescript(f"BEGIN;{''.join(migrations)}")
            if lacks_search_index(applied):
                SqlTx(self._writer, SQLITE).index_all()
            self._writer.execute(f"PRAGMA user_version = {applied + len(migrations)}")
            self._writer.execute("COMMIT")

    def _commit(self, batch: list[Job]) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = self._run_together(batch) or [(job, *self._run_alone(job)) for job in batch]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon(batch, error)
            return
        for job, result, problem in outcomes:
            job.settle(result, problem)

    def _run_together(self, batch: list[Job]) -> list[Outcome]:
        """Run jobs one after the other; if one of several fails, undo all and return nothing.

        A problem with the database itself ends the batch.
        """
        try:
            return [(job, self._run(job), None) for job in batch]
        except sqlite3.OperationalError:
            raise
        except BaseException as problem:
            self._writer.execute("ROLLBACK")
            self._writer.execute("BEGIN IMMEDIATE")
            return [(batch[0], None, problem)] if len(batch) == 1 else []

    def _run(self, job: Job) -> Any:
        tx = SqlTx(self._writer, SQLITE)
        result = job.work(tx)
        tx.finish()
        return result

    def _run_alone(self, job: Job) -> tuple[Any, BaseException | None]:
        """Run one job in a savepoint; a problem with the database itself ends the batch."""
        self._writer.execute("SAVEPOINT job")
        try:
            result = self._run(job)
        except sqlite3.OperationalError:
            raise
        except BaseException as problem:
            self._writer.execute("ROLLBACK TO job")
            self._writer.execute("RELEASE job")
            return None, problem
        self._writer.execute("RELEASE job")
        return result, None

    def _abandon(self, batch: list[Job], error: sqlite3.Error) -> None:
        if self._writer.in_transaction:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
        for job in batch:
            problem = StoreUnavailableError(f"The database cannot take the change now: {error}")
            problem.__cause__ = error
            job.settle(None, problem)


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _make_private(path: Path) -> None:
    """Create the data file for its owner alone, and close to others what is there already.

    SQLite gives the files that it makes beside it the same mode, whatever the umask.
    """
    _open_private(path).close()
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").chmod(_PRIVATE)


def _open_private(path: Path) -> IO[bytes]:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE), "r+b")
    path.chmod(_PRIVATE)
    return file


def _lock_file(path: Path) -> IO[bytes]:
    """Lock a file beside the data file: two servers on one file would deliver everything twice."""
    lock = _open_private(path.with_name(f"{path.name}.lock"))
    if sys.platform != "win32":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StoreUnavailableError(
                f"{path} is in use by another server. Stop that server, or use another file."
            ) from None
    return lock
