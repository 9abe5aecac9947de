"""Account endpoints: keys, webhooks, audit log, usage, suppression, approval links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..call import Call, Params
from ..models import (
    Account,
    Ack,
    ApiKey,
    AuditEntry,
    Health,
    NewApiKey,
    NewWebhook,
    Page,
    PendingEmail,
    Suppression,
    Usage,
    Webhook,
    WebhookDelivery,
    list_of,
    page_of,
)
from .checks import given, last_segment, one_of, segment


def get_account() -> Call[Account]:
    """Return the account behind the key. API: GET /v1/account."""
    return Call("get_account", "GET", "/v1/account", Account.model_validate)


def update_account(**fields: Any) -> Call[Account]:
    """Change the account's settings. API: PATCH /v1/account."""
    return Call(
        "update_account",
        "PATCH",
        "/v1/account",
        Account.model_validate,
        json=fields,
        repeatable=True,
    )


def delete_account() -> Call[Ack]:
    """Delete the account and all that is in it. API: DELETE /v1/account."""
    return Call("delete_account", "DELETE", "/v1/account", Ack.model_validate)


def get_usage() -> Call[Usage]:
    """Return what the account used. API: GET /v1/usage."""
    return Call("get_usage", "GET", "/v1/usage", Usage.model_validate)


def get_audit_log(*, limit: int = 100, cursor: str | None = None) -> Call[Page[AuditEntry]]:
    """List what was done, newest first.

    Args:
        limit: Rows a page.
        cursor: Where to go on, from the page before.

    API: GET /v1/audit-log.
    """
    return Call(
        "get_audit_log",
        "GET",
        "/v1/audit-log",
        page_of(AuditEntry),
        params={"limit": limit, "cursor": cursor},
    )


def export_account(*, cursor: str | None = None) -> Call[Ack]:
    """Return all of the account's data (GDPR article 20).

    Args:
        cursor: Where to go on, from the answer before, where the service gives it in pages.

    API: GET /v1/export.
    """
    params: Params = {"cursor": cursor}
    return Call("export_account", "GET", "/v1/export", Ack.model_validate, params=params)


def list_api_keys() -> Call[list[ApiKey]]:
    """List the account's keys, without their secrets. API: GET /v1/api-keys."""
    return Call("list_api_keys", "GET", "/v1/api-keys", list_of(ApiKey, "api_keys", "keys"))


def create_api_key(
    name: str,
    scopes: Iterable[str] | None = None,
    *,
    mailbox: str | None = None,
    approval_code: str | None = None,
) -> Call[NewApiKey]:
    """Make a key; its secret is in the answer and nowhere afterwards.

    Args:
        name: What it is for.
        scopes: Any of `read`, `send`, `admin`, `oversight`; `send` and `oversight` never together.
        mailbox: The only mailbox that it may use, by id or address.
        approval_code: What the operator handed on, where the service asks for it.

    Raises:
        ApprovalRequiredError: The operator has to approve it first.
        PermissionDeniedError: The calling key is no admin.
        ValidationError: The scopes do not go together.

    API: POST /v1/api-keys.
    """
    wanted = {"scopes": list(scopes)} if scopes else {}
    return Call(
        "create_api_key",
        "POST",
        "/v1/api-keys",
        NewApiKey.model_validate,
        json={"name": name, **wanted, **given(mailbox_id=mailbox, approval_code=approval_code)},
        code_first=True,
    )


def update_api_key(key_id: str, **fields: Any) -> Call[ApiKey]:
    """Change a key's name or scopes. API: PATCH /v1/api-keys/{key}."""
    return Call(
        "update_api_key",
        "PATCH",
        f"/v1/api-keys/{segment(key_id, 'key_id')}",
        ApiKey.model_validate,
        json=fields,
        repeatable=True,
        code_first=True,
    )


def revoke_api_key(key_id: str) -> Call[Ack]:
    """Revoke a key at once. API: DELETE /v1/api-keys/{key}."""
    path = f"/v1/api-keys/{segment(key_id, 'key_id')}"
    return Call("revoke_api_key", "DELETE", path, Ack.model_validate, repeatable=True)


def list_webhooks() -> Call[list[Webhook]]:
    """List the webhook subscriptions. API: GET /v1/webhooks."""
    read = list_of(Webhook, "subscriptions", "webhooks")
    return Call("list_webhooks", "GET", "/v1/webhooks", read)


def create_webhook(
    url: str,
    events: Iterable[str],
    *,
    mailbox: str | None = None,
    mailbox_id: str | None = None,
    approval_code: str | None = None,
) -> Call[NewWebhook]:
    """Subscribe an https URL to events; the signing secret is in the answer and shown once.

    Args:
        url: Where events are posted.
        events: Event types, such as `email.received`.
        mailbox: Only this mailbox's events, by address.
        mailbox_id: The same by id.
        approval_code: What the operator handed on, where the service asks for it.

    Raises:
        ApprovalRequiredError: The operator has to approve it first.

    API: POST /v1/webhooks.
    """
    return Call(
        "create_webhook",
        "POST",
        "/v1/webhooks",
        NewWebhook.model_validate,
        json={
            "url": url,
            "events": list(events),
            **given(mailbox=mailbox, mailbox_id=mailbox_id, approval_code=approval_code),
        },
        code_first=True,
    )


def get_webhook(webhook_id: str) -> Call[Webhook]:
    """Return one subscription. API: GET /v1/webhooks/{webhook}."""
    path = f"/v1/webhooks/{segment(webhook_id, 'webhook_id')}"
    return Call("get_webhook", "GET", path, Webhook.model_validate)


def delete_webhook(webhook_id: str) -> Call[Ack]:
    """End a subscription. API: DELETE /v1/webhooks/{webhook}."""
    path = f"/v1/webhooks/{segment(webhook_id, 'webhook_id')}"
    return Call("delete_webhook", "DELETE", path, Ack.model_validate, repeatable=True)


def list_webhook_deliveries(*, status: str | None = None) -> Call[Page[WebhookDelivery]]:
    """List deliveries of events: pending, delivered, failed. API: GET /v1/webhook-deliveries."""
    return Call(
        "list_webhook_deliveries",
        "GET",
        "/v1/webhook-deliveries",
        page_of(WebhookDelivery),
        params={"status": status},
    )


def list_suppressions() -> Call[list[Suppression]]:
    """List the addresses that get no mail any more. API: GET /v1/suppression."""
    read = list_of(Suppression, "suppressions", "suppression", "addresses")
    return Call("list_suppressions", "GET", "/v1/suppression", read)


def remove_suppression(address: str) -> Call[Ack]:
    """Let an address get mail again. API: DELETE /v1/suppression/{address}."""
    path = f"/v1/suppression/{last_segment(address, 'address')}"
    return Call("remove_suppression", "DELETE", path, Ack.model_validate, repeatable=True)


def get_approval(token: str) -> Call[PendingEmail]:
    """Show what an approval link is about; decides nothing. API: GET /v1/approve/{token}."""
    return Call("get_approval", "GET", _approval(token), PendingEmail.model_validate)


def approve_by_token(
    token: str, action: str = "approve", *, reason: str | None = None
) -> Call[Ack]:
    """Decide by an approval link, which works once. API: POST /v1/approve/{token}."""
    return Call(
        "approve_by_token",
        "POST",
        _approval(token),
        Ack.model_validate,
        json={"action": one_of("action", action), **given(reason=reason)},
    )


def _approval(token: str) -> str:
    return f"/v1/approve/{segment(token, 'token')}"


def get_health() -> Call[Health]:
    """Say whether the API is up; needs no scope. API: GET /health."""
    return Call("get_health", "GET", "/health", _read_health)


def _read_health(reply: Any) -> Health:
    return Health.model_validate({"status": "ok", **reply})


def get_signing_key() -> Call[Ack]:
    """Return the key that signs `X-MultiMail-Identity`.

    API: GET /.well-known/multimail-signing-key.
    """
    path = "/.well-known/multimail-signing-key"
    return Call("get_signing_key", "GET", path, Ack.model_validate)
