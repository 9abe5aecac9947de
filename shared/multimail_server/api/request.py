"""Request and response objects passed to route handlers, and the query parameters they declare."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from ..auth import SignedLinks
from ..errors import ApiError, invalid
from ..pages.sessions import SessionManager
from ..services import Principal, Services
from .schemas.base import ensure_model_built

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_ID = re.compile(r"[a-z]{2,4}_[0-9A-Z]{26}")
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class QueryParameter(Generic[T]):
    """A query parameter: declared once, described by OpenAPI and read by the handler.

    Attributes:
        name: Its name in the URL.
        schema: Its JSON schema.
        parse: Turns the text of a parameter that is there into a value; raises a 400.
        default: The value of a parameter that is missing or empty.
        description: What it means, for OpenAPI.
        max_length: Characters; longer text is a 400.
    """

    name: str
    schema: Mapping[str, Any]
    parse: Callable[[str], T]
    default: T
    description: str = ""
    max_length: int = 500


def query_str(
    name: str, description: str = "", max_length: int = 500
) -> QueryParameter[str | None]:
    """Return a text parameter; None when it is missing."""
    schema = {"type": "string", "maxLength": max_length}
    return QueryParameter(name, schema, str, None, description, max_length)


def query_int(name: str, default: int, minimum: int, maximum: int) -> QueryParameter[int]:
    """Return a parameter that is a whole number within limits."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise invalid(f"`{name}` is not a whole number from {minimum} to {maximum}.")
        if not minimum <= int(text) <= maximum:
            raise invalid(f"`{name}` is {text}; it must be from {minimum} to {maximum}.")
        return int(text)

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum, "default": default}
    return QueryParameter(name, schema, parse, default)


def query_bool(name: str) -> QueryParameter[bool | None]:
    """Return a parameter that is true or false; None when it is missing."""

    def parse(text: str) -> bool:
        if text.lower() not in _TRUE | _FALSE:
            raise invalid(f"`{name}` is neither true nor false.")
        return text.lower() in _TRUE

    return QueryParameter(name, {"type": "boolean"}, parse, None)


def query_datetime(name: str, description: str) -> QueryParameter[datetime | None]:
    """Return an ISO 8601 parameter; without an offset it is in UTC. None when it is missing."""

    def parse(text: str) -> datetime:
        try:
            # A + that was not percent-encoded arrives as a space.
            value = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(
                f"`{name}` is not an ISO 8601 time such as 2026-01-31T09:00:00Z."
            ) from None

    schema = {"type": "string", "format": "date-time"}
    return QueryParameter(name, schema, parse, None, description)


def query_enum(
    name: str, values: Sequence[str], description: str = ""
) -> QueryParameter[str | None]:
    """Return a parameter that is one of `values`; None when it is missing."""

    def parse(text: str) -> str:
        if text not in values:
            raise invalid(f"`{name}` is {text[:40]!r}; it must be {' or '.join(values)}.")
        return text

    schema = {"type": "string", "enum": list(values)}
    return QueryParameter(name, schema, parse, None, description)


def _parse_cursor(text: str) -> str:
    try:
        last_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last_id = ""
    if _ID.fullmatch(last_id) is None:
        raise invalid("`cursor` is invalid. Start again without it.")
    return last_id


CURSOR: QueryParameter[str | None] = QueryParameter(
    "cursor",
    {"type": "string", "maxLength": 500},
    _parse_cursor,
    None,
    "From the previous page; leave it out for the first.",
)
"""Its value is the id of the last row of the previous page."""
LIMIT = query_int("limit", 100, 1, 100)


def build_cursor(last_id: str) -> str:
    """Return an opaque cursor that continues after `last_id`."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


class _Row(Protocol):
    @property
    def id(self) -> str: ...


def next_cursor(rows: Sequence[_Row], limit: int) -> str | None:
    """Return the cursor to the next page of `rows`, which were read with one row beyond `limit`."""
    return build_cursor(rows[limit - 1].id) if len(rows) > limit else None


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, authenticated, with its body in memory.

    Attributes:
        principal: Who asks; without scopes on a route that needs no key.
        base_url: Scheme and authority that the request named.
        path: As requested.
        client_host: The client's IP address.
    """

    services: Services
    links: SignedLinks
    principal: Principal
    method: str
    base_url: str
    path_params: Mapping[str, str]
    query_params: Mapping[str, str]
    body: bytes = field(repr=False)
    sessions: SessionManager = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    path: str = ""
    client_host: str = ""

    @property
    def public_url(self) -> str:
        """The URL that links for people begin with."""
        return self.sessions.get_public_url(self.base_url)

    def parse_body(self, model: type[M]) -> M:
        """Return the body as `model`; raise a 400 that names the field that is wrong."""
        try:
            return ensure_model_built(model).model_validate_json(self.body or b"{}")
        except ValidationError as error:
            raise _build_validation_error(error) from None

    def query(self, parameter: QueryParameter[T]) -> T:
        """Return the value of a query parameter; raise a 400 when it is wrong."""
        text = self.query_params.get(parameter.name, "").strip()
        if len(text) > parameter.max_length:
            raise invalid(f"`{parameter.name}` is longer than {parameter.max_length} characters.")
        return parameter.parse(text) if text else parameter.default


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What a handler returns: JSON unless `content` is set."""

    json: Any = None
    status: int = 200
    content: bytes | None = field(default=None, repr=False)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[ApiRequest], ApiResponse]


def _build_validation_error(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    field_name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return invalid(f"The body is not JSON: {message.removeprefix('Invalid JSON: ')}.")
    if first["type"] == "missing":
        return invalid(f"`{field_name}` is missing.")
    subject = f"`{field_name}`" if field_name else "The body"
    return invalid(f"{subject} is wrong: {message[:1].lower()}{message[1:]}.")
