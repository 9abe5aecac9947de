"""Routes: the approval queue and the decisions."""

from __future__ import annotations

from .. import render
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import LARGE_BODY, Routes
from ..schemas.requests import DecideBody, ReviseBody

routes = Routes()


@routes("GET", "/v1/oversight/pending", "oversight")
def list_pending(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/oversight/pending, oldest first."""
    limit = request.query_int("limit", 100, 1, 100)
    found = request.services.decisions.pending(request.principal, request.cursor() or "", limit + 1)
    rows = [render.pending(item, request.principal) for item in found[:limit]]
    cursor = cursor_of(found[limit - 1].message.id) if len(found) > limit else None
    return ApiResponse({"emails": rows, "pending": rows, "cursor": cursor})


@routes("POST", "/v1/oversight/decide", "oversight")
def decide(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/oversight/decide."""
    body = request.parse_body(DecideBody)
    approve = body.action == "approve"
    decided = request.services.decisions.decide(
        request.principal,
        body.email_id,
        approve=approve,
        reason=body.reason,
        seen_hash=body.content_hash,
    )
    return ApiResponse(render.decision(decided, approve=approve))


@routes("POST", "/v1/oversight/revise", "oversight", longest_body=LARGE_BODY)
def revise(request: ApiRequest) -> ApiResponse:
    """Edit a held send: a new revision, which then needs its own decision. Ours."""
    body = request.parse_body(ReviseBody)
    revised = request.services.revisions.revise(
        request.principal, body.email_id, body.edit(), body.content_hash
    )
    return ApiResponse(render.fate(revised))
