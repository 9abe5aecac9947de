"""Routes: looser modes by code, approval codes, notices to the human, and the export."""

from __future__ import annotations

from .. import render_authority as render
from ..render import mailbox as mailbox_json
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes
from ..schemas.authority_bodies import TargetBody, UpgradeBody

routes = Routes()


@routes("POST", "/v1/mailboxes/{mailbox}/request-upgrade", "send")
def request_upgrade(request: ApiRequest) -> ApiResponse:
    """API: POST …/request-upgrade: a code goes to the human, and nothing of it to the caller."""
    body = request.parse_body(TargetBody)
    code = request.services.upgrades.request(
        request.principal, request.path["mailbox"], body.target_mode
    )
    return ApiResponse(render.upgrade_requested(code), 202)


@routes("POST", "/v1/mailboxes/{mailbox}/upgrade", "send")
def redeem_upgrade(request: ApiRequest) -> ApiResponse:
    """API: POST …/upgrade."""
    code = request.parse_body(UpgradeBody).code
    mailbox = request.services.upgrades.redeem(request.principal, request.path["mailbox"], code)
    return ApiResponse({**mailbox_json(mailbox), "status": "upgraded"})


@routes("GET", "/v1/oversight/upgrade-requests", "oversight")
def list_upgrade_requests(request: ApiRequest) -> ApiResponse:
    """The requests for a looser mode, with their codes. Ours: the hosted service mails them."""
    found = request.services.upgrades.list_requests(request.principal)
    return ApiResponse({"upgrade_requests": [render.upgrade_request(one) for one in found]})


@routes("GET", "/v1/oversight/approval-codes", "oversight")
def list_approval_codes(request: ApiRequest) -> ApiResponse:
    """The sensitive changes that wait for a code, with the codes. Ours."""
    found = request.services.approval_codes.list_requests(request.principal)
    return ApiResponse({"approval_codes": [render.change_request(one) for one in found]})


@routes("GET", "/v1/notifications", "oversight")
def list_notifications(request: ApiRequest) -> ApiResponse:
    """What the human should know and need not decide, newest first. Ours."""
    limit = request.query_int("limit", 100, 1, 100)
    found = request.services.notifications.list_notifications(
        request.principal, request.cursor(), limit
    )
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"notifications": [render.notice(one) for one in found[:limit]],
                   "cursor": cursor})  # fmt: skip


@routes("GET", "/v1/export", "admin")
def export(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/export, a page at a time: follow `cursor` until there is none."""
    page = request.services.exports.get_page(request.principal, request.cursor())
    return ApiResponse(render.export_page(page))
