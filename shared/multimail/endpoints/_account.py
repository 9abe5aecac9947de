"""Account endpoints: API keys, webhooks, domains, audit log, usage, suppression, health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._call import Call
from ..models import (
    Account,
    Ack,
    ApiKey,
    AuditEntry,
    Domain,
    Health,
    NewApiKey,
    NewWebhook,
    Page,
    Suppression,
    Usage,
    Webhook,
    WebhookDelivery,
    list_parser,
    page_parser,
)
from ._arguments import drop_none, last_path_segment, path_segment


def get_account() -> Call[Account]:
    """Return the account that the key belongs to. API: GET /v1/account."""
    return Call("get_account", "GET", "/v1/account", Account.model_validate)


def update_account(**fields: Any) -> Call[Account]:
    """Change the account's settings. API: PATCH /v1/account."""
    return Call(
        "update_account",
        "PATCH",
        "/v1/account",
        Account.model_validate,
        json=fields,
        idempotent=True,
    )


def delete_account() -> Call[Ack]:
    """Close the account and revoke its keys. API: DELETE /v1/account.

    The embedded server erases nothing.
    """
    return Call("delete_account", "DELETE", "/v1/account", Ack.model_validate)


def get_usage() -> Call[Usage]:
    """Return the account's usage. API: GET /v1/usage."""
    return Call("get_usage", "GET", "/v1/usage", Usage.model_validate)


def get_audit_log(*, limit: int = 100, cursor: str | None = None) -> Call[Page[AuditEntry]]:
    """List the entries of the audit log, newest first.

    Args:
        limit: Rows per page.
        cursor: The cursor of the previous page.

    API: GET /v1/audit-log.
    """
    return Call(
        "get_audit_log",
        "GET",
        "/v1/audit-log",
        page_parser(AuditEntry),
        params={"limit": limit, "cursor": cursor},
    )


def export_account(*, cursor: str | None = None) -> Call[Ack]:
    """Return all of the account's data (GDPR article 20).

    Args:
        cursor: The cursor of the previous response, if the API returns the data in pages.

    API: GET /v1/export.
    """
    return Call(
        "export_account", "GET", "/v1/export", Ack.model_validate, params={"cursor": cursor}
    )


def list_api_keys() -> Call[list[ApiKey]]:
    """List the account's keys, without their secrets. API: GET /v1/api-keys."""
    return Call("list_api_keys", "GET", "/v1/api-keys", list_parser(ApiKey, "api_keys", "keys"))


def create_api_key(
    name: str,
    scopes: Iterable[str] | None = None,
    *,
    mailbox: str | None = None,
    live: bool | None = None,
    approval_code: str | None = None,
) -> Call[NewApiKey]:
    """Create an API key; only this result contains its secret.

    Args:
        name: A name that says what the key is for.
        scopes: Any of `read`, `send`, `admin`, `oversight`; not both `send` and `oversight`.
        mailbox: The only mailbox that the key can use, by id or address.
        live: Whether its mail leaves; default as the calling key's. The embedded server's only.
        approval_code: The operator's approval code, if the API asks for one.

    Raises:
        ApprovalRequiredError: The operator has to approve it first.
        PermissionDeniedError: The calling key lacks the `admin` scope.
        ValidationError: The scopes can't be combined.

    API: POST /v1/api-keys.
    """
    return Call(
        "create_api_key",
        "POST",
        "/v1/api-keys",
        NewApiKey.model_validate,
        json=drop_none(
            name=name,
            scopes=list(scopes) if scopes else None,
            mailbox_id=mailbox,
            live=live,
            approval_code=approval_code,
        ),
        may_require_approval_code=True,
    )


def update_api_key(key_id: str, **fields: Any) -> Call[ApiKey]:
    """Change a key's name or scopes. API: PATCH /v1/api-keys/{key}."""
    return Call(
        "update_api_key",
        "PATCH",
        f"/v1/api-keys/{path_segment(key_id, 'key_id')}",
        ApiKey.model_validate,
        json=fields,
        idempotent=True,
        may_require_approval_code=True,
    )


def revoke_api_key(key_id: str) -> Call[Ack]:
    """Revoke a key immediately. API: DELETE /v1/api-keys/{key}."""
    path = f"/v1/api-keys/{path_segment(key_id, 'key_id')}"
    return Call("revoke_api_key", "DELETE", path, Ack.model_validate, idempotent=True)


def list_webhooks() -> Call[list[Webhook]]:
    """List the webhook endpoints. API: GET /v1/webhooks."""
    parse = list_parser(Webhook, "subscriptions", "webhooks")
    return Call("list_webhooks", "GET", "/v1/webhooks", parse)


def create_webhook(
    url: str,
    events: Iterable[str],
    *,
    mailbox: str | None = None,
    mailbox_id: str | None = None,
    approval_code: str | None = None,
) -> Call[NewWebhook]:
    """Create a webhook endpoint; only this result contains the signing secret.

    Args:
        url: The https URL to post events to.
        events: Event types, such as `email.received`.
        mailbox: Only events of this mailbox, by address.
        mailbox_id: Only events of this mailbox, by id.
        approval_code: The operator's approval code, if the API asks for one.

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
            **drop_none(mailbox=mailbox, mailbox_id=mailbox_id, approval_code=approval_code),
        },
        may_require_approval_code=True,
    )


def get_webhook(webhook_id: str) -> Call[Webhook]:
    """Return a webhook endpoint. API: GET /v1/webhooks/{webhook}."""
    path = f"/v1/webhooks/{path_segment(webhook_id, 'webhook_id')}"
    return Call("get_webhook", "GET", path, Webhook.model_validate)


def delete_webhook(webhook_id: str) -> Call[Ack]:
    """Delete a webhook endpoint. API: DELETE /v1/webhooks/{webhook}."""
    path = f"/v1/webhooks/{path_segment(webhook_id, 'webhook_id')}"
    return Call("delete_webhook", "DELETE", path, Ack.model_validate, idempotent=True)


def list_webhook_deliveries(*, status: str | None = None) -> Call[Page[WebhookDelivery]]:
    """List event deliveries: pending, delivered or failed. API: GET /v1/webhook-deliveries."""
    return Call(
        "list_webhook_deliveries",
        "GET",
        "/v1/webhook-deliveries",
        page_parser(WebhookDelivery),
        params={"status": status},
    )


def list_suppressions() -> Call[list[Suppression]]:
    """List the suppressed addresses, which get no mail. API: GET /v1/suppression."""
    parse = list_parser(Suppression, "suppressions", "suppression", "addresses")
    return Call("list_suppressions", "GET", "/v1/suppression", parse)


def remove_suppression(address: str) -> Call[Ack]:
    """Remove an address from the suppression list. API: DELETE /v1/suppression/{address}."""
    path = f"/v1/suppression/{last_path_segment(address, 'address')}"
    return Call("remove_suppression", "DELETE", path, Ack.model_validate, idempotent=True)


def list_domains() -> Call[list[Domain]]:
    """List the account's domains. API: GET /v1/domains."""
    return Call("list_domains", "GET", "/v1/domains", list_parser(Domain, "domains"))


def add_domain(domain: str) -> Call[Domain]:
    """Add a domain; the result lists the DNS records to publish. API: POST /v1/domains."""
    return Call("add_domain", "POST", "/v1/domains", Domain.model_validate, json={"domain": domain})


def get_domain(domain_id: str) -> Call[Domain]:
    """Return one domain. API: GET /v1/domains/{domain}."""
    return Call("get_domain", "GET", _domain_path(domain_id), Domain.model_validate)


def verify_domain(domain_id: str) -> Call[Domain]:
    """Check the published DNS records. API: POST /v1/domains/{domain}/verify."""
    return Call(
        "verify_domain",
        "POST",
        _domain_path(domain_id) + "/verify",
        Domain.model_validate,
        json={},
        idempotent=True,
    )


def delete_domain(domain_id: str) -> Call[Ack]:
    """Remove a domain. API: DELETE /v1/domains/{domain}."""
    return Call(
        "delete_domain", "DELETE", _domain_path(domain_id), Ack.model_validate, idempotent=True
    )


def _domain_path(domain_id: str) -> str:
    return f"/v1/domains/{path_segment(domain_id, 'domain_id')}"


def get_health() -> Call[Health]:
    """Return whether the API is up; needs no scope. API: GET /health."""
    return Call("get_health", "GET", "/health", _parse_health)


def _parse_health(response: Any) -> Health:
    return Health.model_validate({"status": "ok", **response})


def get_signing_key() -> Call[Ack]:
    """Return the public key that verifies `X-MultiMail-Identity`.

    API: GET /.well-known/multimail-signing-key.
    """
    path = "/.well-known/multimail-signing-key"
    return Call("get_signing_key", "GET", path, Ack.model_validate)
