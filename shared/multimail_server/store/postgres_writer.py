"""Write transactions in PostgreSQL: their locks, their statements, their commit.

A transaction is READ COMMITTED and begins with its locks, so that each of its statements sees all
that was committed before within its scope, and nothing of that changes until its own commit:

- the installation: the table `schema_version`, ROW SHARE, or EXCLUSIVE for a write without a scope;
- then what it shares, as shared advisory locks; then what it has for its own, as exclusive ones.

Everybody takes them in this order, and each kind in the order of its numbers, so no two writers
wait for each other because of them. They end with the transaction, so a pooler may sit between.

Statements are sent ahead (libpq's pipeline mode): only a result that is looked at costs a trip.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from .changes import SqlTx
from .group_commit import Job
from .migrate import list_migrations
from .postgres_connections import (
    TRANSACTION_SETTINGS,
    Database,
    NativeConnection,
    error_text,
    get_lock_number,
    unavailable,
)
from .protocol import CommitOutcomeUnknownError, Scope, StoreUnavailableError
from .records import Content, Key, Mailbox, Message, Record, Webhook
from .sql import POSTGRES, Cursor

T = TypeVar("T")

MAX_ATTEMPTS = 5
"""Of a transaction that the database undid."""
COMMIT_CHECK_TIMEOUT = 10.0
"""Seconds to find out whether a commit that got no reply was made."""
COMMIT_CHECK_PAUSE = 0.2
_VERSION = len(list_migrations())
_LOCK_ALL = b"LOCK TABLE schema_version IN EXCLUSIVE MODE"
_LOCK_SHARED = b"LOCK TABLE schema_version IN ROW SHARE MODE"


class PostgresConnection:
    """A `Connection` for the store's SQL, on psycopg's.

    Args:
        inner: In a transaction.
        pipeline: The mode that it is in, if statements are sent ahead.
    """

    def __init__(
        self, inner: psycopg.Connection[Any], pipeline: psycopg.Pipeline | None = None
    ) -> None:
        self._inner = inner
        self._pipeline = pipeline

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement. PostgreSQL cannot store U+0000: U+FFFD takes its place."""
        storable = [
            value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values
        ]
        cursor = self._inner.execute(_with_placeholders(sql), storable)
        return cursor if self._pipeline is None else _CursorAhead(cursor, self._pipeline)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement for each row."""
        for row in rows:
            self.execute(sql, row)


class _CursorAhead:
    """The result of a statement that was sent ahead; it is waited for when it is looked at."""

    __slots__ = ("_inner", "_pipeline")

    def __init__(self, inner: psycopg.Cursor[Any], pipeline: psycopg.Pipeline) -> None:
        self._inner = inner
        self._pipeline = pipeline

    @property
    def rowcount(self) -> int:
        if self._inner.pgresult is None:
            self._pipeline.sync()
        return self._inner.rowcount

    def fetchone(self) -> Any:
        return self._inner.fetchone()

    def fetchall(self) -> list[Any]:
        return self._inner.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)


@cache
def _with_placeholders(sql: str) -> bytes:
    # In the store's SQL a question mark is always a placeholder, and there is no percent sign.
    return sql.replace("?", "%s").encode()


class PostgresTx(SqlTx):
    """The changes. What the transaction's locks keep as it is, it reads once."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection, POSTGRES)
        self._known: dict[tuple[str, ...], Any] = {}
        self._newest: dict[str, str | None] = {}

    def insert(self, record: Record) -> None:
        self._forget(record)
        super().insert(record)

    def put(self, record: Record) -> None:
        self._forget(record)
        super().put(record)

    def insert_message(self, message: Message, content: Content) -> None:
        if message.mailbox_id in self._newest:
            newest = self._newest[message.mailbox_id] or ""
            self._newest[message.mailbox_id] = max(message.id, newest)
        super().insert_message(message, content)

    def ask_newest_message_id(self, mailbox_id: str) -> Callable[[], str | None]:
        if mailbox_id in self._newest:  # asked by an earlier job of the transaction
            return lambda: self._newest[mailbox_id]
        answer = super().ask_newest_message_id(mailbox_id)

        def keep() -> str | None:
            self._newest[mailbox_id] = newest = answer()
            return newest

        return keep

    def key(self, key_id: str) -> Key | None:
        return self._once(("key", key_id), super().key, key_id)

    def mailbox(self, mailbox_id: str) -> Mailbox | None:
        return self._once(("mailbox", mailbox_id), super().mailbox, mailbox_id)

    def webhooks_of_mailbox(self, account_id: str, mailbox_id: str) -> list[Webhook]:
        at = ("webhooks", account_id, mailbox_id)
        return self._once(at, super().webhooks_of_mailbox, account_id, mailbox_id)

    def _once(self, at: tuple[str, ...], read: Callable[..., T], *arguments: str) -> T:
        if at not in self._known:
            self._known[at] = read(*arguments)
        value: T = self._known[at]
        return value

    def _forget(self, record: Record) -> None:
        if isinstance(record, Key | Mailbox | Webhook):
            self._known.clear()


class _RolledBackError(psycopg.OperationalError):
    """The connection broke during a commit, which was not made."""


_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A primary became a standby behind a pooler that kept the connection.
    errors.ReadOnlySqlTransaction,
    errors.FeatureNotSupported,
)
_RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected, _RolledBackError)


@dataclass(slots=True)
class _Transaction:
    """What became of a transaction: results, or the problem that ended it."""

    results: list[Any] = field(default_factory=list)
    problem: BaseException | None = None
    number: str = ""
    is_committing: bool = False
    is_lost: bool = False
    """Whether the connection broke before the commit."""

    def fail(self, problem: BaseException) -> None:
        self.problem = self.problem or problem


class PostgresWriter:
    """A connection that writes; used by one thread.

    Args:
        database: The database.
        connection: The first connection; None to connect when there is something to write.
    """

    def __init__(self, database: Database, connection: NativeConnection | None = None) -> None:
        self._database = database
        self._connection = connection

    def commit(self, batch: list[Job], scope: Scope | None) -> None:
        """Run jobs in one transaction and settle them; each alone if one of several fails."""
        try:
            results = self._run_batch(batch, scope)
        except StoreUnavailableError as problem:
            for job in batch:
                job.settle(None, type(problem)(str(problem)))
        except BaseException as problem:
            if len(batch) == 1:
                batch[0].settle(None, problem)
                return
            for job in batch:
                self.commit([job], scope)
        else:
            for job, result in zip(batch, results, strict=True):
                job.settle(result, None)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _run_batch(self, batch: list[Job], scope: Scope | None) -> list[Any]:
        """Run a transaction, again if the database undid it; return the results of its jobs."""
        error: BaseException = StoreUnavailableError("The database cannot be used now.")
        for _ in range(MAX_ATTEMPTS):
            try:
                connection = self._connect()
            except psycopg.Error as problem:
                raise unavailable(problem) from None
            transaction = self._run_transaction(connection, batch, scope)
            if transaction.problem is None:
                return transaction.results
            error = transaction.problem
            if not (isinstance(error, _RETRYABLE) or transaction.is_lost):
                break
        if isinstance(error, _UNAVAILABLE):
            raise unavailable(error) from None
        if isinstance(error, psycopg.Error):
            # Its detail contains the whole row, which may contain a secret.
            raise type(error)(error_text(error)) from None
        raise error

    def _connect(self) -> NativeConnection:
        if self._connection is None or self._connection.closed:
            self._connection = self._database.connect()
        return self._connection

    def _run_transaction(
        self, connection: NativeConnection, batch: list[Job], scope: Scope | None
    ) -> _Transaction:
        transaction = _Transaction()
        try:
            with connection.pipeline() as pipeline:
                try:
                    self._send(transaction, connection, pipeline, batch, scope)
                except BaseException as problem:
                    transaction.fail(problem)
                    with suppress(psycopg.Error):
                        pipeline.sync()
        except psycopg.Error as problem:  # such as the reply to the commit
            transaction.fail(problem)
        if transaction.problem is None:
            return transaction
        if transaction.is_committing and connection.closed:
            text = error_text(transaction.problem)
            committed = self._was_committed(transaction.number, text)
            transaction.problem = None if committed else _RolledBackError(text)
        elif isinstance(transaction.problem, psycopg.Error):
            # What was prepared behind a failed statement was not: psycopg does not know it.
            transaction.is_lost = connection.closed
            connection.close()
        else:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK", prepare=False)
        return transaction

    def _send(
        self,
        transaction: _Transaction,
        connection: NativeConnection,
        pipeline: psycopg.Pipeline,
        batch: list[Job],
        scope: Scope | None,
    ) -> None:
        """Send a whole transaction; the reply to its commit is not waited for."""
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", prepare=False)
        if self._database.is_pooled:
            connection.execute(TRANSACTION_SETTINGS)
        connection.execute(_LOCK_ALL if scope is None else _LOCK_SHARED)
        begun = connection.execute(*_build_lock(scope or Scope()))
        tx = PostgresTx(PostgresConnection(connection, pipeline))
        try:
            transaction.results = [job.work(tx) for job in batch]
            tx.finish()
        except psycopg.Error:
            if begun.pgresult is not None:
                _read_begin(begun)  # A migration explains an error better than the error does.
            raise
        if begun.pgresult is None:
            pipeline.sync()
        # From here on, an error of the connection leaves open whether it was committed.
        transaction.number = _read_begin(begun)
        transaction.is_committing = True
        connection.execute("COMMIT", prepare=False)

    def _was_committed(self, transaction_id: str, problem: str) -> bool:
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
            f"key ({problem})."
        )


def _build_lock(scope: Scope) -> tuple[bytes, list[int]]:
    """Return the statement that takes the locks of a scope, and returns what `_read_begin` reads.

    The transaction's id comes last: of two writes of one mailbox, the later one has the greater id.
    """
    shared, own = (sorted(map(get_lock_number, names)) for names in (scope.shared, scope.own))
    calls = ["pg_advisory_xact_lock_shared(%s)"] * len(shared)
    calls += ["pg_advisory_xact_lock(%s)"] * len(own)
    calls += ["(SELECT taken FROM schema_version)", "pg_current_xact_id()::text"]
    return f"SELECT {', '.join(calls)}".encode(), shared + own


def _read_begin(begun: psycopg.Cursor[Any]) -> str:
    """Return the transaction's id, if the schema is still that of this version.

    Raises:
        StoreUnavailableError: A newer version has migrated the database.
    """
    row = begun.fetchone() or (0, "")
    if row[-2] > _VERSION:
        raise StoreUnavailableError(
            "A newer version of multimail has changed the database's tables, and this server is of "
            "the older one: nothing was changed. Restart it with the newer version."
        )
    return str(row[-1])
