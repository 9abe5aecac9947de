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

from ..api.request import Answer, Ask, Handler
from ..api.routing import SMALL_BODY, Routes
from ..mailroom import Principal
from ..mailroom.approvers import approver
from ..oversight import Direction
from ..refusals import Refusal, invalid, unavailable
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
_MOST_FIELDS = 400


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    ask: Ask
    session: Session
    who: Principal
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


def read_form(ask: Ask) -> Form:
    """Return the body as a form; raise a 400 when it is none."""
    kind = ask.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise invalid("This address takes a form (application/x-www-form-urlencoded).")
    try:
        text = ask.body.decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise invalid("The form cannot be read: it is broken or has too many fields.") from None


class Pages:
    """Declares pages on the same table as the API's routes."""

    def __init__(self) -> None:
        self.routes = Routes()

    def __call__(
        self, method: str, path: str, *, longest_body: int = SMALL_BODY
    ) -> Callable[[Callable[[Visit], Answer]], Callable[[Visit], Answer]]:
        """Declare a page for a reviewer who is signed in."""

        def declare(handler: Callable[[Visit], Answer]) -> Callable[[Visit], Answer]:
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

    def answer(ask: Ask) -> Answer:
        try:
            ask.door.check_host(ask.base_url)
            return ask.room.desk.one_request(partial(handler, ask))
        except Refusal as refusal:
            return problem(ask, refusal)
        except StoreUnavailableError as error:
            unchanged = not isinstance(error, CommitOutcomeUnknownError)
            return problem(ask, unavailable(unchanged=unchanged))

    return answer


def _signed_in(handler: Callable[[Visit], Answer]) -> Handler:
    def answer(ask: Ask) -> Answer:
        session = session_of(ask)
        if session is None:
            return sign_in(ask, "", 200 if ask.path_text == "/" else 401)
        try:
            who = approver(ask.room.reviewing.key(session.key_id))
        except Refusal as refusal:
            ask.door.leave(cookie_of(ask))
            return sign_in(ask, refusal.sentence, refusal.status)
        if ask.method != "POST":
            return handler(Visit(ask, session, who))
        ask.door.check_origin(ask.headers.get("origin"), ask.base_url)
        form = read_form(ask)
        ask.door.check_csrf(form.one("csrf"), session.csrf)
        return handler(Visit(ask, session, who, form))

    return _humane(answer)


def cookie_name(ask: Ask) -> str:
    """Return the session cookie's name: ports share cookies, so that two servers need two."""
    port = urlsplit(ask.base_url).port
    prefix = "__Host-" if ask.door.is_secure(ask.base_url) else ""
    return f"{prefix}multimail_session_{port or 'web'}"


def cookie_of(ask: Ask) -> str:
    """Return the session token that the browser sent, or nothing."""
    return cookie_parser(ask.headers.get("cookie", "")).get(cookie_name(ask), "")


def session_of(ask: Ask) -> Session | None:
    """Return the session that the request belongs to."""
    token = cookie_of(ask)
    return ask.door.session(token) if token else None


def set_cookie(ask: Ask, token: str) -> str:
    """Return the Set-Cookie line of a session; an empty token removes it."""
    secure = "; Secure" if ask.door.is_secure(ask.base_url) else ""
    age = int(LIFETIME.total_seconds()) if token else 0
    return f"{cookie_name(ask)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def show(visit: Visit, template: str, status: int = 200, **facts: Any) -> Answer:
    """Return a template as the page of somebody who is signed in."""
    flash, visit.session.flash = visit.session.flash, ""
    common = {"who": visit.who, "csrf": visit.session.csrf, "flash": flash}
    return html_page(visit.ask, template, status, **common, **facts)


def sign_in(ask: Ask, said: str, status: int) -> Answer:
    """Return the sign-in page, which leads back to where one wanted to go."""
    away = ask.headers.get("sec-fetch-site", "") == "cross-site"
    return html_page(ask, "sign_in.html", status, said=said, wanted=ask.path_text, away=away)


def problem(ask: Ask, refusal: Refusal) -> Answer:
    """Return a refusal as a page."""
    session = session_of(ask)
    facts: dict[str, Any] = {"refusal": refusal, "signed_in": session is not None}
    page = html_page(ask, "problem.html", refusal.status, **facts)
    return Answer(
        content=page.content,
        status=page.status,
        media_type=page.media_type,
        headers={**refusal.headers, **page.headers},
    )


def redirect(where: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a 303: the browser goes on with a GET, and a reload repeats nothing."""
    return Answer(
        content=b"",
        status=303,
        media_type="text/plain",
        headers={**SECURITY_HEADERS, "Location": where, **(headers or {})},
    )


def html_page(ask: Ask, template: str, status: int, **facts: Any) -> Answer:
    """Return a template as the page that was asked for."""
    return page_of(template, status, now=ask.room.desk.now(), here=ask.path_text, **facts)


def page_of(template: str, status: int, *, now: datetime | None, here: str, **facts: Any) -> Answer:
    """Return a template as a page, under the headers that every page has."""
    text = _templates().get_template(template).render(now=now, here=here, **facts)
    return Answer(
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
