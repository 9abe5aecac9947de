"""Routes: sending, replying, and taking back."""

from __future__ import annotations

from datetime import timedelta

from ...mailroom.editing import Rewrite
from ...refusals import invalid
from .. import render
from ..request import Answer, Ask
from ..routing import LARGE_BODY, Routes
from ..schemas.requests import ReplyBody, ScheduleBody, SendBody

routes = Routes()

_FARTHEST = timedelta(days=366)


@routes("POST", "/v1/mailboxes/{mailbox}/send", "send", longest_body=LARGE_BODY)
def send(ask: Ask) -> Answer:
    """API: POST /v1/mailboxes/{mailbox}/send."""
    body = ask.read(SendBody)
    check_time(ask, body)
    draft = body.draft(tuple(body.to), body.subject)
    result = ask.room.sending.send(ask.who, ask.path["mailbox"], draft)
    return Answer(
        render.sent(result, ask.door.base_url(ask.base_url)), 200 if result.replayed else 202
    )


@routes("POST", "/v1/mailboxes/{mailbox}/reply/{email}", "send", longest_body=LARGE_BODY)
def reply(ask: Ask) -> Answer:
    """API: POST /v1/mailboxes/{mailbox}/reply/{email}."""
    body = ask.read(ReplyBody)
    check_time(ask, body)
    result = ask.room.sending.reply(
        ask.who,
        ask.path["mailbox"],
        ask.path["email"],
        body.draft(),
        reply_all=body.reply_all,
    )
    return Answer(
        render.sent(result, ask.door.base_url(ask.base_url)), 200 if result.replayed else 202
    )


@routes("POST", "/v1/mailboxes/{mailbox}/emails/{email}/cancel", "send")
def cancel(ask: Ask) -> Answer:
    """API: POST …/emails/{id}/cancel."""
    done = ask.room.withdrawing.cancel(ask.who, ask.path["mailbox"], ask.path["email"])
    return Answer(render.fate(done))


@routes("PATCH", "/v1/mailboxes/{mailbox}/emails/{email}/schedule", "send", longest_body=LARGE_BODY)
def reschedule(ask: Ask) -> Answer:
    """API: PATCH …/emails/{id}/schedule: another `send_at`, or other content."""
    body = ask.read(ScheduleBody)
    rewrite = body.rewrite()
    check_time(ask, body)
    which = (ask.who, ask.path["mailbox"], ask.path["email"])
    if rewrite != Rewrite(send_at=body.send_at):
        return Answer(render.fate(ask.room.editing.edit(*which, rewrite, body.content_hash)))
    if body.send_at is None:
        raise invalid("Nothing is named that could change, such as `send_at` or `markdown`.")
    return Answer(
        render.fate(ask.room.withdrawing.reschedule(*which, body.send_at, body.content_hash))
    )


def check_time(ask: Ask, body: ReplyBody | ScheduleBody) -> None:
    """Refuse a time too far ahead, and a gate timing that is not supported."""
    if body.send_at is not None and body.send_at > ask.room.desk.now() + _FARTHEST:
        raise invalid("`send_at` lies more than a year ahead.")
