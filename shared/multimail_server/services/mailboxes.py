"""Mailboxes. The oversight mode of a mailbox can only be tightened here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..auth import Principal, keeps_inbound_hold, require_account_wide, require_mode_allowed
from ..errors import conflict, forbidden, invalid
from ..mail.addresses import is_local_part, to_mailbox_address
from ..oversight import Event, Mode, State
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Mailbox
from .context import AppContext, find_mailbox
from .domains import require_mailbox_domain
from .one_time_codes import end_upgrade_requests
from .transitions import FORWARD_INBOUND, FORWARD_LIVE, apply_event
from .webhooks import sync_settings_webhooks

_CANCELLED_ON_DELETE = (State.PENDING_SEND_APPROVAL, State.SCHEDULED, State.SCHEDULED_FIRST)


@dataclass(frozen=True, slots=True)
class MailboxChanges:
    """The fields that a request changes; None or absent fields stay unchanged."""

    display_name: str | None = None
    mode: Mode | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    signing_secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """The signing secret of each changed webhook URL, by setting."""


class MailboxService:
    """API: /v1/mailboxes."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_mailboxes(self, principal: Principal) -> list[Mailbox]:
        """Return the mailboxes that the key can access, oldest first."""

        def work(tx: Reader) -> list[Mailbox]:
            return [box for box in tx.mailboxes(principal.account_id) if principal.sees(box.id)]

        return self._context.store.read(work)

    def get(self, principal: Principal, mailbox_id: str) -> Mailbox:
        """Return a mailbox by id or address."""
        return self._context.store.read(lambda tx: find_mailbox(tx, principal, mailbox_id))

    def create(self, principal: Principal, name: str, changes: MailboxChanges) -> Mailbox:
        """Create a mailbox.

        Args:
            principal: An account-wide admin key.
            name: The local part, or an address in this server's domain or a verified domain.
            changes: Its display name, mode (default `gated_send`) and settings.
        Raises:
            ApiError: The address is unusable (400) or taken (409).
        """
        address = self._parse_address(name)
        require_account_wide(principal)
        require_mode_allowed(principal, changes.mode or Mode.GATED_SEND)
        settings = _build_forwarding_settings(self._context, principal, address, changes.settings)
        mailbox = Mailbox(
            id=self._context.ids.new("mbx"),
            account_id=principal.account_id,
            address=address,
            display_name=changes.display_name or "",
            oversight_mode=changes.mode or Mode.GATED_SEND,
            created_at=self._context.now(),
            settings={name: value for name, value in settings.items() if value is not None},
        )

        def work(tx: Tx) -> Mailbox:
            require_mailbox_domain(
                tx, self._context, principal.account_id, address.rpartition("@")[2]
            )
            if tx.mailbox_by_address(address) is not None:
                raise conflict(
                    "address_taken", f"The address {address} is taken. Choose another one."
                )
            tx.put(mailbox)
            sync_settings_webhooks(self._context, tx, principal, mailbox, changes.signing_secrets)
            self._record(tx, principal, "mailbox.create", mailbox)
            return mailbox

        created = self._context.write(work)
        if changes.signing_secrets:
            self._context.webhook_wakeup.notify()
        return created

    def change(self, principal: Principal, mailbox_id: str, changes: MailboxChanges) -> Mailbox:
        """Change a mailbox.

        Raises:
            ApiError: The mode is looser than the present one (403).
        """

        def work(tx: Tx) -> Mailbox:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            mode = changes.mode or mailbox.oversight_mode
            if mode.is_looser_than(mailbox.oversight_mode):
                raise forbidden(
                    "loosening_refused",
                    f"`oversight_mode` {mode.value} is looser than {mailbox.oversight_mode.value}. "
                    "To loosen it, call "
                    f"POST /v1/mailboxes/{mailbox.id}/request-upgrade and get the code from the "
                    "mailbox's owner.",
                )
            name = mailbox.display_name if changes.display_name is None else changes.display_name
            new_settings = _build_forwarding_settings(
                self._context, principal, mailbox.address, changes.settings
            )
            merged = {**mailbox.settings, **new_settings}
            settings = {key: value for key, value in merged.items() if value is not None}
            if keeps_inbound_hold(mailbox, mode):
                settings["hold_inbound"] = True
            changed = replace(mailbox, display_name=name, oversight_mode=mode, settings=settings)
            tx.put(changed)
            sync_settings_webhooks(self._context, tx, principal, changed, changes.signing_secrets)
            if mode is not mailbox.oversight_mode:
                end_upgrade_requests(tx, changed, self._context.now())
            self._record(
                tx, principal, "mailbox.update", changed, fields=_get_changed_fields(changes)
            )
            return changed

        changed = self._context.write(work, Scope.of_account(principal.account_id))
        if changes.signing_secrets:
            self._context.webhook_wakeup.notify()
        self._context.wakeups.notify()
        return changed

    def delete(self, principal: Principal, mailbox_id: str) -> Mailbox:
        """Delete a mailbox: it receives no more mail, and its unsent messages are cancelled."""
        context = self._context

        def work(tx: Tx) -> Mailbox:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            for message in tx.messages_in_states(mailbox.id, _CANCELLED_ON_DELETE):
                apply_event(tx, message, Event.CANCELLED, context.now(), context.pending_ttl)
            deleted = replace(mailbox, deleted_at=context.now())
            tx.put(deleted)
            self._record(tx, principal, "mailbox.delete", deleted)
            return deleted

        return context.write(work, Scope.of_account(principal.account_id))

    def _record(self, tx: Tx, principal: Principal, action: str, box: Mailbox, **more: Any) -> None:
        resource = ("mailbox", box.id)
        mode = box.oversight_mode.value
        self._context.audit(
            tx, principal, action, resource, mailbox_id=box.id, oversight_mode=mode, **more
        )

    def _parse_address(self, name: str) -> str:
        local, at, domain = name.strip().lower().partition("@")
        if not is_local_part(local):
            raise invalid(
                f"`address_local` {name[:80]!r} is not a usable local part. Use at most 64 "
                "letters, digits, dots and hyphens, and no +."
            )
        return f"{local}@{domain if at else self._context.domain}"


def _get_changed_fields(changes: MailboxChanges) -> list[str]:
    names = list(changes.settings)
    if changes.display_name is not None:
        names.append("display_name")
    if changes.mode is not None:
        names.append("oversight_mode")
    return sorted(names)


def _build_forwarding_settings(
    context: AppContext, principal: Principal, address: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return a mailbox's new settings, with the kind of key (live or test) that set the recipients.

    Forwards that a test key set up stay in the test outbox.

    Args:
        context: The application's context.
        principal: The key that changes the settings.
        address: The address of the mailbox.
        settings: The changed settings.
    Raises:
        ApiError: The recipients are missing or the mailbox itself (400), the key can send (403),
            or a live key's mail has no relay (409).
    """
    if FORWARD_INBOUND not in settings:
        return settings
    addresses = settings[FORWARD_INBOUND]
    if addresses is True:
        raise invalid("`forward_inbound` needs a list of addresses to forward to.")
    if not addresses:
        return {**settings, FORWARD_INBOUND: None, FORWARD_LIVE: None}
    if any(to_mailbox_address(target) == address for target in addresses):
        raise invalid("`forward_inbound` names the mailbox itself.")
    if "send" in principal.scopes:
        raise forbidden(
            "forwarding_refused",
            "A key with the scope send cannot set `forward_inbound`: it would send without a "
            "decision. Use the account's admin key.",
        )
    if principal.live and not context.has_relay:
        raise conflict(
            "no_relay",
            "`forward_inbound` was not set: a live key's mail is handed to an SMTP relay, and this "
            "server has none. Start it with --relay smtp://…, or use a test key.",
        )
    return {**settings, FORWARD_LIVE: principal.live}
