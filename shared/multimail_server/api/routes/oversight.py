"""Routes of oversight: the queue, decisions, approval links, modes, codes and notifications."""

from __future__ import annotations

from datetime import timedelta

from ...errors import ApiError
from ...pages.app import Form, parse_form, render_error_page, render_page
from ...pages.views import build_item_context, describe_decision, parse_action, parse_reason
from ...services.decisions import DEFAULT_LIFETIME, PendingItem
from ...store.records import Message
from ..routing import (
    CURSOR,
    FORM,
    JSON,
    LARGE_BODY,
    LIMIT,
    ApiRequest,
    ApiResponse,
    Router,
    build_cursor,
    next_cursor,
)
from ..schemas.base import to_wire_time
from ..schemas.messages import StatusOut, render_status
from ..schemas.oversight import (
    ChangeRequestsOut,
    DecideIn,
    DecisionOut,
    LinkDecideIn,
    LinkedItemOut,
    LinkForm,
    LinkIn,
    LinkOut,
    NotificationsOut,
    QueueOut,
    ReviseIn,
    UpgradedOut,
    UpgradeIn,
    UpgradeRequestedOut,
    UpgradeRequestIn,
    UpgradeRequestsOut,
    render_change_request,
    render_decision,
    render_link,
    render_notification,
    render_pending,
    render_upgrade_request,
    render_upgrade_requested,
    render_upgraded,
)

route = Router("Oversight")


@route(
    "GET", "/v1/oversight/pending", scopes=("oversight",), query=(LIMIT, CURSOR),
    responses={200: QueueOut}, audit="oversight.list", client=("list_pending",), source="S",
    note="S answers `emails`, K reads `pending`: both; P lets an agent ask, S wants `oversight`: "
    "without it the client lists its mailbox's held sends",
)  # fmt: skip
def list_pending(request: ApiRequest) -> ApiResponse:
    """List what awaits a decision, oldest first."""
    limit = request.query(LIMIT)
    items = request.services.decisions.pending(
        request.principal, request.query(CURSOR) or "", limit + 1
    )
    rows = [render_pending(item, request.principal) for item in items[:limit]]
    cursor = build_cursor(items[limit - 1].message.id) if len(items) > limit else None
    response: QueueOut = {"emails": rows, "pending": rows, "cursor": cursor}
    return ApiResponse(response)


@route(
    "POST", "/v1/oversight/decide", scopes=("oversight",), body=DecideIn,
    responses={200: DecisionOut}, errors=(404, 409), client=("decide_email",), source="S",
    note="P says `decision` and `message_id`, S `action` and `email_id`; `content_hash` is E, and "
    "needed once the sender has edited the message",
)  # fmt: skip
def decide(request: ApiRequest, body: DecideIn) -> ApiResponse:
    """Approve or reject a held message."""
    message = apply_decision(request, body)
    return ApiResponse(render_decision(message, approve=body.action == "approve"))


def apply_decision(request: ApiRequest, body: DecideIn) -> Message:
    """Approve or reject a held message; return it after the decision."""
    return request.services.decisions.decide(
        request.principal,
        body.email_id,
        approve=body.action == "approve",
        reason=body.reason,
        seen_hash=body.content_hash,
    )


@route(
    "POST", "/v1/oversight/revise", scopes=("oversight",), body=ReviseIn,
    responses={200: StatusOut}, errors=(404, 409), max_body=LARGE_BODY,
)  # fmt: skip
def revise(request: ApiRequest, body: ReviseIn) -> ApiResponse:
    """Edit a held send: a new revision, which needs its own decision."""
    revised = request.services.revisions.revise(
        request.principal, body.email_id, body.build_edit(), body.content_hash
    )
    return ApiResponse(render_status(revised))


@route(
    "POST", "/v1/mailboxes/{mailbox}/request-upgrade", scopes=("send",), body=UpgradeRequestIn,
    responses={202: UpgradeRequestedOut}, client=("request_upgrade",), source="S",
    note="the hosted service sends the code to the approver; here it is shown on the "
    "reviewer's side (E) and at the terminal",
)  # fmt: skip
def request_upgrade(request: ApiRequest, body: UpgradeRequestIn) -> ApiResponse:
    """Request a looser mode; the code goes to the approver, never to the caller."""
    code = request.services.upgrades.request(
        request.principal, request.path_params["mailbox"], body.target_mode
    )
    return ApiResponse(render_upgrade_requested(code), 202)


@route(
    "POST", "/v1/mailboxes/{mailbox}/upgrade", scopes=("send",), body=UpgradeIn,
    responses={200: UpgradedOut}, errors=(409,), client=("redeem_upgrade",), source="S",
)  # fmt: skip
def redeem_upgrade(request: ApiRequest, body: UpgradeIn) -> ApiResponse:
    """Redeem a code for a looser mode."""
    mailbox = request.services.upgrades.redeem(
        request.principal, request.path_params["mailbox"], body.code
    )
    return ApiResponse(render_upgraded(mailbox))


@route(
    "GET", "/v1/oversight/upgrade-requests", scopes=("oversight",),
    responses={200: UpgradeRequestsOut}, audit="upgrade.list",
)  # fmt: skip
def list_upgrade_requests(request: ApiRequest) -> ApiResponse:
    """List the open requests for a looser mode with their codes, for reviewers."""
    upgrades = request.services.upgrades.list_requests(request.principal)
    response: UpgradeRequestsOut = {
        "upgrade_requests": [render_upgrade_request(upgrade) for upgrade in upgrades]
    }
    return ApiResponse(response)


@route(
    "GET", "/v1/oversight/approval-codes", scopes=("oversight",),
    responses={200: ChangeRequestsOut}, audit="code.list",
)  # fmt: skip
def list_approval_codes(request: ApiRequest) -> ApiResponse:
    """List the sensitive changes that wait for an approval code with the codes, for reviewers."""
    changes = request.services.approval_codes.list_requests(request.principal)
    response: ChangeRequestsOut = {
        "approval_codes": [render_change_request(change) for change in changes]
    }
    return ApiResponse(response)


@route(
    "GET", "/v1/notifications", scopes=("oversight",), query=(LIMIT, CURSOR),
    responses={200: NotificationsOut}, audit="notice.list",
)  # fmt: skip
def list_notifications(request: ApiRequest) -> ApiResponse:
    """List notifications, newest first."""
    limit = request.query(LIMIT)
    notices = request.services.notifications.list_notifications(
        request.principal, request.query(CURSOR), limit
    )
    response: NotificationsOut = {
        "notifications": [render_notification(notice) for notice in notices[:limit]],
        "cursor": next_cursor(notices, limit),
    }
    return ApiResponse(response)


@route(
    "POST", "/v1/oversight/{email}/approval-link", scopes=("oversight",), body=LinkIn,
    responses={201: LinkOut}, errors=(409,),
)  # fmt: skip
def create_approval_link(request: ApiRequest, body: LinkIn) -> ApiResponse:
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
def get_approval_link(request: ApiRequest) -> ApiResponse:
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
        item.message,
        item.content.markdown,
        item.attachments,
        quotation=item.quotation,
        revision=len(item.revisions) + 1,
        changes=item.changes,
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
