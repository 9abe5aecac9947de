"""Routes, each declared once, with the query parameters, request and response of their handlers.

Everything else about a route derives from its declaration: `app` takes methods, paths, limits,
scopes, approval codes and audit entries from it, `openapi` the description of the API, `testing`
the names of operations, and scripts/openapi the tables of docs/parity.md.

    route = Router("Mail")

    @route("POST", "/v1/mailboxes/{mailbox}/send", scopes=("send",), body=SendIn,
           responses={202: SentOut}, errors=(409,), client=("send_email",))
    def send(request: ApiRequest, body: SendIn) -> ApiResponse: ...
"""

from __future__ import annotations

import base64
import binascii
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Generic, Protocol, TypedDict, TypeVar, Unpack, overload

from pydantic import BaseModel, ValidationError

from ..auth import SignedLinks
from ..errors import ApiError, invalid
from ..pages.sessions import SessionManager
from ..services import Principal, Services
from ..services.event_log import Subscription
from .schemas.base import ensure_model_built

B = TypeVar("B", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

Schema = type | str
"""A model or a TypedDict for JSON; a media type for other content."""

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SMALL_BODY = 256 * 1024
LARGE_BODY = 32 * 1024 * 1024

ID_PATTERN = re.compile(r"[a-z]{2,4}_[0-9A-Z]{26}")
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
    if ID_PATTERN.fullmatch(last_id) is None:
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
        local_address: The IP address of this machine that the client reached.
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
    local_address: str = ""

    @property
    def public_url(self) -> str:
        """The URL that links for people begin with."""
        return self.sessions.get_public_url(self.base_url, self.local_address)

    @property
    def reached_url(self) -> str:
        """The URL that links to files begin with."""
        return self.sessions.get_reached_url(self.base_url, self.local_address)

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
    """What a handler returns: JSON unless `content` or `subscription` is set.

    Attributes:
        subscription: The events to stream.
    """

    json: Any = None
    status: int = 200
    content: bytes | None = field(default=None, repr=False)
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    subscription: Subscription | None = None


Handler = Callable[[ApiRequest], ApiResponse]
BodyHandler = Callable[[ApiRequest, B], ApiResponse]


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


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        method: GET answers HEAD as well.
        path: In Starlette's notation.
        handler: Synchronous; it runs in a worker thread. Its docstring is the summary.
        responses: By status, the schema of each success.
        scopes: A key needs one of them; empty for a route that needs no key.
        content: By media type, the schema of each body that it takes.
        query: The parameters that it reads.
        errors: Statuses beyond those that follow from its scopes and its path.
        html: Whether it also answers a browser with HTML.
        event_stream: Whether it also answers with server-sent events.
        max_body: Bytes; more is a 413.
        audit: The action that the audit log records for a GET; `request.read` where it is empty.
        service_audits: Whether its service records a GET itself; `audit` is then for HEAD alone.
        approval_code: Whether it needs an approval code where the server asks for them: always, or
            when the body has one of these fields.
        test_keys_only: Whether live keys are refused.
        section: Its section of docs/parity.md.
        client: The client methods that call it.
        source: Which sources of the hosted API have it; see docs/parity.md.
        note: Where those sources differ.
    """

    method: str
    path: str
    handler: Handler
    responses: Mapping[int, Schema]
    scopes: tuple[str, ...] = ()
    content: Mapping[str, Schema] = field(default_factory=dict)
    query: tuple[QueryParameter[Any], ...] = ()
    errors: tuple[int, ...] = ()
    html: bool = False
    event_stream: bool = False
    max_body: int = SMALL_BODY
    audit: str = ""
    service_audits: bool = False
    approval_code: bool | tuple[str, ...] = False
    test_keys_only: bool = False
    section: str = ""
    client: tuple[str, ...] = ()
    source: str = "E"
    note: str = ""

    @property
    def openapi_path(self) -> str:
        """The path in OpenAPI's notation."""
        return re.sub(r":\w+\}", "}", self.path)

    @property
    def summary(self) -> str:
        """The first paragraph of the handler's docstring."""
        return " ".join((inspect.getdoc(self.handler) or "").split("\n\n")[0].split())


class RouteOptions(TypedDict, total=False):
    """The options of a route; `Route` describes them."""

    scopes: tuple[str, ...]
    content: Mapping[str, Schema]
    query: tuple[QueryParameter[Any], ...]
    errors: tuple[int, ...]
    html: bool
    event_stream: bool
    max_body: int
    audit: str
    service_audits: bool
    approval_code: bool | tuple[str, ...]
    test_keys_only: bool
    client: tuple[str, ...]
    source: str
    note: str


class Router:
    """Collects the routes of one module.

    Args:
        section: Their section of docs/parity.md.
    """

    def __init__(self, section: str = "") -> None:
        self.routes: list[Route] = []
        self._section = section

    @overload
    def __call__(
        self,
        method: str,
        path: str,
        *,
        responses: Mapping[int, Schema],
        **options: Unpack[RouteOptions],
    ) -> Callable[[Handler], Handler]: ...

    @overload
    def __call__(
        self,
        method: str,
        path: str,
        *,
        responses: Mapping[int, Schema],
        body: type[B],
        **options: Unpack[RouteOptions],
    ) -> Callable[[BodyHandler[B]], BodyHandler[B]]: ...

    def __call__(
        self,
        method: str,
        path: str,
        *,
        responses: Mapping[int, Schema],
        body: type[BaseModel] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Callable[[Any], Any]:
        """Declare the decorated handler as a route.

        With a `body`, the handler gets the request's body as that model. Decorators can be stacked:
        a handler can serve several routes.
        """

        def declare(handler: Any) -> Any:
            self.add(method, path, handler, responses=responses, body=body, **options)
            return handler

        return declare

    def add(
        self, method: str, path: str, handler: Any, *, body: type[BaseModel] | None, **options: Any
    ) -> None:
        """Declare a route; the decorator is for handlers that serve it alone."""
        if body is not None:
            handler = _with_body(handler, body)
            options["content"] = {JSON: body}
        self.routes.append(Route(method, path, handler, section=self._section, **options))


def _with_body(handler: BodyHandler[B], model: type[B]) -> Handler:
    @wraps(handler)
    def parse_and_handle(request: ApiRequest) -> ApiResponse:
        return handler(request, request.parse_body(model))

    return parse_and_handle


def get_operations(routes: Iterable[Route]) -> dict[str, Route]:
    """Return the routes by the names of the client methods that call them."""
    return {name: route for route in routes for name in route.client}
