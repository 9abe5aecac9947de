"""The approval queue, the decision on each message, and links that decide on one message once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..auth import Principal, digest_token, require_approver
from ..errors import ApiError, conflict, forbidden
from ..oversight import HELD, Direction, Event, State
from ..store.protocol import Reader, Tx
from ..store.records import ApprovalLink, Attachment, Content, Message, OutboxRow
from .changes import list_changes
from .context import AppContext, find_message, scope_of_message
from .drafts import get_quotation
from .suppression import get_suppressed
from .transitions import apply_event, is_expired

_DELIVERY_TIMEOUT = 2.0
DEFAULT_LIFETIME = timedelta(hours=24)
_TOKEN_BYTES = 16


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
    revision: int = 1
    changes: tuple[str, ...] = ()
    """What the latest revision changed."""


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
        can_undo: bool = False,
        waits: bool = True,
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
            can_undo: Whether an approved message leaves after the undo window alone.
            waits: Whether to wait for the delivery; not where several are approved at once.
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
            return self._decide(
                tx, principal, email_id, approve, reason, seen_hash, can_undo=can_undo
            )

        result: Message | ApiError = self._context.write(work, scope_of_message(email_id))
        if isinstance(result, ApiError):
            raise result
        self._context.wakeups.notify()
        return self._wait_for_delivery(result) if approve and waits else result

    def _decide(
        self,
        tx: Tx,
        principal: Principal,
        email_id: str,
        approve: bool,
        reason: str | None,
        seen_hash: str | None,
        *,
        can_undo: bool,
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
        due = max(message.send_at or now, now + context.undo_window if can_undo else now)
        is_later = due > now and message.direction is Direction.OUTBOUND
        moved = apply_event(
            tx,
            message,
            _event(approve=approve, later=is_later),
            now,
            context.pending_ttl,
            decision="approve" if approve else "reject",
            decided_at=now,
            decided_by=principal.key_id,
            decision_reason=reason,
        )
        if moved is None:
            return message
        if approve and is_later:
            tx.put(OutboxRow(message.id, due, 0, message.recipients))
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

    def list_undoable(self, principal: Principal, email_ids: Sequence[str]) -> dict[str, timedelta]:
        """Return how long the principal can take each approval back, by the message's id."""

        def work(tx: Reader) -> dict[str, timedelta]:
            messages = filter(None, map(tx.message, email_ids))
            times = {row.id: self._get_undo_time(tx, principal, row) for row in messages}
            return {email_id: time for email_id, time in times.items() if time}

        return self._context.store.read(work)

    def undo(self, principal: Principal, email_id: str) -> Message:
        """Take an approval back while the message has not left: it awaits a decision again.

        It waits until the end of its first wait; a new one begins only if that is over.

        Raises:
            ApiError: It left, or is leaving, or somebody else decided (409).
        """
        context = self._context

        def work(tx: Tx) -> Message:
            message = find_message(tx, principal, email_id)
            require_approver(tx.key(principal.key_id))
            if not self._get_undo_time(tx, principal, message):
                raise conflict(
                    "too_late",
                    f"The approval of message {email_id} can no longer be taken back: its status "
                    f"is {message.status.wire}.",
                )
            now, ends = context.now(), message.expires_at
            wait = ends - now if ends is not None and ends > now else context.pending_ttl
            moved = apply_event(
                tx, message, Event.UNDONE, now, wait,
                decision=None, decided_at=None, decided_by=None, decision_reason=None,
            )  # fmt: skip
            context.audit_message(tx, principal, "oversight.undo", message)
            return moved or message

        return context.write(work, scope_of_message(email_id))

    def _get_undo_time(self, tx: Reader, principal: Principal, message: Message) -> timedelta:
        """Return how long the principal can still take an approval back; zero for never."""
        row = tx.outbox_row(message.id)
        is_own = message.decision == "approve" and message.decided_by == principal.key_id
        if message.status is not State.SCHEDULED or not is_own or row is None:
            return timedelta()
        return max(row.due_at - self._context.now(), timedelta())

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
    files, revisions = tx.attachments(message.id), tx.revisions(message.id)
    return PendingItem(
        message, content.markdown, files, content.removed, content.notes, suppressed,
        get_quotation(message, content), len(revisions) + 1,
        list_changes(revisions, message, content, files),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link with its token, which is shown once."""

    token: str = field(repr=False)
    link: ApprovalLink


def get_content_digest(message: Message) -> str:
    """Return the digest of the content that an approver saw.

    For outbound mail it is the `content_hash`; inbound mail never changes, so its bytes are hashed.
    """
    return message.content_hash or message.raw_sha256


class ApprovalLinkService:
    """API: GET and POST /v1/approve/{token}, and POST /v1/oversight/{email}/approval-link.

    The latter exists in the embedded server only.
    """

    def __init__(self, context: AppContext, decisions: DecisionService) -> None:
        self._context = context
        self._decisions = decisions

    def create(
        self, principal: Principal, email_id: str, *, lifetime: timedelta, seen_hash: str | None
    ) -> NewLink:
        """Create a link to a message that awaits a decision. Its holder decides as `principal`.

        Args:
            principal: The approver: a key with `oversight`.
            email_id: The message.
            lifetime: From now; the link also ends when the message expires.
            seen_hash: The `content_hash` that the approver saw; a mismatch is a 409.
        Raises:
            ApiError: It awaits no decision or differs from `seen_hash` (409); it is unknown (404).
        """
        context, token = self._context, secrets.token_urlsafe(_TOKEN_BYTES)

        def work(tx: Tx) -> ApprovalLink:
            require_approver(tx.key(principal.key_id))
            message = find_message(tx, principal, email_id)
            self._check_held(message)
            if seen_hash is not None and seen_hash != get_content_digest(message):
                raise _changed(message.id)
            ends = context.now() + lifetime
            link = ApprovalLink(
                sha256=digest_token(token),
                message_id=message.id,
                content_hash=get_content_digest(message),
                key_id=principal.key_id,
                created_at=context.now(),
                expires_at=min(ends, message.expires_at or ends),
            )
            tx.put(link)
            context.audit_message(
                tx,
                principal,
                "oversight.link",
                message,
                content_hash=link.content_hash,
                expires_at=link.expires_at.isoformat(),
            )
            return link

        return NewLink(token, context.write(work, scope_of_message(email_id)))

    def open(self, token: str) -> tuple[ApprovalLink, Principal]:
        """Return a usable link and its approver.

        Raises:
            ApiError: No such link (404); used, expired or its key cannot approve (410); the message
                changed (409).
        """
        return self._context.store.read(lambda tx: self._usable(tx, token, self._context.now()))

    def decide(
        self, token: str, *, approve: bool, reason: str | None, seen_hash: str | None
    ) -> Message:
        """Decide by a link; the decision and the use of the link are one transaction.

        Args:
            token: From the link.
            approve: False rejects it.
            reason: Kept with the message.
            seen_hash: The digest that the form carries; None for a caller without a form.
        """
        link, principal = self.open(token)
        if seen_hash is not None and seen_hash != link.content_hash:
            raise _changed(link.message_id)

        def use(tx: Tx) -> None:
            current, _ = self._usable(tx, token, self._context.now())
            tx.put(replace(current, used_at=self._context.now()))

        return self._decisions.decide(
            principal, link.message_id, approve=approve, reason=reason, seen_hash=None, check=use
        )

    def _usable(self, tx: Reader, token: str, now: datetime) -> tuple[ApprovalLink, Principal]:
        link = tx.approval_link(digest_token(token))
        if link is None:
            raise ApiError(
                404, "link_unknown", "This approval link is unknown here. Ask for a new one."
            )
        if link.used_at is not None:
            raise _gone("link_used", "This approval link was used; ask for a new one.")
        if link.expires_at <= now:
            raise _gone("link_expired", "This approval link expired. Ask for a new one.")
        try:
            principal = require_approver(tx.key(link.key_id))
        except ApiError:
            raise _gone(
                "link_void",
                "The key of this approval link can no longer approve. Ask for a new link.",
            ) from None
        message = find_message(tx, principal, link.message_id)
        if get_content_digest(message) != link.content_hash:
            raise _changed(message.id)
        return link, principal

    @staticmethod
    def _check_held(message: Message) -> None:
        if message.status not in HELD:
            raise conflict(
                "not_held",
                f"Message {message.id} awaits no decision; its status is {message.status.wire}.",
            )


def _gone(code: str, message: str) -> ApiError:
    return ApiError(410, code, message)


def _changed(message_id: str) -> ApiError:
    return conflict(
        "content_changed",
        f"Message {message_id} changed after this link was made. Nothing was decided; ask for a "
        "new link.",
    )
