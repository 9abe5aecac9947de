"""Mailboxes: made, changed and retired. The oversight mode is only ever tightened here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import conflict, forbidden, invalid
from ..mail.addresses import is_local_part
from ..oversight import Event, Mode, State
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox
from .auth import keeps_inbound_hold, require_mode_allowed
from .context import AppContext, Principal, find_mailbox
from .domains import check_mailbox_domain
from .forwarding import forwarding_settings
from .transitions import apply_event
from .upgrades import end_upgrade_requests
from .webhooks import sync_settings_webhooks

_WAITING = (State.PENDING_SEND_APPROVAL, State.SCHEDULED, State.SCHEDULED_FIRST)


@dataclass(frozen=True, slots=True)
class MailboxChanges:
    """What a PATCH asks for; only what was named in it."""

    display_name: str | None = None
    mode: Mode | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    signing_secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """The secret of each webhook URL that is named, by the name of its setting."""


class MailboxService:
    """API: /v1/mailboxes."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def all(self, principal: Principal) -> list[Mailbox]:
        """Return the mailboxes that the key may see, oldest first."""

        def work(tx: Reader) -> list[Mailbox]:
            return [box for box in tx.mailboxes(principal.account_id) if principal.sees(box.id)]

        return self._context.store.read(work)

    def get(self, principal: Principal, mailbox_id: str) -> Mailbox:
        """Return one mailbox, by id or address."""
        return self._context.store.read(lambda tx: find_mailbox(tx, principal, mailbox_id))

    def create(self, principal: Principal, name: str, changes: MailboxChanges) -> Mailbox:
        """Make a mailbox.

        Args:
            principal: An account-wide admin key.
            name: The part before the @, or the whole address: in this server's domain, or in a
                verified one.
            changes: Its display name, its mode (`gated_send` when not named) and settings.
        Raises:
            ApiError: The address is unusable (400) or taken (409).
        """
        address = self._address(name)
        if principal.mailbox_id is not None:
            raise forbidden("bound_key", "This key belongs to one mailbox; it cannot make another.")
        require_mode_allowed(principal, changes.mode or Mode.GATED_SEND)
        settings = forwarding_settings(self._context, principal, address, changes.settings)
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
            check_mailbox_domain(
                tx, self._context, principal.account_id, address.rpartition("@")[2]
            )
            if tx.mailbox_by_address(address) is not None:
                raise conflict("address_taken", f"There is already a mailbox {address}.")
            tx.put_mailbox(mailbox)
            sync_settings_webhooks(self._context, tx, principal, mailbox, changes.signing_secrets)
            self._note(tx, principal, "mailbox.create", mailbox)
            return mailbox

        made = self._context.write(work)
        if changes.signing_secrets:
            self._context.webhook_wakeup.notify()
        return made

    def change(self, principal: Principal, mailbox_id: str, changes: MailboxChanges) -> Mailbox:
        """Change a mailbox; a looser mode is refused."""

        def work(tx: Tx) -> Mailbox:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            mode = changes.mode or mailbox.oversight_mode
            if mode.is_looser_than(mailbox.oversight_mode):
                raise forbidden(
                    "loosening_refused",
                    f"`oversight_mode` {mode.value} is looser than {mailbox.oversight_mode.value}. "
                    "It can only be tightened here; loosening goes by "
                    f"POST /v1/mailboxes/{mailbox.id}/request-upgrade and a code that the "
                    "mailbox's owner gets.",
                )
            name = mailbox.display_name if changes.display_name is None else changes.display_name
            wanted = forwarding_settings(
                self._context, principal, mailbox.address, changes.settings
            )
            merged = {**mailbox.settings, **wanted}
            settings = {key: value for key, value in merged.items() if value is not None}
            if keeps_inbound_hold(mailbox, mode):
                settings["hold_inbound"] = True
            changed = replace(mailbox, display_name=name, oversight_mode=mode, settings=settings)
            tx.put_mailbox(changed)
            sync_settings_webhooks(self._context, tx, principal, changed, changes.signing_secrets)
            if mode is not mailbox.oversight_mode:
                end_upgrade_requests(tx, changed, self._context.now())
            self._note(tx, principal, "mailbox.update", changed, fields=_named(changes))
            return changed

        done = self._context.write(work)
        if changes.signing_secrets:
            self._context.webhook_wakeup.notify()
        self._context.wakeups.notify()
        return done

    def delete(self, principal: Principal, mailbox_id: str) -> Mailbox:
        """Retire a mailbox: it receives nothing more, and what waits to leave it is cancelled."""
        context = self._context

        def work(tx: Tx) -> Mailbox:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            for message in tx.messages_in_states(mailbox.id, _WAITING):
                apply_event(tx, message, Event.CANCELLED, context.now(), context.pending_ttl)
            retired = replace(mailbox, deleted_at=context.now())
            tx.put_mailbox(retired)
            self._note(tx, principal, "mailbox.delete", retired)
            return retired

        return context.write(work)

    def _note(self, tx: Tx, principal: Principal, action: str, box: Mailbox, **more: Any) -> None:
        about = ("mailbox", box.id)
        mode = box.oversight_mode.value
        self._context.audit(
            tx, principal, action, about, mailbox_id=box.id, oversight_mode=mode, **more
        )

    def _address(self, name: str) -> str:
        local, at, domain = name.strip().lower().partition("@")
        if not is_local_part(local):
            raise invalid(
                f"`address_local` {name[:80]!r} cannot stand before the @ of a mailbox: use "
                "letters, digits, dots and hyphens, 64 at most, and no +."
            )
        return f"{local}@{domain if at else self._context.domain}"


def _named(changes: MailboxChanges) -> list[str]:
    names = list(changes.settings)
    if changes.display_name is not None:
        names.append("display_name")
    if changes.mode is not None:
        names.append("oversight_mode")
    return sorted(names)
