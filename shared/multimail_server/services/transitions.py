"""Applies the oversight table: the only code that changes the status of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..errors import ApiError, conflict, forbidden
from ..oversight import Effect, Event, NoOp, Rejected, State, Transition, transition
from ..store.protocol import Tx
from ..store.records import Content, Message, OutboxRow
from .events import announce_transition, notify_monitored_send
from .forwarding import build_forward


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


def _apply_transition(
    tx: Tx, moved: Message, event: Event, applied: Transition, now: datetime, ttl: timedelta
) -> None:
    """Run the effects of a transition, record its event, and forward the message if it is due."""
    _apply_effects(tx, moved, applied, now)
    announce_transition(tx, moved, event, now)
    forward = build_forward(tx, moved, now)
    if forward is not None:
        create_message(tx, *forward, Event.SCANNED, now, ttl)


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
