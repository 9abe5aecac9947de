"""Records of webhooks: the subscriptions, and the deliveries that are made for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """Where a subscription comes from."""

    SUBSCRIPTION = "subscription"
    """POST /v1/webhooks."""
    MAILBOX = "webhook_url"
    """A mailbox's setting of that name."""
    OVERSIGHT = "oversight_webhook_url"
    """A mailbox's setting of that name."""


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription: where events go, and which."""

    id: str
    account_id: str
    url: str
    events: tuple[str, ...]
    """The names under which events were asked for, of either vocabulary."""
    signing_secret: str = field(repr=False)
    """Kept as it is, for it has to sign; erased with the subscription."""
    signature_format: str
    """Of `X-MultiMail-Signature`: `sha256=hex` or `hex`."""
    source: Source
    created_at: datetime
    mailbox_id: str | None = None
    """The only mailbox whose events it gets; None for all of the account."""
    last_success_at: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one subscription. Its id is the event's id, the same at each try."""

    id: str
    webhook_id: str
    account_id: str
    mailbox_id: str
    message_id: str
    event: str
    status: DeliveryStatus
    created_at: datetime
    due_at: datetime | None = None
    """When the next try comes; None once it is over."""
    attempts: int = 0
    last_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    response_status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries of an account to list, newest first. What is None does not filter."""

    account_id: str
    limit: int
    status: DeliveryStatus | None = None
    webhook_id: str | None = None
    bound_to: str | None = None
    """Only deliveries for subscriptions that are bound to this mailbox."""
    before_id: str | None = None
