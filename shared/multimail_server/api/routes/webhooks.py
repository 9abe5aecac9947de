"""Routes: webhook subscriptions, and the history of what was delivered to them."""

from __future__ import annotations

from ...refusals import invalid
from ...store.records import DeliveryFilter, DeliveryStatus
from .. import render_webhooks as render
from ..request import Answer, Ask, cursor_of
from ..routing import Routes
from ..schemas.webhook_bodies import WebhookBody, WebhookChangeBody

routes = Routes()


@routes("GET", "/v1/webhooks", "admin")
def list_webhooks(ask: Ask) -> Answer:
    """API: GET /v1/webhooks."""
    rows = [render.webhook(hook) for hook in ask.room.webhooks.all(ask.who)]
    return Answer({"subscriptions": rows, "webhooks": rows})


@routes("POST", "/webhooks", "admin")
@routes("POST", "/v1/webhooks", "admin")
def create_webhook(ask: Ask) -> Answer:
    """API and pages: POST /v1/webhooks, /webhooks; `signing_secret` is shown this once."""
    body = ask.read(WebhookBody)
    made = ask.room.webhooks.create(
        ask.who,
        body.url,
        body.events,
        mailbox_id=body.mailbox_id,
        signature_format=body.signature_format,
    )
    return Answer({**render.webhook(made), "signing_secret": made.signing_secret}, 201)


@routes("GET", "/v1/webhooks/{webhook}", "admin")
def get_webhook(ask: Ask) -> Answer:
    """API: GET /v1/webhooks/{id}."""
    return Answer(render.webhook(ask.room.webhooks.get(ask.who, ask.path["webhook"])))


@routes("PATCH", "/v1/webhooks/{webhook}", "admin")
def change_webhook(ask: Ask) -> Answer:
    """Enable or disable a subscription; an addition of this server."""
    enabled = ask.read(WebhookChangeBody).enabled
    changed = ask.room.webhooks.enable(ask.who, ask.path["webhook"], enabled=enabled)
    return Answer(render.webhook(changed))


@routes("DELETE", "/v1/webhooks/{webhook}", "admin")
def delete_webhook(ask: Ask) -> Answer:
    """API: DELETE /v1/webhooks/{id}."""
    gone = ask.room.webhooks.delete(ask.who, ask.path["webhook"])
    return Answer({"id": gone.id, "status": "deleted"})


@routes("GET", "/v1/webhook-deliveries", "admin")
def list_deliveries(ask: Ask) -> Answer:
    """API: GET /v1/webhook-deliveries, newest first; `status` and `webhook_id` filter."""
    limit = ask.number("limit", 100, 1, 100)
    where = DeliveryFilter(
        account_id=ask.who.account_id,
        limit=limit,
        status=_status(ask),
        webhook_id=ask.text("webhook_id", 100),
        before_id=ask.cursor(),
    )
    found = ask.room.webhooks.deliveries(ask.who, where)
    rows = [render.delivery(row) for row in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"deliveries": rows, "cursor": cursor})


@routes("POST", "/v1/webhook-deliveries/{delivery}/replay", "admin")
def replay_delivery(ask: Ask) -> Answer:
    """Deliver once more, with the same id and body; an addition of this server."""
    return Answer(render.delivery(ask.room.webhooks.replay(ask.who, ask.path["delivery"])), 202)


def _status(ask: Ask) -> DeliveryStatus | None:
    value = ask.text("status")
    if value is None:
        return None
    if value not in set(DeliveryStatus):
        raise invalid(f"`status` is none of {', '.join(DeliveryStatus)}.")
    return DeliveryStatus(value)
