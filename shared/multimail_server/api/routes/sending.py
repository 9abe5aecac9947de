"""Routes of sending, replying, cancelling and rescheduling."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...errors import invalid
from ...services.revisions import DraftEdit
from ...services.sending import Sent
from ..request import ApiRequest, ApiResponse
from ..routing import LARGE_BODY, Router
from ..schemas.messages import StatusOut, render_status
from ..schemas.sending import ReplyIn, ScheduleIn, SendIn, SentOut, render_sent
from .messages import EMAIL

route = Router("Mail")

_MAX_DELAY = timedelta(days=366)


@route(
    "POST", "/v1/mailboxes/{mailbox}/send", scopes=("send",), body=SendIn,
    responses={202: SentOut, 200: SentOut}, errors=(409,), max_body=LARGE_BODY,
    client=("send_email",), source="S",
    note="`approval_url` (P) names the item's page, which asks for a sign-in; status: S "
    "`pending_scan`, P `pending`; the client shows `pending` and keeps S's word in `wire_status`; "
    "`suppressed` is E",
)  # fmt: skip
def send(request: ApiRequest, body: SendIn) -> ApiResponse:
    """Send a message; 200 for a repeated request that was sent before."""
    check_send_time(request, body.send_at)
    draft = body.build_draft(tuple(body.to), body.subject)
    mailbox_id = request.path_params["mailbox"]
    return _respond(request, request.services.sending.send(request.principal, mailbox_id, draft))


@route(
    "POST", "/v1/mailboxes/{mailbox}/reply/{email}", scopes=("send",), body=ReplyIn,
    responses={202: SentOut, 200: SentOut}, errors=(409,), max_body=LARGE_BODY,
    client=("reply_email",), source="S", note="`reply_all` is E",
)  # fmt: skip
def reply(request: ApiRequest, body: ReplyIn) -> ApiResponse:
    """Reply to a message; 200 for a repeated request that was sent before."""
    check_send_time(request, body.send_at)
    result = request.services.sending.reply(
        request.principal,
        request.path_params["mailbox"],
        request.path_params["email"],
        body.build_draft(),
        reply_all=body.reply_all,
    )
    return _respond(request, result)


def _respond(request: ApiRequest, result: Sent) -> ApiResponse:
    return ApiResponse(render_sent(result, request.public_url), 200 if result.replayed else 202)


@route(
    "POST", f"{EMAIL}/cancel", scopes=("send",), responses={200: StatusOut}, errors=(409,),
    client=("cancel_message",), source="S",
)  # fmt: skip
def cancel(request: ApiRequest) -> ApiResponse:
    """Cancel a message that has not left."""
    cancelled = request.services.cancellation.cancel(
        request.principal, request.path_params["mailbox"], request.path_params["email"]
    )
    return ApiResponse(render_status(cancelled))


@route(
    "PATCH", f"{EMAIL}/schedule", scopes=("send",), body=ScheduleIn, responses={200: StatusOut},
    errors=(409,), max_body=LARGE_BODY, client=("reschedule_email",), source="M",
    note="an edit of what was approved is a 409, as in M; `content_hash`, of the edited content, "
    "is E",
)  # fmt: skip
def reschedule(request: ApiRequest, body: ScheduleIn) -> ApiResponse:
    """Change the `send_at` or the content of a message that has not left."""
    edit = body.build_edit()
    check_send_time(request, body.send_at)
    target = (request.principal, request.path_params["mailbox"], request.path_params["email"])
    services = request.services
    if edit != DraftEdit(send_at=body.send_at):
        return ApiResponse(render_status(services.revisions.edit(*target, edit, body.content_hash)))
    if body.send_at is None:
        raise invalid("The body changes nothing; name `send_at` or content such as `markdown`.")
    moved = services.cancellation.reschedule(*target, body.send_at, body.content_hash)
    return ApiResponse(render_status(moved))


def check_send_time(request: ApiRequest, send_at: datetime | None) -> None:
    """Raise a 400 for a time more than a year ahead."""
    if send_at is not None and send_at > request.services.context.now() + _MAX_DELAY:
        raise invalid("`send_at` is more than a year ahead.")
