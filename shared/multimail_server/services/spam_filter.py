"""The spam filter: quarantine by score, reports of spam, and listings across mailboxes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from ..auth import Principal
from ..errors import conflict, forbidden
from ..mail.scoring import SPAM, SUSPECT, SpamScore
from ..oversight import Direction, Event, State
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message, MessageFilter
from .context import AppContext, find_message, scope_of_message
from .transitions import apply_event

_VERDICTS = {Event.REPORTED_SPAM: "reported_spam", Event.REPORTED_CLEAN: "reported_clean"}


def get_spam_event(mailbox: Mailbox, result: SpamScore) -> Event:
    """Return the scan event of inbound mail under a mailbox's `spam_filter`.

    `off` reports the score only; `flag` flags suspect mail and spam; `quarantine` also hides spam.
    """
    setting = mailbox.settings.get("spam_filter", "off")
    if setting == "quarantine" and result.verdict == SPAM:
        return Event.SCANNED_AS_SPAM
    if setting != "off" and result.verdict in (SPAM, SUSPECT):
        return Event.SCANNED_AS_SUSPECT
    return Event.SCANNED


class SpamFilterService:
    """API: GET /v1/emails, POST /v1/emails/{id}/report-spam and …/not-spam."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_messages(
        self, principal: Principal, states: Sequence[State], before_id: str | None, limit: int
    ) -> list[Message]:
        """Return up to `limit` + 1 messages of all mailboxes in these states, newest first."""

        def work(tx: Reader) -> list[Message]:
            boxes = [box for box in tx.mailboxes(principal.account_id) if principal.sees(box.id)]
            rows = [
                tx.list_messages(
                    MessageFilter(box.id, limit + 1, tuple(states), before_id=before_id)
                )
                for box in boxes
            ]
            newest = heapq.merge(*rows, key=lambda message: message.id, reverse=True)
            return [message for _, message in zip(range(limit + 1), newest, strict=False)]

        return self._context.store.read(work)

    def report(self, principal: Principal, email_id: str, *, spam: bool) -> Message:
        """Report a message as spam or as not spam; a repeat changes nothing.

        Raises:
            ApiError: It was sent, not received, or awaits a decision (409), or it is quarantined
                and the key lacks `oversight` (403).
        """
        context = self._context
        event = Event.REPORTED_SPAM if spam else Event.REPORTED_CLEAN

        def work(tx: Tx) -> Message:
            message = find_message(tx, principal, email_id)
            _check(principal, message, spam=spam)
            changes: dict[str, Any] = {"spam_verdict": _VERDICTS[event]}
            moved = apply_event(tx, message, event, context.now(), context.pending_ttl, **changes)
            context.audit_message(
                tx,
                principal,
                "email.report_spam" if spam else "email.report_clean",
                message,
                status=(moved or message).status.value,
            )
            return moved or message

        message = context.write(work, scope_of_message(email_id))
        context.wakeups.notify()
        return message


def _check(principal: Principal, message: Message, *, spam: bool) -> None:
    if message.direction is Direction.OUTBOUND:
        raise conflict("not_inbound", f"Message {message.id} was sent, not received.")
    if message.status is State.SPAM_QUARANTINED and not spam and not principal.is_reviewer:
        raise forbidden(
            "reviewer_needed",
            f"Message {message.id} is quarantined as spam. Release it with a key that has the "
            "oversight scope.",
        )
