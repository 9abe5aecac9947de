"""Retention: erases the content of mail older than `retention_days`; audit entries stay."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..auth import Principal
from ..oversight import Event, State
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Mailbox, Message
from .context import AppContext
from .transitions import apply_event

_BATCH = 100
_NOT_PURGED = tuple(
    state.value
    for state in (
        State.PENDING_SCAN,
        State.PENDING_SEND_APPROVAL,
        State.SCHEDULED,
        State.SENDING,
        State.DELETED,
    )
)
"""States in which a message is still needed or was purged before."""

_PURGED_FIELDS: dict[str, Any] = {
    "from_address": "",
    "from_name": "",
    "to": (),
    "cc": (),
    "bcc": (),
    "reply_to": (),
    "subject": "",
    "has_attachments": False,
    "mail_from": "",
    "recipients": (),
    "rfc_message_id": None,
    "in_reply_to": None,
    "refs": (),
    "fingerprint": None,
    "decision_reason": None,
    "bounce_reason": None,
    "list_id": None,
    "list_post": (),
    "answers": {},
    "authentication": {},
    "metadata": {},
    "delivery": {},
}
"""The fields of a message that hold content or correspondents, and their empty values."""


class Retention:
    """The periodic job that applies the mailbox setting `retention_days`."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def run(self) -> None:
        """Purge all messages that are due."""
        now = self._context.now()
        for mailbox in self._context.store.read(lambda tx: tx.mailboxes_with_retention()):
            while self._purge_batch(mailbox, now - _get_retention(mailbox)):
                pass

    def next_due(self) -> datetime | None:
        """Return when the next message falls due; None if none does."""

        def work(tx: Reader) -> list[datetime]:
            moments = []
            for mailbox in tx.mailboxes_with_retention():
                oldest = tx.oldest_message(mailbox.id, _NOT_PURGED)
                if oldest is not None:
                    moments.append(oldest.created_at + _get_retention(mailbox))
            return moments

        return min(self._context.store.read(work), default=None)

    def _purge_batch(self, mailbox: Mailbox, until: datetime) -> bool:
        """Purge a batch; return whether there may be more."""

        def work(tx: Tx) -> int:
            due = tx.older_messages(mailbox.id, _NOT_PURGED, until, _BATCH)
            for message in due:
                self._purge(tx, message)
            return len(due)

        scope = Scope.of_part(mailbox.account_id, mailbox.id)
        return self._context.write(work, scope) == _BATCH

    def _purge(self, tx: Tx, message: Message) -> None:
        context = self._context
        apply_event(tx, message, Event.PURGED, context.now(), context.pending_ttl, **_PURGED_FIELDS)
        tx.purge_content(message.id)
        context.audit_message(tx, Principal.system(message.account_id), "email.purge", message)


def _get_retention(mailbox: Mailbox) -> timedelta:
    return timedelta(days=int(mailbox.settings["retention_days"]))
