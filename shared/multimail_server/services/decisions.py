"""Deciding: the queue of what awaits a human, and the human's one decision on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ApiError, conflict, forbidden
from ..oversight import Direction, Event, State
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Message
from .auth import check_approver
from .context import AppContext, Principal, find_message, system_principal
from .suppression import get_suppressed
from .transitions import apply_event, is_expired

_DELIVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class PendingItem:
    """One item of the queue, with everything that an approver has to see."""

    message: Message
    markdown: str
    attachments: list[Attachment]
    removed: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    """Recipients who will get nothing even so: they are on the suppression list."""


class DecisionService:
    """API: GET /v1/oversight/pending and POST /v1/oversight/decide."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def pending(self, principal: Principal, after_id: str, limit: int) -> list[PendingItem]:
        """Return what awaits a decision, oldest first, after the item `after_id`."""

        def work(tx: Reader) -> list[PendingItem]:
            now = self._context.now()
            rows = tx.pending_messages(
                principal.account_id, principal.mailbox_id, now, after_id, limit
            )
            return [_item(tx, message) for message in rows]

        return self._context.store.read(work)

    def decide(
        self,
        principal: Principal,
        email_id: str,
        *,
        approve: bool,
        reason: str | None,
        seen_hash: str | None,
        first: Callable[[Tx], None] | None = None,
    ) -> Message:
        """Decide, and wait a moment for the delivery that an approval starts.

        Args:
            principal: The approver; never the one who composed it.
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

        def work(tx: Tx) -> Message | ApiError:
            if first is not None:
                first(tx)
            elif approve and seen_hash is None:
                _check_unedited(find_message(tx, principal, email_id), tx)
            return self._decide(tx, principal, email_id, approve, reason, seen_hash)

        decided: Message | ApiError = self._context.write(work)
        if isinstance(decided, ApiError):
            raise decided
        self._context.wakeups.notify()
        return self._settled(decided) if approve else decided

    def _decide(
        self,
        tx: Tx,
        principal: Principal,
        email_id: str,
        approve: bool,
        reason: str | None,
        seen_hash: str | None,
    ) -> Message | ApiError:
        context, now = self._context, self._context.now()
        message = find_message(tx, principal, email_id)
        _check(principal, message, seen_hash)
        check_approver(tx, principal)
        if is_expired(message, now):
            # Committed although it is refused, so the refusal is returned and not raised.
            apply_event(tx, message, Event.EXPIRED, now, context.pending_ttl)
            context.audit(
                tx,
                system_principal(message.account_id),
                "email.expire",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
            )
            return conflict(
                "expired", f"Message {email_id} expired before this decision; it was not sent."
            )
        moved = apply_event(
            tx,
            message,
            _event(approve=approve, later=bool(message.send_at and message.send_at > now)),
            now,
            context.pending_ttl,
            decision="approve" if approve else "reject",
            decided_at=now,
            decided_by=principal.key_id,
            decision_reason=reason,
        )
        if moved is None:
            return message
        if approve and message.direction is Direction.OUTBOUND:
            tx.add_approved_recipients(message.mailbox_id, message.recipients)
        context.audit(
            tx,
            principal,
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
            now = self._context.store.read(lambda tx: tx.message(message.id))
            return now if now is not None and now.status is not State.SENDING else None

        return self._context.commits.wait_for(look, _DELIVERY_SECONDS) or message


def _event(*, approve: bool, later: bool) -> Event:
    if not approve:
        return Event.REJECTED
    return Event.APPROVED_FOR_LATER if later else Event.APPROVED


def _check(principal: Principal, message: Message, seen_hash: str | None) -> None:
    if message.composer_key_id == principal.key_id:
        raise forbidden(
            "self_approval",
            f"Message {message.id} was composed with this key; another key has to decide on it.",
        )
    if "send" in principal.scopes:
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


def _item(tx: Reader, message: Message) -> PendingItem:
    content = tx.content(message.id)
    markdown, removed = (content.markdown, content.removed) if content else ("", ())
    barred = tuple(get_suppressed(tx, message.account_id, message.recipients))
    return PendingItem(message, markdown, tx.attachments(message.id), removed, barred)
