"""Dialects: what SQLite and PostgreSQL write differently. All other SQL is shared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection in a transaction; `?` stands for each value."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """The SQL of one database.

    Attributes:
        name: In the names of the files of `schema/` that are for this database alone.
        types: What the migrations' `$text`, `$timestamp`, ... stand for.
        casefold_function: Folds case as `str.casefold` does.
        position_function: Returns the position of a text in another, 0 if it is not there.
        has_index_hints: Whether a query may name the index that it uses.
    """

    name: str
    types: Mapping[str, str]
    casefold_function: str
    position_function: str
    has_index_hints: bool

    def casefold(self, expression: str) -> str:
        """Return the expression for a text without distinction of case."""
        return f"{self.casefold_function}({expression})"

    def contains(self, expression: str) -> str:
        """Return the condition that a text contains the value of the placeholder."""
        return f"{self.position_function}({expression}, ?) > 0"

    def use_index(self, name: str) -> str:
        """Return the hint, after a table's name, that the query must use this index."""
        return f"INDEXED BY {name}" if self.has_index_hints else ""


SQLITE = Dialect(
    name="sqlite",
    types={
        "text": "TEXT",
        "json": "TEXT",
        "bytes": "BLOB",
        "integer": "INTEGER",
        "real": "REAL",
        "boolean": "INTEGER",
        "timestamp": "INTEGER",  # microseconds since 1970, UTC
        "strict": "STRICT",
        "clustered": "STRICT, WITHOUT ROWID",
    },
    casefold_function="casefold",  # made by `sqlite`: its own lower() knows only ASCII
    position_function="instr",
    # It keeps no statistics here, and would rather read a mailbox newest first than seek.
    has_index_hints=True,
)

POSTGRES = Dialect(
    name="postgres",
    types={
        # Ids sort by their bytes, whatever language the database sorts in.
        "text": 'TEXT COLLATE "C"',
        "json": 'TEXT COLLATE "C"',
        "bytes": "BYTEA",
        "integer": "BIGINT",
        "real": "DOUBLE PRECISION",
        "boolean": "BIGINT",
        "timestamp": "BIGINT",
        "strict": "",
        "clustered": "",
    },
    casefold_function="multimail_casefold",  # made by the first migration
    position_function="strpos",
    has_index_hints=False,
)
