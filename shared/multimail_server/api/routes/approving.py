"""Routes: approval links. A link shows one held message and decides on it, once."""

from __future__ import annotations

from datetime import timedelta

from ...mailroom.approval_links import DEFAULT_LIFETIME
from ...mailroom.deciding import Pending
from ...pages.app import html_page, problem, read_form
from ...pages.views import checked_action, checked_reason, facts_of, said
from ...refusals import Refusal
from ...store.records import Message
from .. import render
from ..request import Answer, Ask
from ..routing import Routes
from ..schemas.requests import LinkBody, LinkDecideBody

routes = Routes()


@routes("POST", "/v1/oversight/{email}/approval-link", "oversight")
def make_link(ask: Ask) -> Answer:
    """Make a link that decides as the key that asks. Ours: the hosted service mails its links.

    Only a key with `oversight` gets one, and such a key cannot send: no sender sees a link.
    """
    body = ask.read(LinkBody)
    lifetime = DEFAULT_LIFETIME if body.expires_in is None else timedelta(seconds=body.expires_in)
    made = ask.room.approval_links.make(
        ask.who, ask.path["email"], lifetime=lifetime, seen_hash=body.content_hash
    )
    return Answer(
        {
            "id": made.link.message_id,
            "message_id": made.link.message_id,
            "url": f"{ask.door.base_url(ask.base_url)}/v1/approve/{made.token}",
            "token": made.token,
            "content_hash": made.link.content_hash,
            "approver": made.link.key_id,
            "expires_at": render.moment(made.link.expires_at),
        },
        201,
    )


@routes("GET", "/v1/approve/{token}")
def show_link(ask: Ask) -> Answer:
    """API: GET /v1/approve/{token}: what the link is about. It decides nothing."""
    if "text/html" not in ask.headers.get("accept", ""):
        return _as_json(ask)
    try:
        ask.door.check_host(ask.base_url)
        return _as_page(ask, 200, "")
    except Refusal as refusal:
        return problem(ask, refusal)


@routes("POST", "/v1/approve/{token}")
def decide_by_link(ask: Ask) -> Answer:
    """API: POST /v1/approve/{token}: from the link's page a form, from a program JSON."""
    origin = ask.headers.get("origin")
    form = ask.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if form:
        try:
            ask.door.check_host(ask.base_url)
            ask.door.check_origin(origin, ask.base_url)
            return _decided_by_form(ask)
        except Refusal as refusal:
            return problem(ask, refusal)
    if origin is not None:
        ask.door.check_origin(origin, ask.base_url)
    body = ask.read(LinkDecideBody)
    approve = body.action == "approve"
    decided = ask.room.approval_links.decide(
        ask.path["token"], approve=approve, reason=body.reason, seen_hash=body.content_hash
    )
    return Answer(render.decision(decided, approve=approve))


def _as_json(ask: Ask) -> Answer:
    link, who = ask.room.approval_links.open(ask.path["token"])
    found = ask.room.reviewing.item(who, link.message_id, "approval_link")
    pending = Pending(found.message, found.content.markdown, found.attachments)
    row = render.pending(pending, who)
    return Answer({**row, "link_expires_at": render.moment(link.expires_at)})


def _as_page(ask: Ask, status: int, trouble: str) -> Answer:
    token = ask.path["token"]
    link, who = ask.room.approval_links.open(token)
    found = ask.room.reviewing.item(who, link.message_id, "approval_link")
    return html_page(
        ask, "item.html", status, who=None, csrf=ask.door.link_csrf(token), flash="",
        trouble=trouble, link=link, **facts_of(found),
    )  # fmt: skip


def _decided_by_form(ask: Ask) -> Answer:
    token, form = ask.path["token"], read_form(ask)
    ask.door.check_csrf(form.one("csrf"), ask.door.link_csrf(token))
    approve = checked_action(form.one("action")) == "approve"
    decided: Message = ask.room.approval_links.decide(
        token,
        approve=approve,
        reason=checked_reason(form.one("reason")),
        seen_hash=form.one("mark"),
    )
    return html_page(ask, "done.html", 200, said=said(decided, approved=approve))
