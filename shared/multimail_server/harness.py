"""A server for tests: mail from outside, waiting for what happens, and what would have left."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import httpx

from .mailroom import Principal
from .mailroom.reading import Opened
from .oversight import Direction
from .server import EmbeddedServer, FirstKeys
from .store.protocol import Reader
from .store.records import Message, MessageFilter
from .web import render

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
            raw = _message(raw, subject, sender, recipient, headers)
        if b"\r\n" not in raw:
            raw = raw.replace(b"\n", b"\r\n")
        host, _, port = self.smtp.rpartition(":")
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=10) as connection:
            connection.sendmail(sender, [recipient], raw)

    def wait_for_message(
        self,
        match: str | Callable[[Json], bool] | None = None,
        *,
        direction: str = "inbound",
        timeout: float = 10.0,
    ) -> Json:
        """Return the newest message that matches, as soon as there is one.

        It sees everything, as a reviewer does, and marks nothing as read.

        Args:
            match: A subject, or a function of the message's wire JSON; None for any message.
            direction: `inbound` or `outbound`.
            timeout: Seconds.
        Raises:
            TimeoutError: Nothing matched; the error lists the subjects that were there.
        """
        room, way = self.room, Direction(direction)

        def look() -> Json | None:
            rows = room.desk.store.read(lambda tx: self._messages(tx, way))
            return next((row for row in rows if _matches(row, match)), None)

        found = room.desk.signals.wait_for(look, timeout)
        if found is None:
            there = room.desk.store.read(lambda tx: self._messages(tx, way))
            subjects = ", ".join(repr(row["subject"]) for row in there) or "nothing"
            raise TimeoutError(
                f"No {direction} message matched {match!r} in {timeout} s; there was {subjects}."
            )
        return found

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

    def _messages(self, tx: Reader, direction: Direction) -> list[Json]:
        who = self._everybody(tx)
        found: list[Message] = []
        for mailbox in tx.mailboxes(who.account_id):
            where = MessageFilter(mailbox_id=mailbox.id, limit=_LOOKED_AT, direction=direction)
            found.extend(tx.list_messages(where))
        found.sort(key=lambda message: message.id, reverse=True)
        return [render.email(_opened(tx, message), who) for message in found]

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


def _matches(row: Json, match: str | Callable[[Json], bool] | None) -> bool:
    if match is None:
        return True
    return row["subject"] == match if isinstance(match, str) else match(row)


def _message(
    text: str, subject: str, sender: str, to: str, headers: Mapping[str, str] | None
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or "example.com")
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes()
