"""The SQLite store: one writer thread with group commit, and a reading connection per thread.

A durable commit costs an fsync. Writes that arrive while one is under way wait in a queue and
share the next one, and nobody is answered before the shared COMMIT has returned. One that fails
does not hurt the others: all are undone and run again, each in a savepoint of its own. To begin
with a savepoint for each would copy every page that it changes to a file: for a send, more than
all the rest that is written.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from .group_commit import GroupCommit, Job
from .protocol import Reader, StoreUnavailableError, Tx
from .schema import STEPS
from .sql import SqliteReader, SqliteTx

if sys.platform != "win32":
    import fcntl

T = TypeVar("T")
Outcome = tuple[Job, Any, BaseException | None]

_BUSY_SECONDS = 5.0


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _own(path: Path) -> IO[bytes]:
    """Hold a lock beside the data file: two servers on one file would deliver everything twice."""
    lock = path.with_name(f"{path.name}.lock").open("wb")
    if sys.platform != "win32":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StoreUnavailableError(
                f"{path} is in use by another server. Stop that one, or take another file."
            ) from None
    return lock


class SqliteStore:
    """A `Store` in one SQLite file.

    Args:
        path: The file; made, with its folder, when it is missing.
    Raises:
        StoreUnavailableError: The file cannot be opened, or a newer version has written it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._owned = _own(path)
            self._writer = self._connect()
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError(f"{path} cannot be used as a data file: {error}") from error
        self._group = GroupCommit(self._commit)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent snapshot. See `Store.read`."""
        connection = self._reader()
        try:
            connection.execute("BEGIN")
            try:
                return work(SqliteReader(connection))
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            raise StoreUnavailableError(f"The database cannot be read now: {error}") from error

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one durable transaction. See `Store.write`."""
        return self._group.write(work)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Give True: there is no other process on the file. See `Store.claim`."""
        del name
        return nullcontext(enter_result=True)

    def on_remote_commit(self, heard: Callable[[], None]) -> None:
        """Do nothing: nobody else commits. See `Store.on_remote_commit`."""

    def close(self) -> None:
        """Finish the writes that were begun, then close every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._group.close()
        for connection in (*self._readers, self._writer):
            connection.close()
        self._owned.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # SQLite's own lower() knows only ASCII.
        connection.create_function("casefold", 1, _casefold, deterministic=True)
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
        version: int = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > len(STEPS):
            raise StoreUnavailableError(
                f"{self._path} was written by a newer version of multimail. Update multimail."
            )
        if version < len(STEPS):
            # In one transaction: a new file waits for the disk once, and not for every step.
            steps = ";".join(STEPS[version:])
            self._writer.executescript(f"BEGIN;{steps};PRAGMA user_version = {len(STEPS)};COMMIT;")

    def _commit(self, batch: list[Job]) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = self._together(batch) or [(job, *self._apart(job)) for job in batch]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon(batch, error)
            return
        for job, result, problem in outcomes:
            if problem is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(problem)

    def _together(self, batch: list[Job]) -> list[Outcome]:
        """Run jobs one after the other; return nothing, with all undone, if one of several fails.

        A problem with the database itself ends the batch.
        """
        try:
            return [(job, job.work(SqliteTx(self._writer)), None) for job in batch]
        except sqlite3.OperationalError:
            raise
        except BaseException as problem:
            self._writer.execute("ROLLBACK")
            self._writer.execute("BEGIN IMMEDIATE")
            return [(batch[0], None, problem)] if len(batch) == 1 else []

    def _apart(self, job: Job) -> tuple[Any, BaseException | None]:
        """Run one job in its savepoint; a problem with the database itself ends the batch."""
        self._writer.execute("SAVEPOINT job")
        try:
            result = job.work(SqliteTx(self._writer))
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
            job.done.set_exception(problem)
