"""Deciding: the queue of what awaits a human, and the human's one decision on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..oversight import Direction, Event, State
from ..refusals import Refusal, conflict, forbidden
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Message
from .authority import check_approver
from .desk import Desk, Principal, find_message, the_server
from .steps import advance, is_late
from .suppression import suppressed_of

_DELIVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Pending:
    """One item of the queue, with everything that an approver has to see."""

    message: Message
    markdown: str
    attachments: list[Attachment]
    removed: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    """Recipients who will get nothing even so: they are on the suppression list."""


class Deciding:
    """API: GET /v1/oversight/pending and POST /v1/oversight/decide."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def pending(self, who: Principal, after_id: str, limit: int) -> list[Pending]:
        """Return what awaits a decision, oldest first, after the item `after_id`."""

        def work(tx: Reader) -> list[Pending]:
            now = self._desk.now()
            rows = tx.pending_messages(who.account_id, who.mailbox_id, now, after_id, limit)
            return [_item(tx, message) for message in rows]

        return self._desk.store.read(work)

    def decide(
        self,
        who: Principal,
        email_id: str,
        *,
        approve: bool,
        reason: str | None,
        seen_hash: str | None,
        first: Callable[[Tx], None] | None = None,
    ) -> Message:
        """Decide, and wait a moment for the delivery that an approval starts.

        Args:
            who: The approver; never the one who composed it.
            email_id: The message.
            approve: Else it is rejected.
            reason: Kept with the message.
            seen_hash: The `content_hash` that the approver saw; a mismatch is refused.
            first: What else the transaction does, before it decides; it has to make sure that
                the approver saw what is there.
        Returns:
            The message as it is afterwards.
        Raises:
            Refusal: Decided otherwise before, expired, changed since, or one's own message.
        """

        def work(tx: Tx) -> Message | Refusal:
            if first is not None:
                first(tx)
            elif approve and seen_hash is None:
                _check_unedited(find_message(tx, who, email_id), tx)
            return self._decide(tx, who, email_id, approve, reason, seen_hash)

        decided: Message | Refusal = self._desk.write(work)
        if isinstance(decided, Refusal):
            raise decided
        self._desk.alarms.ring()
        return self._settled(decided) if approve else decided

    def _decide(
        self,
        tx: Tx,
        who: Principal,
        email_id: str,
        approve: bool,
        reason: str | None,
        seen_hash: str | None,
    ) -> Message | Refusal:
        desk, now = self._desk, self._desk.now()
        message = find_message(tx, who, email_id)
        _check(who, message, seen_hash)
        check_approver(tx, who)
        if is_late(message, now):
            # Committed although it is refused, so the refusal is returned and not raised.
            advance(tx, message, Event.EXPIRED, now, desk.pending_ttl)
            desk.audit(
                tx,
                the_server(message.account_id),
                "email.expire",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
            )
            return conflict(
                "expired", f"Message {email_id} expired before this decision; it was not sent."
            )
        moved = advance(
            tx,
            message,
            _event(approve=approve, later=bool(message.send_at and message.send_at > now)),
            now,
            desk.pending_ttl,
            decision="approve" if approve else "reject",
            decided_at=now,
            decided_by=who.key_id,
            decision_reason=reason,
        )
        if moved is None:
            return message
        if approve and message.direction is Direction.OUTBOUND:
            tx.add_approved_recipients(message.mailbox_id, message.recipients)
        desk.audit(
            tx,
            who,
            "oversight.approve" if approve else "oversight.reject",
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            content_hash=message.content_hash,
            status=moved.status.value,
            metadata=message.metadata or None,
        )
        return moved

    def _settled(self, message: Message) -> Message:
        """Return the message once it has left `sending`, or as it is after two seconds."""
        if message.status is not State.SENDING:
            return message

        def look() -> Message | None:
            now = self._desk.store.read(lambda tx: tx.message(message.id))
            return now if now is not None and now.status is not State.SENDING else None

        return self._desk.signals.wait_for(look, _DELIVERY_SECONDS) or message


def _event(*, approve: bool, later: bool) -> Event:
    if not approve:
        return Event.REJECTED
    return Event.APPROVED_FOR_LATER if later else Event.APPROVED


def _check(who: Principal, message: Message, seen_hash: str | None) -> None:
    if message.composer_key_id == who.key_id:
        raise forbidden(
            "self_approval",
            f"Message {message.id} was composed with this key; another key has to decide on it.",
        )
    if "send" in who.scopes:
        raise forbidden("self_approval", "A key that can send cannot decide. Use a reviewer's key.")
    if seen_hash is not None and seen_hash != message.content_hash:
        raise conflict(
            "content_changed",
            f"Message {message.id} is not what was shown: `content_hash` differs. Nothing was "
            "decided; read it again.",
        )


def _check_unedited(message: Message, tx: Reader) -> None:
    """Refuse to approve unseen what its sender put in the place of something else."""
    editors = {revision.replaced_by for revision in tx.revisions(message.id)}
    if message.composer_key_id in editors:
        raise conflict(
            "content_hash_needed",
            f"The sender edited message {message.id} after it was sent, so an approval has to name "
            "the `content_hash` of what was read. Nothing was decided; read it again.",
        )


def _item(tx: Reader, message: Message) -> Pending:
    content = tx.content(message.id)
    markdown, removed = (content.markdown, content.removed) if content else ("", ())
    barred = tuple(suppressed_of(tx, message.account_id, message.recipients))
    return Pending(message, markdown, tx.attachments(message.id), removed, barred)
