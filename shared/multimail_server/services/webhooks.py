"""Webhook endpoints, their deliveries, and the webhook URLs in mailbox settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..auth import Principal
from ..errors import ApiError, conflict, invalid, not_found
from ..store.protocol import Reader, Scope, Tx
from ..store.records import (
    DeliveryFilter,
    DeliveryStatus,
    Mailbox,
    Webhook,
    WebhookDelivery,
    WebhookSource,
)
from ..webhook_signing import FORMATS, generate_signing_secret
from ..webhook_targets import WebhookTargets
from .context import AppContext, find_mailbox
from .events import EVENT_KINDS, MAILBOX_EVENTS, OVERSIGHT_EVENTS

MAX_WEBHOOKS = 100


class WebhookService:
    """API: /v1/webhooks and /v1/webhook-deliveries."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_webhooks(self, principal: Principal) -> list[Webhook]:
        """Return the webhooks that the key can access, oldest first."""

        def work(tx: Reader) -> list[Webhook]:
            return [
                hook
                for hook in tx.webhooks(principal.account_id)
                if principal.sees(hook.mailbox_id)
            ]

        return self._context.store.read(work)

    def get(self, principal: Principal, webhook_id: str) -> Webhook:
        """Return a webhook by id."""
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
        """Create a webhook: subscribe a URL to events.

        Args:
            principal: An admin key; a key bound to a mailbox subscribes to that mailbox.
            url: https, or http to a loopback address.
            events: Names in `EVENT_KINDS`; each event is emitted under the name given here.
            mailbox_id: The id or address of a mailbox; None for all mailboxes.
            signature_format: The format of `X-MultiMail-Signature`.
        Returns:
            The webhook with its signing secret, which is shown once.
        Raises:
            ApiError: The URL or an event is invalid (400), no such mailbox (404), or there are 100
                webhooks (409).
        """
        context = self._context
        target = parse_webhook_url(url, targets=context.webhook_targets)
        names = _parse_events(events)

        def work(tx: Tx) -> Webhook:
            if len(tx.webhooks(principal.account_id)) >= MAX_WEBHOOKS:
                raise conflict(
                    "too_many_webhooks", f"There are {MAX_WEBHOOKS} webhooks. Delete one first."
                )
            hook = Webhook(
                id=context.ids.new("whk"),
                account_id=principal.account_id,
                url=target,
                events=names,
                signing_secret=generate_signing_secret(),
                signature_format=signature_format,
                source=WebhookSource.SUBSCRIPTION,
                created_at=context.now(),
                mailbox_id=find_mailbox(tx, principal, mailbox_id).id
                if mailbox_id
                else principal.mailbox_id,
            )
            tx.put(hook)
            _record(context, tx, principal, "webhook.create", hook, events=list(names))
            return hook

        hook = context.write(work, Scope.of_account(principal.account_id))
        context.webhook_wakeup.notify()
        return hook

    def enable(self, principal: Principal, webhook_id: str, *, enabled: bool) -> Webhook:
        """Enable or disable a webhook; disabling fails its pending deliveries.

        Failed deliveries aren't retried when it is enabled again; use `replay`.
        """
        context = self._context

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, principal, webhook_id)
            if enabled is (hook.disabled_at is None):
                return hook
            if enabled:
                changed = replace(hook, disabled_at=None, disabled_reason=None)
                tx.put(changed)
                _record(context, tx, principal, "webhook.enable", hook)
                return changed
            return disable(context, tx, principal, hook, "by request")

        return context.write(work, Scope.of_account(principal.account_id))

    def delete(self, principal: Principal, webhook_id: str) -> Webhook:
        """Delete a webhook; one made by a mailbox setting is also removed from that setting."""
        context = self._context

        def work(tx: Tx) -> Webhook:
            hook = _find(tx, principal, webhook_id)
            delete_webhook(context, tx, principal, hook)
            mailbox = tx.mailbox(hook.mailbox_id or "")
            if mailbox is not None and hook.source is not WebhookSource.SUBSCRIPTION:
                settings = {
                    key: value for key, value in mailbox.settings.items() if key != hook.source
                }
                tx.put(replace(mailbox, settings=settings))
            return hook

        return context.write(work, Scope.of_account(principal.account_id))

    def list_deliveries(self, principal: Principal, where: DeliveryFilter) -> list[WebhookDelivery]:
        """Return up to `where.limit` + 1 deliveries, newest first."""
        scoped = replace(
            where,
            account_id=principal.account_id,
            bound_to=principal.mailbox_id,
            limit=where.limit + 1,
        )
        return self._context.store.read(lambda tx: tx.webhook_deliveries(scoped))

    def replay(self, principal: Principal, delivery_id: str) -> WebhookDelivery:
        """Deliver again with the same id and body, from the start of the retry schedule.

        Raises:
            ApiError: The webhook is disabled (409) or deleted (404).
        """
        context = self._context

        def work(tx: Tx) -> WebhookDelivery:
            delivery = tx.webhook_delivery(delivery_id)
            if delivery is None or delivery.account_id != principal.account_id:
                raise not_found("webhook delivery", delivery_id)
            hook = _find(tx, principal, delivery.webhook_id)
            if hook.disabled_at is not None:
                raise conflict(
                    "webhook_disabled",
                    f"Webhook {hook.id} is disabled. Enable it first: PATCH /v1/webhooks/{hook.id} "
                    'with {"enabled": true}.',
                )
            replayed = replace(
                delivery,
                status=DeliveryStatus.PENDING,
                due_at=context.now(),
                attempts=0,
                error=None,
            )
            tx.put(replayed)
            _record(context, tx, principal, "webhook.replay", hook, delivery_id=delivery.id)
            return replayed

        replayed = context.write(work, Scope.of_account(principal.account_id))
        context.webhook_wakeup.notify()
        return replayed


def disable(
    context: AppContext, tx: Tx, principal: Principal, hook: Webhook, reason: str
) -> Webhook:
    """Disable a webhook and fail its pending deliveries."""
    disabled = replace(hook, disabled_at=context.now(), disabled_reason=reason)
    tx.put(disabled)
    tx.fail_webhook_deliveries(hook.id, f"the endpoint was disabled: {reason}")
    _record(context, tx, principal, "webhook.disable", hook, reason=reason)
    return disabled


def _find(tx: Reader, principal: Principal, webhook_id: str) -> Webhook:
    found = tx.webhook(webhook_id)
    if found is None or found.deleted_at or found.account_id != principal.account_id:
        raise not_found("webhook", webhook_id)
    if not principal.sees(found.mailbox_id):
        raise not_found("webhook", webhook_id)
    return found


def _parse_events(events: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(events) - set(EVENT_KINDS))
    if unknown or not events:
        raise invalid(
            f"`events` holds {', '.join(name[:80] for name in unknown[:3]) or 'nothing'}. Use some "
            f"of {', '.join(EVENT_KINDS)}.",
            "unknown_event",
        )
    return tuple(dict.fromkeys(events))


_SETTING_EVENTS = {WebhookSource.MAILBOX: MAILBOX_EVENTS, WebhookSource.OVERSIGHT: OVERSIGHT_EVENTS}


def sync_settings_webhooks(
    context: AppContext, tx: Tx, principal: Principal, mailbox: Mailbox, secrets: Mapping[str, str]
) -> None:
    """Create, update or delete the webhooks that a mailbox's settings name.

    Args:
        context: The application's context.
        tx: The transaction.
        principal: The key that changes the mailbox.
        mailbox: With its new settings.
        secrets: The new signing secret by setting. Settings that aren't named stay unchanged.
    Raises:
        ApiError: A URL is invalid (400).
    """
    for name, secret in secrets.items():
        existing = _find_by_source(tx, mailbox, WebhookSource(name))
        url = mailbox.settings.get(name)
        if url is not None:
            hook = existing or _build_settings_webhook(context, mailbox, WebhookSource(name))
            hook = replace(
                hook,
                url=parse_webhook_url(url, name, context.webhook_targets),
                signing_secret=secret,
            )
            tx.put(replace(hook, disabled_at=None, disabled_reason=None))
            _record(
                context, tx, principal, "webhook.update" if existing else "webhook.create", hook
            )
        elif existing is not None:
            delete_webhook(context, tx, principal, existing)


def delete_webhook(context: AppContext, tx: Tx, principal: Principal, hook: Webhook) -> None:
    """Delete a webhook: erase its secret and fail its pending deliveries."""
    tx.fail_webhook_deliveries(hook.id, "the endpoint was deleted")
    tx.put(replace(hook, deleted_at=context.now(), signing_secret=""))
    _record(context, tx, principal, "webhook.delete", hook)


def _record(
    context: AppContext,
    tx: Tx,
    principal: Principal,
    action: str,
    hook: Webhook,
    **metadata: object,
) -> None:
    """Add an audit entry about a webhook, with the host of its URL only."""
    resource = ("webhook", hook.id)
    host = get_host(hook.url)
    context.audit(
        tx, principal, action, resource, mailbox_id=hook.mailbox_id, host=host, **metadata
    )


def _find_by_source(tx: Tx, mailbox: Mailbox, source: WebhookSource) -> Webhook | None:
    hooks = tx.webhooks_of_mailbox(mailbox.account_id, mailbox.id)
    matching = (hook for hook in hooks if hook.mailbox_id == mailbox.id and hook.source is source)
    return next(matching, None)


def _build_settings_webhook(
    context: AppContext, mailbox: Mailbox, source: WebhookSource
) -> Webhook:
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


MAX_URL_LENGTH = 2000
_PUBLIC = WebhookTargets()


def parse_webhook_url(url: str, field: str = "url", targets: WebhookTargets = _PUBLIC) -> str:
    """Return a webhook URL if it is allowed: https, or http to a loopback address.

    The addresses of a host name are checked when an event is posted.

    Args:
        url: As requested.
        field: The name of the request's field.
        targets: The addresses that are allowed.
    Raises:
        ApiError: Another kind of URL (400). The error doesn't repeat it: it can hold a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid_url(field, "its host or its port is malformed") from None
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid_url(
            field, f"it must be printable ASCII without spaces, up to {MAX_URL_LENGTH:,}"
        )
    if parts.scheme not in {"http", "https"} or not host:
        raise _invalid_url(field, "it must look like https://example.com/hooks")
    if "@" in parts.netloc or parts.fragment:
        raise _invalid_url(field, "it must have no user, no password and no fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _invalid_url(field, "use https, or a loopback address")
    if not targets.allows_host(host):
        raise _invalid_url(
            field,
            "its address is not public. The operator can allow its network with --webhook-networks",
        )
    return url


def get_host(url: str) -> str:
    """Return the host and port of a parsed URL."""
    return urlsplit(url).netloc


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _invalid_url(field: str, reason: str) -> ApiError:
    return invalid(f"`{field}` is not a valid webhook URL: {reason}.", "invalid_webhook_url")
