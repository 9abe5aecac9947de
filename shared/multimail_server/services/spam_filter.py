"""Sorting: what the scan sets aside, what people say about it, and a listing of it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from ..errors import conflict, forbidden
from ..mail.scoring import SPAM, SUSPECT, SpamScore
from ..oversight import Direction, Event, State
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message, MessageFilter
from .context import AppContext, Principal, find_message
from .transitions import apply_event

FILTERS = ("off", "flag", "quarantine")
"""What a mailbox's `spam_filter` can be; `off` when it is not set."""

_VERDICTS = {Event.REPORTED_SPAM: "reported_spam", Event.REPORTED_CLEAN: "reported_clean"}


def get_spam_event(mailbox: Mailbox, found: SpamScore) -> Event:
    """Return how the scan of inbound mail ends in a mailbox.

    Without `spam_filter` the score is told and decides nothing; `flag` sets aside what is suspect
    or spam; `quarantine` also locks away what is spam.
    """
    wanted = mailbox.settings.get("spam_filter", "off")
    if wanted == "quarantine" and found.verdict == SPAM:
        return Event.SCANNED_AS_SPAM
    if wanted != "off" and found.verdict in (SPAM, SUSPECT):
        return Event.SCANNED_AS_SUSPECT
    return Event.SCANNED


class SpamFilterService:
    """API: GET /v1/emails, POST /v1/emails/{id}/report-spam and …/not-spam."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def listing(
        self, principal: Principal, states: Sequence[State], before_id: str | None, limit: int
    ) -> list[Message]:
        """Return up to `limit` + 1 messages in these states, of all mailboxes, newest first."""

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
        """Say that a message is spam, or that it is none; a repeat changes nothing.

        Raises:
            ApiError: It was sent and not received, it awaits a decision, or it is locked away and
                the key is no reviewer's.
        """
        context = self._context
        event = Event.REPORTED_SPAM if spam else Event.REPORTED_CLEAN

        def work(tx: Tx) -> Message:
            message = find_message(tx, principal, email_id)
            _check(principal, message, spam=spam)
            changes: dict[str, Any] = {"spam_verdict": _VERDICTS[event]}
            moved = apply_event(tx, message, event, context.now(), context.pending_ttl, **changes)
            context.audit(
                tx,
                principal,
                "email.report_spam" if spam else "email.report_clean",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
                status=(moved or message).status.value,
            )
            return moved or message

        reported = context.write(work)
        context.wakeups.notify()
        return reported


def _check(principal: Principal, message: Message, *, spam: bool) -> None:
    if message.direction is Direction.OUTBOUND:
        raise conflict("not_inbound", f"Message {message.id} was sent, not received.")
    if message.status is State.SPAM_QUARANTINED and not spam and not principal.is_reviewer:
        raise forbidden(
            "reviewer_needed",
            f"Message {message.id} is locked away as spam. Only a key with the oversight scope "
            "can let it out.",
        )
