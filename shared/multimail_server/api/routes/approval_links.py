"""Routes of approval links: a link shows one held message and decides on it, once."""

from __future__ import annotations

from datetime import timedelta

from ...errors import ApiError
from ...pages.app import Form, parse_form, render_error_page, render_page
from ...pages.views import build_item_context, describe_decision, parse_action, parse_reason
from ...services.approval_links import DEFAULT_LIFETIME
from ...services.decisions import PendingItem
from ..request import ApiRequest, ApiResponse
from ..routing import FORM, JSON, Router
from ..schemas.base import to_wire_time
from ..schemas.oversight import (
    DecisionOut,
    LinkDecideIn,
    LinkedItemOut,
    LinkForm,
    LinkIn,
    LinkOut,
    render_decision,
    render_link,
    render_pending,
)

route = Router("Oversight")


@route(
    "POST", "/v1/oversight/{email}/approval-link", scopes=("oversight",), body=LinkIn,
    responses={201: LinkOut}, errors=(409,),
)  # fmt: skip
def create_link(request: ApiRequest, body: LinkIn) -> ApiResponse:
    """Create a link that decides on a held message, once, as the key of this request.

    Only a key with `oversight` gets one, and such a key cannot send: no sender sees a link.
    """
    lifetime = DEFAULT_LIFETIME if body.expires_in is None else timedelta(seconds=body.expires_in)
    created = request.services.approval_links.create(
        request.principal,
        request.path_params["email"],
        lifetime=lifetime,
        seen_hash=body.content_hash,
    )
    return ApiResponse(render_link(created, request.public_url), 201)


@route(
    "GET", "/v1/approve/{token}", responses={200: LinkedItemOut}, errors=(409, 410, 421),
    html=True, client=("get_approval",), source="S",
    note="a browser gets a page, a program JSON; the JSON is E",
)  # fmt: skip
def show_link(request: ApiRequest) -> ApiResponse:
    """Show the message of an approval link. It decides nothing."""
    if "text/html" not in request.headers.get("accept", ""):
        return _show_json(request)
    try:
        request.sessions.check_host(request.base_url)
        return _show_page(request)
    except ApiError as error:
        return render_error_page(request, error)


@route(
    "POST", "/v1/approve/{token}", content={JSON: LinkDecideIn, FORM: LinkForm},
    responses={200: DecisionOut}, errors=(403, 409, 410, 421), html=True,
    client=("approve_by_token",), source="S", note="a link works once; 410 afterwards",
)  # fmt: skip
def decide_by_link(request: ApiRequest) -> ApiResponse:
    """Decide by approval link: with the form of its page, or with JSON."""
    if request.headers.get("content-type", "").startswith(FORM):
        try:
            request.sessions.check_host(request.base_url)
            request.sessions.check_origin(request.headers.get("origin"), request.base_url)
            return _decide_by_form(request, parse_form(request))
        except ApiError as error:
            return render_error_page(request, error)
    if "origin" in request.headers:
        request.sessions.check_origin(request.headers["origin"], request.base_url)
    body = request.parse_body(LinkDecideIn)
    approve = body.action == "approve"
    message = request.services.approval_links.decide(
        request.path_params["token"],
        approve=approve,
        reason=body.reason,
        seen_hash=body.content_hash,
    )
    return ApiResponse(render_decision(message, approve=approve))


def _show_json(request: ApiRequest) -> ApiResponse:
    link, approver = request.services.approval_links.open(request.path_params["token"])
    item = request.services.review.item(approver, link.message_id, "approval_link")
    pending = PendingItem(
        item.message, item.content.markdown, item.attachments, quotation=item.quotation
    )
    response: LinkedItemOut = {
        **render_pending(pending, approver),
        "link_expires_at": to_wire_time(link.expires_at),
    }
    return ApiResponse(response)


def _show_page(request: ApiRequest) -> ApiResponse:
    token = request.path_params["token"]
    link, approver = request.services.approval_links.open(token)
    item = request.services.review.item(approver, link.message_id, "approval_link")
    return render_page(
        request, "item.html", 200, principal=None, csrf=request.sessions.get_link_csrf(token),
        flash="", error="", link=link, **build_item_context(item),
    )  # fmt: skip


def _decide_by_form(request: ApiRequest, form: Form) -> ApiResponse:
    token = request.path_params["token"]
    request.sessions.check_csrf(form.get("csrf"), request.sessions.get_link_csrf(token))
    approve = parse_action(form.get("action")) == "approve"
    message = request.services.approval_links.decide(
        token,
        approve=approve,
        reason=parse_reason(form.get("reason")),
        seen_hash=form.get("mark"),
    )
    result = describe_decision(message, approved=approve)
    return render_page(request, "done.html", 200, result=result)
