"""Routes, each declared once: everything else about a route derives from its declaration.

The app takes methods, paths, limits, scopes and approval codes from it, `openapi` the description
of the API, `audit` the entries for reads, `testing` the names of operations, and scripts/openapi
the tables of docs/parity.md.

    route = Router("Mail")

    @route("POST", "/v1/mailboxes/{mailbox}/send", scopes=("send",), body=SendIn,
           responses={202: SentOut}, errors=(409,), client=("send_email",))
    def send(request: ApiRequest, body: SendIn) -> ApiResponse: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypedDict, TypeVar, Unpack, overload

from pydantic import BaseModel

from .request import ApiRequest, ApiResponse, Handler, QueryParameter

B = TypeVar("B", bound=BaseModel)
BodyHandler = Callable[[ApiRequest, B], ApiResponse]
Schema = type | str
"""A model or a TypedDict for JSON; a media type for other content."""

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SMALL_BODY = 256 * 1024
LARGE_BODY = 32 * 1024 * 1024


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
