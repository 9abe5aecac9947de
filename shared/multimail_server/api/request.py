"""Asks and answers: what a route's handler is given, and what it gives back."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import invalid
from ..lazy_models import ensure_model_built
from ..pages.sessions import Door
from ..services import Principal, Services
from .auth import Links

B = TypeVar("B", bound=BaseModel)

_ID = re.compile(r"[a-z]{2,4}_[0-9A-Z]{26}")
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, authenticated, with its body in memory."""

    services: Services
    links: Links
    principal: Principal
    method: str
    base_url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(repr=False)
    door: Door = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    path_text: str = ""
    """The path as it was asked for."""
    peer: str = ""
    """The client's address."""

    def parse_body(self, model: type[B]) -> B:
        """Return the body as `model`; raise a 400 that names the field that is wrong."""
        try:
            return ensure_model_built(model).model_validate_json(self.body or b"{}")
        except ValidationError as error:
            raise invalid(_sentence(error)) from None

    def query_str(self, name: str, longest: int = 500) -> str | None:
        """Return a query parameter; None when it is missing or empty."""
        value = self.query.get(name, "").strip()
        if len(value) > longest:
            raise invalid(f"`{name}` is longer than {longest} characters.")
        return value or None

    def query_int(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number from the query, within its limits."""
        value = self.query_str(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise invalid(f"`{name}` is not a whole number from {least} to {most}.")
        if not least <= int(value) <= most:
            raise invalid(f"`{name}` is {value}; it must be from {least} to {most}.")
        return int(value)

    def query_bool(self, name: str) -> bool | None:
        """Return a yes or no from the query; None when it is missing."""
        value = self.query_str(name)
        if value is None:
            return None
        if value.lower() not in _TRUE | _FALSE:
            raise invalid(f"`{name}` is neither true nor false.")
        return value.lower() in _TRUE

    def query_datetime(self, name: str) -> datetime | None:
        """Return an ISO 8601 date or time from the query; without an offset it is in UTC."""
        value = self.query_str(name)
        if value is None:
            return None
        try:
            # A + that was not percent-encoded arrives as a space.
            found = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", value))
            aware = found if found.tzinfo else found.replace(tzinfo=UTC)
            return aware.astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(
                f"`{name}` is not an ISO 8601 time such as 2026-01-31T09:00:00Z."
            ) from None

    def cursor(self) -> str | None:
        """Return the id that the query's cursor names."""
        value = self.query_str("cursor")
        if value is None:
            return None
        try:
            found = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            found = ""
        if _ID.fullmatch(found) is None:
            raise invalid("`cursor` was not given out by this API. Begin again without it.")
        return found


def cursor_of(last_id: str) -> str:
    """Return an opaque cursor that continues after `last_id`."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What a handler gives back: JSON unless `content` is set."""

    json: Any = None
    status: int = 200
    content: bytes | None = field(default=None, repr=False)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[ApiRequest], ApiResponse]


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return f"The body is not JSON: {message.removeprefix('Invalid JSON: ')}."
    if first["type"] == "missing":
        return f"`{place}` is missing."
    if not place:
        return f"The body is wrong: {message[:1].lower()}{message[1:]}."
    return f"`{place}` is wrong: {message[:1].lower()}{message[1:]}."
