"""The ASGI application: authentication, limits, scopes, approval codes, audit entries and errors.

A service records a change in the transaction that makes it. Reads that change nothing and rejected
requests are recorded here, before the response is sent, so that no response is without its entry.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..auth import SignedLinks, authenticate
from ..config import MAX_MESSAGE_BYTES
from ..errors import ApiError, forbidden, invalid, unavailable
from ..pages.app import accepts_html, render_bare_error_page
from ..pages.lists import PAGE_ROUTES
from ..pages.sessions import Origins, SessionManager
from ..rate_limit import RateLimiter
from ..services import Principal, Services
from ..services.one_time_codes import SensitiveChange
from ..store.protocol import CommitOutcomeUnknownError, StoreUnavailableError
from .event_stream import EventStreams
from .routes import build_routes
from .routing import ID_PATTERN, ApiRequest, ApiResponse, Route
from .schemas.oversight import render_approval_required

Endpoint = Callable[[Request], Awaitable[Response]]
Middleware = Callable[[Endpoint], Endpoint]
"""Wraps the endpoint of each path."""

_BASE64_GROWTH = 4 / 3
_JSON_ROOM = 512 * 1024
BODY_TIMEOUT = 20.0
"""Seconds for the body of a request, besides those that its bytes take."""
MIN_BODY_RATE = 16_384
"""Bytes of a body that must come in each second."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESOURCES = ("email", "key", "contact", "thread", "attachment", "webhook", "delivery", "domain")
_EMAIL_FIELDS = ("email_id", "message_id", "id", "pending_id")
_MAX_ID = 100
_MAX_CODE = 100
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits on requests.

    Attributes:
        requests_per_minute: Of one key; None for no limit.
        message_bytes: The largest message, by SMTP and by the API.
    """

    requests_per_minute: int | None = None
    message_bytes: int = MAX_MESSAGE_BYTES

    def get_max_body(self, route: Route) -> int:
        """Return how many bytes the body of a request to `route` may have."""
        # Base64 makes four bytes of three, and the rest of the JSON needs room too.
        return min(route.max_body, int(self.message_bytes * _BASE64_GROWTH) + _JSON_ROOM)


def make_app(
    services: Services,
    link_secret: str,
    origins: Origins,
    limits: RequestLimits | None = None,
    *,
    streams: EventStreams | None = None,
    routes: Sequence[Route] = (),
    middleware: Sequence[Middleware] = (),
) -> ASGIApp:
    """Return the ASGI application.

    Args:
        services: What the routes call.
        link_secret: Signs links to attachments, and the forms behind approval links.
        origins: Where this server is reached.
        limits: Limits on requests; None for the defaults.
        streams: The open event streams, for who ends them; None for streams of its own.
        routes: More routes of the API, such as those for tests.
        middleware: Wraps every endpoint; the first is the outermost.
    """
    app = _App(
        services,
        link_secret,
        origins,
        limits or RequestLimits(),
        streams or EventStreams(services),
    )
    by_path: dict[str, list[Route]] = {}
    for route in (*build_routes(routes), *PAGE_ROUTES):
        by_path.setdefault(route.path, []).append(route)
    starlette_routes = []
    for path, group in by_path.items():
        endpoint: Any = app.build_endpoint(group)
        for wrap in reversed(middleware):
            endpoint = wrap(endpoint)
        methods = [route.method for route in group]
        starlette_routes.append(StarletteRoute(path, endpoint, methods=methods))
    starlette = Starlette(
        routes=starlette_routes, exception_handlers={HTTPException: _handle_http_error}
    )
    starlette.router.redirect_slashes = False
    return _RequestIdMiddleware(starlette, services)


class _RequestIdMiddleware:
    """Assigns the X-Request-Id."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._services.context.ids.new("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        await self._app(scope, receive, send_with_id)


class _App:
    """Builds the endpoints; holds what all requests share."""

    def __init__(
        self,
        services: Services,
        link_secret: str,
        origins: Origins,
        limits: RequestLimits,
        streams: EventStreams,
    ) -> None:
        self._services = services
        self._streams = streams
        self._links = SignedLinks(link_secret)
        self._sessions = SessionManager(
            services.context.store, services.context.now, link_secret, origins
        )
        self._limits = limits
        per_minute = limits.requests_per_minute
        self._rate_limiter = RateLimiter(per_minute) if per_minute else None

    def build_endpoint(self, routes: Sequence[Route]) -> Endpoint:
        """Return the endpoint of one path, which serves a route for each method."""
        by_method = {route.method: route for route in routes}
        is_page = routes[0] in PAGE_ROUTES

        async def endpoint(request: Request) -> Response:
            route = by_method["GET" if request.method == "HEAD" else request.method]
            request_id = request.state.request_id
            try:
                body = await _read_body(request, self._limits.get_max_body(route))
                work = partial(self._handle, route, request, body)
                return await run_in_threadpool(self._services.context.run_request, work)
            except ApiError as error:
                return _respond_error(error, request, is_page=is_page)
            except StoreUnavailableError as error:
                _log.warning("Request %s: %s", request_id, error)
                unchanged = not isinstance(error, CommitOutcomeUnknownError)
                return _respond_error(unavailable(unchanged=unchanged), request, is_page=is_page)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception:
                _log.exception("Request %s failed with an unexpected error", request_id)
                return _respond_error(_build_internal_error(request_id), request, is_page=is_page)

        return endpoint

    def _handle(self, route: Route, request: Request, body: bytes) -> Response:
        """Authenticate, check the rate, and run the handler, in a worker thread."""
        principal = Principal.anonymous()
        if route.scopes:
            principal = authenticate(request.headers, self._services.context.store)
            self._check_rate(principal)
        api_request = ApiRequest(
            services=self._services,
            links=self._links,
            principal=principal,
            method=request.method,
            base_url=str(request.base_url).rstrip("/"),
            path_params=request.path_params,
            query_params=request.query_params,
            body=body,
            sessions=self._sessions,
            headers=request.headers,
            path=request.url.path,
            client_host=request.client.host if request.client else "",
            local_address=(request.scope.get("server") or ("",))[0],
        )
        if not route.scopes:
            return _build_response(route.handler(api_request))
        response = _handle_with_key(route, api_request)
        if response.subscription is not None:
            return self._streams.respond(principal, response.subscription)
        return _build_response(_drop_repeats(response, request.headers.get("prefer", "")))

    def _check_rate(self, principal: Principal) -> None:
        if self._rate_limiter is None:
            return
        wait = self._rate_limiter.acquire(principal.key_id, self._services.context.now() - _EPOCH)
        if wait <= timedelta(0):
            return
        seconds = math.ceil(wait.total_seconds())
        raise ApiError(
            429,
            "rate_limited",
            f"This key has used up its {self._rate_limiter.per_minute} requests per minute. "
            f"Nothing was done; try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


def _handle_with_key(route: Route, request: ApiRequest) -> ApiResponse:
    """Run a handler for a known key; the audit log records what it reads or is refused."""
    try:
        require_scope(route, request.principal)
        response = require_approval_code(route, request) or route.handler(request)
    except ApiError as error:
        record_refusal(route, request, error)
        raise
    record_read(route, request)
    return response


def require_scope(route: Route, principal: Principal) -> None:
    if principal.scopes.isdisjoint(route.scopes):
        raise forbidden(
            "missing_scope",
            f"This key's scopes are {', '.join(sorted(principal.scopes))}; {route.method} "
            f"{route.path} needs {' or '.join(route.scopes)}. Use a key that has it.",
        )
    if route.test_keys_only and principal.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")


async def _read_body(request: Request, max_bytes: int) -> bytes:
    too_large = ApiError(
        413,
        "body_too_large",
        f"The body is larger than the {max_bytes:,} bytes that this route accepts.",
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    begin = asyncio.get_running_loop().time() + BODY_TIMEOUT
    try:
        async with asyncio.timeout_at(begin) as deadline:
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
                deadline.reschedule(begin + len(body) / MIN_BODY_RATE)
    except TimeoutError:
        raise ApiError(
            408,
            "body_timeout",
            f"The body did not come within {BODY_TIMEOUT:g} s, plus 1 s for each "
            f"{MIN_BODY_RATE:,} bytes. Nothing was done; send it again.",
            headers={"Connection": "close"},
        ) from None
    return bytes(body)


def _drop_repeats(response: ApiResponse, preferences: str) -> ApiResponse:
    """Return a response with each list and long text under its first name only, if asked for that.

    Some clients read the rows of a listing under `messages` or `pending`, and a body under `body`;
    others need not receive and parse them twice. Source: RFC 7240 section 4.2.
    """
    body = response.json
    if not isinstance(body, dict) or _MINIMAL.search(preferences) is None:
        return response
    first = {id(value): name for name, value in reversed(body.items())}
    repeated = {
        name
        for name, value in body.items()
        if first[id(value)] != name
        and (isinstance(value, list) or (isinstance(value, str) and len(value) > _LONG))
    }
    if not repeated:
        return response
    kept = {name: value for name, value in body.items() if name not in repeated}
    headers = {**response.headers, "Preference-Applied": "return=minimal"}
    return replace(response, json=kept, headers=headers)


_LONG = 200
_MINIMAL = re.compile(r"(?:^|[,;])\s*return\s*=\s*\"?minimal\b", re.IGNORECASE)


def _build_response(response: ApiResponse) -> Response:
    content = response.content
    if content is None:
        content = _encode_json(response.json)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **response.headers}
    return Response(content, response.status, headers, response.media_type)


def _encode_json(value: Any) -> bytes:
    # Hostile mail can hold half of a surrogate pair, which UTF-8 cannot.
    return _to_json(value).encode("utf-8", "replace")


def build_error_response(error: ApiError, request_id: str) -> Response:
    """Return an error as JSON."""
    body = {
        **error.extra,
        "error": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    return _build_response(ApiResponse(body, error.status, headers=error.headers))


def _respond_error(error: ApiError, request: Request, *, is_page: bool | None = None) -> Response:
    """Return an error as JSON, or as a page for a person at a browser."""
    if accepts_html(request, is_page=is_page):
        return _build_response(render_bare_error_page(request, error))
    return build_error_response(error, request.state.request_id)


def _build_internal_error(request_id: str) -> ApiError:
    return ApiError(
        500,
        "internal_error",
        f"The server failed unexpectedly; its log has the error under {request_id}.",
    )


async def _handle_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    target = f"{request.method} {request.url.path[:200]}"
    headers = dict(getattr(error, "headers", None) or {})
    code, message = "unknown_path", f"{target} does not exist on the embedded server."
    if status == 405:
        allowed = headers.get("Allow", "another method")
        code, message = "method_not_allowed", f"{target} is not allowed; use {allowed}."
    return _respond_error(ApiError(status, code, message, headers=headers), request)


def record_read(route: Route, request: ApiRequest) -> None:
    """Record a GET or HEAD, unless the service has recorded it."""
    if route.method != "GET" or (route.service_audits and request.method != "HEAD"):
        return
    request.services.context.record_access(
        request.principal,
        route.audit or "request.read",
        _get_resource(request),
        request.path_params.get("mailbox"),
        path=None if route.audit else route.path,
    )


def record_refusal(route: Route, request: ApiRequest, error: ApiError) -> None:
    """Record a request with a known key that was not carried out."""
    request.services.context.record_access(
        request.principal,
        "request.refused",
        _get_resource(request, refused=True),
        request.path_params.get("mailbox"),
        outcome="refused",
        request=f"{route.method} {route.path}",
        status=error.status,
        code=error.code,
    )


def _get_resource(request: ApiRequest, *, refused: bool = False) -> tuple[str, str]:
    """Return the type and the id of what a request is about."""
    path_params = request.path_params
    for name in _RESOURCES:
        if name in path_params:
            return ("api_key" if name == "key" else name), path_params[name][:_MAX_ID]
    email_id = _get_email_id_from_body(request) if refused else None
    if email_id is not None:
        return "email", email_id
    if "mailbox" in path_params:
        return "mailbox", path_params["mailbox"][:_MAX_ID]
    return "account", request.principal.account_id


def _get_email_id_from_body(request: ApiRequest) -> str | None:
    """Return the message that a body names; only what has the form of an id is repeated."""
    try:
        body = json.loads(request.body) if request.body[:1] == b"{" else {}
    except (ValueError, RecursionError):
        return None
    values = [body.get(name) for name in _EMAIL_FIELDS]
    return next((id_ for id_ in values if isinstance(id_, str) and ID_PATTERN.fullmatch(id_)), None)


def require_approval_code(route: Route, request: ApiRequest) -> ApiResponse | None:
    """Return the 202 of a change that needs a code first; None to carry the request out.

    Raises:
        ApiError: The code is wrong, expired, or for another request (403); too many requests (429).
    """
    if not route.approval_code or not request.services.context.approval_codes:
        return None
    body = _parse_object(request)
    code = body.pop("approval_code", None)
    if isinstance(route.approval_code, tuple) and body.keys().isdisjoint(route.approval_code):
        return None
    change = SensitiveChange(f"{route.method} {_fill_path(route, request)}", body)
    codes = request.services.approval_codes
    if code is None:
        return ApiResponse(render_approval_required(codes.request(request.principal, change)), 202)
    if not isinstance(code, str) or len(code) > _MAX_CODE:
        raise invalid("`approval_code` is not a code such as ABCD-EFGH-JKMN-PQRS.")
    codes.redeem(request.principal, change, code)
    return None


def _parse_object(request: ApiRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    return body


def _fill_path(route: Route, request: ApiRequest) -> str:
    path = route.path
    for name, value in request.path_params.items():
        # It is shown on a terminal: only characters that a path can have.
        path = path.replace(f"{{{name}}}", quote(value[:_MAX_CODE], safe="@"))
    return path
