"""Routes: what the scan set aside, of all mailboxes, and what people say about it."""

from __future__ import annotations

from ...errors import invalid
from ...oversight import State
from .. import render
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes

routes = Routes()

_LISTED = (State.SPAM_FLAGGED, State.SPAM_QUARANTINED)


@routes("GET", "/v1/emails", "read")
def list_spam(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/emails?status=spam_flagged or spam_quarantined; `spam` for both."""
    limit = request.query_int("limit", 20, 1, 100)
    states = _states(request.query_str("status") or State.SPAM_FLAGGED.value)
    found = request.services.spam_filter.list_messages(
        request.principal, states, request.cursor(), limit
    )
    rows = [render.summary(message, request.principal) for message in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"emails": rows, "messages": rows, "cursor": cursor})


@routes("POST", "/v1/emails/{email}/report-spam", "send", "oversight")
def report_spam(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/emails/{id}/report-spam."""
    return _report(request, spam=True)


@routes("POST", "/v1/emails/{email}/not-spam", "send", "oversight")
def report_not_spam(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/emails/{id}/not-spam; what is locked away needs the oversight scope."""
    return _report(request, spam=False)


def _report(request: ApiRequest, *, spam: bool) -> ApiResponse:
    message = request.services.spam_filter.report(
        request.principal, request.path["email"], spam=spam
    )
    return ApiResponse({**render.fate(message), "spam_verdict": message.spam_verdict})


def _states(text: str) -> tuple[State, ...]:
    known = {state.value: (state,) for state in _LISTED} | {"spam": _LISTED}
    if text not in known:
        raise invalid(
            f"`status` {text[:40]!r} is not listed here; it can be {', '.join(known)}. Other mail "
            "is listed by GET /v1/mailboxes/{mailbox}/emails."
        )
    return known[text]
