"""Steps: executes what the oversight table answers. The only code that changes a status."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..errors import ApiError, conflict, forbidden
from ..oversight import Effect, Event, NoOp, Rejected, State, Transition, transition
from ..store.protocol import Tx
from ..store.records import Content, Message, OutboxRow
from .events import announce_step
from .forwarding import build_forward
from .notifications import notify_monitored_send


def build_rejection(message: Message, refused: Rejected) -> ApiError:
    """Return the table's refusal as the web shows it."""
    if refused.code == "read_only":
        return forbidden(refused.code, refused.message)
    return ApiError(
        409,
        refused.code,
        f"Message {message.id} was not changed. {refused.message}",
        extra={"id": message.id, "message_id": message.id, "status": message.status.wire},
    )


def is_expired(message: Message, now: datetime) -> bool:
    """Return whether a message's time for a decision ran out, though it is not `expired` yet."""
    if message.status is not State.PENDING_SEND_APPROVAL or message.expires_at is None:
        return False
    return message.expires_at <= now


def require_not_expired(message: Message, now: datetime) -> None:
    """Refuse a change after which the message would wait anew.

    Raises:
        Refusal: Its time for a decision ran out (409), whether or not it is `expired` yet.
    """
    if is_expired(message, now):
        raise conflict("expired", f"Message {message.id} expired; it can no longer be sent.")


def apply_event(
    tx: Tx, message: Message, event: Event, now: datetime, ttl: timedelta, **changes: Any
) -> Message | None:
    """Let `event` happen to a message, with its effects, in the transaction `tx`.

    Args:
        tx: The transaction.
        message: As it was read in this transaction.
        event: What happens.
        now: The server's time.
        ttl: How long a message that has to wait may wait for its decision.
        changes: Other fields of the message that change with it.
    Returns:
        The message as it is then; None when the event had happened before.
    Raises:
        Refusal: The table does not allow it, or another change came first.
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
        raise conflict("changed_meanwhile", f"Message {message.id} changed meanwhile. Try again.")
    _apply_transition(tx, moved, event, result, now, ttl)
    return moved


def create_message(
    tx: Tx, message: Message, content: Content, event: Event, now: datetime, ttl: timedelta
) -> Message:
    """Keep a message that is new, in the state to which its scan leads, with its effects.

    Args:
        tx: The transaction.
        message: In the state that every message begins in; nothing of it is kept yet.
        content: What it says.
        event: How its scan ended.
        now: The server's time.
        ttl: How long it may wait for a decision, if it has to.
    Returns:
        The message as it was kept.
    Raises:
        Refusal: The table does not allow it.
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
    tx: Tx, moved: Message, event: Event, step: Transition, now: datetime, ttl: timedelta
) -> None:
    """Do all that follows from a message's having come into a state."""
    _apply_effects(tx, moved, step, now)
    announce_step(tx, moved, event, now)
    forward = build_forward(tx, moved, now)
    if forward is not None:
        create_message(tx, *forward, Event.SCANNED, now, ttl)


def _apply_effects(tx: Tx, message: Message, step: Transition, now: datetime) -> None:
    if Effect.WITHDRAW in step.effects:
        tx.remove_outbox(message.id)
    if Effect.ENQUEUE in step.effects:
        tx.put_outbox(OutboxRow(message.id, now, 0, message.recipients))
    if Effect.ENQUEUE_FOR_LATER in step.effects:
        due = message.send_at or now
        tx.put_outbox(OutboxRow(message.id, due, 0, message.recipients))
    if Effect.NOTIFY in step.effects:
        notify_monitored_send(tx, message, now)
