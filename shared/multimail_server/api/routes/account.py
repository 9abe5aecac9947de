"""Routes of the account: its keys, usage, audit log and export; and the server's health."""

from __future__ import annotations

from functools import cache
from typing import Literal

from ..._version import version
from ...auth import authenticate
from ...errors import ApiError, forbidden
from ...services.context import is_paused
from ...store.records import IN_TROUBLE
from ..routing import CURSOR, LIMIT, ApiRequest, ApiResponse, Router, next_cursor
from ..schemas.account import (
    AccountIn,
    AccountOut,
    AuditLogOut,
    ExportOut,
    HealthOut,
    KeyChangeIn,
    KeyIn,
    KeyOut,
    KeysOut,
    NewKeyOut,
    ReadyOut,
    RevokedKeyOut,
    UsageOut,
    render_account,
    render_audit_entry,
    render_export,
    render_key,
    render_new_key,
    render_revoked_key,
    render_usage,
)
from ..schemas.base import DeletedOut, render_deleted, to_optional_time

route = Router("Account")


@route(
    "GET",
    "/health",
    responses={200: HealthOut},
    client=("get_health",),
    source="S",
    note="`extensions` is E: what a toolkit need not try elsewhere",
)
def health(request: ApiRequest) -> ApiResponse:
    """Check that the server runs and its database can be read."""
    request.services.context.store.read(lambda tx: tx.setting("link_secret"))
    response: HealthOut = {
        "status": "ok",
        "server": "multimail-embedded",
        "version": version(),
        "extensions": list(_list_extensions()),
    }
    return ApiResponse(response)


@route(
    "GET", "/ready", responses={200: ReadyOut}, source="E",
    note="503 if the database cannot be read; the log says what is wrong with the relay",
)  # fmt: skip
def ready(request: ApiRequest) -> ApiResponse:
    """Say whether mail can leave, and how much waits. Health is about this process alone."""
    context = request.services.context
    waiting, paused, accounts = context.store.read(
        lambda tx: (tx.count_work(), is_paused(tx), tx.connected_accounts())
    )
    health = context.relay_health
    in_trouble = sum(account.state in IN_TROUBLE for account in accounts)
    working: Literal["ok", "none"] = "ok" if context.has_relay else "none"
    response: ReadyOut = {
        "status": "degraded" if health.problem or paused or in_trouble else "ready",
        "relay": "unavailable" if health.problem else working,
        "relay_since": to_optional_time(health.since),
        "paused": paused,
        "connected": len(accounts) - in_trouble,
        "disconnected": in_trouble,
        "waiting": waiting,
    }
    return ApiResponse(response)


@route(
    "GET", "/metrics", responses={200: "text/plain"}, errors=(403,), source="E",
    note="in the text format of Prometheus; for an admin key, or from loopback",
)  # fmt: skip
def metrics(request: ApiRequest) -> ApiResponse:
    """Return how much waits and whether the relay takes mail, for Prometheus."""
    context = request.services.context
    if not (_is_local(request) or _has_admin_key(request)):
        raise forbidden("admin_only", "/metrics needs an admin key, or a client on loopback.")
    waiting, paused = context.store.read(lambda tx: (tx.count_work(), is_paused(tx)))
    gauges = {
        "waiting": [f'{{kind="{kind}"}} {count}' for kind, count in waiting.items()],
        "relay_up": [f" {int(not context.relay_health.problem)}"],
        "deliveries_paused": [f" {int(paused)}"],
    }
    text = "".join(
        f"# TYPE multimail_{name} gauge\n" + "".join(f"multimail_{name}{row}\n" for row in rows)
        for name, rows in gauges.items()
    )
    return ApiResponse(content=text.encode(), media_type="text/plain; version=0.0.4")


def _is_local(request: ApiRequest) -> bool:
    """Return whether a program on this machine asks, and no proxy for another one."""
    is_forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
    return request.client_host in ("127.0.0.1", "::1") and not is_forwarded


def _has_admin_key(request: ApiRequest) -> bool:
    try:
        principal = authenticate(request.headers, request.services.context.store)
    except ApiError:
        return False
    return "admin" in principal.scopes


@cache
def _list_extensions() -> tuple[str, ...]:
    """Return the client's operations that the published API has in none of its sources."""
    from . import API_ROUTES  # imported late: the package imports this module

    return tuple(
        sorted(name for route in API_ROUTES if route.source == "E" for name in route.client)
    )


@route(
    "GET", "/v1/account", scopes=("read", "admin"), responses={200: AccountOut}, errors=(404,),
    audit="account.read", client=("get_account",), source="S",
    note="`key`, what the calling key may do, is E",
)  # fmt: skip
def get_account(request: ApiRequest) -> ApiResponse:
    """Return the account and the scopes of the request's key."""
    account = request.services.accounts.account(request.principal)
    return ApiResponse(render_account(account, request.principal))


@route(
    "PATCH", "/v1/account", scopes=("admin",), body=AccountIn, responses={200: AccountOut},
    errors=(404,), client=("update_account",), source="S",
)  # fmt: skip
def update_account(request: ApiRequest, body: AccountIn) -> ApiResponse:
    """Rename the account."""
    account = request.services.accounts.rename(request.principal, body.name)
    return ApiResponse(render_account(account, request.principal))


@route(
    "DELETE", "/v1/account", scopes=("admin",), responses={200: DeletedOut}, errors=(404,),
    client=("delete_account",), source="S",
)  # fmt: skip
def delete_account(request: ApiRequest) -> ApiResponse:
    """Close the account: revoke its keys, retire its mailboxes and erase nothing."""
    return ApiResponse(render_deleted(request.services.accounts.close(request.principal).id))


@route(
    "GET", "/v1/api-keys", scopes=("admin",), responses={200: KeysOut}, audit="api_key.list",
    client=("list_api_keys",), source="S",
)  # fmt: skip
def list_keys(request: ApiRequest) -> ApiResponse:
    """List the API keys that this key may manage."""
    rows = [render_key(key) for key in request.services.accounts.keys(request.principal)]
    response: KeysOut = {"api_keys": rows, "keys": rows}
    return ApiResponse(response)


@route(
    "POST", "/v1/api-keys", scopes=("admin",), body=KeyIn, responses={201: NewKeyOut},
    errors=(404,), approval_code=True, client=("create_api_key",), source="S",
    note="a key bound to one mailbox is P's; `approval_code` as for `create_mailbox`",
)  # fmt: skip
def create_key(request: ApiRequest, body: KeyIn) -> ApiResponse:
    """Create an API key; only this response has its secret."""
    created = request.services.accounts.create_key(
        request.principal, body.name, body.scopes, mailbox_id=body.mailbox_id, live=body.live
    )
    return ApiResponse(render_new_key(created.key, created.secret), 201)


@route(
    "PATCH", "/v1/api-keys/{key}", scopes=("admin",), body=KeyChangeIn, responses={200: KeyOut},
    errors=(409,), approval_code=("scopes",), client=("update_api_key",), source="S",
)  # fmt: skip
def update_key(request: ApiRequest, body: KeyChangeIn) -> ApiResponse:
    """Rename an API key or change its scopes."""
    changed = request.services.accounts.change_key(
        request.principal, request.path_params["key"], body.name, body.scopes
    )
    return ApiResponse(render_key(changed))


@route(
    "DELETE", "/v1/api-keys/{key}", scopes=("admin",), responses={200: RevokedKeyOut},
    errors=(409,), client=("revoke_api_key",), source="S",
)  # fmt: skip
def revoke_key(request: ApiRequest) -> ApiResponse:
    """Revoke an API key."""
    revoked = request.services.accounts.revoke_key(request.principal, request.path_params["key"])
    return ApiResponse(render_revoked_key(revoked))


@route(
    "GET", "/v1/usage", scopes=("read", "admin"), responses={200: UsageOut}, audit="usage.read",
    client=("get_usage",), source="S",
)  # fmt: skip
def get_usage(request: ApiRequest) -> ApiResponse:
    """Return the account's usage."""
    return ApiResponse(render_usage(request.services.accounts.usage(request.principal)))


@route(
    "GET", "/v1/audit-log", scopes=("read", "admin"), query=(LIMIT, CURSOR),
    responses={200: AuditLogOut}, audit="audit_log.read",
    client=("get_audit_log", "iter_audit_log"), source="S",
)  # fmt: skip
def get_audit_log(request: ApiRequest) -> ApiResponse:
    """List the audit log, newest first."""
    limit = request.query(LIMIT)
    entries = request.services.accounts.audit_log(request.principal, request.query(CURSOR), limit)
    response: AuditLogOut = {
        "entries": [render_audit_entry(entry) for entry in entries[:limit]],
        "cursor": next_cursor(entries, limit),
    }
    return ApiResponse(response)


@route(
    "GET", "/v1/export", scopes=("admin",), query=(CURSOR,), responses={200: ExportOut},
    audit="account.export", client=("export_account",), source="S",
    note="S names no fields; here it is given in pages by `cursor`",
)  # fmt: skip
def export_account(request: ApiRequest) -> ApiResponse:
    """Export the account a page at a time: follow `cursor` until it is null."""
    page = request.services.exports.get_page(request.principal, request.query(CURSOR))
    return ApiResponse(render_export(page))
