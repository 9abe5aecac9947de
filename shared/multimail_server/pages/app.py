"""What all pages share: who may open them, their forms, cookies, headers, templates and errors.

`Pages` declares a route that needs a reviewer who is signed in; a GET of it never changes mail. A
POST has passed the checks of host, origin and CSRF token before its handler runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request, cookie_parser

from ..api.routing import (
    FORM,
    SMALL_BODY,
    ApiRequest,
    ApiResponse,
    Handler,
    Route,
    query_str,
)
from ..auth import require_approver
from ..errors import ApiError, invalid, not_found, unavailable
from ..oversight import Direction
from ..services import Principal
from ..store.protocol import CommitOutcomeUnknownError, StoreUnavailableError
from . import formatting
from .sessions import SESSION_LIFETIME, Session

if TYPE_CHECKING:
    from jinja2 import Environment

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    # With no-referrer a browser sends `Origin: null` with a form; same-origin also keeps the
    # address of a page from other sites.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-DNS-Prefetch-Control": "off",
}
HTML = "text/html; charset=utf-8"
_MAX_FIELDS = 400
_STATIC_FILES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_REFRESH_HEADER = "x-multimail-refresh"
_UNDO = query_str("undo", max_length=100 * 61)
_PAGES_OF_THE_API = ("/v1/approve/", "/v1/unsubscribe/")


class Form:
    """The fields of a submitted form, with line feeds as line ends."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def get(self, name: str) -> str:
        """Return the first value of a field; empty without one."""
        values = self._fields.get(name, [])
        return values[0].replace("\r\n", "\n") if values else ""

    def get_all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self._fields.get(name, []))


def parse_form(request: ApiRequest) -> Form:
    """Return the body as a form; raise a 400 when it is not one."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise invalid(f"This address takes a form ({FORM}).")
    try:
        text = request.body.decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise invalid("The form cannot be read: it is broken or has too many fields.") from None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request of a reviewer who is signed in."""

    request: ApiRequest
    session: Session
    principal: Principal
    form: Form = field(default_factory=lambda: Form({}))


PageHandler = Callable[[PageRequest], ApiResponse]


class Pages:
    """Collects the routes of the pages."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def __call__(
        self, method: str, path: str, *, max_body: int = SMALL_BODY
    ) -> Callable[[PageHandler], PageHandler]:
        """Declare a page for a reviewer who is signed in."""

        def declare(handler: PageHandler) -> PageHandler:
            self._add(method, path, handler, _require_session(handler), max_body)
            return handler

        return declare

    def public(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Declare a page that needs no session."""

        def declare(handler: Handler) -> Handler:
            self._add(method, path, handler, _show_errors(handler), SMALL_BODY)
            return handler

        return declare

    def _add(
        self, method: str, path: str, handler: Callable[..., Any], called: Handler, max_body: int
    ) -> None:
        called.__doc__ = handler.__doc__
        self.routes.append(Route(method, path, called, {200: "text/html"}, max_body=max_body))


def _show_errors(handler: Handler) -> Handler:
    """Check the host, and show errors as pages."""

    def respond(request: ApiRequest) -> ApiResponse:
        try:
            request.sessions.check_host(request.base_url)
            return request.services.context.run_request(partial(handler, request))
        except ApiError as error:
            return render_error_page(request, error)
        except StoreUnavailableError as error:
            unchanged = not isinstance(error, CommitOutcomeUnknownError)
            return render_error_page(request, unavailable(unchanged=unchanged))

    return respond


def _require_session(handler: PageHandler) -> Handler:
    def respond(request: ApiRequest) -> ApiResponse:
        session = get_session(request)
        if session is None:
            return render_sign_in(request, "", 200 if request.path == "/" else 401)
        try:
            principal = require_approver(request.services.review.key(session.key_id))
        except ApiError as error:
            request.sessions.end(get_session_token(request))
            return render_sign_in(request, error.message, error.status)
        if request.method != "POST":
            return handler(PageRequest(request, session, principal))
        request.sessions.check_origin(request.headers.get("origin"), request.base_url)
        form = parse_form(request)
        request.sessions.check_csrf(form.get("csrf"), session.csrf)
        return handler(PageRequest(request, session, principal, form))

    return _show_errors(respond)


def _get_cookie_name(request: ApiRequest) -> str:
    """Return the session cookie's name, with the port: all ports of a host share cookies."""
    port = urlsplit(request.base_url).port
    prefix = "__Host-" if request.sessions.is_secure(request.base_url) else ""
    return f"{prefix}multimail_session_{port or 'web'}"


def get_session_token(request: ApiRequest) -> str:
    """Return the session token of the request's cookie; empty without one."""
    return cookie_parser(request.headers.get("cookie", "")).get(_get_cookie_name(request), "")


def get_session(request: ApiRequest) -> Session | None:
    """Return the session that the request belongs to."""
    token = get_session_token(request)
    return request.sessions.get(token) if token else None


def build_cookie(request: ApiRequest, token: str) -> str:
    """Return the Set-Cookie value of a session; an empty token removes the cookie."""
    secure = "; Secure" if request.sessions.is_secure(request.base_url) else ""
    max_age = int(SESSION_LIFETIME.total_seconds()) if token else 0
    name = _get_cookie_name(request)
    return f"{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"


def render_session_page(
    page: PageRequest, template: str, status: int = 200, **context: Any
) -> ApiResponse:
    """Return a template as a page for a reviewer who is signed in."""
    # The script's look at a page must not take the sentence that another page is about to show.
    flash = page.session.flash if _REFRESH_HEADER not in page.request.headers else ""
    if flash:
        page.request.sessions.set_flash(page.session, "")
    context |= {"principal": page.principal, "csrf": page.session.csrf, "flash": flash}
    context["undoable"] = list_undoable(page, (page.request.query(_UNDO) or "").split("."))
    return render_page(page.request, template, status, **context)


def list_undoable(page: PageRequest, ids: Sequence[str]) -> dict[str, timedelta]:
    """Return how long approvals of the messages can be taken back, by their ids."""
    return page.request.services.decisions.list_undoable(page.principal, ids) if any(ids) else {}


def render_sign_in(
    request: ApiRequest, error: str, status: int, target: str | None = None
) -> ApiResponse:
    """Return the sign-in page, which leads to `target`, or to the page that was requested."""
    cross_site = target is None and request.headers.get("sec-fetch-site", "") == "cross-site"
    return render_page(
        request, "sign_in.html", status, error=error, cross_site=cross_site,
        target=request.path if target is None else target,
    )  # fmt: skip


def redirect(location: str, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return a 303: the browser continues with a GET, and a reload repeats nothing."""
    return ApiResponse(
        content=b"",
        status=303,
        media_type="text/plain",
        headers={**SECURITY_HEADERS, "Location": location, **(headers or {})},
    )


def render_page(request: ApiRequest, template: str, status: int, **context: Any) -> ApiResponse:
    """Return a template as the requested page."""
    now = request.services.context.now()
    return _render(template, status, now=now, path=request.path, **context)


def _render(
    template: str, status: int, headers: Mapping[str, str] | None = None, *,
    now: datetime | None, path: str, **context: Any,
) -> ApiResponse:  # fmt: skip
    text = _load_templates().get_template(template).render(now=now, path=path, **context)
    return ApiResponse(
        content=text.encode("utf-8", "replace"),
        status=status,
        media_type=HTML,
        headers={**(headers or {}), **SECURITY_HEADERS},
    )


def render_error_page(request: ApiRequest, error: ApiError) -> ApiResponse:
    """Return an error as a page."""
    return _render(
        "error.html", error.status, error.headers, now=request.services.context.now(),
        path=request.path, error=error, signed_in=get_session(request) is not None,
    )  # fmt: skip


def render_bare_error_page(request: Request, error: ApiError) -> ApiResponse:
    """Return an error as a page that needs no session, no store and no clock."""
    return _render(
        "error.html", error.status, error.headers, now=None, path=request.url.path, error=error,
        signed_in=False,
    )  # fmt: skip


def accepts_html(request: Request, *, is_page: bool | None = None) -> bool:
    """Return whether an error is for a person at a browser, not for a program at the API.

    Args:
        request: The request.
        is_page: Whether the route is one of the pages; None where there is no such route.
    """
    if "text/html" not in request.headers.get("accept", ""):
        return False
    path = request.url.path
    if path.startswith(_PAGES_OF_THE_API):
        return True
    return is_page if is_page is not None else not path.startswith("/v1/")


def get_static_file(request: ApiRequest) -> ApiResponse:
    """Return the pages' style sheet, script or icon."""
    name = request.path_params["name"]
    if name not in _STATIC_FILES:
        raise not_found("file", name)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return ApiResponse(content=_read_static(name), media_type=_STATIC_FILES[name], headers=headers)


STATIC_ROUTE = Route("GET", "/static/{name}", get_static_file, {200: "text/plain"})


def _get_static_url(name: str) -> str:
    """Return a file's URL, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256(_read_static(name)).hexdigest()[:16]}"


@cache
def _read_static(name: str) -> bytes:
    return files("multimail_server.pages").joinpath("static", name).read_bytes()


@cache
def _load_templates() -> Environment:
    # Imported late: a server starts without what only its first page needs.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from .untrusted_html import render_markdown

    environment = Environment(
        loader=PackageLoader("multimail_server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        reveal=formatting.reveal,
        reveal_plain=formatting.reveal_plain,
        markdown=render_markdown,
        datetime_minutes=formatting.datetime_minutes,
        datetime_seconds=formatting.datetime_seconds,
        audit_value=formatting.audit_value,
        audit_action=formatting.audit_action,
        duration=formatting.duration,
        ago=formatting.ago,
        state=formatting.state,
        size=formatting.size,
        sender_evidence=formatting.sender_evidence,
        shorten=formatting.shorten_text,
        describe_risk=formatting.describe_risk,
        split_quoted=formatting.split_quoted,
        inbound=lambda message: message.direction is Direction.INBOUND,
    )
    environment.globals["static"] = _get_static_url
    return environment
