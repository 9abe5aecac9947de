"""Routes: the approval queue and the decisions."""

from __future__ import annotations

from .. import render
from ..request import Answer, Ask, cursor_of
from ..routing import LARGE_BODY, Routes
from ..schemas.requests import DecideBody, ReviseBody

routes = Routes()


@routes("GET", "/v1/oversight/pending", "oversight")
def list_pending(ask: Ask) -> Answer:
    """API: GET /v1/oversight/pending, oldest first."""
    limit = ask.number("limit", 100, 1, 100)
    found = ask.room.deciding.pending(ask.who, ask.cursor() or "", limit + 1)
    rows = [render.pending(item, ask.who) for item in found[:limit]]
    cursor = cursor_of(found[limit - 1].message.id) if len(found) > limit else None
    return Answer({"emails": rows, "pending": rows, "cursor": cursor})


@routes("POST", "/v1/oversight/decide", "oversight")
def decide(ask: Ask) -> Answer:
    """API: POST /v1/oversight/decide."""
    body = ask.read(DecideBody)
    approve = body.action == "approve"
    decided = ask.room.deciding.decide(
        ask.who,
        body.email_id,
        approve=approve,
        reason=body.reason,
        seen_hash=body.content_hash,
    )
    return Answer(render.decision(decided, approve=approve))


@routes("POST", "/v1/oversight/revise", "oversight", longest_body=LARGE_BODY)
def revise(ask: Ask) -> Answer:
    """Edit a held send: a new revision, which then needs its own decision. Ours."""
    body = ask.read(ReviseBody)
    revised = ask.room.revising.revise(ask.who, body.email_id, body.edit(), body.content_hash)
    return Answer(render.fate(revised))
