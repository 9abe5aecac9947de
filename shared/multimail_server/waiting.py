"""Waiting: what a test waits for, and how what is there is told when it does not come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from .oversight import Direction, State

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a message must have. What is None is not asked.

    Attributes:
        match: A subject, or a function of the message's wire JSON.
        direction: `inbound` or `outbound`.
        sender: The address in From.
        subject: The whole subject.
        status: The status.
    Raises:
        ValueError: There is no such direction or status, so that waiting would be in vain.
    """

    match: str | Callable[[Json], bool] | None = None
    direction: str | None = None
    sender: str | None = None
    subject: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        _check("direction", self.direction, Direction)
        _check("status", self.status, State)

    def is_met_by(self, row: Json) -> bool:
        """Return whether a message has all that is asked."""
        asked = (
            (self.direction, row["direction"]),
            (self.sender and self.sender.lower(), (row["from"] or "").lower()),
            (self.subject, row["subject"]),
            (self.status, row["status"]),
            (self.match if isinstance(self.match, str) else None, row["subject"]),
        )
        if any(wanted is not None and wanted != found for wanted, found in asked):
            return False
        return self.match(row) if callable(self.match) else True

    def __str__(self) -> str:
        pairs = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return ", ".join(f"{name} {value!r}" for name, value in pairs if value is not None)


def _check(name: str, value: str | None, known: type[Enum]) -> None:
    values = [one.value for one in known]
    if value is not None and value not in values:
        raise ValueError(f"There is no {name} {value!r}; it is one of {', '.join(values)}.")


def told(row: Json) -> str:
    """Return one line about a message."""
    return f"{row['direction']} {row['subject']!r} from {row['from']}, {row['status']}"
