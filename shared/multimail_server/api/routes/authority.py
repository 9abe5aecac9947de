"""Routes: looser modes by code, approval codes, notices to the human, and the export."""

from __future__ import annotations

from .. import render_authority as render
from ..render import mailbox as mailbox_json
from ..request import Answer, Ask, cursor_of
from ..routing import Routes
from ..schemas.authority_bodies import TargetBody, UpgradeBody

routes = Routes()


@routes("POST", "/v1/mailboxes/{mailbox}/request-upgrade", "send")
def request_upgrade(ask: Ask) -> Answer:
    """API: POST …/request-upgrade: a code goes to the human, and nothing of it to the caller."""
    body = ask.read(TargetBody)
    code = ask.room.upgrades.request(ask.who, ask.path["mailbox"], body.target_mode)
    return Answer(render.upgrade_requested(code), 202)


@routes("POST", "/v1/mailboxes/{mailbox}/upgrade", "send")
def redeem_upgrade(ask: Ask) -> Answer:
    """API: POST …/upgrade."""
    code = ask.read(UpgradeBody).code
    mailbox = ask.room.upgrades.redeem(ask.who, ask.path["mailbox"], code)
    return Answer({**mailbox_json(mailbox), "status": "upgraded"})


@routes("GET", "/v1/oversight/upgrade-requests", "oversight")
def list_upgrade_requests(ask: Ask) -> Answer:
    """The requests for a looser mode, with their codes. Ours: the hosted service mails them."""
    found = ask.room.upgrades.waiting(ask.who)
    return Answer({"upgrade_requests": [render.upgrade_request(one) for one in found]})


@routes("GET", "/v1/oversight/approval-codes", "oversight")
def list_approval_codes(ask: Ask) -> Answer:
    """The sensitive changes that wait for a code, with the codes. Ours."""
    found = ask.room.change_codes.waiting(ask.who)
    return Answer({"approval_codes": [render.change_request(one) for one in found]})


@routes("GET", "/v1/notifications", "oversight")
def list_notifications(ask: Ask) -> Answer:
    """What the human should know and need not decide, newest first. Ours."""
    limit = ask.number("limit", 100, 1, 100)
    found = ask.room.notices.listing(ask.who, ask.cursor(), limit)
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"notifications": [render.notice(one) for one in found[:limit]],
                   "cursor": cursor})  # fmt: skip


@routes("GET", "/v1/export", "admin")
def export(ask: Ask) -> Answer:
    """API: GET /v1/export, a page at a time: follow `cursor` until there is none."""
    page = ask.room.exporting.page(ask.who, ask.cursor())
    return Answer(render.export_page(page))
