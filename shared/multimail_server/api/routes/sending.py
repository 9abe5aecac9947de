"""Routes: sending, replying, and taking back."""

from __future__ import annotations

from datetime import timedelta

from ...errors import invalid
from ...services.revisions import DraftEdit
from .. import render
from ..request import ApiRequest, ApiResponse
from ..routing import LARGE_BODY, Routes
from ..schemas.requests import ReplyBody, ScheduleBody, SendBody

routes = Routes()

_FARTHEST = timedelta(days=366)


@routes("POST", "/v1/mailboxes/{mailbox}/send", "send", longest_body=LARGE_BODY)
def send(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/mailboxes/{mailbox}/send."""
    body = request.parse_body(SendBody)
    check_time(request, body)
    draft = body.draft(tuple(body.to), body.subject)
    result = request.services.sending.send(request.principal, request.path["mailbox"], draft)
    return ApiResponse(
        render.sent(result, request.door.base_url(request.base_url)),
        200 if result.replayed else 202,
    )


@routes("POST", "/v1/mailboxes/{mailbox}/reply/{email}", "send", longest_body=LARGE_BODY)
def reply(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/mailboxes/{mailbox}/reply/{email}."""
    body = request.parse_body(ReplyBody)
    check_time(request, body)
    result = request.services.sending.reply(
        request.principal,
        request.path["mailbox"],
        request.path["email"],
        body.draft(),
        reply_all=body.reply_all,
    )
    return ApiResponse(
        render.sent(result, request.door.base_url(request.base_url)),
        200 if result.replayed else 202,
    )


@routes("POST", "/v1/mailboxes/{mailbox}/emails/{email}/cancel", "send")
def cancel(request: ApiRequest) -> ApiResponse:
    """API: POST …/emails/{id}/cancel."""
    done = request.services.cancellation.cancel(
        request.principal, request.path["mailbox"], request.path["email"]
    )
    return ApiResponse(render.fate(done))


@routes("PATCH", "/v1/mailboxes/{mailbox}/emails/{email}/schedule", "send", longest_body=LARGE_BODY)
def reschedule(request: ApiRequest) -> ApiResponse:
    """API: PATCH …/emails/{id}/schedule: another `send_at`, or other content."""
    body = request.parse_body(ScheduleBody)
    rewrite = body.rewrite()
    check_time(request, body)
    which = (request.principal, request.path["mailbox"], request.path["email"])
    if rewrite != DraftEdit(send_at=body.send_at):
        return ApiResponse(
            render.fate(request.services.revisions.edit(*which, rewrite, body.content_hash))
        )
    if body.send_at is None:
        raise invalid("Nothing is named that could change, such as `send_at` or `markdown`.")
    return ApiResponse(
        render.fate(
            request.services.cancellation.reschedule(*which, body.send_at, body.content_hash)
        )
    )


def check_time(request: ApiRequest, body: ReplyBody | ScheduleBody) -> None:
    """Refuse a time too far ahead, and a gate timing that is not supported."""
    if body.send_at is not None and body.send_at > request.services.context.now() + _FARTHEST:
        raise invalid("`send_at` lies more than a year ahead.")
