"""Webhooks: who is told what, and what became of each delivery.

Webhook settings of a mailbox: each URL is a subscription that is bound to that mailbox.
Webhook URLs: where events may be posted to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import ApiError, conflict, invalid, not_found
from ..store.protocol import Reader, Tx
from ..store.records import (
    DeliveryFilter,
    DeliveryStatus,
    Mailbox,
    Webhook,
    WebhookDelivery,
    WebhookSource,
)
from ..webhook_signing import FORMATS, mint_signing_secret
from .context import AppContext, Principal, find_mailbox
from .events import EVENT_KINDS, MAILBOX_EVENTS, OVERSIGHT_EVENTS

_MAX = 100


class WebhookService:
    """API: /v1/webhooks and /v1/webhook-deliveries."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def all(self, principal: Principal) -> list[Webhook]:
        """Return the subscriptions that the key may see, oldest first."""

        def work(tx: Reader) -> list[Webhook]:
            return [
                hook
                for hook in tx.webhooks(principal.account_id)
                if principal.sees(hook.mailbox_id)
            ]

        return self._context.store.read(work)

    def get(self, principal: Principal, webhook_id: str) -> Webhook:
        """Return one subscription."""
        return self._context.store.read(lambda tx: _find(tx, principal, webhook_id))

    def create(
        self,
        principal: Principal,
        url: str,
        events: Sequence[str],
        *,
        mailbox_id: str | None,
        signature_format: str,
    ) -> Webhook:
        """Subscribe a URL to events.

        Args:
            principal: An admin key; a key of one mailbox subscribes to that mailbox alone.
            url: https, or http on this machine.
            events: Names of either vocabulary; each is emitted under the name given here.
            mailbox_id: Only this mailbox's events, by id or address; None for all.
            signature_format: How `X-MultiMail-Signature` is written.
        Returns:
            The subscription with its signing secret, which is shown this once.
        Raises:
            ApiError: The URL or an event cannot be taken (400), no such mailbox (404), or there
                are 100 subscriptions (409).
        """
        context = self._context
        target, names = parse_webhook_url(url), _checked_events(events)

        def work(tx: Tx) -> Webhook:
            if len(tx.webhooks(principal.account_id)) >= _MAX:
                raise conflict(
                    "too_many_webhooks", f"There are {_MAX} webhooks already; delete one first."
                )
            hook = Webhook(
                id=context.ids.new("whk"),
                account_id=principal.account_id,
                url=target,
                events=names,
                signing_secret=mint_signing_secret(),
                signature_format=signature_format,
                source=WebhookSource.SUBSCRIPTION,
                created_at=context.now(),
                mailbox_id=find_mailbox(tx, principal, mailbox_id).id
                if mailbox_id
                else principal.mailbox_id,
            )
            tx.put_webhook(hook)
            note(context, tx, principal, "webhook.create", hook, events=list(names))
            return hook

        made = context.write(work)
        context.webhook_wakeup.notify()
        return made

    def enable(self, principal: Principal, webhook_id: str, *, enabled: bool) -> Webhook:
        """Enable or disable a subscription; what is still to be delivered to a disabled one fails.

        Nothing that failed is tried again by itself: replay it.
        """
        context = self._context

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, principal, webhook_id)
            if enabled is (hook.disabled_at is None):
                return hook
            if enabled:
                changed = replace(hook, disabled_at=None, disabled_reason=None)
                tx.put_webhook(changed)
                note(context, tx, principal, "webhook.enable", hook)
                return changed
            return disable(context, tx, principal, hook, "by request")

        return context.write(work)

    def delete(self, principal: Principal, webhook_id: str) -> Webhook:
        """End a subscription; one that a mailbox's setting made is taken out of that setting."""
        context = self._context

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, principal, webhook_id)
            retire(context, tx, principal, hook)
            mailbox = tx.mailbox(hook.mailbox_id or "")
            if mailbox is not None and hook.source is not WebhookSource.SUBSCRIPTION:
                left = {key: value for key, value in mailbox.settings.items() if key != hook.source}
                tx.put_mailbox(replace(mailbox, settings=left))
            return hook

        return context.write(work)

    def deliveries(self, principal: Principal, where: DeliveryFilter) -> list[WebhookDelivery]:
        """Return one delivery more than `where.limit`, if there is one, newest first."""
        wanted = replace(
            where,
            account_id=principal.account_id,
            bound_to=principal.mailbox_id,
            limit=where.limit + 1,
        )
        return self._context.store.read(lambda tx: tx.webhook_deliveries(wanted))

    def replay(self, principal: Principal, delivery_id: str) -> WebhookDelivery:
        """Deliver once more, with the same id and the same body, from the start of the schedule.

        Raises:
            ApiError: The subscription is disabled (409) or deleted (404).
        """
        context = self._context

        def work(tx: Tx) -> WebhookDelivery:
            found = tx.webhook_delivery(delivery_id)
            if found is None or found.account_id != principal.account_id:
                raise not_found("webhook delivery", delivery_id)
            hook = _find(tx, principal, found.webhook_id)
            if hook.disabled_at is not None:
                raise conflict(
                    "webhook_disabled",
                    f"Webhook {hook.id} is disabled; nothing is delivered to it. "
                    f'PATCH /v1/webhooks/{hook.id} with {{"enabled": true}} first.',
                )
            again = replace(
                found, status=DeliveryStatus.PENDING, due_at=context.now(), attempts=0, error=None
            )
            tx.put_webhook_delivery(again)
            note(context, tx, principal, "webhook.replay", hook, delivery_id=found.id)
            return again

        again = context.write(work)
        context.webhook_wakeup.notify()
        return again


def disable(
    context: AppContext, tx: Tx, principal: Principal, hook: Webhook, reason: str
) -> Webhook:
    """Stop delivering to a subscription, and say so where it is listed and in the audit log."""
    disabled = replace(hook, disabled_at=context.now(), disabled_reason=reason)
    tx.put_webhook(disabled)
    tx.fail_webhook_deliveries(hook.id, f"the subscription was disabled: {reason}")
    note(context, tx, principal, "webhook.disable", hook, reason=reason)
    return disabled


def _find(tx: Reader, principal: Principal, webhook_id: str) -> Webhook:
    found = tx.webhook(webhook_id)
    if found is None or found.deleted_at or found.account_id != principal.account_id:
        raise not_found("webhook", webhook_id)
    if not principal.sees(found.mailbox_id):
        raise not_found("webhook", webhook_id)
    return found


def _checked_events(events: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(events) - set(EVENT_KINDS))
    if unknown or not events:
        raise invalid(
            f"`events` has {', '.join(name[:80] for name in unknown[:3]) or 'nothing'} in it; "
            f"give some of {', '.join(EVENT_KINDS)}.",
            "unknown_event",
        )
    return tuple(dict.fromkeys(events))


_SETTING_EVENTS = {WebhookSource.MAILBOX: MAILBOX_EVENTS, WebhookSource.OVERSIGHT: OVERSIGHT_EVENTS}


def sync_settings_webhooks(
    context: AppContext, tx: Tx, principal: Principal, mailbox: Mailbox, secrets: Mapping[str, str]
) -> None:
    """Let the mailbox's own subscriptions follow its settings, in the transaction `tx`.

    Args:
        context: The application's context.
        tx: The transaction.
        principal: The key that changes the mailbox.
        mailbox: With its settings as they are from now on.
        secrets: What signs each URL's events from now on, by the name of the setting. A setting
            that is not named here stays as it is.
    Raises:
        ApiError: A URL is not one that events may be posted to.
    """
    for name, secret in secrets.items():
        known = _known(tx, mailbox, WebhookSource(name))
        url = mailbox.settings.get(name)
        if url is not None:
            hook = known or _new(context, mailbox, WebhookSource(name))
            hook = replace(hook, url=parse_webhook_url(url, name), signing_secret=secret)
            tx.put_webhook(replace(hook, disabled_at=None, disabled_reason=None))
            note(context, tx, principal, "webhook.update" if known else "webhook.create", hook)
        elif known is not None:
            retire(context, tx, principal, known)


def retire(context: AppContext, tx: Tx, principal: Principal, hook: Webhook) -> None:
    """End a subscription: its secret is erased, and what was still to be delivered has failed."""
    tx.fail_webhook_deliveries(hook.id, "the subscription was deleted")
    tx.put_webhook(replace(hook, deleted_at=context.now(), signing_secret=""))
    note(context, tx, principal, "webhook.delete", hook)


def note(
    context: AppContext,
    tx: Tx,
    principal: Principal,
    action: str,
    hook: Webhook,
    **metadata: object,
) -> None:
    """Add a line about a subscription to the audit log; of its URL, only the host is told."""
    about = ("webhook", hook.id)
    host = get_host(hook.url)
    context.audit(tx, principal, action, about, mailbox_id=hook.mailbox_id, host=host, **metadata)


def _known(tx: Tx, mailbox: Mailbox, source: WebhookSource) -> Webhook | None:
    hooks = tx.webhooks_of_mailbox(mailbox.account_id, mailbox.id)
    own = (hook for hook in hooks if hook.mailbox_id == mailbox.id and hook.source is source)
    return next(own, None)


def _new(context: AppContext, mailbox: Mailbox, source: WebhookSource) -> Webhook:
    return Webhook(
        id=context.ids.new("whk"),
        account_id=mailbox.account_id,
        url="",
        events=tuple(kind.value for kind in _SETTING_EVENTS[source]),
        signing_secret="",
        signature_format=FORMATS[0],
        source=source,
        created_at=context.now(),
        mailbox_id=mailbox.id,
    )


_MAX_LENGTH = 2000


def parse_webhook_url(url: str, field: str = "url") -> str:
    """Return `url` if events may be posted to it: https, or http on this machine.

    Args:
        url: As it was given.
        field: How the request calls it.
    Raises:
        ApiError: It is another kind of URL; it is not repeated, since a URL can hold a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong(field, "its host or its port is malformed") from None
    if len(url) > _MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise _wrong(field, f"it must be printable ASCII without spaces, up to {_MAX_LENGTH:,}")
    if parts.scheme not in {"http", "https"} or not host:
        raise _wrong(field, "it is not like https://example.com/hooks")
    if "@" in parts.netloc or parts.fragment:
        raise _wrong(field, "it must have no user, no password and no fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _wrong(field, "events leave this machine by https only")
    return url


def get_host(url: str) -> str:
    """Return the host and port of a URL that was checked."""
    return urlsplit(url).netloc


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _wrong(field: str, why: str) -> ApiError:
    return invalid(f"`{field}` is not a URL for events: {why}.", "invalid_webhook_url")
