"""Options: a server's settings by the short names that the pytest marker takes.

Waiting: what a test waits for, and how what is there is describe_row when it does not come.
A server for tests: mail from outside, waiting for what happens, and what would have left.
"""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from email.message import EmailMessage
from enum import Enum
from pathlib import Path
from typing import Any

import httpx

from ..api import render
from ..config import ServerConfig, get_settings
from ..oversight import Direction, State
from ..server import EmbeddedServer, FirstKeys
from ..services import Principal
from ..services.messages import OpenedMessage
from ..store.protocol import Reader
from ..store.records import Message, MessageFilter
from .hooks import parse_clock
from .seeding import parse_seed, read_seeds

_NO_DNS = Path(__file__).with_name("no_dns.zone")


def build_config(options: dict[str, Any]) -> ServerConfig:
    """Return the settings of a server for tests: free ports, no DNS, and what the options say.

    Args:
        options: Settings by the names of `ServerConfig`'s fields or their short names; `clock` may
            be `virtual` or `virtual:<ISO 8601 time>`, and a path may be a str.
    Raises:
        ValueError: There is no such option, or no such clock.
    """
    names = {name: item.field for item in get_settings() for name in (item.field, item.name)}
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise ValueError(
            f"there is no option {unknown[0]!r}; the options are {', '.join(sorted(names))}"
        )
    settings = {names[name]: value for name, value in options.items()}
    for item in get_settings():
        if item.type == Path | None and isinstance(settings.get(item.field), str):
            settings[item.field] = Path(settings[item.field])
    if isinstance(settings.get("clock"), str):
        settings["clock"] = parse_clock(settings["clock"])
    return ServerConfig(**{"port": 0, "smtp_port": 0, "dns_zone": _NO_DNS, **settings})


Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageMatcher:
    """What a message must have. What is None is not asked.

    Attributes:
        match: A subject, or a function of the message's wire JSON.
        direction: `inbound` or `outbound`.
        sender: The address in From.
        subject: The whole subject.
        status: The status.
    Raises:
        ValueError: There is no such direction or status, so that waiting would be in vain.
    """

    match: str | Callable[[Json], bool] | None = None
    direction: str | None = None
    sender: str | None = None
    subject: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        _check_value("direction", self.direction, Direction)
        _check_value("status", self.status, State)

    def matches(self, row: Json) -> bool:
        """Return whether a message has all that is asked."""
        asked = (
            (self.direction, row["direction"]),
            (self.sender and self.sender.lower(), (row["from"] or "").lower()),
            (self.subject, row["subject"]),
            (self.status, row["status"]),
            (self.match if isinstance(self.match, str) else None, row["subject"]),
        )
        if any(wanted is not None and wanted != found for wanted, found in asked):
            return False
        return self.match(row) if callable(self.match) else True

    def __str__(self) -> str:
        pairs = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return ", ".join(f"{name} {value!r}" for name, value in pairs if value is not None)


def _check_value(name: str, value: str | None, known: type[Enum]) -> None:
    values = [one.value for one in known]
    if value is not None and value not in values:
        raise ValueError(f"There is no {name} {value!r}; it is one of {', '.join(values)}.")


def describe_row(row: Json) -> str:
    """Return one line about a message."""
    return f"{row['direction']} {row['subject']!r} from {row['from']}, {row['status']}"


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
        where = MessageMatcher(match, direction, sender, subject, status)
        services = self.services

        def look() -> Json | None:
            rows = services.context.store.read(self._messages)
            return next((row for row in rows if where.matches(row)), None)

        found = services.context.commits.wait_for(look, timeout)
        if found is None:
            there = map(describe_row, services.context.store.read(self._messages))
            raise TimeoutError(
                f"No message came in {timeout} s that has {where}. "
                f"There was: {'; '.join(there) or 'none at all'}."
            )
        return found

    def advance(self, seconds: float) -> datetime:
        """Move the virtual clock, with all that falls due meanwhile; return the new time.

        Raises:
            ApiError: The server has no virtual clock, or the work does not come to an end.
        """
        return self.services.test_service.advance(
            self._server_principal(), timedelta(seconds=seconds)
        )

    def reset(self, *, everything: bool = False) -> None:
        """Erase all mail, contacts and faults.

        Args:
            everything: Retire all mailboxes but the first and revoke all keys but the first three
                as well.
        """
        self.services.test_service.reset(self._server_principal(), everything=everything)

    def seed(self, source: Path | Json) -> list[Json]:
        """Receive mail to begin with, and return the messages.

        Args:
            source: A .eml, mbox or JSON file, a directory of them, or what the JSON would say.
        Raises:
            SeedError: It is not of the form.
        """
        if isinstance(source, Path):
            seeds = read_seeds(source)
        else:
            seeds = [parse_seed("The seed", json.dumps(source).encode())]
        principal = self._server_principal()
        stored = [
            one for seed in seeds for one in self.services.test_service.seed(principal, seed)[1]
        ]
        return self.services.context.store.read(lambda tx: [self._row(tx, one) for one in stored])

    def _new_id(self, sender: str) -> str:
        return (
            f"<{self.services.context.ids.new('rfc')}@{sender.rpartition('@')[2] or 'example.com'}>"
        )

    def _server_principal(self) -> Principal:
        return Principal.system(self.services.context.store.read(self._everybody).account_id)

    def outbox(self) -> list[Json]:
        """Return what test keys "delivered", newest first, with `raw` as text."""
        services = self.services
        principal = services.context.store.read(self._everybody)
        rows = services.messages.test_deliveries(principal, _LOOKED_AT)
        return [
            {
                **render.test_delivery(delivery, message),
                "raw": services.messages.test_delivery_raw(principal, message.id).decode(
                    "utf-8", "replace"
                ),
            }
            for delivery, message in rows
        ]

    def _messages(self, tx: Reader) -> list[Json]:
        principal = self._everybody(tx)
        found: list[Message] = []
        for mailbox in tx.mailboxes(principal.account_id):
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


def _opened(tx: Reader, message: Message) -> OpenedMessage:
    content = tx.content(message.id)
    files, tags = tx.attachments(message.id), tx.tags(message.id)
    markdown, removed = (content.markdown, content.removed) if content else ("", ())
    return OpenedMessage(message, markdown, files, tags, removed)


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
