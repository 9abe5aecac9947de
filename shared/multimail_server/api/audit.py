"""Audit lines of requests: reads that change nothing, and requests that were refused.

A service records a change in the transaction that makes it. The rest is recorded here, after the
handler and before the response is sent, so that no response is without its line.
"""

from __future__ import annotations

import json
import re

from ..errors import ApiError
from .request import ApiRequest
from .routing import Route

_RESOURCES = ("email", "key", "contact", "thread", "attachment", "webhook", "delivery", "domain")
_ID = re.compile(r"[a-z]{2,4}_[0-9A-Z]{26}")
_EMAIL_FIELDS = ("email_id", "message_id", "id", "pending_id")
_MAX_ID = 100


def record_read(route: Route, request: ApiRequest) -> None:
    """Record a GET or HEAD, unless the service has recorded it."""
    if route.method != "GET" or (route.service_audits and request.method != "HEAD"):
        return
    request.services.context.record_access(
        request.principal,
        route.audit or "request.read",
        _get_resource(request),
        request.path_params.get("mailbox"),
        path=None if route.audit else route.path,
    )


def record_refusal(route: Route, request: ApiRequest, error: ApiError) -> None:
    """Record a request with a known key that was not carried out."""
    request.services.context.record_access(
        request.principal,
        "request.refused",
        _get_resource(request, refused=True),
        request.path_params.get("mailbox"),
        outcome="refused",
        request=f"{route.method} {route.path}",
        status=error.status,
        code=error.code,
    )


def _get_resource(request: ApiRequest, *, refused: bool = False) -> tuple[str, str]:
    """Return the type and the id of what a request is about."""
    path_params = request.path_params
    for name in _RESOURCES:
        if name in path_params:
            return ("api_key" if name == "key" else name), path_params[name][:_MAX_ID]
    email_id = _get_email_id_from_body(request) if refused else None
    if email_id is not None:
        return "email", email_id
    if "mailbox" in path_params:
        return "mailbox", path_params["mailbox"][:_MAX_ID]
    return "account", request.principal.account_id


def _get_email_id_from_body(request: ApiRequest) -> str | None:
    """Return the message that a body names; only what has the form of an id is repeated."""
    try:
        body = json.loads(request.body) if request.body[:1] == b"{" else {}
    except (ValueError, RecursionError):
        return None
    values = [body.get(name) for name in _EMAIL_FIELDS]
    return next((id_ for id_ in values if isinstance(id_, str) and _ID.fullmatch(id_)), None)
