"""A page: what its handler is given, who may open it, and the HTML that it answers.

`pages` declares a route that asks for a signed-in reviewer; a GET of it never changes mail. A POST
has passed the checks of host, origin and CSRF token before its handler runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser

from ..api.request import ApiRequest, ApiResponse, Handler
from ..api.routing import SMALL_BODY, Routes
from ..errors import ApiError, invalid, unavailable
from ..oversight import Direction
from ..services import Principal
from ..services.auth import require_approver
from ..store.protocol import CommitOutcomeUnknownError, StoreUnavailableError
from . import formatting as words
from .reveal import reveal, revealed_plain
from .sessions import LIFETIME, Session
from .static_files import address_of

if TYPE_CHECKING:
    from jinja2 import Environment

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    # A browser sends `Origin: null` with a form where the policy is no-referrer; this one tells
    # other sites nothing either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-DNS-Prefetch-Control": "off",
}
_MAX_FIELDS = 400


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    request: ApiRequest
    session: Session
    principal: Principal
    form: Form = field(default_factory=lambda: Form({}))


class Form:
    """A form's fields, with the line ends that browsers change put back."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """Return a field, or nothing."""
        values = self._fields.get(name, [])
        return values[0].replace("\r\n", "\n") if values else ""

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self._fields.get(name, []))


def read_form(request: ApiRequest) -> Form:
    """Return the body as a form; raise a 400 when it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise invalid("This address takes a form (application/x-www-form-urlencoded).")
    try:
        text = request.body.decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise invalid("The form cannot be read: it is broken or has too many fields.") from None


class Pages:
    """Declares pages on the same table as the API's routes."""

    def __init__(self) -> None:
        self.routes = Routes()

    def __call__(
        self, method: str, path: str, *, longest_body: int = SMALL_BODY
    ) -> Callable[[Callable[[Visit], ApiResponse]], Callable[[Visit], ApiResponse]]:
        """Declare a page for a reviewer who is signed in."""

        def declare(handler: Callable[[Visit], ApiResponse]) -> Callable[[Visit], ApiResponse]:
            self.routes(method, path, longest_body=longest_body)(_signed_in(handler))
            return handler

        return declare

    def open(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Declare a page for anybody."""

        def declare(handler: Handler) -> Handler:
            self.routes(method, path)(_humane(handler))
            return handler

        return declare


def _humane(handler: Handler) -> Handler:
    """Check the host, and show what is refused as a page."""

    def answer(request: ApiRequest) -> ApiResponse:
        try:
            request.door.check_host(request.base_url)
            return request.services.context.run_request(partial(handler, request))
        except ApiError as refusal:
            return problem(request, refusal)
        except StoreUnavailableError as error:
            unchanged = not isinstance(error, CommitOutcomeUnknownError)
            return problem(request, unavailable(unchanged=unchanged))

    return answer


def _signed_in(handler: Callable[[Visit], ApiResponse]) -> Handler:
    def answer(request: ApiRequest) -> ApiResponse:
        session = session_of(request)
        if session is None:
            return sign_in(request, "", 200 if request.path_text == "/" else 401)
        try:
            principal = require_approver(request.services.review.key(session.key_id))
        except ApiError as refusal:
            request.door.leave(cookie_of(request))
            return sign_in(request, refusal.message, refusal.status)
        if request.method != "POST":
            return handler(Visit(request, session, principal))
        request.door.check_origin(request.headers.get("origin"), request.base_url)
        form = read_form(request)
        request.door.check_csrf(form.one("csrf"), session.csrf)
        return handler(Visit(request, session, principal, form))

    return _humane(answer)


def cookie_name(request: ApiRequest) -> str:
    """Return the session cookie's name: ports share cookies, so that two servers need two."""
    port = urlsplit(request.base_url).port
    prefix = "__Host-" if request.door.is_secure(request.base_url) else ""
    return f"{prefix}multimail_session_{port or 'web'}"


def cookie_of(request: ApiRequest) -> str:
    """Return the session token that the browser sent, or nothing."""
    return cookie_parser(request.headers.get("cookie", "")).get(cookie_name(request), "")


def session_of(request: ApiRequest) -> Session | None:
    """Return the session that the request belongs to."""
    token = cookie_of(request)
    return request.door.session(token) if token else None


def set_cookie(request: ApiRequest, token: str) -> str:
    """Return the Set-Cookie line of a session; an empty token removes it."""
    secure = "; Secure" if request.door.is_secure(request.base_url) else ""
    age = int(LIFETIME.total_seconds()) if token else 0
    return (
        f"{cookie_name(request)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
    )


def show(visit: Visit, template: str, status: int = 200, **facts: Any) -> ApiResponse:
    """Return a template as the page of somebody who is signed in."""
    flash, visit.session.flash = visit.session.flash, ""
    common = {"who": visit.principal, "csrf": visit.session.csrf, "flash": flash}
    return html_page(visit.request, template, status, **common, **facts)


def sign_in(request: ApiRequest, said: str, status: int) -> ApiResponse:
    """Return the sign-in page, which leads back to where one wanted to go."""
    away = request.headers.get("sec-fetch-site", "") == "cross-site"
    return html_page(
        request, "sign_in.html", status, said=said, wanted=request.path_text, away=away
    )


def problem(request: ApiRequest, refusal: ApiError) -> ApiResponse:
    """Return a refusal as a page."""
    session = session_of(request)
    facts: dict[str, Any] = {"refusal": refusal, "signed_in": session is not None}
    page = html_page(request, "problem.html", refusal.status, **facts)
    return ApiResponse(
        content=page.content,
        status=page.status,
        media_type=page.media_type,
        headers={**refusal.headers, **page.headers},
    )


def redirect(where: str, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """Return a 303: the browser goes on with a GET, and a reload repeats nothing."""
    return ApiResponse(
        content=b"",
        status=303,
        media_type="text/plain",
        headers={**SECURITY_HEADERS, "Location": where, **(headers or {})},
    )


def html_page(request: ApiRequest, template: str, status: int, **facts: Any) -> ApiResponse:
    """Return a template as the page that was asked for."""
    return page_of(
        template, status, now=request.services.context.now(), here=request.path_text, **facts
    )


def page_of(
    template: str, status: int, *, now: datetime | None, here: str, **facts: Any
) -> ApiResponse:
    """Return a template as a page, under the headers that every page has."""
    text = _templates().get_template(template).render(now=now, here=here, **facts)
    return ApiResponse(
        content=text.encode("utf-8", "replace"),
        status=status,
        media_type="text/html; charset=utf-8",
        headers=SECURITY_HEADERS,
    )


@cache
def _templates() -> Environment:
    # Only people need them, so that a server that none of them looks at starts without them.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from .markup import rendered

    made = Environment(
        loader=PackageLoader("multimail_server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        reveal=reveal,
        revealed_plain=revealed_plain,
        rendered=rendered,
        moment=words.moment,
        exact=words.exact,
        told=words.told,
        span=words.span,
        state=words.state,
        size=words.size,
        proof=words.proof,
        inbound=lambda message: message.direction is Direction.INBOUND,
    )
    made.globals["static"] = address_of
    return made
