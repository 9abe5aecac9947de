"""Applies the oversight table: the only code that changes the status of a message.

Inbound mail that becomes visible is forwarded if its mailbox has the setting `forward_inbound`. A
forward is a message of the server itself: no key composed it and it needs no decision, since an
owner's key named its recipients. Its API fields hold no text of the original sender; its bytes do.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..clock import derived_id
from ..errors import ApiError, conflict, forbidden
from ..mail.forwarding import add_resent_headers, forward_blocked_reason
from ..oversight import (
    Direction,
    Effect,
    Event,
    Mode,
    NoOp,
    Rejected,
    State,
    Transition,
    transition,
)
from ..store.protocol import Tx
from ..store.records import (
    AuditEntry,
    ConnectedTask,
    Content,
    Mailbox,
    Message,
    OutboxRow,
    TaskKind,
)
from .events import announce_transition, becomes_visible, notify_monitored_send

FORWARD_INBOUND, FORWARD_LIVE = "forward_inbound", "forward_live"
"""Mailbox settings: the recipients, and whether a live key set them."""


def build_rejection(message: Message, rejected: Rejected) -> ApiError:
    """Return the API error for an event that the table rejects."""
    if rejected.code == "read_only":
        return forbidden(rejected.code, rejected.message)
    return ApiError(
        409,
        rejected.code,
        f"Message {message.id} was not changed. {rejected.message}",
        extra={"id": message.id, "message_id": message.id, "status": message.status.wire},
    )


def is_expired(message: Message, now: datetime) -> bool:
    """Return whether the time for a decision ran out before the status became `expired`."""
    if message.status is not State.PENDING_SEND_APPROVAL or message.expires_at is None:
        return False
    return message.expires_at <= now


def require_not_expired(message: Message, now: datetime) -> None:
    """Reject a change that would let an expired message wait again.

    Raises:
        ApiError: The time for a decision ran out (409), whether or not the status is `expired`.
    """
    if is_expired(message, now):
        raise conflict("expired", f"Message {message.id} expired; it can no longer be sent.")


def apply_event(
    tx: Tx, message: Message, event: Event, now: datetime, ttl: timedelta, **changes: Any
) -> Message | None:
    """Apply `event` to a message, with all its effects, in the transaction `tx`.

    Args:
        tx: The transaction.
        message: As read in this transaction.
        event: What happens.
        now: The server's time.
        ttl: How long a held message waits for its decision.
        changes: Other fields to set.
    Returns:
        The changed message; None if the event had been applied before.
    Raises:
        ApiError: The table rejects the event, or a concurrent change came first.
    """
    result = transition(message.direction, message.mode, message.status, event)
    if isinstance(result, Rejected):
        raise build_rejection(message, result)
    if isinstance(result, NoOp):
        return None
    if Effect.AWAIT_DECISION in result.effects:
        changes["expires_at"] = now + ttl
    moved = tx.update_message(message, result.state, **changes)
    if moved is None:
        raise conflict(
            "changed_meanwhile", f"Message {message.id} was changed by another request. Try again."
        )
    _apply_transition(tx, moved, event, result, now, ttl)
    return moved


def create_message(
    tx: Tx, message: Message, content: Content, event: Event, now: datetime, ttl: timedelta
) -> Message:
    """Insert a new message in the state that its scan leads to, with all effects.

    Args:
        tx: The transaction.
        message: In its initial state, not stored yet.
        content: Its text and its bytes.
        event: The result of its scan.
        now: The server's time.
        ttl: How long it waits for a decision if it is held.
    Returns:
        The message as stored.
    Raises:
        ApiError: The table rejects the event.
    """
    result = transition(message.direction, message.mode, message.status, event)
    if isinstance(result, Rejected):
        raise build_rejection(message, result)
    if isinstance(result, Transition):
        expiry = now + ttl if Effect.AWAIT_DECISION in result.effects else message.expires_at
        message = replace(message, status=result.state, expires_at=expiry)
    tx.insert_message(message, content)
    if isinstance(result, Transition):
        _apply_transition(tx, message, event, result, now, ttl)
    return message


def insert_history(tx: Tx, message: Message, content: Content, event: Event) -> Message:
    """Insert a message that came before its mailbox was connected, as read and without an event.

    Where all inbound mail needs a decision, it waits for one like new mail.

    Args:
        tx: The transaction.
        message: An inbound message in its initial state, not stored yet.
        content: Its text and its bytes.
        event: The result of its scan.
    Returns:
        The message as stored.
    """
    result = transition(message.direction, message.mode, message.status, event)
    if isinstance(result, Transition):
        read = transition(message.direction, message.mode, result.state, Event.OPENED)
        state = read.state if isinstance(read, Transition) else result.state
        message = replace(message, status=state)
    tx.insert_message(message, content)
    return message


def _apply_transition(
    tx: Tx, moved: Message, event: Event, applied: Transition, now: datetime, ttl: timedelta
) -> None:
    """Run the effects of a transition, record its event, and forward the message if it is due."""
    _apply_effects(tx, moved, applied, now)
    if event is Event.OPENED:
        add_task(tx, moved, TaskKind.SEEN, now)
    if moved.direction is Direction.OUTBOUND and Effect.AWAIT_DECISION in applied.effects:
        add_task(tx, moved, TaskKind.DRAFT, now)
    announce_transition(tx, moved, event, now)
    forward = _build_forward(tx, moved, now) if becomes_visible(moved, event) else None
    if forward is not None:
        create_message(tx, *forward, Event.SCANNED, now, ttl)


def add_task(tx: Tx, message: Message, kind: TaskKind, now: datetime) -> None:
    """Note what is to do at the provider for a message, if its mailbox is connected."""
    account = tx.connected_account(message.mailbox_id)
    if account is None:
        return
    if kind is TaskKind.DRAFT:
        is_wanted = account.options.get("handover") == "draft"
    else:
        is_wanted = kind is TaskKind.FILE or account.options.get("marks", True)
    if is_wanted:
        tx.put(ConnectedTask(message.id, kind, message.mailbox_id, now))


def _apply_effects(tx: Tx, message: Message, applied: Transition, now: datetime) -> None:
    if Effect.WITHDRAW in applied.effects:
        tx.remove_outbox(message.id)
    if Effect.ENQUEUE in applied.effects:
        tx.put(OutboxRow(message.id, now, 0, message.recipients))
    if Effect.ENQUEUE_FOR_LATER in applied.effects:
        due = message.send_at or now
        tx.put(OutboxRow(message.id, due, 0, message.recipients))
    if Effect.NOTIFY in applied.effects:
        notify_monitored_send(tx, message, now)


def forwards(mailbox: Mailbox) -> bool:
    """Return whether the mailbox forwards its inbound mail."""
    return bool(mailbox.settings.get(FORWARD_INBOUND))


def _build_forward(tx: Tx, moved: Message, now: datetime) -> tuple[Message, Content] | None:
    """Return the forward of a message that just became visible; None if none is to be sent.

    The audit log records each forward, and each reason for none.
    """
    mailbox = tx.mailbox(moved.mailbox_id)
    if mailbox is None or not forwards(mailbox):
        return None
    forward_id = derived_id("msg", moved.created_at, 0, "forward", moved.id)
    content = tx.content(moved.id)
    if content is None or tx.message(forward_id) is not None:
        return None
    blocked_reason = forward_blocked_reason(content.raw, moved.mail_from, mailbox.address)
    if blocked_reason is not None:
        _note(tx, moved, now, outcome="not_forwarded", reason=blocked_reason)
        return None
    forward, raw = _forward(moved, mailbox, forward_id, content.raw, now)
    text = f"{moved.id} was forwarded unchanged; the raw bytes of this message hold it."
    _note(tx, moved, now, forward=forward.id, recipients=len(forward.recipients))
    return forward, Content(forward.id, text, raw)


def _forward(
    original: Message, mailbox: Mailbox, forward_id: str, received: bytes, now: datetime
) -> tuple[Message, bytes]:
    to = tuple(mailbox.settings[FORWARD_INBOUND])
    own = f"<{forward_id}@{mailbox.address.rpartition('@')[2]}>"
    raw = add_resent_headers(received, by=mailbox.address, to=to, message_id=own, moment=now)
    message = Message(
        id=forward_id,
        account_id=original.account_id,
        mailbox_id=mailbox.id,
        thread_id=derived_id("thr", now, 0, "forward", original.id),
        direction=Direction.OUTBOUND,
        status=State.PENDING_SCAN,
        mode=Mode.AUTONOMOUS,
        created_at=now,
        from_address=mailbox.address,
        from_name="",
        to=to,
        cc=(),
        bcc=(),
        reply_to=(),
        subject=f"Forward of {original.id}",
        has_attachments=False,
        mail_from=mailbox.address,
        recipients=tuple({address.lower(): address for address in to}.values()),
        size=len(raw),
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        rfc_message_id=own,
        live=mailbox.settings.get(FORWARD_LIVE) is True,
    )
    return message, raw


def _note(tx: Tx, message: Message, now: datetime, **metadata: Any) -> None:
    tx.insert(
        AuditEntry(
            id=derived_id("aud", now, 0, "forward", message.id),
            account_id=message.account_id,
            action="email.forward",
            resource_type="email",
            resource_id=message.id,
            created_at=now,
            mailbox_id=message.mailbox_id,
            metadata=metadata,
        )
    )
