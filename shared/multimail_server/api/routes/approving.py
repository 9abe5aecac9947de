"""Routes: approval links. A link shows one held message and decides on it, once."""

from __future__ import annotations

from datetime import timedelta

from ...errors import ApiError
from ...pages.app import html_page, problem, read_form
from ...pages.views import checked_action, checked_reason, facts_of, said
from ...services.approval_links import DEFAULT_LIFETIME
from ...services.decisions import PendingItem
from ...store.records import Message
from .. import render
from ..request import ApiRequest, ApiResponse
from ..routing import Routes
from ..schemas.requests import LinkBody, LinkDecideBody

routes = Routes()


@routes("POST", "/v1/oversight/{email}/approval-link", "oversight")
def make_link(request: ApiRequest) -> ApiResponse:
    """Make a link that decides as the key that asks. Ours: the hosted service mails its links.

    Only a key with `oversight` gets one, and such a key cannot send: no sender sees a link.
    """
    body = request.parse_body(LinkBody)
    lifetime = DEFAULT_LIFETIME if body.expires_in is None else timedelta(seconds=body.expires_in)
    made = request.services.approval_links.create(
        request.principal, request.path["email"], lifetime=lifetime, seen_hash=body.content_hash
    )
    return ApiResponse(
        {
            "id": made.link.message_id,
            "message_id": made.link.message_id,
            "url": f"{request.door.base_url(request.base_url)}/v1/approve/{made.token}",
            "token": made.token,
            "content_hash": made.link.content_hash,
            "approver": made.link.key_id,
            "expires_at": render.moment(made.link.expires_at),
        },
        201,
    )


@routes("GET", "/v1/approve/{token}")
def show_link(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/approve/{token}: what the link is about. It decides nothing."""
    if "text/html" not in request.headers.get("accept", ""):
        return _as_json(request)
    try:
        request.door.check_host(request.base_url)
        return _as_page(request, 200, "")
    except ApiError as refusal:
        return problem(request, refusal)


@routes("POST", "/v1/approve/{token}")
def decide_by_link(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/approve/{token}: from the link's page a form, from a program JSON."""
    origin = request.headers.get("origin")
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if form:
        try:
            request.door.check_host(request.base_url)
            request.door.check_origin(origin, request.base_url)
            return _decided_by_form(request)
        except ApiError as refusal:
            return problem(request, refusal)
    if origin is not None:
        request.door.check_origin(origin, request.base_url)
    body = request.parse_body(LinkDecideBody)
    approve = body.action == "approve"
    decided = request.services.approval_links.decide(
        request.path["token"], approve=approve, reason=body.reason, seen_hash=body.content_hash
    )
    return ApiResponse(render.decision(decided, approve=approve))


def _as_json(request: ApiRequest) -> ApiResponse:
    link, principal = request.services.approval_links.open(request.path["token"])
    found = request.services.review.item(principal, link.message_id, "approval_link")
    pending = PendingItem(found.message, found.content.markdown, found.attachments)
    row = render.pending(pending, principal)
    return ApiResponse({**row, "link_expires_at": render.moment(link.expires_at)})


def _as_page(request: ApiRequest, status: int, trouble: str) -> ApiResponse:
    token = request.path["token"]
    link, principal = request.services.approval_links.open(token)
    found = request.services.review.item(principal, link.message_id, "approval_link")
    return html_page(
        request, "item.html", status, principal=None, csrf=request.door.link_csrf(token), flash="",
        trouble=trouble, link=link, **facts_of(found),
    )  # fmt: skip


def _decided_by_form(request: ApiRequest) -> ApiResponse:
    token, form = request.path["token"], read_form(request)
    request.door.check_csrf(form.one("csrf"), request.door.link_csrf(token))
    approve = checked_action(form.one("action")) == "approve"
    decided: Message = request.services.approval_links.decide(
        token,
        approve=approve,
        reason=checked_reason(form.one("reason")),
        seen_hash=form.one("mark"),
    )
    return html_page(request, "done.html", 200, said=said(decided, approved=approve))
