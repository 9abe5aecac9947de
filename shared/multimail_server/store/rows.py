"""Rows: how a record becomes a database row and back, from the annotations of its fields."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable, Sequence
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
_NATIVE_TYPES = frozenset({str, int, float, bytes, type(None)})
"""Types that the databases store as they are: most values have one of them."""


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


def encode_record(record: Any) -> list[Any]:
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
def column_list(record: type[Any]) -> str:
    """Return a record's columns, as a SELECT or an INSERT lists them."""
    return ", ".join(f'"{name}"' for name in column_names(record))


@memo
def _get_values(record: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    # Every record has several columns: for a single one, attrgetter would return no tuple.
    return attrgetter(*column_names(record))


@memo
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
