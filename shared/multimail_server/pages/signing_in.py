"""Pages: signing in with the reviewer's key, and out."""

from __future__ import annotations

import re

from ..api.request import Answer, Ask
from ..mailroom.approvers import approver
from ..refusals import Refusal
from ..secret_keys import digest_of
from .app import Pages, Visit, cookie_of, html_page, read_form, redirect, set_cookie

pages = Pages()
routes = pages.routes

_OURS = re.compile(r"/(?:review/[A-Za-z0-9_]{1,60}(?:/edit)?|outbox|inbox|audit)?")
_LONGEST_KEY = 200


@pages.open("POST", "/sign-in")
def sign_in(ask: Ask) -> Answer:
    """Begin a session; a wrong key is counted against whoever sent it."""
    ask.door.check_origin(ask.headers.get("origin"), ask.base_url)
    ask.door.check_patience(ask.peer)
    form = read_form(ask)
    wanted = form.one("wanted")
    wanted = wanted if _OURS.fullmatch(wanted) else "/"
    raw = form.one("key").strip()[:_LONGEST_KEY]
    try:
        who = approver(ask.room.reviewing.key_by_sha256(digest_of(raw)))
    except Refusal as refusal:
        if refusal.status == 401:
            ask.door.note_failure(ask.peer)
        facts = {"said": refusal.sentence, "wanted": wanted, "away": False}
        return html_page(ask, "sign_in.html", refusal.status, **facts)
    old = cookie_of(ask)
    if old:
        ask.door.leave(old)
    ask.room.reviewing.note_session(who, "session.begin")
    return redirect(wanted, {"Set-Cookie": set_cookie(ask, ask.door.admit(who.key_id))})


@pages("POST", "/sign-out")
def sign_out(visit: Visit) -> Answer:
    """End the session."""
    visit.ask.door.leave(cookie_of(visit.ask))
    visit.ask.room.reviewing.note_session(visit.who, "session.end")
    return redirect("/", {"Set-Cookie": set_cookie(visit.ask, "")})
