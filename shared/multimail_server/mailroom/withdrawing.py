"""Withdrawing: what a sender may still change after sending - cancel, or move the moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..oversight import Direction, Event
from ..refusals import conflict, invalid
from ..store.protocol import Tx
from ..store.records import Message
from .desk import Desk, Principal, find_mailbox, find_message
from .draft import content_hash
from .freezing import content_changed
from .steps import advance, refuse_late


class Withdrawing:
    """API: POST …/emails/{id}/cancel and PATCH …/emails/{id}/schedule."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def cancel(self, who: Principal, mailbox_id: str, email_id: str) -> Message:
        """Withdraw a message that is pending or scheduled; a repeat changes nothing.

        Raises:
            Refusal: It is on its way, sent, decided or expired (409), or not to be seen (404).
        """
        desk = self._desk

        def work(tx: Tx) -> Message:
            message = self._outbound(tx, who, mailbox_id, email_id)
            moved = advance(tx, message, Event.CANCELLED, desk.now(), desk.pending_ttl)
            if moved is None:
                return message
            mailbox = message.mailbox_id
            desk.audit(tx, who, "email.cancel", ("email", message.id), mailbox_id=mailbox)
            return moved

        return desk.write(work)

    def reschedule(
        self,
        who: Principal,
        mailbox_id: str,
        email_id: str,
        send_at: datetime,
        seen_hash: str | None = None,
    ) -> Message:
        """Give a scheduled message another moment; an approved one then awaits a new decision.

        Args:
            who: A key that sends.
            mailbox_id: Whose message it is.
            email_id: A message with `send_at`.
            send_at: When it leaves.
            seen_hash: The `content_hash` that the caller knows, if it wants to be sure.
        Raises:
            Refusal: The moment has passed (400), or the message expired or is not scheduled any
                more (409).
        """
        desk = self._desk
        if send_at <= desk.now():
            raise invalid("`send_at` lies in the past; give a moment that is still to come.")

        def work(tx: Tx) -> Message:
            message = self._outbound(tx, who, mailbox_id, email_id)
            if message.send_at is None:
                raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
            refuse_late(message, desk.now())
            if seen_hash is not None and seen_hash != message.content_hash:
                raise content_changed(email_id)
            content = tx.content(message.id)
            files = [file.sha256 for file in tx.attachments(message.id)]
            moment = replace(message, send_at=send_at)
            mark = content_hash(moment, content.markdown if content else "", files)
            moved = advance(
                tx,
                message,
                Event.RESCHEDULED,
                desk.now(),
                desk.pending_ttl,
                send_at=send_at,
                content_hash=mark,
                decision=None,
                decided_at=None,
                decided_by=None,
            )
            desk.audit(
                tx,
                who,
                "email.reschedule",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
                send_at=send_at.isoformat(),
                content_hash=mark,
            )
            return moved or message

        moved = desk.write(work)
        desk.alarms.ring()
        return moved

    def _outbound(self, tx: Tx, who: Principal, mailbox_id: str, email_id: str) -> Message:
        mailbox = find_mailbox(tx, who, mailbox_id)
        message = find_message(tx, who, email_id, mailbox.id)
        if message.direction is Direction.INBOUND:
            raise conflict("not_outbound", f"Message {email_id} was received, not sent.")
        return message
