"""Notices: what happened without a decision, written for the human in the same transaction."""

from __future__ import annotations

from datetime import datetime

from ..store.protocol import Tx
from ..store.records import Message, Notice, OneTimeCode
from .context import AppContext, Principal

MONITORED_SEND = "monitored_send"
UPGRADE_REQUEST = "upgrade_request"


class NotificationService:
    """API: GET /v1/notifications (ours)."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def listing(self, principal: Principal, before_id: str | None, limit: int) -> list[Notice]:
        """Return up to `limit` + 1 notices, newest first."""
        return self._context.store.read(
            lambda tx: tx.notifications(
                principal.account_id, principal.mailbox_id, before_id, limit + 1
            )
        )


def notify_monitored_send(tx: Tx, message: Message, now: datetime) -> None:
    """Write the notice of a message that leaves a monitored mailbox.

    It goes by mail too where the mailbox has `approver_emails`; not for test keys, whose mail
    stays here.
    """
    mailbox = tx.mailbox(message.mailbox_id)
    approvers = mailbox.settings.get("approver_emails") if mailbox and message.live else None
    tx.put_notice(
        Notice(
            # One notice a message: its id says which.
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
    """Write the notice of a request for a looser mode. The code itself is not in it."""
    tx.put_notice(
        Notice(
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
