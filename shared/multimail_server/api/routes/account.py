"""Routes: the account, its keys, what it used, its audit log, and the server's health."""

from __future__ import annotations

from ..._version import version
from .. import render
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes
from ..schemas.requests import AccountBody, KeyBody, KeyChangeBody

routes = Routes()


@routes("GET", "/health")
def health(request: ApiRequest) -> ApiResponse:
    """API: GET /health."""
    request.services.context.store.read(lambda tx: tx.setting("link_secret"))
    return ApiResponse({"status": "ok", "server": "multimail-embedded", "version": version()})


@routes("GET", "/v1/account", "read", "admin")
def get_account(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/account; `key` says which key asks, and what it may do."""
    return ApiResponse(
        render.account(request.services.accounts.account(request.principal), request.principal)
    )


@routes("PATCH", "/v1/account", "admin")
def change_account(request: ApiRequest) -> ApiResponse:
    """API: PATCH /v1/account."""
    name = request.parse_body(AccountBody).name
    return ApiResponse(
        render.account(request.services.accounts.rename(request.principal, name), request.principal)
    )


@routes("DELETE", "/v1/account", "admin")
def delete_account(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/account."""
    return ApiResponse(
        {"id": request.services.accounts.close(request.principal).id, "status": "deleted"}
    )


@routes("GET", "/v1/api-keys", "admin")
def list_keys(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/api-keys."""
    rows = [render.key(key) for key in request.services.accounts.keys(request.principal)]
    return ApiResponse({"api_keys": rows, "keys": rows})


@routes("POST", "/v1/api-keys", "admin")
def create_key(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/api-keys; `key` is shown this once."""
    body = request.parse_body(KeyBody)
    made = request.services.accounts.create_key(
        request.principal, body.name, body.scopes, mailbox_id=body.mailbox_id, live=body.live
    )
    return ApiResponse({**render.key(made.key), "key": made.secret}, 201)


@routes("PATCH", "/v1/api-keys/{key}", "admin")
def change_key(request: ApiRequest) -> ApiResponse:
    """API: PATCH /v1/api-keys/{id}."""
    body = request.parse_body(KeyChangeBody)
    changed = request.services.accounts.change_key(
        request.principal, request.path["key"], body.name, body.scopes
    )
    return ApiResponse(render.key(changed))


@routes("DELETE", "/v1/api-keys/{key}", "admin")
def revoke_key(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/api-keys/{id}."""
    revoked = request.services.accounts.revoke_key(request.principal, request.path["key"])
    return ApiResponse({**render.key(revoked), "status": "revoked"})


@routes("GET", "/v1/usage", "read", "admin")
def usage(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/usage."""
    used = request.services.accounts.usage(request.principal)
    return ApiResponse(
        {
            "period_days": used.since_days,
            "emails_sent": used.counts.get("outbound", 0),
            "emails_received": used.counts.get("inbound", 0),
            "mailboxes": used.mailboxes,
            "quota": None,
        }
    )


@routes("GET", "/v1/audit-log", "read", "admin")
def audit_log(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/audit-log, newest first."""
    limit = request.query_int("limit", 100, 1, 100)
    found = request.services.accounts.audit_log(request.principal, request.cursor(), limit)
    rows = [render.audit_entry(entry) for entry in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"entries": rows, "cursor": cursor})
