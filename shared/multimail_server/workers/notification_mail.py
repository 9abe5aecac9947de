"""Mails notifications about monitored sends to a mailbox's `approver_emails`."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from ..auth import Principal
from ..mail.compose import OutgoingMessage, compose
from ..services.context import AppContext
from ..store.protocol import Scope, Tx
from ..store.records import Notification
from .relay import Relay, RelayOutcomeUnknown, RelayUnavailable

_log = logging.getLogger(__name__)
_BATCH = 50
_RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 360))
_MAX_LISTED = 10
_AUTO_SUBMITTED = b"Auto-Submitted: auto-generated\r\n"


class NotificationMail:
    """The periodic job that mails notifications through the relay.

    Args:
        context: The application context.
        relay: The relay; without one, notifications are only listed by the API.
    """

    def __init__(self, context: AppContext, relay: Relay | None) -> None:
        self._context = context
        self._relay = relay

    def run(self) -> None:
        """Try once to mail each notification that is due."""
        now = self._context.now()
        for notification in self._context.store.read(lambda tx: tx.notifications_due(now, _BATCH)):
            self._store(self._send(notification))

    def next_due(self) -> datetime | None:
        """Return when the next notification is due."""
        return self._context.store.read(lambda tx: tx.next_notification_due())

    def _send(self, notification: Notification) -> Notification:
        """Try to send a notification; return it with the result."""
        if self._relay is None:
            return replace(notification, due_at=None, error="this server has no relay")
        mailbox = self._context.store.read(lambda tx: tx.mailbox(notification.mailbox_id))
        sender = mailbox.address if mailbox else ""
        try:
            raw = _AUTO_SUBMITTED + compose(_compose_mail(notification, sender))
            results = self._relay.send(sender, notification.recipients, raw)
        except (RelayUnavailable, RelayOutcomeUnknown) as error:
            return self._schedule_retry(notification, str(error) or "the relay cannot be reached")
        except Exception as error:
            _log.exception("The notification %s could not be mailed", notification.id)
            return self._schedule_retry(
                notification, f"it could not be mailed: {type(error).__name__}"
            )
        remaining = tuple(
            recipient
            for recipient in notification.recipients
            if recipient not in results or not results[recipient].is_final
        )
        refused = sum(result.permanent for result in results.values())
        after = replace(notification, recipients=remaining)
        if remaining:
            return self._schedule_retry(after, "the relay did not accept it for every recipient")
        note = f"the relay refused {refused} of its recipients" if refused else None
        mailed_at = None if refused == len(notification.recipients) else self._context.now()
        return replace(after, due_at=None, mailed_at=mailed_at, error=note)

    def _schedule_retry(self, notification: Notification, error: str) -> Notification:
        is_last = notification.attempts >= len(_RETRY_DELAYS)
        due = None if is_last else self._context.now() + _RETRY_DELAYS[notification.attempts]
        return replace(
            notification, due_at=due, attempts=notification.attempts + 1, error=error[:500]
        )

    def _store(self, notification: Notification) -> None:
        def work(tx: Tx) -> None:
            tx.put(notification)
            self._context.audit(
                tx,
                Principal.system(notification.account_id),
                "notice.mail" if notification.mailed_at else "notice.fail",
                ("notice", notification.id),
                mailbox_id=notification.mailbox_id,
                error=notification.error,
            )

        scope = Scope.of_part(notification.account_id, notification.mailbox_id)
        self._context.write(work, scope)


def _compose_mail(notification: Notification, sender: str) -> OutgoingMessage:
    recipients = [str(address) for address in notification.facts.get("recipients", [])]
    listed = ", ".join(recipients[:_MAX_LISTED])
    more = f" and {len(recipients) - _MAX_LISTED} more" if len(recipients) > _MAX_LISTED else ""
    text = (
        f"The monitored mailbox {sender} sent a message without a decision.\n\n"
        f"    To:      {listed}{more}\n"
        f"    Subject: {notification.facts.get('subject', '')}\n"
        f"    Id:      {notification.message_id}\n"
    )
    return OutgoingMessage(
        message_id=f"<{notification.id}@{sender.rpartition('@')[2]}>",
        date=notification.created_at,
        from_address=sender,
        from_name="MultiMail",
        to=notification.recipients,
        cc=(),
        reply_to=None,
        subject=f"Sent by {sender}: message {notification.message_id}",
        markdown=text,
        in_reply_to=None,
        references=(),
        attachments=(),
    )
