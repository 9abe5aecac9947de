"""A server for tests: inbound mail, waiting for messages, and the test outbox."""

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

from ..api.schemas.messages import render_email
from ..config import ServerConfig, get_settings
from ..oversight import Direction, State
from ..server import EmbeddedServer, FirstKeys
from ..services import Principal
from ..services.messages import OpenedMessage
from ..store.protocol import Reader
from ..store.records import Message, MessageFilter
from .clock import parse_clock
from .routes import render_test_delivery
from .seeding import parse_seed, read_seeds
from .service import TestService, get_test_service
from .support import TestSupport

Json = dict[str, Any]

_NO_DNS = Path(__file__).with_name("no_dns.zone")
_NOT_ERASED = tuple(state for state in State if state is not State.DELETED)
_MAX_LISTED = 100


class ServerUnderTest(EmbeddedServer):
    """An `EmbeddedServer` with test support and helpers for tests.

    Args:
        config: As for `EmbeddedServer`.
    """

    def __init__(self, config: ServerConfig | None = None) -> None:
        super().__init__(config, TestSupport())

    @property
    def keys(self) -> FirstKeys:
        """The keys of the first start."""
        keys = super().keys
        if keys is None:
            raise RuntimeError("The server is not running, or its data file existed before.")
        return keys

    def http(self, key: str) -> httpx.Client:
        """Return a client of the API; the caller closes it.

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
        """Send mail to the server by SMTP; it is stored on return.

        Args:
            mail: The text of a message, or the bytes of a whole message, which are sent unchanged
                (if all lines end in LF, they are sent with CRLF).
            subject: The subject of a text.
            sender: The address in From and the envelope sender.
            to: The recipient; default the first mailbox.
            headers: More headers of a text.
        Raises:
            smtplib.SMTPException: The server refused it.
        """
        recipient = to or self.mailbox.address
        raw = mail
        if isinstance(raw, str):
            raw = _build_message(
                raw, subject, sender, recipient, headers or {}, self._new_message_id(sender)
            )
        if b"\r\n" not in raw:
            raw = raw.replace(b"\n", b"\r\n")
        host, _, port = self.smtp.rpartition(":")
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=60) as connection:
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
        """Return the newest message that matches, as soon as there is one.

        It sees all messages, as a reviewer does, and marks none as read. It checks after every
        commit.

        Args:
            match: A subject, or a predicate on the message's wire JSON; None for any message.
            direction: `inbound` or `outbound`; None for either.
            sender: The address in From, in any case.
            subject: The whole subject.
            status: Such as `pending_send_approval`, `sent`, `send_failed` or `unread`.
            timeout: Seconds of real time.
        Raises:
            TimeoutError: No message matched; the error lists the messages.
            ValueError: There is no such direction or status.
        """
        matcher = MessageMatcher(match, direction, sender, subject, status)
        context = self.services.context

        def poll() -> Json | None:
            rows = context.store.read(self._list_messages)
            return next((row for row in rows if matcher.matches(row)), None)

        message = context.commits.wait_for(poll, timeout)
        if message is None:
            rows = map(_describe_row, context.store.read(self._list_messages))
            raise TimeoutError(
                f"No message came in {timeout} s that has {matcher}. "
                f"There was: {'; '.join(rows) or 'none at all'}."
            )
        return message

    def advance(self, seconds: float) -> datetime:
        """Advance the virtual clock and run everything that falls due; return the new time.

        Raises:
            multimail_server.errors.ApiError: The server has no virtual clock, or due work took too
                long.
        """
        return self._testing.advance(self._get_principal(), timedelta(seconds=seconds))

    def reset(self, *, everything: bool = False) -> None:
        """Erase all mail, contacts and faults.

        Args:
            everything: Also delete all mailboxes but the first, and revoke all keys but the first
                three.
        """
        self._testing.reset(self._get_principal(), everything=everything)

    def seed(self, source: Path | Json) -> list[Json]:
        """Receive seed mail and return the messages.

        Args:
            source: A .eml, mbox or JSON file, a directory of them, or the JSON document.
        Raises:
            multimail_server.testing.seeding.SeedError: It has another form.
        """
        if isinstance(source, Path):
            seeds = read_seeds(source)
        else:
            seeds = [parse_seed("The seed", json.dumps(source).encode())]
        principal = self._get_principal()
        stored = [message for seed in seeds for message in self._testing.seed(principal, seed)[1]]
        return self.services.context.store.read(
            lambda tx: [_render(tx, message) for message in stored]
        )

    def outbox(self) -> list[Json]:
        """Return the messages in the test outbox, newest first, with `raw` as text."""
        messages = self.services.messages
        principal = self.services.context.store.read(_get_reader)
        return [
            {
                **render_test_delivery(delivery, message),
                "raw": messages.test_delivery_raw(principal, message.id).decode("utf-8", "replace"),
            }
            for delivery, message in messages.test_deliveries(principal, _MAX_LISTED)
        ]

    @property
    def _testing(self) -> TestService:
        return get_test_service(self.services)

    def _new_message_id(self, sender: str) -> str:
        domain = sender.rpartition("@")[2] or "example.com"
        return f"<{self.services.context.ids.new('rfc')}@{domain}>"

    def _get_principal(self) -> Principal:
        return Principal.system(self.services.context.store.read(_get_reader).account_id)

    def _list_messages(self, tx: Reader) -> list[Json]:
        messages: list[Message] = []
        for mailbox in tx.mailboxes(_get_reader(tx).account_id):
            for direction in Direction:
                messages += tx.list_messages(
                    MessageFilter(mailbox.id, _MAX_LISTED, _NOT_ERASED, direction=direction)
                )
        messages.sort(key=lambda message: message.id, reverse=True)
        return [_render(tx, message) for message in messages]


def build_config(options: dict[str, Any]) -> ServerConfig:
    """Return the configuration of a server for tests: free ports, no DNS, and the options.

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


@dataclass(frozen=True, slots=True)
class MessageMatcher:
    """The properties of a message to wait for; None matches anything.

    Attributes:
        match: A subject, or a predicate on the message's wire JSON.
        direction: `inbound` or `outbound`.
        sender: The address in From.
        subject: The whole subject.
        status: The status.
    Raises:
        ValueError: There is no such direction or status.
    """

    match: str | Callable[[Json], bool] | None = None
    direction: str | None = None
    sender: str | None = None
    subject: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        _require_value("direction", self.direction, Direction)
        _require_value("status", self.status, State)

    def matches(self, row: Json) -> bool:
        """Return whether a message has all the properties."""
        pairs = (
            (self.direction, row["direction"]),
            (self.sender and self.sender.lower(), (row["from"] or "").lower()),
            (self.subject, row["subject"]),
            (self.status, row["status"]),
            (self.match if isinstance(self.match, str) else None, row["subject"]),
        )
        if any(expected is not None and expected != value for expected, value in pairs):
            return False
        return self.match(row) if callable(self.match) else True

    def __str__(self) -> str:
        pairs = [(item.name, getattr(self, item.name)) for item in fields(self)]
        return ", ".join(f"{name} {value!r}" for name, value in pairs if value is not None)


def _require_value(name: str, value: str | None, choices: type[Enum]) -> None:
    values = [choice.value for choice in choices]
    if value is not None and value not in values:
        raise ValueError(f"There is no {name} {value!r}; it is one of {', '.join(values)}.")


def _describe_row(row: Json) -> str:
    return f"{row['direction']} {row['subject']!r} from {row['from']}, {row['status']}"


def _render(tx: Reader, message: Message) -> Json:
    content = tx.content(message.id)
    markdown, removed = (content.markdown, content.removed) if content else ("", ())
    attachments, tags = tx.attachments(message.id), tx.tags(message.id)
    opened = OpenedMessage(message, markdown, attachments, tags, removed)
    return dict(render_email(opened, shown=True))


def _get_reader(tx: Reader) -> Principal:
    """Return a principal that can read every message."""
    account = tx.first_account()
    scopes = frozenset({"read", "oversight"})
    return Principal("", account.id if account else "", "test", scopes, live=False)


def _build_message(
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
