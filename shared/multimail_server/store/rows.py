"""How a record becomes columns and back: one rule per type, found from the record's annotations."""

from __future__ import annotations

import json
import sqlite3
import types
import typing
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AS_IT_IS = frozenset({str, int, float, bytes, type(None)})
"""Types that SQLite keeps as they are; most of a record's values have one of them."""


def _memo(work: F) -> F:
    """Return `work`, computed once per record; `cache` itself would lose its type."""
    return cast("F", cache(work))


def to_microseconds(moment: datetime) -> int:
    """Return `moment` as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the moment that `micros` made a number of."""
    return _EPOCH + timedelta(microseconds=value)


def encode(value: Any) -> Any:
    """Return a field's value as SQLite keeps it."""
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


def encode_record(record: Any) -> list[Any]:
    """Return the columns of a record, in the order of its fields."""
    return [
        value if type(value) in _AS_IT_IS else encode(value)
        for value in _values_of(type(record))(record)
    ]


@_memo
def _values_of(record: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    # Every record has several columns: of one alone, attrgetter would return no tuple.
    return attrgetter(*column_names(record))


@_memo
def column_names(record: type[Any]) -> tuple[str, ...]:
    """Return the names of a record's columns."""
    return tuple(field.name for field in fields(record))


@_memo
def column_list(record: type[Any], table: str = "") -> str:
    """Return a record's columns for a SELECT or an INSERT."""
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{name}"' for name in column_names(record))


def decode_record(record: type[R], row: sqlite3.Row | tuple[Any, ...]) -> R:
    """Return the record that `encode_record` made columns of."""
    values = [
        value if value is None or decoder is None else decoder(value)
        for value, decoder in zip(row, _decoders(record), strict=True)
    ]
    return record(*values)


@_memo
def _decoders(record: type[Any]) -> tuple[Callable[[Any], Any] | None, ...]:
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
