"""Writing to PostgreSQL: one connection of each process commits what its threads have queued.

Processes take turns: a transaction begins by locking `schema_version`, before its snapshot is
taken. So writes happen one after the other, as they do in SQLite, and what the mailroom's rules
ask of that holds for several processes too: the order of commits is, to the millisecond, the order
of the audit log and of ids, and once a key's revocation is committed nothing that the key asked for
is. Optimistic SERIALIZABLE transactions would give neither, and would mostly be retries on rows as
hot as these.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors

from .group_commit import Job
from .postgres_connecting import Database, Native, said, unavailable
from .postgres_verbs import PostgresTx
from .protocol import CommitOutcomeUnknownError, StoreUnavailableError

CHANNEL = "multimail_commits"
"""Where each commit is told to the other processes, by NOTIFY."""

_TRIES = 5
_DOUBT_SECONDS = 10.0
_PAUSE_SECONDS = 0.2

Outcome = tuple[Job, Any, BaseException | None]


class _UndoneError(psycopg.OperationalError):
    """The connection broke during the commit, which was not carried out."""


_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, _UndoneError)


class Writer:
    """The connection that changes things; used by one thread.

    Args:
        database: Where it is.
        token: Names this process to the others: hexadecimal.
        connection: The first connection.
    """

    def __init__(self, database: Database, token: str, connection: Native) -> None:
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
            outcomes = self._carried_out(batch)
        except StoreUnavailableError as problem:
            outcomes = [(job, None, type(problem)(str(problem))) for job in batch]
        except BaseException as problem:
            outcomes = [(job, None, problem) for job in batch]
        for job, result, refused in outcomes:
            if refused is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(refused)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _carried_out(self, batch: list[Job]) -> list[Outcome]:
        problem = StoreUnavailableError("The database cannot be used now.")
        for _ in range(_TRIES):
            if self._connection.closed:
                self._connection = self._database.opened()
            try:
                return self._transaction(batch)
            except psycopg.Error as error:
                problem = unavailable(error)
                self._undo()
                if not (isinstance(error, _AGAIN) or self._connection.closed):
                    break
        raise problem

    def _transaction(self, batch: list[Job]) -> list[Outcome]:
        number = self._take_turn()
        outcomes = [(job, *self._run(job)) for job in batch]
        try:
            done = self._connection.execute("COMMIT")
        except psycopg.Error as error:
            if not self._connection.closed:
                raise
            if not self._was_committed(number, error):
                raise _UndoneError(said(error)) from None
            return outcomes
        if done.statusmessage != "COMMIT":
            raise psycopg.OperationalError(f"the commit was answered by {done.statusmessage}")
        return outcomes

    def _take_turn(self) -> str:
        """Begin; return the number of the transaction."""
        rows = self._connection.execute(self._begin, prepare=False)
        while rows.nextset():
            pass
        return str(rows.fetchall()[0][0])

    def _run(self, job: Job) -> tuple[Any, BaseException | None]:
        """Run one job; a problem with the database itself ends the batch."""
        problem: BaseException
        self._connection.execute("SAVEPOINT job")
        try:
            result = job.work(PostgresTx(self._connection))
            self._connection.execute("RELEASE job")
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            # Its detail has the whole row in it, and a row can have a secret in it.
            problem = type(error)(said(error))
        except BaseException as error:
            problem = error
        else:
            return result, None
        self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")
        return None, problem

    def _was_committed(self, number: str, error: psycopg.Error) -> bool:
        """Return what became of a commit that was not answered."""
        end = time.monotonic() + _DOUBT_SECONDS
        while time.monotonic() < end:
            with suppress(psycopg.Error):
                self._connection = self._database.connect()
                row = self._connection.execute(
                    "SELECT pg_xact_status(%s::xid8)", (number,)
                ).fetchone()
                if row is not None and row[0] in ("committed", "aborted"):
                    return bool(row[0] == "committed")
            time.sleep(_PAUSE_SECONDS)
        raise CommitOutcomeUnknownError(
            "The connection to the database broke during a commit, and it does not come back. The "
            f"change may have been made: look, or ask again under the same key ({said(error)})."
        )

    def _undo(self) -> None:
        with suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")
