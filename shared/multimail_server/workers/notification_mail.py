"""Notices by mail: tells a monitored mailbox's `approver_emails` what left without a decision."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from ..mail.compose import OutgoingMessage, compose
from ..services.context import AppContext, Principal
from ..store.protocol import Tx
from ..store.records import Notice
from .relay import Relay, RelayOutcomeUnknown, RelayUnavailable

_log = logging.getLogger(__name__)
_BATCH = 50
_RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 360))
_MAX_SHOWN = 10
_AUTO = b"Auto-Submitted: auto-generated\r\n"


class NotificationMail:
    """Mails notices over the relay. One of the server's chores.

    Args:
        context: The application's context.
        relay: None when there is no way out: then notices are only listed.
    """

    def __init__(self, context: AppContext, relay: Relay | None) -> None:
        self._context = context
        self._relay = relay

    def run(self) -> None:
        """Try to mail each notice that is due once."""
        now = self._context.now()
        for notice in self._context.store.read(lambda tx: tx.notices_due(now, _BATCH)):
            self._settle(self._tried(notice))

    def next_due(self) -> datetime | None:
        """Return when the next notice is due."""
        return self._context.store.read(lambda tx: tx.next_notice_due())

    def _tried(self, notice: Notice) -> Notice:
        """Return the notice as it is after one try."""
        if self._relay is None:
            return replace(notice, due_at=None, error="this server has no relay")
        mailbox = self._context.store.read(lambda tx: tx.mailbox(notice.mailbox_id))
        sender = mailbox.address if mailbox else ""
        try:
            raw = _AUTO + compose(_mail(notice, sender))
            results = self._relay.send(sender, notice.recipients, raw)
        except (RelayUnavailable, RelayOutcomeUnknown) as error:
            return self._later(notice, str(error) or "the relay cannot be reached")
        except Exception as error:
            _log.exception("The notice %s could not be mailed", notice.id)
            return self._later(notice, f"it could not be mailed: {type(error).__name__}")
        left = tuple(
            principal
            for principal in notice.recipients
            if principal not in results
            or not (results[principal].accepted or results[principal].permanent)
        )
        refused = [
            principal
            for principal in notice.recipients
            if principal in results and results[principal].permanent
        ]
        after = replace(notice, recipients=left)
        if left:
            return self._later(after, "the relay did not take it for everybody")
        told = f"the relay refused {len(refused)} of them" if refused else None
        mailed = None if len(refused) == len(notice.recipients) else self._context.now()
        return replace(after, due_at=None, mailed_at=mailed, error=told)

    def _later(self, notice: Notice, error: str) -> Notice:
        over = notice.attempts >= len(_RETRY_AFTER)
        due = None if over else self._context.now() + _RETRY_AFTER[notice.attempts]
        return replace(notice, due_at=due, attempts=notice.attempts + 1, error=error[:500])

    def _settle(self, notice: Notice) -> None:
        def work(tx: Tx) -> None:
            tx.put_notice(notice)
            self._context.audit(
                tx,
                Principal.system(notice.account_id),
                "notice.mail" if notice.mailed_at else "notice.fail",
                ("notice", notice.id),
                mailbox_id=notice.mailbox_id,
                error=notice.error,
            )

        self._context.write(work)


def _mail(notice: Notice, sender: str) -> OutgoingMessage:
    recipients = [str(one) for one in notice.facts.get("recipients", [])]
    shown = ", ".join(recipients[:_MAX_SHOWN])
    more = f" and {len(recipients) - _MAX_SHOWN} more" if len(recipients) > _MAX_SHOWN else ""
    text = (
        f"The monitored mailbox {sender} sent a message without a decision.\n\n"
        f"    To:      {shown}{more}\n"
        f"    Subject: {notice.facts.get('subject', '')}\n"
        f"    Id:      {notice.message_id}\n"
    )
    return OutgoingMessage(
        message_id=f"<{notice.id}@{sender.rpartition('@')[2]}>",
        date=notice.created_at,
        from_address=sender,
        from_name="MultiMail",
        to=notice.recipients,
        cc=(),
        reply_to=None,
        subject=f"Sent by {sender}: message {notice.message_id}",
        markdown=text,
        in_reply_to=None,
        references=(),
        attachments=(),
    )
