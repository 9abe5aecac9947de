"""Answers about webhooks: subscriptions, and what was delivered to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...store.records import DeliveryStatus, WebhookSource
from .messages import Answered, Time


class WebhookAnswer(Answered):
    """A subscription without its secret."""

    id: str
    url: str
    events: list[str]
    mailbox_id: Annotated[str | None, Field(description="Null for all mailboxes.")]
    source: WebhookSource
    signature_format: Literal["sha256=hex", "hex"]
    status: Literal["enabled", "disabled"]
    enabled: bool
    disabled_at: Time | None
    disabled_reason: str | None
    last_success_at: Time | None
    created_at: Time


class NewWebhookAnswer(WebhookAnswer):
    """A subscription just made; `signing_secret` is shown this once."""

    signing_secret: str


class WebhooksAnswer(Answered):
    """All subscriptions; `webhooks` holds the same rows as `subscriptions`."""

    subscriptions: list[WebhookAnswer]
    webhooks: list[WebhookAnswer]


class WebhookDeliveryAnswer(Answered):
    """One event for one subscription: what was tried, and what came of it."""

    id: str
    event_id: str
    webhook_id: str
    event: str
    type: str
    mailbox_id: str
    message_id: str
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    error: str | None
    next_attempt_at: Time | None
    last_attempt_at: Time | None
    delivered_at: Time | None
    created_at: Time


class WebhookDeliveriesAnswer(Answered):
    """A page of the deliveries, newest first."""

    deliveries: list[WebhookDeliveryAnswer]
    cursor: str | None
