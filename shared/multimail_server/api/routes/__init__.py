"""The routes of the API, in the order of its description: one module for each subject."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..routing import JSON, ApiRequest, ApiResponse, Route
from . import (
    account,
    compat,
    domains,
    events,
    mailboxes,
    messages,
    oversight,
    unsubscribe,
    webhooks,
)

_MODULES = (
    messages,
    oversight,
    mailboxes,
    account,
    webhooks,
    events,
    domains,
    unsubscribe,
    compat,
)


def build_routes(extra: Sequence[Route] = ()) -> tuple[Route, ...]:
    """Return every route of the API, `extra` ones and its own description included."""
    routes = [route for module in _MODULES for route in module.route.routes]
    routes.extend(extra)

    @cache
    def build_document() -> dict[str, Any]:
        # Imported late: a server starts without building the JSON schema of every model.
        from ..openapi import describe

        return describe(routes)

    def get_openapi(request: ApiRequest) -> ApiResponse:
        """Return this OpenAPI 3.1 document."""
        return ApiResponse({**build_document(), "servers": [{"url": request.reached_url}]})

    routes.append(Route("GET", "/openapi.json", get_openapi, {200: JSON}))
    return tuple(routes)


API_ROUTES = build_routes()
"""Without the routes for tests."""
