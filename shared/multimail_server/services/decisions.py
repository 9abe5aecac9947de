"""The approval queue, and the decision on each message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ApiError, conflict, forbidden
from ..oversight import Direction, Event, State
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Message
from .auth import require_approver
from .context import AppContext, Principal, find_message
from .drafts import get_quotation
from .suppression import get_suppressed
from .transitions import apply_event, is_expired

_DELIVERY_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class PendingItem:
    """A message that awaits a decision, with everything that an approver has to see."""

    message: Message
    markdown: str
    attachments: list[Attachment]
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    """Recipients on the suppression list, who get nothing even after an approval."""
    quotation: str = ""
    """What a reply quotes below its text."""


class DecisionService:
    """API: GET /v1/oversight/pending and POST /v1/oversight/decide."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def pending(self, principal: Principal, after_id: str, limit: int) -> list[PendingItem]:
        """Return the messages that await a decision, oldest first, after the message `after_id`."""

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
        check: Callable[[Tx], None] | None = None,
    ) -> Message:
        """Approve or reject a message; after an approval, wait up to two seconds for delivery.

        Args:
            principal: The approver; never the composer of the message.
            email_id: The message.
            approve: False rejects it.
            reason: Kept with the message.
            seen_hash: The `content_hash` that the approver saw; a mismatch is refused.
            check: Runs in the deciding transaction and raises unless the approver saw the
                present content; None checks `seen_hash`, or that the sender edited nothing.
        Returns:
            The message after the decision.
        Raises:
            ApiError: The message was decided otherwise, expired or changed (409), or the principal
                composed it or cannot approve (401, 403).
        """

        def work(tx: Tx) -> Message | ApiError:
            if check is not None:
                check(tx)
            elif approve and seen_hash is None:
                _check_unedited(find_message(tx, principal, email_id), tx)
            return self._decide(tx, principal, email_id, approve, reason, seen_hash)

        result: Message | ApiError = self._context.write(work)
        if isinstance(result, ApiError):
            raise result
        self._context.wakeups.notify()
        return self._wait_for_delivery(result) if approve else result

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
        require_approver(tx.key(principal.key_id))
        if is_expired(message, now):
            # The expiry has to be committed, so the error is returned instead of raised.
            apply_event(tx, message, Event.EXPIRED, now, context.pending_ttl)
            context.audit_message(tx, Principal.system(message.account_id), "email.expire", message)
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
        context.audit_message(
            tx,
            principal,
            "oversight.approve" if approve else "oversight.reject",
            message,
            content_hash=message.content_hash,
            status=moved.status.value,
            metadata=message.metadata or None,
        )
        return moved

    def _wait_for_delivery(self, message: Message) -> Message:
        """Return the message once it left `sending`, or as it is after two seconds."""
        if message.status is not State.SENDING:
            return message

        def poll() -> Message | None:
            current = self._context.store.read(lambda tx: tx.message(message.id))
            return None if current is None or current.status is State.SENDING else current

        return self._context.commits.wait_for(poll, _DELIVERY_TIMEOUT) or message


def _event(*, approve: bool, later: bool) -> Event:
    if not approve:
        return Event.REJECTED
    return Event.APPROVED_FOR_LATER if later else Event.APPROVED


def _check(principal: Principal, message: Message, seen_hash: str | None) -> None:
    if message.composer_key_id == principal.key_id:
        raise forbidden(
            "self_approval",
            f"Message {message.id} was composed with this key. Decide on it with another key.",
        )
    if seen_hash is not None and seen_hash != message.content_hash:
        raise conflict(
            "content_changed",
            f"Message {message.id} is not the one that was read: its `content_hash` differs. "
            "Nothing was decided; read it again.",
        )


def _check_unedited(message: Message, tx: Reader) -> None:
    """Reject an approval without `content_hash` of a message that its sender edited."""
    editors = {revision.replaced_by for revision in tx.revisions(message.id)}
    if message.composer_key_id in editors:
        raise conflict(
            "content_hash_needed",
            f"The sender edited message {message.id} after it was sent, so an approval has to name "
            "the `content_hash` of what was read. Nothing was decided; read it again.",
        )


def _item(tx: Reader, message: Message) -> PendingItem:
    content = tx.content(message.id)
    content = content or Content(message.id, "", b"")
    suppressed = tuple(get_suppressed(tx, message.account_id, message.recipients))
    files = tx.attachments(message.id)
    return PendingItem(
        message, content.markdown, files, content.removed, content.notes, suppressed,
        get_quotation(message, content),
    )  # fmt: skip
