"""Route: the API's own description."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..request import ApiRequest, ApiResponse
from ..routing import Routes

routes = Routes()


@routes("GET", "/openapi.json")
def openapi(request: ApiRequest) -> ApiResponse:
    """The description of what is served, OpenAPI 3.1."""
    return ApiResponse({**_document(), "servers": [{"url": request.base_url}]})


@cache
def _document() -> dict[str, Any]:
    # Imported late: all routes are known only after this module, and the server starts without
    # building the models of every answer.
    from ..openapi import describe
    from . import ALL

    return describe(ALL)
