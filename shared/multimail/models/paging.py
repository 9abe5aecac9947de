"""Listings: pages with a cursor, and plain lists, under any of their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .base import WireModel

T = TypeVar("T", bound=WireModel)

_ROWS = ("emails", "messages", "items", "pending", "entries", "deliveries", "data")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; iterate it for its items.

    Attributes:
        items: The rows, in the API's order.
        cursor: Fetches the next page; None on the last.
    """

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    @property
    def messages(self) -> list[T]:
        """The same as `items`."""
        return self.items

    @property
    def emails(self) -> list[T]:
        """The same as `items`."""
        return self.items


def page_of(model: type[T]) -> Callable[[Any], Page[T]]:
    """Return a reader of pages of `model`."""

    def read(reply: Any) -> Page[T]:
        cursor = reply.get("cursor") or reply.get("next_cursor")
        return Page(_rows(reply, model, _ROWS), cursor)

    return read


def list_of(model: type[T], *names: str) -> Callable[[Any], list[T]]:
    """Return a reader of an unpaged listing whose key is one of `names`."""

    def read(reply: Any) -> list[T]:
        return _rows(reply, model, (*names, *_ROWS))

    return read


def _rows(reply: Any, model: type[T], names: tuple[str, ...]) -> list[T]:
    rows = reply if isinstance(reply, list) else next((reply[n] for n in names if n in reply), None)
    if rows is None:
        raise ValueError(f"no list under any of {', '.join(names)}")
    return [model.model_validate(row) for row in rows]
