"""The route of the event log: a page of it, or a stream."""

from __future__ import annotations

from ...services.event_log import OLDEST, PAGE_SIZE
from ..event_stream import EVENT_STREAM
from ..routing import ApiRequest, ApiResponse, Router, query_int, query_str
from ..schemas.webhooks import EventsOut, render_events

route = Router("Account")

_AFTER = query_str(
    "after",
    f"The id of the last event that was handled, or `{OLDEST}` for the oldest one that is kept; "
    "without it, events from now on. `Last-Event-ID`, where a client sends it, goes first.",
    100,
)
_TYPES = query_str("types", "Types of events, with commas between them.")
_MAILBOX = query_str("mailbox", "Only the events of this mailbox, by address or id.")
_LIMIT = query_int("limit", PAGE_SIZE, 1, PAGE_SIZE)


@route(
    "GET", "/v1/events", scopes=("read",), query=(_AFTER, _TYPES, _MAILBOX, _LIMIT),
    responses={200: EventsOut}, errors=(404, 410), event_stream=True, audit="event.list",
    client=("listen",),
    note="a stream for `Accept: text/event-stream`, else a page",
)  # fmt: skip
def list_events(request: ApiRequest) -> ApiResponse:
    """List the events after one, oldest first; or stream them as they happen."""
    log = request.services.event_log
    subscription = log.subscribe(
        request.principal,
        types=request.query(_TYPES),
        mailbox=request.query(_MAILBOX),
        after=request.headers.get("last-event-id", "").strip() or request.query(_AFTER),
        limit=request.query(_LIMIT),
    )
    if EVENT_STREAM not in request.headers.get("accept", "").lower():
        return ApiResponse(render_events(log.get_page(subscription)))
    if request.method == "HEAD":
        return ApiResponse(content=b"", media_type=EVENT_STREAM)
    return ApiResponse(subscription=subscription)
