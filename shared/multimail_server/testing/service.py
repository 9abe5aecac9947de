"""Rehearsing: what only tests ask of a server - time that moves, a clean start, mail, faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING

from ..clock import VirtualClock
from ..errors import ApiError, conflict, forbidden, not_found
from ..mail.envelope import SmtpEnvelope
from ..services.context import AppContext, Principal, find_mailbox
from ..services.mailboxes import MailboxChanges, MailboxService
from ..services.receiving import InboundService
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message
from .faults import Fault

if TYPE_CHECKING:
    from .seeding import RawSeed, Seed, SeedMailbox, SeedMessage

VIRTUAL_NOW = "virtual_now"
"""The setting that keeps a data file's virtual time."""

_FIRST_KEYS = 3


class TestService:
    """API: /v1/test/clock, /v1/test/reset, /v1/test/seed and /v1/test/faults."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._mailboxes = MailboxService(context)
        self._receiving = InboundService(context)

    def now(self) -> datetime:
        """Return the virtual time.

        Raises:
            ApiError: The server runs by the machine's clock (409).
        """
        return self._clock().now()

    def advance(self, principal: Principal, delta: timedelta) -> datetime:
        """Move virtual time, with all that falls due meanwhile; return the new time.

        Raises:
            ApiError: The server has no virtual clock (409), or due work took too long (503).
        """
        clock, context = self._clock(), self._context
        settled = context.test_hooks.advance(clock, delta)
        now = clock.now()

        def work(tx: Tx) -> None:
            tx.set_setting(VIRTUAL_NOW, now.isoformat())
            about = ("server", "clock")
            context.audit(tx, principal, "test.advance", about, seconds=delta.total_seconds())

        context.write(work)
        if not settled:
            raise ApiError(
                503,
                "work_unfinished",
                f"The clock was moved to {now.isoformat()}, and what fell due is still being done. "
                "Ask GET /v1/test/clock, then look again.",
            )
        return now

    def resume(self) -> None:
        """Bring the virtual clock to where an earlier run of this data file left it."""
        kept = self._context.store.read(lambda tx: tx.setting(VIRTUAL_NOW))
        clock = self._context.test_hooks.clock
        if kept is not None and clock is not None:
            clock.advance(max(datetime.fromisoformat(kept) - clock.now(), timedelta(0)))

    def reset(self, principal: Principal, *, everything: bool) -> None:
        """Erase all mail, contacts and faults. Mailboxes, keys and the audit log stay.

        Args:
            principal: The principal of the request.
            everything: Retire all mailboxes but the first and revoke all keys but the first three
                as well.
        """
        context = self._context
        context.test_hooks.faults.clear()

        def work(tx: Tx) -> None:
            tx.purge_mail()
            if everything:
                self._retire(tx, principal.account_id)
            about = ("account", principal.account_id)
            context.audit(tx, principal, "test.reset", about, everything=everything)

        context.write(work)

    def seed(self, principal: Principal, seed: Seed) -> tuple[list[Mailbox], list[Message]]:
        """Make the mailboxes of a seed that are missing, and receive its mail.

        What is already there stays as it is; a mailbox's mode is never changed by this.

        Returns:
            The mailboxes that the seed names, and the messages that were stored.
        Raises:
            ApiError: A mailbox cannot be made, or a message names one that is not there.
        """
        boxes = [self._mailbox(principal, wanted) for wanted in seed.mailboxes]
        # All that is named must be there before anything is stored.
        for message in (one for conversation in seed.conversations for one in conversation):
            self._addressee(principal, message.mailbox)
        stored: list[Message] = []
        for conversation in seed.conversations:
            stored.extend(self._converse(principal, conversation))
        for raw in seed.raw:
            stored.extend(self._receive(principal, raw))
        return boxes, stored

    def add_fault(self, principal: Principal, fault: Fault) -> Fault:
        """Let something go wrong; return it with its id."""
        context = self._context
        named = replace(fault, id=context.ids.new("flt"))

        def note(tx: Tx) -> None:
            place = named.operation or named.path
            context.audit(tx, principal, "test.fault", ("fault", named.id), place=place)

        context.write(note)
        context.test_hooks.faults.add(named)
        return named

    def clear_faults(self, principal: Principal, which: str | None) -> int:
        """Forget one fault, or all; return how many there were.

        Raises:
            ApiError: There is no such fault (404).
        """
        gone = self._context.test_hooks.faults.clear(which)
        if which is not None and not gone:
            raise not_found("fault", which)
        context = self._context
        about = ("fault", which or "all")
        context.write(
            lambda tx: context.audit(tx, principal, "test.fault.clear", about, cleared=gone)
        )
        return gone

    def check(self, principal: Principal) -> None:
        """Refuse with a 403 where a reset or a fault could hurt real mail, or others' mailboxes."""

        def live_keys(tx: Reader) -> bool:
            return any(key.live and key.revoked_at is None for key in tx.keys(principal.account_id))

        if principal.mailbox_id is not None:
            raise forbidden("bound_key", "This key belongs to one mailbox; it cannot do that.")
        disabled_reason = self._context.test_hooks.disabled_reason
        if disabled_reason is None and self._context.store.read(live_keys):
            disabled_reason = "it has a live key"
        if disabled_reason is not None:
            raise forbidden(
                "not_for_tests",
                f"This server takes neither faults nor a reset: {disabled_reason}. Use a server on "
                "a loopback address that has test keys alone.",
            )

    def _clock(self) -> VirtualClock:
        clock = self._context.test_hooks.clock
        if clock is None:
            raise conflict(
                "no_virtual_clock",
                "This server runs by the machine's clock, which nobody can move. Start it with "
                "--clock virtual.",
            )
        return clock

    def _retire(self, tx: Tx, account_id: str) -> None:
        now = self._context.now()
        for box in tx.mailboxes(account_id)[1:]:
            tx.put_mailbox(replace(box, deleted_at=now))
        for key in tx.keys(account_id)[_FIRST_KEYS:]:
            tx.put_key(replace(key, revoked_at=key.revoked_at or now))

    def _mailbox(self, principal: Principal, wanted: SeedMailbox) -> Mailbox:
        address = wanted.address.lower()
        full = address if "@" in address else f"{address}@{self._context.domain}"
        found = self._context.store.read(lambda tx: tx.mailbox_by_address(full))
        if (
            found is not None
            and found.account_id == principal.account_id
            and principal.sees(found.id)
        ):
            return found
        changes = MailboxChanges(wanted.display_name, wanted.oversight_mode)
        return self._mailboxes.create(principal, wanted.address, changes)

    def _converse(
        self, principal: Principal, conversation: tuple[SeedMessage, ...]
    ) -> list[Message]:
        from .seeding import compose_seed

        thread: list[str] = []
        stored: list[Message] = []
        for message in conversation:
            box = self._addressee(principal, message.mailbox)
            sender = parseaddr(message.sender)[1]
            own = f"<{self._context.ids.new('rfc')}@{sender.rpartition('@')[2]}>"
            raw = compose_seed(message, box.address, own, thread, self._context.now())
            envelope = SmtpEnvelope(sender, (box.address,), "", "")
            stored.extend(self._receiving.receive(envelope, raw))
            thread.append(own)
        return stored

    def _receive(self, principal: Principal, letter: RawSeed) -> list[Message]:
        boxes = self._mailboxes.list_mailboxes(principal)
        known = {box.address for box in boxes} & set(letter.recipients)
        recipients = tuple(sorted(known)) or (self._addressee(principal, None).address,)
        envelope = SmtpEnvelope(letter.mail_from, recipients, "", "")
        return self._receiving.receive(envelope, letter.raw)

    def _addressee(self, principal: Principal, which: str | None) -> Mailbox:
        if which is not None:
            full = (
                which
                if "@" in which or which.startswith("mbx_")
                else f"{which}@{self._context.domain}"
            )
            return self._context.store.read(lambda tx: find_mailbox(tx, principal, full))
        boxes = self._mailboxes.list_mailboxes(principal)
        if not boxes:
            raise conflict("no_mailbox", "There is no mailbox that could get the mail. Make one.")
        return boxes[0]
