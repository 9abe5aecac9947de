"""Marks of received mail: read, unread, archived, back in the inbox, spam."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from ..auth import Principal
from ..errors import ApiError, conflict
from ..oversight import Direction, Event, State, hides_content
from ..store.protocol import Tx
from ..store.records import Message
from .context import AppContext, find_mailbox, find_message, scope_of_message
from .transitions import apply_event


class Mark(StrEnum):
    """What received mail can be marked as."""

    READ = "read"
    UNREAD = "unread"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"
    SPAM = "spam"


_EVENTS = {
    Mark.READ: Event.OPENED,
    Mark.UNREAD: Event.MARKED_UNREAD,
    Mark.ARCHIVED: Event.ARCHIVED,
    Mark.UNARCHIVED: Event.UNARCHIVED,
    Mark.SPAM: Event.REPORTED_SPAM,
}


class MarkService:
    """API: PATCH …/emails."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def mark(
        self, principal: Principal, mailbox_id: str, email_ids: Sequence[str], mark: Mark
    ) -> list[Message]:
        """Mark messages of a mailbox, all or none; a repeat changes nothing.

        Raises:
            ApiError: One of them isn't there (404), was sent, awaits a decision, or is spam where
                `mark` says that it isn't read or archived any more (409).
        """

        def work(tx: Tx) -> list[Message]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            return [
                self._apply(tx, principal, find_message(tx, principal, email_id, mailbox.id), mark)
                for email_id in dict.fromkeys(email_ids)
            ]

        marked = self._context.write(work, scope_of_message(email_ids[0]))
        self._context.wakeups.notify()
        return marked

    def _apply(self, tx: Tx, principal: Principal, message: Message, mark: Mark) -> Message:
        context = self._context
        _check(principal, message, mark)
        changes: dict[str, Any] = {"spam_verdict": "reported_spam"} if mark is Mark.SPAM else {}
        moved = apply_event(
            tx, message, _EVENTS[mark], context.now(), context.pending_ttl, **changes
        )
        if moved is None:
            return message
        status = moved.status.value
        context.audit_message(tx, principal, "email.mark", message, mark=mark.value, status=status)
        return moved


def _check(principal: Principal, message: Message, mark: Mark) -> None:
    if message.direction is Direction.OUTBOUND:
        raise conflict(
            "not_inbound",
            f"Message {message.id} was sent, not received. Nothing was marked; leave it out.",
        )
    if message.status is State.DELETED:
        raise ApiError(
            410, "erased", f"The content of message {message.id} was erased. Nothing was marked."
        )
    if hides_content(message.direction, message.status) and not principal.is_reviewer:
        raise conflict(
            "pending_approval",
            f"Message {message.id} is not shown yet. Nothing was marked; leave it out.",
        )
    if message.status is State.SPAM_FLAGGED and mark in (Mark.UNREAD, Mark.UNARCHIVED):
        raise conflict(
            "flagged_as_spam",
            f"Message {message.id} is flagged as spam. Nothing was marked; its user can report it "
            "as not spam first (report_not_spam of the client).",
        )
