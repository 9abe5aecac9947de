"""Events: what subscriptions are told, written in the transaction of the change that they tell.

`steps.advance` announces every change of a status. Whoever learns something else about a message,
such as a bounce that came by mail, calls `announce` in the transaction that stores it.

Event payloads: what is said about a message, with every field bounded.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..clock import derived_id
from ..oversight import Direction, Event, Mode, State, hides_content
from ..store.protocol import Reader, Tx
from ..store.records import DeliveryStatus, Message, Webhook, WebhookDelivery, WebhookSource


class EventKind(StrEnum):
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


_PAGES: dict[str, EventKind] = {
    "email.received": EventKind.RECEIVED,
    "email.approved": EventKind.APPROVED,
    "email.rejected": EventKind.REJECTED,
    "email.delivered": EventKind.DELIVERED,
    "email.bounced": EventKind.BOUNCED,
}
"""The names that the product's pages use."""

EVENT_KINDS: dict[str, EventKind] = {**{kind.value: kind for kind in EventKind}, **_PAGES}
"""Every name that can be subscribed to."""

MAILBOX_EVENTS = (
    EventKind.RECEIVED,
    EventKind.SENT,
    EventKind.DELIVERED,
    EventKind.BOUNCED,
    EventKind.COMPLAINED,
)
"""What a mailbox's `webhook_url` gets."""

OVERSIGHT_EVENTS = (EventKind.PENDING, EventKind.APPROVED, EventKind.REJECTED, EventKind.SENT)
"""What a mailbox's `oversight_webhook_url` gets; the last one for `monitored` mail alone."""

DISABLED = "the subscription was disabled when this happened; enable it and replay this delivery"

_WAITING = frozenset({State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL})
_TOLD: dict[Event, tuple[EventKind, ...]] = {
    Event.APPROVED: (EventKind.APPROVED,),
    Event.APPROVED_FOR_LATER: (EventKind.APPROVED,),
    Event.REJECTED: (EventKind.REJECTED,),
    Event.DELIVERED: (EventKind.SENT, EventKind.DELIVERED),
    Event.FAILED: (EventKind.BOUNCED,),
}


def get_event_kinds(moved: Message, event: Event) -> tuple[EventKind, ...]:
    """Return what a step tells, in order.

    Args:
        moved: The message after the step.
        event: What happened to it.
    """
    kinds = _TOLD.get(event, ())
    if moved.status in _WAITING:
        kinds += (EventKind.PENDING,)
    if moved.direction is Direction.INBOUND and moved.status is State.UNREAD:
        kinds += (EventKind.RECEIVED,)
    if event is Event.DELIVERED and moved.bounced_at is not None:
        kinds += (EventKind.BOUNCED,)
    return kinds


def announce_step(tx: Tx, moved: Message, event: Event, now: datetime) -> None:
    """Announce what a step of the oversight table tells. Only `steps.advance` calls it."""
    for kind in get_event_kinds(moved, event):
        announce(tx, kind, moved, now)


def announce(tx: Tx, kind: EventKind, message: Message, now: datetime, **facts: Any) -> None:
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
        if EVENT_KINDS.get(name) is kind and _concerns(hook, kind, message)
    ]
    if not wanted:
        return
    details = {**build_details(tx, kind.value, message), **facts}
    for hook, name in wanted:
        delivery = _delivery(tx, hook, name, message, now)
        tx.insert_webhook_delivery(delivery, build_body(delivery, details))


def _concerns(hook: Webhook, kind: EventKind, message: Message) -> bool:
    if hook.source is WebhookSource.OVERSIGHT and kind is EventKind.SENT:
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


Json = dict[str, Any]

MAX_TEXT = 65_536
"""Characters of a received message's text; the whole of it is read by the API."""
_MAX_LINE = 1_000
_MAX_ADDRESSES = 100


def build_details(tx: Reader, kind: str, message: Message) -> Json:
    """Return the payload's `data`: which message it is, and as much of it as anybody may know."""
    mailbox = tx.mailbox(message.mailbox_id)
    details: Json = {
        "mailbox": mailbox.address if mailbox else None,
        "mailbox_id": message.mailbox_id,
        "message_id": message.id,
        "email_id": message.id,
        "thread_id": message.thread_id,
        "direction": message.direction.value,
        "status": message.status.wire,
        "oversight_mode": message.mode.value,
        "received_at": _moment(message.created_at),
    }
    if hides_content(message.direction, message.status):
        details["content_hidden"] = True
    else:
        details.update(_envelope(message))
        if kind == "message.received":
            details.update(_text(tx, message))
    details.update(_fate(message))
    return details


def build_body(delivery: WebhookDelivery, details: Json) -> bytes:
    """Return the bytes that are posted: `details` under `data`, and flat at the top as well."""
    payload = {
        **details,
        "id": delivery.id,
        "type": delivery.event,
        "created_at": _moment(delivery.created_at),
        "data": details,
    }
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    # Hostile mail can hold half of a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")


def _envelope(message: Message) -> Json:
    told: Json = {
        "from": message.from_address[:_MAX_LINE],
        "from_name": message.from_name[:_MAX_LINE],
        "to": list(message.to[:_MAX_ADDRESSES]),
        "cc": list(message.cc[:_MAX_ADDRESSES]),
        "subject": message.subject[:_MAX_LINE],
        "has_attachments": message.has_attachments,
    }
    if message.direction is Direction.INBOUND:
        told["authentication"] = message.authentication
        told.update(_verdicts(message.authentication))
    return told


def _verdicts(evidence: Json) -> Json:
    """Return the booleans that one of the product's pages reads; they err on the safe side."""
    verdicts = {"dkim_valid": any(map(_vouches, evidence.get("dkim") or []))}
    if evidence.get("spf"):
        verdicts["spf_valid"] = _vouches(evidence["spf"])
    if evidence.get("dmarc"):
        verdicts["dmarc_valid"] = evidence["dmarc"].get("result") == "pass"
    return verdicts


def _vouches(method: Json) -> bool:
    # A signature of another domain than that in From is valid and proves nothing about From.
    return method.get("result") == "pass" and method.get("aligned") is True


def _text(tx: Reader, message: Message) -> Json:
    content = tx.content(message.id)
    text = content.markdown if content else ""
    return {"body_text": text[:MAX_TEXT], "body_truncated": len(text) > MAX_TEXT}


def _fate(message: Message) -> Json:
    told: Json = {}
    if message.decision is not None:
        told["decision"] = message.decision
        told["decided_at"] = _moment(message.decided_at)
        told["decision_reason"] = message.decision_reason
    if message.expires_at is not None and message.decision is None:
        told["expires_at"] = _moment(message.expires_at)
        told["content_hash"] = message.content_hash
    if message.delivered_at is not None:
        told["delivered_at"] = _moment(message.delivered_at)
    if message.bounced_at is not None:
        told.update(_bounce(message))
    return told


def _bounce(message: Message) -> Json:
    refused = [
        principal for principal, told in message.delivery.items() if not told.get("accepted")
    ]
    return {
        "bounced_at": _moment(message.bounced_at),
        "bounce_type": message.bounce_type,
        "code": message.bounce_code,
        "reason": message.bounce_reason,
        "recipients": refused[:_MAX_ADDRESSES],
    }


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
