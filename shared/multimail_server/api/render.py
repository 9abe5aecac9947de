"""Rendering: how records look as wire JSON. One function per thing, one spelling of each field.

The published description's keys come first; the ones that the retired SDK and the product's pages
read are added beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..mail.scoring import score_message
from ..oversight import Direction, Mode, State, hides_content
from ..services import Principal
from ..services.auth import get_inbound_mode
from ..services.decisions import PendingItem
from ..services.messages import OpenedMessage, ThreadView, get_delivery_results, may_see
from ..services.sending import Sent
from ..store.records import (
    Account,
    Attachment,
    AuditEntry,
    Contact,
    Key,
    Mailbox,
    Message,
    TestDelivery,
)

Json = dict[str, Any]

_SETTINGS = (
    "auto_cc",
    "auto_bcc",
    "forward_inbound",
    "webhook_url",
    "oversight_webhook_url",
    "signature_block",
    "default_gate_timing",
    "approver_emails",
    "spam_filter",
    "retention_days",
)
_FLAGS = ("scheduling_enabled", "ai_disclosure", "mcp_configured")
_UNSENT = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED, State.SEND_FAILED})


def moment(value: datetime | None) -> str | None:
    """Return a moment as the wire writes it: ISO 8601 in UTC, with a Z."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def mailbox(box: Mailbox) -> Json:
    """Return a mailbox with its settings."""
    return {
        "id": box.id,
        "mailbox_id": box.id,
        "address": box.address,
        "email": box.address,
        "display_name": box.display_name or None,
        "oversight_mode": box.oversight_mode.value,
        **{name: box.settings.get(name) for name in _SETTINGS},
        **{name: bool(box.settings.get(name, name == "scheduling_enabled")) for name in _FLAGS},
        "per_message_oversight": True,
        "holds_inbound": get_inbound_mode(box) is Mode.GATED_ALL,
        "created_at": moment(box.created_at),
    }


def summary(message: Message, principal: Principal) -> Json:
    """Return a row of a listing: no body, and nothing at all of what only reviewers may see."""
    shown = may_see(principal, message)
    inbound = message.direction is Direction.INBOUND
    row: Json = {
        "id": message.id,
        "message_id": message.id,
        "email_id": message.id,
        "mailbox_id": message.mailbox_id,
        "thread_id": message.thread_id,
        "from": message.from_address if shown else None,
        "from_name": message.from_name if shown else None,
        "to": list(message.to) if shown else [],
        "cc": list(message.cc) if shown else [],
        "subject": message.subject if shown else None,
        "direction": message.direction.value,
        "status": message.status.wire,
        "received_at": moment(message.created_at),
        "created_at": moment(message.created_at),
        "has_attachments": message.has_attachments if shown else None,
        "delivered_at": moment(message.delivered_at),
        "bounced_at": moment(message.bounced_at),
        "bounce_type": message.bounce_type,
        "spam_score": message.spam_score,
        "spam_verdict": message.spam_verdict,
    }
    if inbound and shown:
        row["authentication"] = short_evidence(message.authentication)
    if not shown:
        row["content_hidden"] = True
    return row


_TOLD_SHORT = ("result", "domain", "aligned", "policy", "sealer")


def short_evidence(evidence: Json) -> Json:
    """Return what a label is made from: all of the evidence but selectors and reasons."""
    short: Json = {"dkim": [_short(signature) for signature in evidence.get("dkim") or []]}
    for method in ("spf", "dmarc", "arc"):
        if evidence.get(method):
            short[method] = _short(evidence[method])
    short.update({name: evidence[name] for name in ("structure", "flags") if evidence.get(name)})
    return short


def _short(method: Json) -> Json:
    return {name: method[name] for name in _TOLD_SHORT if method.get(name) is not None}


def email(opened: OpenedMessage, principal: Principal) -> Json:
    """Return one message with its body."""
    message = opened.message
    row = summary(message, principal)
    row["tags"] = opened.tags
    if not may_see(principal, message):
        return {**row, "markdown": "", "body": "", "attachments": []}
    row.update(_headers(message))
    row.update(_fate(message))
    row["markdown"] = row["body"] = opened.markdown
    row["removed"] = list(opened.removed)
    row["attachments"] = [attachment(file) for file in opened.attachments]
    row["oversight_mode"] = message.mode.value
    row["metadata"] = message.metadata
    if message.direction is Direction.INBOUND:
        row["authentication"] = message.authentication
        row["spam_reasons"] = list(score_message(message.authentication).reasons)
    else:
        row["recipients"] = get_delivery_results(message)
    return row


def _headers(message: Message) -> Json:
    outbound = message.direction is Direction.OUTBOUND
    return {
        "bcc": _blind(message) if outbound else [],
        "reply_to": list(message.reply_to),
        "rfc_message_id": message.rfc_message_id,
        "in_reply_to": message.in_reply_to,
        "references": list(message.refs),
        "auto_submitted": message.auto_submitted,
        "list_id": message.list_id,
        "precedence": message.precedence,
        "envelope": {"mail_from": message.mail_from, "recipients": list(message.recipients)},
        "size": message.size,
    }


def _blind(message: Message) -> list[str]:
    """Return who gets a copy that no header shows, the mailbox's own `auto_bcc` included."""
    shown = {address.lower() for address in (*message.to, *message.cc)}
    return [address for address in message.recipients if address.lower() not in shown]


def _fate(message: Message) -> Json:
    approved = message.decision == "approve"
    return {
        "approved_at": moment(message.decided_at) if approved else None,
        "approved_by": message.decided_by if approved else None,
        "decided_at": moment(message.decided_at),
        "decided_by": message.decided_by,
        "decision_reason": message.decision_reason,
        "expires_at": moment(message.expires_at),
        "send_at": moment(message.send_at),
        "content_hash": message.content_hash,
        "bounce_code": message.bounce_code,
        "bounce_reason": message.bounce_reason,
        "delivery": message.delivery or None,
        "gate_timing": "schedule_first" if message.status is State.SCHEDULED_FIRST else None,
    }


def attachment(file: Attachment) -> Json:
    """Return a file's description, without its bytes."""
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "content_type": file.content_type,
        "sha256": file.sha256,
    }


def sent(result: Sent, base_url: str) -> Json:
    """Return what a send or a reply answers; `base_url` begins the address of the item's page."""
    message = result.message
    held = message.status is State.PENDING_SEND_APPROVAL
    answer: Json = {
        "id": message.id,
        "message_id": message.id,
        "status": "already_sent" if result.replayed else "pending_scan",
        "to": list(message.to),
        "thread_id": message.thread_id,
        "mailbox_id": message.mailbox_id,
        "oversight_mode": message.mode.value,
        "message_status": message.status.wire,
        "held": held,
        "expires_at": moment(message.expires_at) if held else None,
        "send_at": moment(message.send_at),
        "content_hash": message.content_hash,
        "approval_url": f"{base_url}/review/{message.id}" if held else None,
        "suppressed": list(result.suppressed),
    }
    if result.replayed:
        answer["idempotent"] = True
    return answer


def fate(message: Message) -> Json:
    """Return what a cancellation, an edit or a rescheduling answers."""
    return {
        "id": message.id,
        "message_id": message.id,
        "status": message.status.wire,
        "send_at": moment(message.send_at),
        "expires_at": moment(message.expires_at),
        "content_hash": message.content_hash,
    }


def decision(message: Message, *, approve: bool) -> Json:
    """Return what a decision answers."""
    word = "rejected"
    if approve:
        word = "approved_and_sent" if message.delivered_at is not None else "approved"
        if message.direction is Direction.INBOUND:
            word = "approved"
    return {
        "status": word,
        "id": message.id,
        "message_id": message.id,
        "message_status": message.status.wire,
        "delivered": message.delivered_at is not None,
        "delivered_at": moment(message.delivered_at),
    }


def pending(item: PendingItem, principal: Principal) -> Json:
    """Return an item of the approval queue: all that the approver decides about."""
    message = item.message
    row = email(
        OpenedMessage(message, item.markdown, item.attachments, removed=item.removed), principal
    )
    row["body_markdown"] = item.markdown
    row["recipients"] = list(message.recipients)
    row["suppressed"] = list(item.suppressed)
    row["composed_by"] = message.composer_key_id
    return row


def thread(found: ThreadView, principal: Principal) -> Json:
    """Return a conversation; its rows have bodies where they were asked for."""
    messages = found.messages
    visible = [message for message in messages if may_see(principal, message)]
    rows = [
        email(found.bodies[message.id], principal) if message.id in found.bodies
        else summary(message, principal)
        for message in messages
    ]  # fmt: skip
    return {
        "thread_id": found.thread_id,
        "id": found.thread_id,
        "mailbox_id": found.mailbox.id,
        "message_count": len(messages),
        "participants": _participants(visible),
        "last_activity": moment(messages[-1].created_at),
        "has_unanswered_inbound": _is_unanswered(messages),
        "emails": rows,
        "messages": rows,
    }


def _participants(messages: Iterable[Message]) -> list[str]:
    names = (
        name
        for message in messages
        for name in (message.from_address, *message.to, *message.cc)
        if name
    )
    return list({name.lower(): name for name in names}.values())


def _is_unanswered(messages: list[Message]) -> bool:
    """Return whether the last word is theirs: a reply that waits for approval is a reply."""
    for message in reversed(messages):
        if message.direction is Direction.OUTBOUND and message.status not in _UNSENT:
            return False
        if message.direction is Direction.INBOUND and not hides_content(
            message.direction, message.status
        ):
            return True
    return False


def contact(entry: Contact) -> Json:
    """Return an entry of the address book."""
    return {
        "id": entry.id,
        "name": entry.name,
        "email": entry.email,
        "tags": list(entry.tags),
        "created_at": moment(entry.created_at),
    }


def key(found: Key) -> Json:
    """Return an API key without its secret."""
    return {
        "id": found.id,
        "name": found.name,
        "prefix": found.prefix,
        "scopes": list(found.scopes),
        "mailbox_id": found.mailbox_id,
        "live": found.live,
        "created_at": moment(found.created_at),
        "revoked_at": moment(found.revoked_at),
    }


def account(found: Account, principal: Principal) -> Json:
    """Return the account, and the key that asks, so that a program can see what it may do."""
    return {
        "id": found.id,
        "account_id": found.id,
        "name": found.name,
        "created_at": moment(found.created_at),
        "key": {
            "id": principal.key_id,
            "name": principal.name,
            "scopes": sorted(principal.scopes),
            "mailbox_id": principal.mailbox_id,
            "live": principal.live,
        },
    }


def audit_entry(entry: AuditEntry) -> Json:
    """Return a line of the audit log."""
    return {
        "id": entry.id,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "mailbox_id": entry.mailbox_id,
        "actor_key_id": entry.actor_key_id,
        "outcome": entry.metadata.get("outcome", "done"),
        "metadata": entry.metadata,
        "created_at": moment(entry.created_at),
    }


def test_delivery(delivery: TestDelivery, message: Message) -> Json:
    """Return one message that a test key "delivered", with its envelope."""
    return {
        "id": delivery.message_id,
        "message_id": delivery.message_id,
        "mailbox_id": delivery.mailbox_id,
        "thread_id": message.thread_id,
        "envelope": {
            "mail_from": delivery.mail_from,
            "recipients": list(delivery.recipients),
        },
        "recipients": list(delivery.recipients),
        "from": message.from_address,
        "to": list(message.to),
        "cc": list(message.cc),
        "subject": message.subject,
        "rfc_message_id": message.rfc_message_id,
        "delivered_at": moment(delivery.delivered_at),
    }
