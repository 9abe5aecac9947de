"""Retention: mail that is older than its mailbox keeps it loses its content; its audit stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..oversight import Event, State
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message
from .context import AppContext, Principal
from .transitions import apply_event

_BATCH = 100
_IN_HAND = tuple(
    state.value
    for state in (
        State.PENDING_SCAN,
        State.PENDING_SEND_APPROVAL,
        State.SCHEDULED,
        State.SENDING,
        State.DELETED,
    )
)
"""States in which a message is still needed, or has lost its content before."""

_ERASED: dict[str, Any] = {
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
    "authentication": {},
    "metadata": {},
    "delivery": {},
}
"""What of a message's own row says who wrote to whom about what."""


class Retention:
    """Carries out the mailboxes' setting `retention_days`. One of the server's chores."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def run(self) -> None:
        """Erase what is due."""
        now = self._context.now()
        for mailbox in self._context.store.read(lambda tx: tx.mailboxes_with_retention()):
            while self._erase(mailbox, now - _kept_for(mailbox)):
                pass

    def next_due(self) -> datetime | None:
        """Return when the next message falls due; None when none will by itself."""

        def work(tx: Reader) -> list[datetime]:
            moments = []
            for mailbox in tx.mailboxes_with_retention():
                oldest = tx.oldest_message(mailbox.id, _IN_HAND)
                if oldest is not None:
                    moments.append(oldest.created_at + _kept_for(mailbox))
            return moments

        return min(self._context.store.read(work), default=None)

    def _erase(self, mailbox: Mailbox, until: datetime) -> bool:
        """Erase a batch; return whether there may be more."""

        def work(tx: Tx) -> int:
            due = tx.older_messages(mailbox.id, _IN_HAND, until, _BATCH)
            for message in due:
                self._forget(tx, message)
            return len(due)

        return self._context.write(work) == _BATCH

    def _forget(self, tx: Tx, message: Message) -> None:
        context = self._context
        apply_event(tx, message, Event.PURGED, context.now(), context.pending_ttl, **_ERASED)
        tx.purge_content(message.id)
        server, about = Principal.system(message.account_id), ("email", message.id)
        context.audit(tx, server, "email.purge", about, mailbox_id=message.mailbox_id)


def _kept_for(mailbox: Mailbox) -> timedelta:
    return timedelta(days=int(mailbox.settings["retention_days"]))
