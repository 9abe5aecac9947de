"""The test service: virtual time, reset, seed mail and faults."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING

from ..auth import require_account_wide
from ..errors import ApiError, conflict, forbidden, not_found
from ..extension import Worker
from ..mail.envelope import SmtpEnvelope
from ..services import AppContext, Principal, Services
from ..services.context import find_mailbox
from ..services.mailboxes import MailboxChanges, MailboxService
from ..services.receiving import InboundService
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message
from .clock import VirtualClock, advance_with_workers, drain_workers
from .faults import Fault, Faults

if TYPE_CHECKING:
    from .seeding import RawSeed, Seed, SeedMailbox, SeedMessage

VIRTUAL_NOW = "virtual_now"
"""The setting that keeps a data file's virtual time."""

_FIRST_KEYS = 3


class TestService:
    """API: /v1/test/clock, /v1/test/reset, /v1/test/seed and /v1/test/faults."""

    __test__ = False

    def __init__(
        self,
        context: AppContext,
        faults: Faults,
        clock: VirtualClock | None,
        workers: Sequence[Worker],
        disabled_reason: str | None,
    ) -> None:
        self._context = context
        self.faults = faults
        self.clock = clock
        self._workers = workers
        self._disabled_reason = disabled_reason
        self._advancing = threading.Lock()
        self._mailboxes = MailboxService(context)
        self._receiving = InboundService(context)

    def now(self) -> datetime:
        """Return the virtual time.

        Raises:
            ApiError: The server has no virtual clock (409).
        """
        return self._require_clock().now()

    def advance(self, principal: Principal, delta: timedelta) -> datetime:
        """Advance virtual time and run everything that falls due; return the new time.

        Raises:
            ApiError: The server has no virtual clock (409), or due work took too long (503).
        """
        clock, context = self._require_clock(), self._context
        with self._advancing:
            drained = advance_with_workers(clock, delta, self._workers)
        now = clock.now()

        def work(tx: Tx) -> None:
            tx.set_setting(VIRTUAL_NOW, now.isoformat())
            resource = ("server", "clock")
            context.audit(tx, principal, "test.advance", resource, seconds=delta.total_seconds())

        context.write(work)
        if not drained:
            raise ApiError(
                503,
                "work_unfinished",
                f"The clock was advanced to {now.isoformat()}, but due work is still running. Look "
                "again later.",
            )
        return now

    def drain(self) -> bool:
        """Run all due work of the workers; return whether it ended in time."""
        return drain_workers(self._workers)

    def resume(self) -> None:
        """Advance the virtual clock to the time of an earlier run of this data file."""
        stored = self._context.store.read(lambda tx: tx.setting(VIRTUAL_NOW))
        if stored is not None and self.clock is not None:
            delta = datetime.fromisoformat(stored) - self.clock.now()
            self.clock.advance(max(delta, timedelta(0)))

    def reset(self, principal: Principal, *, everything: bool) -> None:
        """Erase all mail, contacts and faults. Mailboxes, keys and the audit log stay.

        Args:
            principal: The principal of the request.
            everything: Also delete all mailboxes but the first and revoke all keys but the
                first three.
        """
        context = self._context
        self.faults.clear()

        def work(tx: Tx) -> None:
            tx.purge_mail()
            if everything:
                self._delete_others(tx, principal.account_id)
            resource = ("account", principal.account_id)
            context.audit(tx, principal, "test.reset", resource, everything=everything)

        context.write(work)

    def seed(self, principal: Principal, seed: Seed) -> tuple[list[Mailbox], list[Message]]:
        """Create the missing mailboxes of a seed and receive its mail.

        Existing mailboxes aren't changed.

        Returns:
            The mailboxes that the seed names, and the stored messages.
        Raises:
            ApiError: A mailbox cannot be created, or a message names an unknown one.
        """
        mailboxes = [self._get_or_create(principal, mailbox) for mailbox in seed.mailboxes]
        # Every named mailbox must exist before anything is stored.
        for conversation in seed.conversations:
            for message in conversation:
                self._find_mailbox(principal, message.mailbox)
        stored: list[Message] = []
        for conversation in seed.conversations:
            stored.extend(self._receive_conversation(principal, conversation))
        for raw in seed.raw:
            stored.extend(self._receive_raw(principal, raw))
        return mailboxes, stored

    def add_fault(self, principal: Principal, fault: Fault) -> Fault:
        """Add a fault; return it with its id."""
        context = self._context
        added = replace(fault, id=context.ids.new("flt"))

        def work(tx: Tx) -> None:
            place = added.operation or added.path
            context.audit(tx, principal, "test.fault", ("fault", added.id), place=place)

        context.write(work)
        self.faults.add(added)
        return added

    def clear_faults(self, principal: Principal, fault_id: str | None) -> int:
        """Remove one fault, or all; return how many there were.

        Raises:
            ApiError: There is no such fault (404).
        """
        cleared = self.faults.clear(fault_id)
        if fault_id is not None and not cleared:
            raise not_found("fault", fault_id)
        context = self._context
        resource = ("fault", fault_id or "all")
        context.write(
            lambda tx: context.audit(tx, principal, "test.fault.clear", resource, cleared=cleared)
        )
        return cleared

    def check(self, principal: Principal) -> None:
        """Require a server on which a reset or a fault cannot hurt real mail or other users.

        Raises:
            ApiError: It has live keys or is reachable, or the key belongs to one mailbox (403).
        """

        def live_keys(tx: Reader) -> bool:
            return any(key.live and key.revoked_at is None for key in tx.keys(principal.account_id))

        require_account_wide(principal)
        reason = self._disabled_reason
        if reason is None and self._context.store.read(live_keys):
            reason = "it has a live key"
        if reason is not None:
            raise forbidden(
                "not_for_tests",
                f"This server takes neither faults nor a reset: {reason}. Use a server on a "
                "loopback address with test keys only.",
            )

    def _require_clock(self) -> VirtualClock:
        if self.clock is None:
            raise conflict(
                "no_virtual_clock",
                "This server has no virtual clock. Start it with --clock virtual.",
            )
        return self.clock

    def _delete_others(self, tx: Tx, account_id: str) -> None:
        now = self._context.now()
        for box in tx.mailboxes(account_id)[1:]:
            tx.put(replace(box, deleted_at=now))
        for key in tx.keys(account_id)[_FIRST_KEYS:]:
            tx.put(replace(key, revoked_at=key.revoked_at or now))

    def _get_or_create(self, principal: Principal, wanted: SeedMailbox) -> Mailbox:
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

    def _receive_conversation(
        self, principal: Principal, conversation: tuple[SeedMessage, ...]
    ) -> list[Message]:
        from .seeding import compose_seed

        thread: list[str] = []
        stored: list[Message] = []
        for message in conversation:
            box = self._find_mailbox(principal, message.mailbox)
            sender = parseaddr(message.sender)[1]
            own = f"<{self._context.ids.new('rfc')}@{sender.rpartition('@')[2]}>"
            raw = compose_seed(message, box.address, own, thread, self._context.now())
            envelope = SmtpEnvelope(sender, (box.address,), "", "")
            stored.extend(row.message for row in self._receiving.receive(envelope, raw))
            thread.append(own)
        return stored

    def _receive_raw(self, principal: Principal, letter: RawSeed) -> list[Message]:
        boxes = self._mailboxes.list_mailboxes(principal)
        known = {box.address for box in boxes} & set(letter.recipients)
        recipients = tuple(sorted(known)) or (self._find_mailbox(principal, None).address,)
        envelope = SmtpEnvelope(letter.mail_from, recipients, "", "")
        return [row.message for row in self._receiving.receive(envelope, letter.raw)]

    def _find_mailbox(self, principal: Principal, which: str | None) -> Mailbox:
        if which is not None:
            full = (
                which
                if "@" in which or which.startswith("mbx_")
                else f"{which}@{self._context.domain}"
            )
            return self._context.store.read(lambda tx: find_mailbox(tx, principal, full))
        boxes = self._mailboxes.list_mailboxes(principal)
        if not boxes:
            raise conflict("no_mailbox", "There is no mailbox. Create one first.")
        return boxes[0]


class TestServices(Services):
    """The services of a server with test support."""

    __test__ = False

    def __init__(self, context: AppContext, testing: TestService) -> None:
        super().__init__(context)
        self.testing = testing


def get_test_service(services: Services) -> TestService:
    """Return the test service of a server with test support."""
    if not isinstance(services, TestServices):
        raise TypeError("The server has no test support; start it with TestSupport().")
    return services.testing
