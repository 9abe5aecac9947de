"""Webhooks: who is told what, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..refusals import conflict, invalid, not_found
from ..signing_secrets import mint_signing_secret
from ..store.protocol import Reader, Tx
from ..store.records import (
    DeliveryFilter,
    DeliveryStatus,
    Webhook,
    WebhookDelivery,
    WebhookSource,
)
from .desk import Desk, Principal, find_mailbox
from .events import KIND_OF
from .webhook_settings import note, retire
from .webhook_urls import checked_url

_MOST = 100


class Webhooks:
    """API: /v1/webhooks and /v1/webhook-deliveries."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def all(self, who: Principal) -> list[Webhook]:
        """Return the subscriptions that the key may see, oldest first."""

        def work(tx: Reader) -> list[Webhook]:
            return [hook for hook in tx.webhooks(who.account_id) if who.sees(hook.mailbox_id)]

        return self._desk.store.read(work)

    def get(self, who: Principal, webhook_id: str) -> Webhook:
        """Return one subscription."""
        return self._desk.store.read(lambda tx: _find(tx, who, webhook_id))

    def create(
        self,
        who: Principal,
        url: str,
        events: Sequence[str],
        *,
        mailbox_id: str | None,
        signature_format: str,
    ) -> Webhook:
        """Subscribe a URL to events.

        Args:
            who: An admin key; one that is bound to a mailbox subscribes to that mailbox alone.
            url: https, or http on this machine.
            events: Names of either vocabulary; each is emitted under the name given here.
            mailbox_id: Only this mailbox's events, by id or address; None for all.
            signature_format: How `X-MultiMail-Signature` is written.
        Returns:
            The subscription with its signing secret, which is shown this once.
        Raises:
            Refusal: The URL or an event cannot be taken (400), no such mailbox (404), or there
                are 100 subscriptions (409).
        """
        desk = self._desk
        target, names = checked_url(url), _checked_events(events)

        def work(tx: Tx) -> Webhook:
            if len(tx.webhooks(who.account_id)) >= _MOST:
                raise conflict(
                    "too_many_webhooks", f"There are {_MOST} webhooks already; delete one first."
                )
            hook = Webhook(
                id=desk.ids.new("whk"),
                account_id=who.account_id,
                url=target,
                events=names,
                signing_secret=mint_signing_secret(),
                signature_format=signature_format,
                source=WebhookSource.SUBSCRIPTION,
                created_at=desk.now(),
                mailbox_id=find_mailbox(tx, who, mailbox_id).id if mailbox_id else who.mailbox_id,
            )
            tx.put_webhook(hook)
            note(desk, tx, who, "webhook.create", hook, events=list(names))
            return hook

        made = desk.write(work)
        desk.webhook_bell.ring()
        return made

    def enable(self, who: Principal, webhook_id: str, *, enabled: bool) -> Webhook:
        """Enable or disable a subscription; what is still to be delivered to a disabled one fails.

        Nothing that failed is tried again by itself: replay it.
        """
        desk = self._desk

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, who, webhook_id)
            if enabled is (hook.disabled_at is None):
                return hook
            if enabled:
                changed = replace(hook, disabled_at=None, disabled_reason=None)
                tx.put_webhook(changed)
                note(desk, tx, who, "webhook.enable", hook)
                return changed
            return disable(desk, tx, who, hook, "by request")

        return desk.write(work)

    def delete(self, who: Principal, webhook_id: str) -> Webhook:
        """End a subscription; one that a mailbox's setting made is taken out of that setting."""
        desk = self._desk

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, who, webhook_id)
            retire(desk, tx, who, hook)
            mailbox = tx.mailbox(hook.mailbox_id or "")
            if mailbox is not None and hook.source is not WebhookSource.SUBSCRIPTION:
                left = {key: value for key, value in mailbox.settings.items() if key != hook.source}
                tx.put_mailbox(replace(mailbox, settings=left))
            return hook

        return desk.write(work)

    def deliveries(self, who: Principal, where: DeliveryFilter) -> list[WebhookDelivery]:
        """Return one delivery more than `where.limit`, if there is one, newest first."""
        wanted = replace(
            where, account_id=who.account_id, bound_to=who.mailbox_id, limit=where.limit + 1
        )
        return self._desk.store.read(lambda tx: tx.webhook_deliveries(wanted))

    def replay(self, who: Principal, delivery_id: str) -> WebhookDelivery:
        """Deliver once more, with the same id and the same body, from the start of the schedule.

        Raises:
            Refusal: The subscription is disabled (409) or deleted (404).
        """
        desk = self._desk

        def work(tx: Tx) -> WebhookDelivery:
            found = tx.webhook_delivery(delivery_id)
            if found is None or found.account_id != who.account_id:
                raise not_found("webhook delivery", delivery_id)
            hook = _find(tx, who, found.webhook_id)
            if hook.disabled_at is not None:
                raise conflict(
                    "webhook_disabled",
                    f"Webhook {hook.id} is disabled; nothing is delivered to it. "
                    f'PATCH /v1/webhooks/{hook.id} with {{"enabled": true}} first.',
                )
            again = replace(
                found, status=DeliveryStatus.PENDING, due_at=desk.now(), attempts=0, error=None
            )
            tx.put_webhook_delivery(again)
            note(desk, tx, who, "webhook.replay", hook, delivery_id=found.id)
            return again

        again = desk.write(work)
        desk.webhook_bell.ring()
        return again


def disable(desk: Desk, tx: Tx, who: Principal, hook: Webhook, reason: str) -> Webhook:
    """Stop delivering to a subscription, and say so where it is listed and in the audit log."""
    disabled = replace(hook, disabled_at=desk.now(), disabled_reason=reason)
    tx.put_webhook(disabled)
    tx.fail_webhook_deliveries(hook.id, f"the subscription was disabled: {reason}")
    note(desk, tx, who, "webhook.disable", hook, reason=reason)
    return disabled


def _find(tx: Reader, who: Principal, webhook_id: str) -> Webhook:
    found = tx.webhook(webhook_id)
    if found is None or found.deleted_at or found.account_id != who.account_id:
        raise not_found("webhook", webhook_id)
    if not who.sees(found.mailbox_id):
        raise not_found("webhook", webhook_id)
    return found


def _checked_events(events: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(events) - set(KIND_OF))
    if unknown or not events:
        raise invalid(
            f"`events` has {', '.join(name[:80] for name in unknown[:3]) or 'nothing'} in it; "
            f"give some of {', '.join(KIND_OF)}.",
            "unknown_event",
        )
    return tuple(dict.fromkeys(events))
