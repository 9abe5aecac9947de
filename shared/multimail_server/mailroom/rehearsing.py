"""Rehearsing: what only tests ask of a server - time that moves, a clean start, mail, faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING

from ..clock import VirtualClock
from ..faults import Fault
from ..mail.envelope import SmtpEnvelope
from ..refusals import Refusal, conflict, forbidden, not_found
from ..store.protocol import Reader, Tx
from ..store.records import Mailbox, Message
from .desk import Desk, Principal, find_mailbox
from .mailboxes import Changes, Mailboxes
from .receiving import Receiving

if TYPE_CHECKING:
    from ..seed_document import SeedMailbox, SeedMessage
    from ..seeding import RawSeed, Seed

VIRTUAL_NOW = "virtual_now"
"""The setting that keeps a data file's virtual time."""

_FIRST_KEYS = 3


class Rehearsing:
    """API: /v1/test/clock, /v1/test/reset, /v1/test/seed and /v1/test/faults."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._mailboxes = Mailboxes(desk)
        self._receiving = Receiving(desk)

    def now(self) -> datetime:
        """Return the virtual time.

        Raises:
            Refusal: The server runs by the machine's clock (409).
        """
        return self._clock().now()

    def advance(self, who: Principal, delta: timedelta) -> datetime:
        """Move virtual time, with all that falls due meanwhile; return the new time.

        Raises:
            Refusal: The server runs by the machine's clock (409), or the work takes too long (503).
        """
        clock, desk = self._clock(), self._desk
        settled = desk.comforts.advance(clock, delta)
        now = clock.now()

        def work(tx: Tx) -> None:
            tx.set_setting(VIRTUAL_NOW, now.isoformat())
            about = ("server", "clock")
            desk.audit(tx, who, "test.advance", about, seconds=delta.total_seconds())

        desk.write(work)
        if not settled:
            raise Refusal(
                503,
                "work_unfinished",
                f"The clock was moved to {now.isoformat()}, and what fell due is still being done. "
                "Ask GET /v1/test/clock, then look again.",
            )
        return now

    def resume(self) -> None:
        """Bring the virtual clock to where an earlier run of this data file left it."""
        kept = self._desk.store.read(lambda tx: tx.setting(VIRTUAL_NOW))
        clock = self._desk.comforts.clock
        if kept is not None and clock is not None:
            clock.advance(max(datetime.fromisoformat(kept) - clock.now(), timedelta(0)))

    def reset(self, who: Principal, *, everything: bool) -> None:
        """Erase all mail, contacts and faults. Mailboxes, keys and the audit log stay.

        Args:
            who: Who asks.
            everything: Retire all mailboxes but the first and revoke all keys but the first three
                as well.
        """
        desk = self._desk
        desk.comforts.faults.clear()

        def work(tx: Tx) -> None:
            tx.purge_mail()
            if everything:
                self._retire(tx, who.account_id)
            about = ("account", who.account_id)
            desk.audit(tx, who, "test.reset", about, everything=everything)

        desk.write(work)

    def seed(self, who: Principal, seed: Seed) -> tuple[list[Mailbox], list[Message]]:
        """Make the mailboxes of a seed that are missing, and receive its mail.

        What is already there stays as it is; a mailbox's mode is never changed by this.

        Returns:
            The mailboxes that the seed names, and the messages that were stored.
        Raises:
            Refusal: A mailbox cannot be made, or a message names one that is not there.
        """
        boxes = [self._mailbox(who, wanted) for wanted in seed.mailboxes]
        # All that is named must be there before anything is stored.
        for message in (one for conversation in seed.conversations for one in conversation):
            self._addressee(who, message.mailbox)
        stored: list[Message] = []
        for conversation in seed.conversations:
            stored.extend(self._converse(who, conversation))
        for raw in seed.raw:
            stored.extend(self._receive(who, raw))
        return boxes, stored

    def add_fault(self, who: Principal, fault: Fault) -> Fault:
        """Let something go wrong; return it with its id."""
        desk = self._desk
        named = replace(fault, id=desk.ids.new("flt"))

        def note(tx: Tx) -> None:
            place = named.operation or named.path
            desk.audit(tx, who, "test.fault", ("fault", named.id), place=place)

        desk.write(note)
        desk.comforts.faults.add(named)
        return named

    def clear_faults(self, who: Principal, which: str | None) -> int:
        """Forget one fault, or all; return how many there were.

        Raises:
            Refusal: There is no such fault (404).
        """
        gone = self._desk.comforts.faults.clear(which)
        if which is not None and not gone:
            raise not_found("fault", which)
        desk = self._desk
        about = ("fault", which or "all")
        desk.write(lambda tx: desk.audit(tx, who, "test.fault.clear", about, cleared=gone))
        return gone

    def check(self, who: Principal) -> None:
        """Refuse with a 403 where a reset or a fault could hurt real mail, or others' mailboxes."""

        def live_keys(tx: Reader) -> bool:
            return any(key.live and key.revoked_at is None for key in tx.keys(who.account_id))

        if who.mailbox_id is not None:
            raise forbidden("bound_key", "This key belongs to one mailbox; it cannot do that.")
        unfit = self._desk.comforts.unfit
        if unfit is None and self._desk.store.read(live_keys):
            unfit = "it has a live key"
        if unfit is not None:
            raise forbidden(
                "not_for_tests",
                f"This server takes neither faults nor a reset: {unfit}. Use a server on a "
                "loopback address that has test keys alone.",
            )

    def _clock(self) -> VirtualClock:
        clock = self._desk.comforts.clock
        if clock is None:
            raise conflict(
                "no_virtual_clock",
                "This server runs by the machine's clock, which nobody can move. Start it with "
                "--clock virtual.",
            )
        return clock

    def _retire(self, tx: Tx, account_id: str) -> None:
        now = self._desk.now()
        for box in tx.mailboxes(account_id)[1:]:
            tx.put_mailbox(replace(box, deleted_at=now))
        for key in tx.keys(account_id)[_FIRST_KEYS:]:
            tx.put_key(replace(key, revoked_at=key.revoked_at or now))

    def _mailbox(self, who: Principal, wanted: SeedMailbox) -> Mailbox:
        address = wanted.address.lower()
        full = address if "@" in address else f"{address}@{self._desk.domain}"
        found = self._desk.store.read(lambda tx: tx.mailbox_by_address(full))
        if found is not None and found.account_id == who.account_id and who.sees(found.id):
            return found
        changes = Changes(wanted.display_name, wanted.oversight_mode)
        return self._mailboxes.create(who, wanted.address, changes)

    def _converse(self, who: Principal, conversation: tuple[SeedMessage, ...]) -> list[Message]:
        from ..seeding import composed

        thread: list[str] = []
        stored: list[Message] = []
        for message in conversation:
            box = self._addressee(who, message.mailbox)
            sender = parseaddr(message.sender)[1]
            own = f"<{self._desk.ids.new('rfc')}@{sender.rpartition('@')[2]}>"
            raw = composed(message, box.address, own, thread, self._desk.now())
            envelope = SmtpEnvelope(sender, (box.address,), "", "")
            stored.extend(self._receiving.receive(envelope, raw))
            thread.append(own)
        return stored

    def _receive(self, who: Principal, letter: RawSeed) -> list[Message]:
        boxes = self._mailboxes.all(who)
        known = {box.address for box in boxes} & set(letter.recipients)
        recipients = tuple(sorted(known)) or (self._addressee(who, None).address,)
        envelope = SmtpEnvelope(letter.mail_from, recipients, "", "")
        return self._receiving.receive(envelope, letter.raw)

    def _addressee(self, who: Principal, which: str | None) -> Mailbox:
        if which is not None:
            full = (
                which
                if "@" in which or which.startswith("mbx_")
                else f"{which}@{self._desk.domain}"
            )
            return self._desk.store.read(lambda tx: find_mailbox(tx, who, full))
        boxes = self._mailboxes.all(who)
        if not boxes:
            raise conflict("no_mailbox", "There is no mailbox that could get the mail. Make one.")
        return boxes[0]
