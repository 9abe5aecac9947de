"""Routes: the suppression list."""

from __future__ import annotations

from .. import render_outbound
from ..request import Answer, Ask, cursor_of
from ..routing import Routes

routes = Routes()


@routes("GET", "/v1/suppression", "admin")
def list_suppressions(ask: Ask) -> Answer:
    """API: GET /v1/suppression, newest first."""
    limit = ask.number("limit", 100, 1, 100)
    found = ask.room.suppressing.all(ask.who, ask.cursor(), limit)
    rows = [render_outbound.suppression(entry) for entry in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"suppressions": rows, "suppression": rows, "cursor": cursor})


@routes("DELETE", "/v1/suppression/{address:path}", "admin")
def remove_suppression(ask: Ask) -> Answer:
    """API: DELETE /v1/suppression/{address}."""
    gone = ask.room.suppressing.remove(ask.who, ask.path["address"])
    return Answer({"address": gone.address, "status": "deleted"})
