"""Webhook settings of a mailbox: each URL is a subscription that is bound to that mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..signing_secrets import FORMATS
from ..store.protocol import Tx
from ..store.records import Mailbox, Webhook, WebhookSource
from .desk import Desk, Principal
from .events import MAILBOX_EVENTS, OVERSIGHT_EVENTS
from .webhook_urls import checked_url, host_of

_EVENTS = {WebhookSource.MAILBOX: MAILBOX_EVENTS, WebhookSource.OVERSIGHT: OVERSIGHT_EVENTS}


def follow_settings(
    desk: Desk, tx: Tx, who: Principal, mailbox: Mailbox, secrets: Mapping[str, str]
) -> None:
    """Let the mailbox's own subscriptions follow its settings, in the transaction `tx`.

    Args:
        desk: The mailroom's desk.
        tx: The transaction.
        who: The key that changes the mailbox.
        mailbox: With its settings as they are from now on.
        secrets: What signs each URL's events from now on, by the name of the setting. A setting
            that is not named here stays as it is.
    Raises:
        Refusal: A URL is not one that events may be posted to.
    """
    for name, secret in secrets.items():
        known = _known(tx, mailbox, WebhookSource(name))
        url = mailbox.settings.get(name)
        if url is not None:
            hook = known or _new(desk, mailbox, WebhookSource(name))
            hook = replace(hook, url=checked_url(url, name), signing_secret=secret)
            tx.put_webhook(replace(hook, disabled_at=None, disabled_reason=None))
            note(desk, tx, who, "webhook.update" if known else "webhook.create", hook)
        elif known is not None:
            retire(desk, tx, who, known)


def retire(desk: Desk, tx: Tx, who: Principal, hook: Webhook) -> None:
    """End a subscription: its secret is erased, and what was still to be delivered has failed."""
    tx.fail_webhook_deliveries(hook.id, "the subscription was deleted")
    tx.put_webhook(replace(hook, deleted_at=desk.now(), signing_secret=""))
    note(desk, tx, who, "webhook.delete", hook)


def note(
    desk: Desk, tx: Tx, who: Principal, action: str, hook: Webhook, **metadata: object
) -> None:
    """Add a line about a subscription to the audit log; of its URL, only the host is told."""
    about = ("webhook", hook.id)
    host = host_of(hook.url)
    desk.audit(tx, who, action, about, mailbox_id=hook.mailbox_id, host=host, **metadata)


def _known(tx: Tx, mailbox: Mailbox, source: WebhookSource) -> Webhook | None:
    hooks = tx.webhooks_of_mailbox(mailbox.account_id, mailbox.id)
    own = (hook for hook in hooks if hook.mailbox_id == mailbox.id and hook.source is source)
    return next(own, None)


def _new(desk: Desk, mailbox: Mailbox, source: WebhookSource) -> Webhook:
    return Webhook(
        id=desk.ids.new("whk"),
        account_id=mailbox.account_id,
        url="",
        events=tuple(kind.value for kind in _EVENTS[source]),
        signing_secret="",
        signature_format=FORMATS[0],
        source=source,
        created_at=desk.now(),
        mailbox_id=mailbox.id,
    )
