"""Pages: signing in with the reviewer's key, and out."""

from __future__ import annotations

import re

from ..api.request import ApiRequest, ApiResponse
from ..api_keys import digest_of
from ..errors import ApiError
from ..services.auth import require_approver
from .app import Pages, Visit, cookie_of, html_page, read_form, redirect, set_cookie

pages = Pages()
routes = pages.routes

_OURS = re.compile(r"/(?:review/[A-Za-z0-9_]{1,60}(?:/edit)?|outbox|inbox|audit)?")
_MAX_KEY = 200


@pages.open("POST", "/sign-in")
def sign_in(request: ApiRequest) -> ApiResponse:
    """Begin a session; a wrong key is counted against whoever sent it."""
    request.door.check_origin(request.headers.get("origin"), request.base_url)
    request.door.check_patience(request.peer)
    form = read_form(request)
    wanted = form.one("wanted")
    wanted = wanted if _OURS.fullmatch(wanted) else "/"
    raw = form.one("key").strip()[:_MAX_KEY]
    try:
        principal = require_approver(request.services.review.key_by_sha256(digest_of(raw)))
    except ApiError as refusal:
        if refusal.status == 401:
            request.door.note_failure(request.peer)
        facts = {"said": refusal.message, "wanted": wanted, "away": False}
        return html_page(request, "sign_in.html", refusal.status, **facts)
    old = cookie_of(request)
    if old:
        request.door.leave(old)
    request.services.review.record_session(principal, "session.begin")
    return redirect(
        wanted, {"Set-Cookie": set_cookie(request, request.door.admit(principal.key_id))}
    )


@pages("POST", "/sign-out")
def sign_out(visit: Visit) -> ApiResponse:
    """End the session."""
    visit.request.door.leave(cookie_of(visit.request))
    visit.request.services.review.record_session(visit.principal, "session.end")
    return redirect("/", {"Set-Cookie": set_cookie(visit.request, "")})
