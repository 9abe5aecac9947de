"""SQL: the dialects of both databases, rows, the statements of each record, and WHERE clauses.

A record becomes a row, and a row a record, by the annotations of its fields. Statements have a `?`
for each value; each `Connection` binds them as its database does.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Protocol, TypeVar, cast

from .records import TABLES, Record

R = TypeVar("R", bound=Record)
F = TypeVar("F", bound=Callable[..., Any])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NATIVE_TYPES = frozenset({str, int, float, bytes, type(None)})
"""Types that the databases store as they are: most values have one of them."""

Condition = tuple[str, *tuple[Any, ...]]
"""A condition of a WHERE clause: its SQL, then the value of each placeholder."""


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
        row_lock: Ends a SELECT that locks its rows; empty where writes have no company.
        skip_locked: The same, and leaves out those that are locked.
        audit_order: The column that has the order in which audit entries were inserted.
        audit_before: The condition that an entry was inserted before the one with an id.
    """

    name: str
    types: Mapping[str, str]
    casefold_function: str
    position_function: str
    has_index_hints: bool
    row_lock: str = ""
    skip_locked: str = ""
    audit_order: str = "id"
    audit_before: str = "id < ?"

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
        "serial": "INTEGER PRIMARY KEY",
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
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "strict": "",
        "clustered": "",
    },
    casefold_function="multimail_casefold",  # made by the first migration
    position_function="strpos",
    has_index_hints=False,
    row_lock="FOR NO KEY UPDATE",
    skip_locked="FOR UPDATE SKIP LOCKED",
    audit_order="place",
    audit_before="place < (SELECT place FROM audit WHERE id = ?)",
)


def memo(function: F) -> F:
    """Return `function`, computed once for each argument; `cache` alone would lose its type."""
    return cast("F", cache(function))


def to_microseconds(moment: datetime) -> int:
    """Return a moment as the database stores it: microseconds since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the moment of a number of microseconds since 1970, UTC."""
    return _EPOCH + timedelta(microseconds=value)


def encode(value: Any) -> Any:
    """Return a value as the database stores it."""
    if isinstance(value, datetime):
        return to_microseconds(value)
    if isinstance(value, tuple | dict | list):
        if not value:
            return "{}" if isinstance(value, dict) else "[]"
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool):
        return int(value)
    return value


def encode_all(values: Iterable[Any]) -> list[Any]:
    """Return values as the database stores them."""
    return [value if type(value) in _NATIVE_TYPES else encode(value) for value in values]


def encode_record(record: Record) -> list[Any]:
    """Return the row of a record: a value for each of `column_names`."""
    return encode_all(_get_values(type(record))(record))


def decode_record(record: type[R], row: Sequence[Any]) -> R:
    """Return the record that `encode_record` made a row of."""
    values = [
        value if value is None or decode is None else decode(value)
        for value, decode in zip(row, _decoders(record), strict=True)
    ]
    return record(*values)


@memo
def column_names(record: type[Any]) -> tuple[str, ...]:
    """Return the names of a record's columns."""
    return tuple(field.name for field in fields(record))


@memo
def column_list(record: type[Record]) -> str:
    """Return a record's columns, as a SELECT or an INSERT lists them."""
    return ", ".join(f'"{name}"' for name in column_names(record))


@memo
def _get_values(record: type[Record]) -> Callable[[Any], tuple[Any, ...]]:
    # Every record has several columns: for a single one, attrgetter would return no tuple.
    return attrgetter(*column_names(record))


@memo
def _decoders(record: type[Record]) -> tuple[Callable[[Any], Any] | None, ...]:
    hints = typing.get_type_hints(record)
    return tuple(_decoder(hints[name]) for name in column_names(record))


def _decoder(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    origin = typing.get_origin(hint)
    if hint is datetime:
        return from_microseconds
    if origin is tuple:
        return lambda text: tuple(json.loads(text))
    if origin is dict:
        return json.loads
    if hint is bool or (isinstance(hint, type) and issubclass(hint, Enum)):
        return hint
    return None


def placeholders(values: Sequence[object]) -> str:
    """Return the placeholders of a list, such as `?, ?, ?`."""
    return ", ".join("?" * len(values))


def optional(sql: str, *values: Any) -> Condition | None:
    """Return a condition; None, which `where_clause` leaves out, if it has a value of None."""
    return None if None in values else (sql, *values)


def where_clause(*conditions: Condition | None) -> tuple[str, list[Any]]:
    """Return a WHERE clause of the conditions that are not None, and its values."""
    applied = [condition for condition in conditions if condition is not None]
    clause = " AND ".join(sql for sql, *_ in applied)
    return f"WHERE {clause}", [value for _, *values in applied for value in values]


@memo
def select_statement(record: type[Record]) -> str:
    """Return a SELECT of all columns, up to the name of the table."""
    return f"SELECT {column_list(record)} FROM {TABLES[record][0]}"  # noqa: S608


@memo
def insert_statement(record: type[Record]) -> str:
    """Return an INSERT of all columns."""
    values = placeholders(column_names(record))
    names = column_list(record)
    return f"INSERT INTO {TABLES[record][0]} ({names}) VALUES ({values})"  # noqa: S608


@memo
def upsert_statement(record: type[Record]) -> str:
    """Return an INSERT that replaces the row with the same primary key."""
    key = TABLES[record][1:]
    changes = [f'"{name}" = excluded."{name}"' for name in column_names(record) if name not in key]
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
    return f"{insert_statement(record)} {conflict}"
