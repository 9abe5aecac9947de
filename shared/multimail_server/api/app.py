"""The ASGI app: takes requests apart, checks keys and scopes, and turns every outcome into JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ApiError, forbidden, unavailable
from ..pages.sessions import Door
from ..pages.trouble import trouble_page, wants_page
from ..rate_limit import RateLimiter
from ..services import Principal, Services
from ..store.protocol import CommitOutcomeUnknownError, StoreUnavailableError
from ..testing.fault_injection import inject_faults
from .approval_codes import ask_for_code
from .audit import note_read, note_refusal
from .auth import Links, principal_of
from .limits import Limits, check_rate
from .request import ApiRequest, ApiResponse
from .routes import ALL, PAGES
from .routing import RouteSpec

_log = logging.getLogger(__name__)
_NOBODY = Principal("", "", "", frozenset(), live=False)


def make_app(
    services: Services,
    link_secret: str,
    public_url: str | None = None,
    limits: Limits | None = None,
) -> ASGIApp:
    """Return the app that serves `services`.

    Args:
        room: What is served.
        link_secret: Signs links to attachments, and the forms behind approval links.
        public_url: Where a proxy shows this server to people.
        limits: How much is taken; None for the usual.
    """
    links, door = Links(link_secret), Door(services.context.now, link_secret, public_url)
    gate = _Gate(limits or Limits())
    grouped: dict[str, list[RouteSpec]] = {}
    for spec in (*ALL, *PAGES):
        grouped.setdefault(spec.path, []).append(spec)
    routes = [
        Route(
            path,
            inject_faults(
                _endpoint(specs, services, links, door, gate),
                services.context.test_hooks.faults,
                _refused,
            ),
            methods=[spec.method for spec in specs],
        )
        for path, specs in grouped.items()
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.router.redirect_slashes = False
    return _Outermost(app, services)


class _Gate:
    """What holds for requests of every route."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        per_minute = limits.requests_per_minute
        self.rate_limiter = RateLimiter(per_minute) if per_minute else None


class _Outermost:
    """Gives every request an id, and every answer the header that names it."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._services.context.ids.new("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        await self._app(scope, receive, note)


def _endpoint(
    specs: list[RouteSpec], services: Services, links: Links, door: Door, gate: _Gate
) -> Callable[[Request], Awaitable[Response]]:
    by_method = {spec.method: spec for spec in specs}
    is_page = specs[0] in PAGES

    async def endpoint(request: Request) -> Response:
        spec = by_method["GET" if request.method == "HEAD" else request.method]
        try:
            body = await _body(request, gate.limits.longest_body(spec.longest_body))
            work = partial(_answer, spec, services, links, door, gate, request, body)
            answer = await run_in_threadpool(services.context.run_request, work)
        except ApiError as refusal:
            return _result_row(refusal, request, is_page=is_page)
        except StoreUnavailableError as error:
            _log.warning("Request %s: %s", request.state.request_id, error)
            unchanged = not isinstance(error, CommitOutcomeUnknownError)
            return _result_row(unavailable(unchanged=unchanged), request, is_page=is_page)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            request_id = request.state.request_id
            _log.exception("Request %s met an error that nobody expected", request_id)
            return _result_row(_unexpected(request_id), request, is_page=is_page)
        return answer

    return endpoint


def _answer(
    spec: RouteSpec,
    services: Services,
    links: Links,
    door: Door,
    gate: _Gate,
    request: Request,
    body: bytes,
) -> Response:
    """Authenticate, check the scope, and run the handler. Runs in a worker thread."""
    principal = _NOBODY
    if spec.scopes:
        principal = principal_of(request.headers, services.context.store)
        check_rate(gate.rate_limiter, principal.key_id, services.context.now())
    api_request = ApiRequest(
        services=services,
        links=links,
        principal=principal,
        method=request.method,
        base_url=str(request.base_url).rstrip("/"),
        path=request.path_params,
        query=request.query_params,
        body=body,
        door=door,
        headers=request.headers,
        path_text=request.url.path,
        peer=request.client.host if request.client else "",
    )
    return _response(_handled(spec, api_request) if spec.scopes else spec.handler(api_request))


def _handled(spec: RouteSpec, api_request: ApiRequest) -> ApiResponse:
    """Run a handler for a key that is known: what it reads, or is refused, is in the audit log."""
    try:
        _check_scope(spec, api_request.principal)
        answer = ask_for_code(spec, api_request) or spec.handler(api_request)
    except ApiError as refusal:
        note_refusal(spec, api_request, refusal)
        raise
    note_read(spec, api_request)
    return answer


def _check_scope(spec: RouteSpec, principal: Principal) -> None:
    if principal.scopes.isdisjoint(spec.scopes):
        raise forbidden(
            "missing_scope",
            f"This key's scopes are {', '.join(sorted(principal.scopes))}; {spec.method} "
            f"{spec.path} needs {' or '.join(spec.scopes)}. Use a key that has it.",
        )


async def _body(request: Request, longest: int) -> bytes:
    too_large = ApiError(
        413, "body_too_large", f"The body is larger than the {longest:,} bytes that are taken here."
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > longest:
        raise too_large
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > longest:
            raise too_large
    return bytes(chunks)


def _response(answer: ApiResponse) -> Response:
    content = answer.content
    if content is None:
        content = _json(answer.json)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
    return Response(content, answer.status, headers, answer.media_type)


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Hostile mail can hold half of a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")


def _refused(refusal: ApiError, request_id: str) -> Response:
    body = {
        **refusal.extra,
        "error": refusal.message,
        "code": refusal.code,
        "request_id": request_id,
    }
    return _response(ApiResponse(body, refusal.status, headers=refusal.headers))


def _result_row(refusal: ApiError, request: Request, *, is_page: bool | None = None) -> Response:
    """Return a refusal as JSON, or as a page where a person asks for one."""
    if wants_page(request, is_page=is_page):
        return _response(trouble_page(request, refusal))
    return _refused(refusal, request.state.request_id)


def _unexpected(request_id: str) -> ApiError:
    return ApiError(
        500,
        "internal_error",
        f"The server met an error of its own; its log tells about it under {request_id}.",
    )


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    where = f"{request.method} {request.url.path[:200]}"
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405:
        allowed = headers.get("Allow", "another method")
        refusal = ApiError(
            405, "method_not_allowed", f"{where} is not served; it takes {allowed}.",
            headers=headers,
        )  # fmt: skip
    else:
        refusal = ApiError(
            status,
            "unknown_path",
            f"{where} is not served by the embedded server of this version. Check the path.",
            headers=headers,
        )
    return _result_row(refusal, request)
