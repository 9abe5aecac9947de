"""Routes: the suppression list."""

from __future__ import annotations

from .. import render_outbound
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes

routes = Routes()


@routes("GET", "/v1/suppression", "admin")
def list_suppressions(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/suppression, newest first."""
    limit = request.query_int("limit", 100, 1, 100)
    found = request.services.suppressions.list_suppressions(
        request.principal, request.cursor(), limit
    )
    rows = [render_outbound.suppression(entry) for entry in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"suppressions": rows, "suppression": rows, "cursor": cursor})


@routes("DELETE", "/v1/suppression/{address:path}", "admin")
def remove_suppression(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/suppression/{address}."""
    gone = request.services.suppressions.remove(request.principal, request.path["address"])
    return ApiResponse({"address": gone.address, "status": "deleted"})
