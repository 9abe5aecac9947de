"""A server for tests: mail from outside, waiting for what happens, and what would have left."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from .api import render
from .mailroom import Principal
from .mailroom.desk import the_server
from .mailroom.reading import Opened
from .oversight import Direction
from .seeding import seed_of, seeds_in
from .server import EmbeddedServer, FirstKeys
from .store.protocol import Reader
from .store.records import Message, MessageFilter
from .waiting import Wanted, told

Json = dict[str, Any]
_LOOKED_AT = 100


class ServerUnderTest(EmbeddedServer):
    """An `EmbeddedServer` with the helpers that a test wants."""

    @property
    def keys(self) -> FirstKeys:
        """The keys of the first start."""
        keys = super().keys
        if keys is None:
            raise RuntimeError("The server is not running, or its data file was there already.")
        return keys

    def http(self, key: str) -> httpx.Client:
        """Return a client of the API; close it, or let the test's end do so.

        Args:
            key: `agent`, `reviewer` or `admin` for one of the first keys, or a raw key.
        """
        raw = getattr(self.keys, key) if key in ("agent", "reviewer", "admin") else key
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {raw}"}, timeout=30.0
        )

    def deliver(
        self,
        mail: str | bytes = "Hello.",
        *,
        subject: str = "Hello",
        sender: str = "sender@example.com",
        to: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send mail to the server in a real SMTP conversation; it is stored on return.

        Args:
            mail: A text, of which a message is made; or the bytes of a whole message, sent as is
                (where all lines end in LF alone, they are sent with the CRLF that SMTP asks for).
            subject: For a text.
            sender: From, and the envelope's sender.
            to: The recipient; the first mailbox when not given.
            headers: More headers, for a text.
        Raises:
            smtplib.SMTPException: The server refused it.
        """
        recipient = to or self.mailbox.address
        raw = mail
        if isinstance(raw, str):
            raw = _message(raw, subject, sender, recipient, headers or {}, self._new_id(sender))
        if b"\r\n" not in raw:
            raw = raw.replace(b"\n", b"\r\n")
        host, _, port = self.smtp.rpartition(":")
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=10) as connection:
            connection.sendmail(sender, [recipient], raw)

    def wait_for_message(
        self,
        match: str | Callable[[Json], bool] | None = None,
        *,
        direction: str | None = "inbound",
        sender: str | None = None,
        subject: str | None = None,
        status: str | None = None,
        timeout: float = 10.0,
    ) -> Json:
        """Return the newest message that has all that is asked, as soon as there is one.

        It sees everything, as a reviewer does, and marks nothing as read. It looks again whenever
        something was committed, so that it loses no time.

        Args:
            match: A subject, or a function of the message's wire JSON; None for any message.
            direction: `inbound` or `outbound`; None for either.
            sender: The address in From, in any case.
            subject: The whole subject.
            status: Such as `pending_send_approval`, `sent`, `send_failed` or `unread`.
            timeout: Seconds of real time.
        Raises:
            TimeoutError: Nothing matched; the error says what was asked and what was there.
            ValueError: There is no such direction or status.
        """
        where = Wanted(match, direction, sender, subject, status)
        room = self.room

        def look() -> Json | None:
            rows = room.desk.store.read(self._messages)
            return next((row for row in rows if where.is_met_by(row)), None)

        found = room.desk.signals.wait_for(look, timeout)
        if found is None:
            there = map(told, room.desk.store.read(self._messages))
            raise TimeoutError(
                f"No message came in {timeout} s that has {where}. "
                f"There was: {'; '.join(there) or 'none at all'}."
            )
        return found

    def advance(self, seconds: float) -> datetime:
        """Move the virtual clock, with all that falls due meanwhile; return the new time.

        Raises:
            Refusal: The server has no virtual clock, or the work does not come to an end.
        """
        return self.room.rehearsing.advance(self._itself(), timedelta(seconds=seconds))

    def reset(self, *, everything: bool = False) -> None:
        """Erase all mail, contacts and faults.

        Args:
            everything: Retire all mailboxes but the first and revoke all keys but the first three
                as well.
        """
        self.room.rehearsing.reset(self._itself(), everything=everything)

    def seed(self, source: Path | Json) -> list[Json]:
        """Receive mail to begin with, and return the messages.

        Args:
            source: A .eml, mbox or JSON file, a directory of them, or what the JSON would say.
        Raises:
            SeedError: It is not of the form.
        """
        if isinstance(source, Path):
            seeds = seeds_in(source)
        else:
            seeds = [seed_of("The seed", json.dumps(source).encode())]
        who = self._itself()
        stored = [one for seed in seeds for one in self.room.rehearsing.seed(who, seed)[1]]
        return self.room.desk.store.read(lambda tx: [self._row(tx, one) for one in stored])

    def _new_id(self, sender: str) -> str:
        return f"<{self.room.desk.ids.new('rfc')}@{sender.rpartition('@')[2] or 'example.com'}>"

    def _itself(self) -> Principal:
        return the_server(self.room.desk.store.read(self._everybody).account_id)

    def outbox(self) -> list[Json]:
        """Return what test keys "delivered", newest first, with `raw` as text."""
        room = self.room
        who = room.desk.store.read(self._everybody)
        rows = room.reading.test_deliveries(who, _LOOKED_AT)
        return [
            {
                **render.test_delivery(delivery, message),
                "raw": room.reading.test_delivery_raw(who, message.id).decode("utf-8", "replace"),
            }
            for delivery, message in rows
        ]

    def _messages(self, tx: Reader) -> list[Json]:
        who = self._everybody(tx)
        found: list[Message] = []
        for mailbox in tx.mailboxes(who.account_id):
            for way in Direction:
                where = MessageFilter(mailbox_id=mailbox.id, limit=_LOOKED_AT, direction=way)
                found.extend(tx.list_messages(where))
        found.sort(key=lambda message: message.id, reverse=True)
        return [self._row(tx, message) for message in found]

    def _row(self, tx: Reader, message: Message) -> Json:
        return render.email(_opened(tx, message), self._everybody(tx))

    @staticmethod
    def _everybody(tx: Reader) -> Principal:
        account = tx.first_account()
        scopes = frozenset({"read", "oversight"})
        return Principal("", account.id if account else "", "test", scopes, live=False)


def _opened(tx: Reader, message: Message) -> Opened:
    content = tx.content(message.id)
    files, tags = tx.attachments(message.id), tx.tags(message.id)
    markdown, removed = (content.markdown, content.removed) if content else ("", ())
    return Opened(message, markdown, files, tags, removed)


def _message(
    text: str, subject: str, sender: str, to: str, headers: Mapping[str, str], message_id: str
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    if "message-id" not in map(str.lower, headers):
        message["Message-ID"] = message_id
    for name, value in headers.items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes()
