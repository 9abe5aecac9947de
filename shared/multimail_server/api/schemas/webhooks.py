"""Schemas of events, of webhook endpoints and of what was delivered to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field
from typing_extensions import TypedDict

from ...services.event_log import EventPage
from ...store.records import DeliveryStatus, Webhook, WebhookDelivery, WebhookSource
from .base import Line, MailboxId, RequestModel, Time, one_of, to_optional_time, to_wire_time

SignatureFormat = Literal["sha256=hex", "hex"]
SourceName = Annotated[str, one_of(*WebhookSource)]
DeliveryStatusName = Annotated[str, one_of(*DeliveryStatus)]


class WebhookIn(RequestModel):
    """A new webhook endpoint."""

    url: Annotated[str, Field(max_length=2000)]
    events: Annotated[list[Annotated[Line, Field(max_length=100)]], Field(max_length=50)]
    mailbox_id: Annotated[
        MailboxId, Field(validation_alias=AliasChoices("mailbox_id", "mailbox"))
    ] = None
    signature_format: SignatureFormat = "sha256=hex"


class WebhookChangeIn(RequestModel):
    """Changes to a webhook endpoint."""

    enabled: bool


class WebhookOut(TypedDict):
    """A webhook endpoint without its secret."""

    id: str
    url: str
    events: list[str]
    mailbox_id: Annotated[str | None, Field(description="Null for all mailboxes.")]
    source: SourceName
    signature_format: Annotated[str, one_of("sha256=hex", "hex")]
    status: Literal["enabled", "disabled"]
    enabled: bool
    disabled_at: Time | None
    disabled_reason: str | None
    last_success_at: Time | None
    created_at: Time


class NewWebhookOut(WebhookOut):
    """A new webhook endpoint; `signing_secret` is shown only here."""

    signing_secret: str


class WebhooksOut(TypedDict):
    """All webhook endpoints; `webhooks` holds the same rows as `subscriptions`."""

    subscriptions: list[WebhookOut]
    webhooks: list[WebhookOut]


class WebhookDeliveryOut(TypedDict):
    """One event for one endpoint: its attempts and their result."""

    id: str
    event_id: str
    webhook_id: str
    event: str
    type: str
    mailbox_id: str
    message_id: str
    status: DeliveryStatusName
    attempts: int
    response_status: int | None
    error: str | None
    next_attempt_at: Time | None
    last_attempt_at: Time | None
    delivered_at: Time | None
    created_at: Time


class WebhookDeliveriesOut(TypedDict):
    """A page of deliveries, newest first."""

    deliveries: list[WebhookDeliveryOut]
    cursor: str | None


def render_webhook(webhook: Webhook) -> WebhookOut:
    """Return a webhook endpoint without its secret."""
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "mailbox_id": webhook.mailbox_id,
        "source": webhook.source.value,
        "signature_format": webhook.signature_format,
        "status": "enabled" if webhook.disabled_at is None else "disabled",
        "enabled": webhook.disabled_at is None,
        "disabled_at": to_optional_time(webhook.disabled_at),
        "disabled_reason": webhook.disabled_reason,
        "last_success_at": to_optional_time(webhook.last_success_at),
        "created_at": to_wire_time(webhook.created_at),
    }


def render_new_webhook(webhook: Webhook) -> NewWebhookOut:
    """Return a new webhook endpoint with its secret."""
    return {**render_webhook(webhook), "signing_secret": webhook.signing_secret}


def render_delivery(delivery: WebhookDelivery) -> WebhookDeliveryOut:
    """Return one delivery."""
    return {
        "id": delivery.id,
        "event_id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "event": delivery.event,
        "type": delivery.event,
        "mailbox_id": delivery.mailbox_id,
        "message_id": delivery.message_id,
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "response_status": delivery.response_status,
        "error": delivery.error,
        "next_attempt_at": to_optional_time(delivery.due_at),
        "last_attempt_at": to_optional_time(delivery.last_attempt_at),
        "delivered_at": to_optional_time(delivery.delivered_at),
        "created_at": to_wire_time(delivery.created_at),
    }


class EventsOut(TypedDict):
    """Events, oldest first, each as webhooks post it; go on with `cursor` as `after`."""

    events: list[dict[str, Any]]
    cursor: Annotated[str, Field(description="The id to go on after, if there was no event too.")]
    has_more: Annotated[bool, Field(description="Whether there may be more right away.")]


def render_events(page: EventPage) -> EventsOut:
    """Return a page of events."""
    return {
        "events": page.payloads,
        "cursor": page.rest.reached,
        "has_more": not page.is_last,
    }
