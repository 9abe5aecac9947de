"""Event payloads: what is said about a message, with every field bounded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ..oversight import Direction, hides_content
from ..store.protocol import Reader
from ..store.records import Message, WebhookDelivery

Json = dict[str, Any]

MOST_TEXT = 65_536
"""Characters of a received message's text; the whole of it is read by the API."""
_MOST_LINE = 1_000
_MOST_ADDRESSES = 100


def details_of(tx: Reader, kind: str, message: Message) -> Json:
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


def body_of(delivery: WebhookDelivery, details: Json) -> bytes:
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
        "from": message.from_address[:_MOST_LINE],
        "from_name": message.from_name[:_MOST_LINE],
        "to": list(message.to[:_MOST_ADDRESSES]),
        "cc": list(message.cc[:_MOST_ADDRESSES]),
        "subject": message.subject[:_MOST_LINE],
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
    return {"body_text": text[:MOST_TEXT], "body_truncated": len(text) > MOST_TEXT}


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
    refused = [who for who, told in message.delivery.items() if not told.get("accepted")]
    return {
        "bounced_at": _moment(message.bounced_at),
        "bounce_type": message.bounce_type,
        "code": message.bounce_code,
        "reason": message.bounce_reason,
        "recipients": refused[:_MOST_ADDRESSES],
    }


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
