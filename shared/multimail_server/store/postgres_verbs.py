"""The store's verbs on PostgreSQL: those of SQLite, each statement respelled, and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import psycopg

from .connection import Rows
from .erasing import parents_in_postgres, tables_of_mail
from .records import Mailbox
from .sql import SqliteReader, SqliteTx

_SPELLINGS = {
    "?": "%s",
    # A value that is only asked whether it is there has no column to take its type from.
    "? IS NULL": "%s::text IS NULL",
    "IN ()": "IN (SELECT NULL::text WHERE false)",
    "casefold(": "multimail_casefold(",
    "%": "%%",
}
_SPELLING = re.compile(
    r"\? IS NULL|\?|\bIN \(\)|\bcasefold\(|%|\binstr\(((?:[^()?]|\([^()]*\))*), \?\)"
    r"|\b(INDEXED BY) \w+ "
)


@cache
def spelled(sql: str) -> bytes:
    """Return a statement of the verbs as PostgreSQL and psycopg take it."""
    return _respell(sql).encode()


def _respell(sql: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1] is not None:  # SQLite's instr() counts as a condition
            return f"strpos({_respell(found[1])}, %s) > 0"
        if found[2] is not None:  # PostgreSQL keeps statistics, and chooses by them
            return ""
        return _SPELLINGS[found[0]]

    return _SPELLING.sub(one, sql)


def _kept(value: Any) -> Any:
    """Return a value without U+0000, the one character that PostgreSQL cannot keep."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


class Respelling:
    """A `Connection` for the verbs, on psycopg's."""

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self._inner = inner

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        """Run a statement."""
        return self._inner.execute(spelled(sql), [_kept(value) for value in values])

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement for each row."""
        for row in rows:
            self.execute(sql, row)


class PostgresReader(SqliteReader):
    """The verbs that change nothing. See `protocol.Reader`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(Respelling(connection))

    def mailboxes_with_retention(self) -> list[Mailbox]:
        """See `Reader.mailboxes_with_retention`."""
        rest = "WHERE strpos(settings, '\"retention_days\":') > 0 ORDER BY id"
        boxes = self._all(Mailbox, rest, ())
        return [box for box in boxes if box.settings.get("retention_days") is not None]


class PostgresTx(PostgresReader, SqliteTx):
    """The verbs of a transaction that changes things. See `protocol.Tx`."""

    def _tables_of_mail(self) -> list[str]:
        return tables_of_mail(parents_in_postgres(self._connection))
