"""Events and notifications, written in the transaction of the change they report.

`transitions.apply_event` announces every change of a status. Other changes, such as a bounce that
arrived by mail, call `announce` in the transaction that stores them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ..auth import Principal
from ..clock import derived_id
from ..oversight import HELD, Direction, Event, Mode, State, hides_content
from ..store.protocol import Reader, Tx
from ..store.records import (
    DeliveryStatus,
    LoggedEvent,
    Message,
    Notification,
    OneTimeCode,
    Webhook,
    WebhookDelivery,
    WebhookSource,
)
from .context import AppContext

Json = dict[str, Any]

MAX_TEXT = 65_536
"""Characters of an inbound message's text in a payload; the API returns the whole text."""
_MAX_LINE = 1_000
_MAX_ADDRESSES = 100


class EventKind(StrEnum):
    """Kinds of events, named as in the hosted service's MCP server."""

    RECEIVED = "message.received"
    SENT = "message.sent"
    """The relay or the test outbox accepted it for at least one recipient."""
    DELIVERED = "message.delivered"
    """Emitted with `SENT`: the server doesn't see what happens beyond the relay."""
    BOUNCED = "message.bounced"
    """Delivery to some or all recipients failed."""
    COMPLAINED = "message.complained"
    MERGED = "thread.merged"
    """A message that came late connected two threads; the messages of one moved to the other."""
    PENDING = "oversight.pending"
    APPROVED = "oversight.approved"
    REJECTED = "oversight.rejected"


_ALIASES: dict[str, EventKind] = {
    "email.received": EventKind.RECEIVED,
    "email.approved": EventKind.APPROVED,
    "email.rejected": EventKind.REJECTED,
    "email.delivered": EventKind.DELIVERED,
    "email.bounced": EventKind.BOUNCED,
}
"""The names in the product pages."""

EVENT_KINDS: dict[str, EventKind] = {**{kind.value: kind for kind in EventKind}, **_ALIASES}
"""Every event name that a webhook can subscribe to, and a stream can be limited to."""

MAILBOX_EVENTS = (
    EventKind.RECEIVED,
    EventKind.SENT,
    EventKind.DELIVERED,
    EventKind.BOUNCED,
    EventKind.COMPLAINED,
)
"""Events for a mailbox's `webhook_url`."""

OVERSIGHT_EVENTS = (EventKind.PENDING, EventKind.APPROVED, EventKind.REJECTED, EventKind.SENT)
"""Events for a mailbox's `oversight_webhook_url`; `SENT` for `monitored` mail only."""

MONITORED_SEND = "monitored_send"
UPGRADE_REQUEST = "upgrade_request"
DISABLED = "the endpoint was disabled when this happened; enable it and replay this delivery"

_KINDS_BY_EVENT: dict[Event, tuple[EventKind, ...]] = {
    Event.APPROVED: (EventKind.APPROVED,),
    Event.APPROVED_FOR_LATER: (EventKind.APPROVED,),
    Event.REJECTED: (EventKind.REJECTED,),
    Event.DELIVERED: (EventKind.SENT, EventKind.DELIVERED),
    Event.FAILED: (EventKind.BOUNCED,),
}


def becomes_visible(moved: Message, event: Event) -> bool:
    """Return whether a transition shows an inbound message for the first time."""
    is_unread = moved.direction is Direction.INBOUND and moved.status is State.UNREAD
    return is_unread and event is not Event.MARKED_UNREAD


def get_event_kinds(moved: Message, event: Event) -> tuple[EventKind, ...]:
    """Return the kinds of events that a transition emits, in order.

    Args:
        moved: The message after the transition.
        event: What happened to it.
    """
    kinds = _KINDS_BY_EVENT.get(event, ())
    if moved.status in HELD:
        kinds += (EventKind.PENDING,)
    if becomes_visible(moved, event):
        kinds += (EventKind.RECEIVED,)
    if event is Event.DELIVERED and moved.bounced_at is not None:
        kinds += (EventKind.BOUNCED,)
    return kinds


def announce_transition(tx: Tx, moved: Message, event: Event, now: datetime) -> None:
    """Announce a transition. Only `transitions` calls it."""
    for kind in get_event_kinds(moved, event):
        announce(tx, kind, moved, now)


def announce(tx: Tx, kind: EventKind, message: Message, now: datetime, **facts: Any) -> None:
    """Add the event to the log, and insert a delivery of it for each subscribed webhook.

    Args:
        tx: The transaction that makes the reported change.
        kind: What happened.
        message: After the change; content that only a reviewer can see is left out.
        now: The server's time.
        facts: More fields of the payload, JSON values.
    """
    details = {**build_details(tx, message), **facts}
    tx.insert(
        LoggedEvent(message.account_id, message.mailbox_id, message.id, kind.value, now, details)
    )
    subscribed = [
        (hook, name)
        for hook in tx.webhooks_of_mailbox(message.account_id, message.mailbox_id)
        for name in hook.events
        if EVENT_KINDS.get(name) is kind and _is_subscribed(hook, kind, message)
    ]
    if subscribed and has_text(kind, details):
        details.update(build_text(tx, message.id))
    for hook, name in subscribed:
        delivery = _delivery(tx, hook, name, message, now)
        tx.insert_webhook_delivery(delivery, build_body(delivery, details))


def _is_subscribed(hook: Webhook, kind: EventKind, message: Message) -> bool:
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


def build_details(tx: Reader, message: Message) -> Json:
    """Return the payload's `data`: the message's ids and state, and its header unless hidden."""
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
        "received_at": _timestamp(message.created_at),
    }
    if hides_content(message.direction, message.status):
        details["content_hidden"] = True
    else:
        details.update(_envelope(message))
    details.update(_outcome(message))
    return details


def build_body(delivery: WebhookDelivery, details: Json) -> bytes:
    """Return the request body: `details` under `data` and, for older clients, at the top level."""
    payload = build_payload(delivery.id, delivery.event, delivery.created_at, details)
    return encode_payload(payload)


def build_payload(event_id: str, name: str, created_at: datetime, details: Json) -> Json:
    """Return an event as webhooks and streams carry it."""
    return {
        **details,
        "id": event_id,
        "type": name,
        "created_at": _timestamp(created_at),
        "data": details,
    }


def encode_payload(payload: Json) -> bytes:
    """Return a payload as JSON, on one line."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    # Hostile mail can hold half of a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")


def _envelope(message: Message) -> Json:
    fields: Json = {
        "from": message.from_address[:_MAX_LINE],
        "from_name": message.from_name[:_MAX_LINE],
        "to": list(message.to[:_MAX_ADDRESSES]),
        "cc": list(message.cc[:_MAX_ADDRESSES]),
        "subject": message.subject[:_MAX_LINE],
        "has_attachments": message.has_attachments,
    }
    if message.direction is Direction.INBOUND:
        fields["authentication"] = message.authentication
        fields.update(_verdicts(message.authentication))
    return fields


def _verdicts(evidence: Json) -> Json:
    """Return the booleans of the product pages; unaligned or missing evidence is false."""
    verdicts = {"dkim_valid": any(map(_is_aligned_pass, evidence.get("dkim") or []))}
    if evidence.get("spf"):
        verdicts["spf_valid"] = _is_aligned_pass(evidence["spf"])
    if evidence.get("dmarc"):
        verdicts["dmarc_valid"] = evidence["dmarc"].get("result") == "pass"
    return verdicts


def _is_aligned_pass(method: Json) -> bool:
    # A valid signature of a domain other than the one in From proves nothing about From.
    return method.get("result") == "pass" and method.get("aligned") is True


def has_text(kind: EventKind, details: Json) -> bool:
    """Return whether the payload of such an event has the message's text."""
    return kind is EventKind.RECEIVED and "content_hidden" not in details


def build_text(tx: Reader, message_id: str) -> Json:
    """Return the fields of a payload that hold the start of the message's text."""
    text = tx.text_start(message_id, MAX_TEXT + 1) or ""
    return {"body_text": text[:MAX_TEXT], "body_truncated": len(text) > MAX_TEXT}


def _outcome(message: Message) -> Json:
    fields: Json = {}
    if message.decision is not None:
        fields["decision"] = message.decision
        fields["decided_at"] = _timestamp(message.decided_at)
        fields["decision_reason"] = message.decision_reason
    if message.expires_at is not None and message.decision is None:
        fields["expires_at"] = _timestamp(message.expires_at)
        fields["content_hash"] = message.content_hash
    if message.delivered_at is not None:
        fields["delivered_at"] = _timestamp(message.delivered_at)
    if message.bounced_at is not None:
        fields.update(_bounce(message))
    return fields


def _bounce(message: Message) -> Json:
    refused = [
        address for address, result in message.delivery.items() if not result.get("accepted")
    ]
    return {
        "bounced_at": _timestamp(message.bounced_at),
        "bounce_type": message.bounce_type,
        "code": message.bounce_code,
        "reason": message.bounce_reason,
        "recipients": refused[:_MAX_ADDRESSES],
    }


def _timestamp(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class NotificationService:
    """API: GET /v1/notifications (embedded server only)."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_notifications(
        self, principal: Principal, before_id: str | None, limit: int
    ) -> list[Notification]:
        """Return up to `limit` + 1 notifications, newest first."""
        return self._context.store.read(
            lambda tx: tx.notifications(
                principal.account_id, principal.mailbox_id, before_id, limit + 1
            )
        )


def notify_monitored_send(tx: Tx, message: Message, now: datetime) -> None:
    """Insert the notification of a message that leaves a monitored mailbox.

    It is also mailed to the mailbox's `approver_emails`, except for messages of test keys.
    """
    mailbox = tx.mailbox(message.mailbox_id)
    approvers = mailbox.settings.get("approver_emails") if mailbox and message.live else None
    tx.put(
        Notification(
            # Derived from the message's id: one notice per message.
            id=f"ntc_{message.id.partition('_')[2]}",
            account_id=message.account_id,
            mailbox_id=message.mailbox_id,
            kind=MONITORED_SEND,
            created_at=now,
            message_id=message.id,
            facts={
                "from": message.from_address,
                "recipients": list(message.recipients),
                "subject": message.subject,
            },
            recipients=tuple(approvers or ()),
            due_at=now if approvers else None,
        )
    )


def notify_upgrade_request(tx: Tx, code: OneTimeCode, notice_id: str) -> None:
    """Insert the notification of a request for a looser mode, without the code itself."""
    tx.put(
        Notification(
            id=notice_id,
            account_id=code.account_id,
            mailbox_id=code.mailbox_id or "",
            kind=UPGRADE_REQUEST,
            created_at=code.created_at,
            facts={
                "upgrade_id": code.id,
                "key_id": code.key_id,
                "from_mode": code.from_mode,
                "target_mode": code.target_mode,
            },
        )
    )
