"""Shapes of operations: how the table in `operations` says what a route takes and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Shape = type[BaseModel] | str
"""A model for JSON, or a media type for bytes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the query: its name, its JSON schema, and what it means."""

    name: str
    schema: Mapping[str, Any]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    Attributes:
        answers: By status, the shape of each success.
        body: The shape of the request's body, if it reads one.
        query: The parameters that it reads.
        errors: Statuses beyond those that its scopes and its path bring with them.
        forms: By media type, what its body can be instead.
        html: Whether each answer can also be a page, for a person's browser.
    """

    answers: Mapping[int, Shape]
    body: Shape | None = None
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = field(default=())
    forms: Mapping[str, Shape] = field(default_factory=dict)
    html: bool = False


def text(name: str, meaning: str = "", longest: int = 500) -> Parameter:
    """Return a parameter that is a text."""
    return Parameter(name, {"type": "string", "maxLength": longest}, meaning)


def whole(name: str, default: int, least: int, most: int) -> Parameter:
    """Return a parameter that is a whole number within limits."""
    limits = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name, limits)


def flag(name: str, meaning: str = "") -> Parameter:
    """Return a parameter that is true or false."""
    return Parameter(name, {"type": "boolean"}, meaning)


def time(name: str, meaning: str) -> Parameter:
    """Return a parameter that is a moment, in ISO 8601."""
    return Parameter(name, {"type": "string", "format": "date-time"}, meaning)


def one_of(name: str, *words: str) -> Parameter:
    """Return a parameter that is one of these words."""
    return Parameter(name, {"type": "string", "enum": list(words)})


CURSOR = text("cursor", "As the page before this one gave it.")
PAGE = (whole("limit", 100, 1, 100), CURSOR)
CONFLICT, MISSING = (409,), (404,)
