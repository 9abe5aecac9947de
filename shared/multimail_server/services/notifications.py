"""Notifications to the operator about sends without a decision and requests for a looser mode."""

from __future__ import annotations

from datetime import datetime

from ..auth import Principal
from ..store.protocol import Tx
from ..store.records import Message, Notification, OneTimeCode
from .context import AppContext

MONITORED_SEND = "monitored_send"
UPGRADE_REQUEST = "upgrade_request"


class NotificationService:
    """API: GET /v1/notifications (embedded server only)."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_notifications(
        self, principal: Principal, before_id: str | None, limit: int
    ) -> list[Notification]:
        """Return up to `limit` + 1 notifications, newest first."""
        return self._context.store.read(
            lambda tx: tx.notifications(
                principal.account_id, principal.mailbox_id, before_id, limit + 1
            )
        )


def notify_monitored_send(tx: Tx, message: Message, now: datetime) -> None:
    """Insert the notification of a message that leaves a monitored mailbox.

    It is also mailed to the mailbox's `approver_emails`, except for messages of test keys.
    """
    mailbox = tx.mailbox(message.mailbox_id)
    approvers = mailbox.settings.get("approver_emails") if mailbox and message.live else None
    tx.put(
        Notification(
            # Derived from the message's id: one notice per message.
            id=f"ntc_{message.id.partition('_')[2]}",
            account_id=message.account_id,
            mailbox_id=message.mailbox_id,
            kind=MONITORED_SEND,
            created_at=now,
            message_id=message.id,
            facts={
                "from": message.from_address,
                "recipients": list(message.recipients),
                "subject": message.subject,
            },
            recipients=tuple(approvers or ()),
            due_at=now if approvers else None,
        )
    )


def notify_upgrade_request(tx: Tx, code: OneTimeCode, notice_id: str) -> None:
    """Insert the notification of a request for a looser mode, without the code itself."""
    tx.put(
        Notification(
            id=notice_id,
            account_id=code.account_id,
            mailbox_id=code.mailbox_id or "",
            kind=UPGRADE_REQUEST,
            created_at=code.created_at,
            facts={
                "upgrade_id": code.id,
                "key_id": code.key_id,
                "from_mode": code.from_mode,
                "target_mode": code.target_mode,
            },
        )
    )
