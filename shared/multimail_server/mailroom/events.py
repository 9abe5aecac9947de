"""Events: what subscriptions are told, written in the transaction of the change that they tell.

`steps.advance` announces every change of a status. Whoever learns something else about a message,
such as a bounce that came by mail, calls `announce` in the transaction that stores it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from ..clock import derived_id
from ..oversight import Direction, Event, Mode, State
from ..store.protocol import Tx
from ..store.records import DeliveryStatus, Message, Webhook, WebhookDelivery, WebhookSource
from .event_payload import body_of, details_of


class Kind(StrEnum):
    """What can be told about a message, in the words of the vendor's MCP server."""

    RECEIVED = "message.received"
    SENT = "message.sent"
    """It left: the relay, or the test outbox, has taken it for somebody."""
    DELIVERED = "message.delivered"
    """The same moment: what happens beyond the relay, this server does not see."""
    BOUNCED = "message.bounced"
    """Some or all recipients will not get it."""
    COMPLAINED = "message.complained"
    PENDING = "oversight.pending"
    APPROVED = "oversight.approved"
    REJECTED = "oversight.rejected"


_PAGES: dict[str, Kind] = {
    "email.received": Kind.RECEIVED,
    "email.approved": Kind.APPROVED,
    "email.rejected": Kind.REJECTED,
    "email.delivered": Kind.DELIVERED,
    "email.bounced": Kind.BOUNCED,
}
"""The names that the product's pages use."""

KIND_OF: dict[str, Kind] = {**{kind.value: kind for kind in Kind}, **_PAGES}
"""Every name that can be subscribed to."""

MAILBOX_EVENTS = (Kind.RECEIVED, Kind.SENT, Kind.DELIVERED, Kind.BOUNCED, Kind.COMPLAINED)
"""What a mailbox's `webhook_url` gets."""

OVERSIGHT_EVENTS = (Kind.PENDING, Kind.APPROVED, Kind.REJECTED, Kind.SENT)
"""What a mailbox's `oversight_webhook_url` gets; the last one for `monitored` mail alone."""

DISABLED = "the subscription was disabled when this happened; enable it and replay this delivery"

_WAITING = frozenset({State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL})
_TOLD: dict[Event, tuple[Kind, ...]] = {
    Event.APPROVED: (Kind.APPROVED,),
    Event.APPROVED_FOR_LATER: (Kind.APPROVED,),
    Event.REJECTED: (Kind.REJECTED,),
    Event.DELIVERED: (Kind.SENT, Kind.DELIVERED),
    Event.FAILED: (Kind.BOUNCED,),
}


def kinds_of(moved: Message, event: Event) -> tuple[Kind, ...]:
    """Return what a step tells, in order.

    Args:
        moved: The message after the step.
        event: What happened to it.
    """
    kinds = _TOLD.get(event, ())
    if moved.status in _WAITING:
        kinds += (Kind.PENDING,)
    if moved.direction is Direction.INBOUND and moved.status is State.UNREAD:
        kinds += (Kind.RECEIVED,)
    if event is Event.DELIVERED and moved.bounced_at is not None:
        kinds += (Kind.BOUNCED,)
    return kinds


def announce_step(tx: Tx, moved: Message, event: Event, now: datetime) -> None:
    """Announce what a step of the oversight table tells. Only `steps.advance` calls it."""
    for kind in kinds_of(moved, event):
        announce(tx, kind, moved, now)


def announce(tx: Tx, kind: Kind, message: Message, now: datetime, **facts: Any) -> None:
    """Write the event's deliveries for all who subscribed to it, in the transaction `tx`.

    Args:
        tx: The transaction that makes it true.
        kind: What happened.
        message: As it is afterwards; what only a reviewer may see of it is left out.
        now: The server's time.
        facts: More fields of the payload, JSON values.
    """
    wanted = [
        (hook, name)
        for hook in tx.webhooks_of_mailbox(message.account_id, message.mailbox_id)
        for name in hook.events
        if KIND_OF.get(name) is kind and _concerns(hook, kind, message)
    ]
    if not wanted:
        return
    details = {**details_of(tx, kind.value, message), **facts}
    for hook, name in wanted:
        delivery = _delivery(tx, hook, name, message, now)
        tx.insert_webhook_delivery(delivery, body_of(delivery, details))


def _concerns(hook: Webhook, kind: Kind, message: Message) -> bool:
    if hook.source is WebhookSource.OVERSIGHT and kind is Kind.SENT:
        return message.mode is Mode.MONITORED
    return True


def _delivery(tx: Tx, hook: Webhook, name: str, message: Message, now: datetime) -> WebhookDelivery:
    position = tx.count_webhook_deliveries(message.id)
    disabled = hook.disabled_at is not None
    return WebhookDelivery(
        id=derived_id("evt", now, position, hook.id, name, message.id),
        webhook_id=hook.id,
        account_id=message.account_id,
        mailbox_id=message.mailbox_id,
        message_id=message.id,
        event=name,
        status=DeliveryStatus.FAILED if disabled else DeliveryStatus.PENDING,
        created_at=now,
        due_at=None if disabled else now,
        error=DISABLED if disabled else None,
    )
