"""Rendering of webhooks and their deliveries as wire JSON. See `render`."""

from __future__ import annotations

from ..services.mailboxes import MailboxChanges
from ..store.records import Webhook, WebhookDelivery
from .render import Json, moment


def webhook(hook: Webhook) -> Json:
    """Return a subscription without its secret."""
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "mailbox_id": hook.mailbox_id,
        "source": hook.source.value,
        "signature_format": hook.signature_format,
        "status": "enabled" if hook.disabled_at is None else "disabled",
        "enabled": hook.disabled_at is None,
        "disabled_at": moment(hook.disabled_at),
        "disabled_reason": hook.disabled_reason,
        "last_success_at": moment(hook.last_success_at),
        "created_at": moment(hook.created_at),
    }


def delivery(row: WebhookDelivery) -> Json:
    """Return one delivery: what was tried, and what came of it."""
    return {
        "id": row.id,
        "event_id": row.id,
        "webhook_id": row.webhook_id,
        "event": row.event,
        "type": row.event,
        "mailbox_id": row.mailbox_id,
        "message_id": row.message_id,
        "status": row.status.value,
        "attempts": row.attempts,
        "response_status": row.response_status,
        "error": row.error,
        "next_attempt_at": moment(row.due_at),
        "last_attempt_at": moment(row.last_attempt_at),
        "delivered_at": moment(row.delivered_at),
        "created_at": moment(row.created_at),
    }


def shown_once(changes: MailboxChanges) -> Json:
    """Return the signing secrets of the webhook URLs that a mailbox was just given, if any."""
    made = {name: secret for name, secret in changes.signing_secrets.items() if secret}
    return {"signing_secrets": made} if made else {}
