"""Routes: the account, its keys, what it used, its audit log, and the server's health."""

from __future__ import annotations

from ..._version import version
from .. import render
from ..request import Answer, Ask, cursor_of
from ..routing import Routes
from ..schemas.requests import AccountBody, KeyBody, KeyChangeBody

routes = Routes()


@routes("GET", "/health")
def health(ask: Ask) -> Answer:
    """API: GET /health."""
    ask.room.desk.store.read(lambda tx: tx.setting("link_secret"))
    return Answer({"status": "ok", "server": "multimail-embedded", "version": version()})


@routes("GET", "/v1/account", "read", "admin")
def get_account(ask: Ask) -> Answer:
    """API: GET /v1/account; `key` says which key asks, and what it may do."""
    return Answer(render.account(ask.room.accounts.account(ask.who), ask.who))


@routes("PATCH", "/v1/account", "admin")
def change_account(ask: Ask) -> Answer:
    """API: PATCH /v1/account."""
    name = ask.read(AccountBody).name
    return Answer(render.account(ask.room.accounts.rename(ask.who, name), ask.who))


@routes("DELETE", "/v1/account", "admin")
def delete_account(ask: Ask) -> Answer:
    """API: DELETE /v1/account."""
    return Answer({"id": ask.room.accounts.close(ask.who).id, "status": "deleted"})


@routes("GET", "/v1/api-keys", "admin")
def list_keys(ask: Ask) -> Answer:
    """API: GET /v1/api-keys."""
    rows = [render.key(key) for key in ask.room.accounts.keys(ask.who)]
    return Answer({"api_keys": rows, "keys": rows})


@routes("POST", "/v1/api-keys", "admin")
def create_key(ask: Ask) -> Answer:
    """API: POST /v1/api-keys; `key` is shown this once."""
    body = ask.read(KeyBody)
    made = ask.room.accounts.create_key(
        ask.who, body.name, body.scopes, mailbox_id=body.mailbox_id, live=body.live
    )
    return Answer({**render.key(made.key), "key": made.secret}, 201)


@routes("PATCH", "/v1/api-keys/{key}", "admin")
def change_key(ask: Ask) -> Answer:
    """API: PATCH /v1/api-keys/{id}."""
    body = ask.read(KeyChangeBody)
    changed = ask.room.accounts.change_key(ask.who, ask.path["key"], body.name, body.scopes)
    return Answer(render.key(changed))


@routes("DELETE", "/v1/api-keys/{key}", "admin")
def revoke_key(ask: Ask) -> Answer:
    """API: DELETE /v1/api-keys/{id}."""
    revoked = ask.room.accounts.revoke_key(ask.who, ask.path["key"])
    return Answer({**render.key(revoked), "status": "revoked"})


@routes("GET", "/v1/usage", "read", "admin")
def usage(ask: Ask) -> Answer:
    """API: GET /v1/usage."""
    used = ask.room.accounts.usage(ask.who)
    return Answer(
        {
            "period_days": used.since_days,
            "emails_sent": used.counts.get("outbound", 0),
            "emails_received": used.counts.get("inbound", 0),
            "mailboxes": used.mailboxes,
            "quota": None,
        }
    )


@routes("GET", "/v1/audit-log", "read", "admin")
def audit_log(ask: Ask) -> Answer:
    """API: GET /v1/audit-log, newest first."""
    limit = ask.number("limit", 100, 1, 100)
    found = ask.room.accounts.audit_log(ask.who, ask.cursor(), limit)
    rows = [render.audit_entry(entry) for entry in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"entries": rows, "cursor": cursor})
