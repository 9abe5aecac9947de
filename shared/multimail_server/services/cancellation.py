"""Cancel or reschedule a message that was accepted and has not left."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..auth import Principal
from ..errors import conflict, invalid
from ..oversight import Direction, Event
from ..store.protocol import Tx
from ..store.records import Message
from .context import AppContext, find_mailbox, find_message
from .drafts import content_changed_error, content_hash
from .transitions import apply_event, require_not_expired


class CancellationService:
    """API: POST …/emails/{id}/cancel and PATCH …/emails/{id}/schedule."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def cancel(self, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        """Cancel a pending or scheduled message; a repeat changes nothing.

        Raises:
            ApiError: It is being sent, was sent, decided or expired (409), or is unknown (404).
        """
        context = self._context

        def work(tx: Tx) -> Message:
            message = self._outbound(tx, principal, mailbox_id, email_id)
            moved = apply_event(tx, message, Event.CANCELLED, context.now(), context.pending_ttl)
            if moved is None:
                return message
            mailbox = message.mailbox_id
            context.audit(tx, principal, "email.cancel", ("email", message.id), mailbox_id=mailbox)
            return moved

        return context.write(work)

    def reschedule(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        send_at: datetime,
        seen_hash: str | None = None,
    ) -> Message:
        """Change when a scheduled message leaves; an approved one then awaits a new decision.

        Args:
            principal: A key that sends.
            mailbox_id: The mailbox of the message.
            email_id: A message with `send_at`.
            send_at: The new time.
            seen_hash: The `content_hash` that the caller read; a mismatch is a 409.
        Raises:
            ApiError: The time has passed (400), or the message expired or is no longer scheduled
                (409).
        """
        context = self._context
        if send_at <= context.now():
            raise invalid("`send_at` lies in the past. Give a time in the future.")

        def work(tx: Tx) -> Message:
            message = self._outbound(tx, principal, mailbox_id, email_id)
            if message.send_at is None:
                raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
            require_not_expired(message, context.now())
            if seen_hash is not None and seen_hash != message.content_hash:
                raise content_changed_error(email_id)
            content = tx.content(message.id)
            files = [file.sha256 for file in tx.attachments(message.id)]
            rescheduled = replace(message, send_at=send_at)
            digest = content_hash(rescheduled, content.markdown if content else "", files)
            moved = apply_event(
                tx,
                message,
                Event.RESCHEDULED,
                context.now(),
                context.pending_ttl,
                send_at=send_at,
                content_hash=digest,
                decision=None,
                decided_at=None,
                decided_by=None,
            )
            context.audit_message(
                tx,
                principal,
                "email.reschedule",
                message,
                send_at=send_at.isoformat(),
                content_hash=digest,
            )
            return moved or message

        moved = context.write(work)
        context.wakeups.notify()
        return moved

    def _outbound(self, tx: Tx, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        mailbox = find_mailbox(tx, principal, mailbox_id)
        message = find_message(tx, principal, email_id, mailbox.id)
        if message.direction is Direction.INBOUND:
            raise conflict("not_outbound", f"Message {email_id} was received, not sent.")
        return message
