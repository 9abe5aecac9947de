"""Seeding: mail to begin with, read from .eml, mbox or JSON. Nothing is stored here."""

from __future__ import annotations

import hashlib
import mailbox
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses, parseaddr
from pathlib import Path

from pydantic import ValidationError

from .deferred import built
from .mail.addresses import is_address, to_mailbox_address
from .mail.headers import read_headers, unfold
from .seed_document import SeedDocument, SeedMailbox, SeedMessage

_SUFFIXES = (".eml", ".mbox", ".json")
_FOR = ("delivered-to", "x-original-to", "to", "cc")


class SeedError(ValueError):
    """Seed mail cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class RawSeed:
    """A whole message.

    Attributes:
        raw: Its bytes.
        mail_from: The envelope's sender; empty when the message does not tell.
        recipients: Whom its header says it was for.
    """

    raw: bytes
    mail_from: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """What to begin with.

    Attributes:
        mailboxes: To make, unless they are there.
        conversations: Messages to compose; in each, one answers the other.
        raw: Whole messages.
    """

    mailboxes: tuple[SeedMailbox, ...] = ()
    conversations: tuple[tuple[SeedMessage, ...], ...] = ()
    raw: tuple[RawSeed, ...] = ()


def seeds_in(path: Path) -> list[Seed]:
    """Return what a file, or every .eml, .mbox and .json file of a directory, holds.

    Raises:
        SeedError: There is no such file, it holds no mail, or the JSON is not of the form.
    """
    try:
        if not path.is_dir():
            return [seed_of(path.name, path.read_bytes())]
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not files:
            raise SeedError(f"{path} holds no .eml, .mbox or .json file")
        return [seed_of(file.name, file.read_bytes()) for file in files]
    except OSError as error:
        raise SeedError(f"{path} cannot be read: {error.strerror or error}") from None


def seed_of(name: str, content: bytes) -> Seed:
    """Return what the bytes of a JSON file, an mbox or one message hold.

    Args:
        name: Of the file, for errors.
        content: JSON begins with `{`, an mbox with `From `; anything else is one message.
    Raises:
        SeedError: It is empty, or the JSON is not of the form.
    """
    if content.lstrip()[:1] == b"{":
        return _described(name, content)
    letters = _mbox(content) if content.startswith(b"From ") else [content]
    found = tuple(_raw(raw) for raw in letters if raw.strip())
    if not found:
        raise SeedError(f"{name} holds no mail")
    return Seed(raw=found)


def composed(
    message: SeedMessage, recipient: str, message_id: str, thread: Sequence[str], now: datetime
) -> bytes:
    """Return the bytes of a message, the same for the same arguments.

    Args:
        message: As the JSON describes it.
        recipient: The mailbox; To where the message has none.
        message_id: With its angle brackets.
        thread: The Message-IDs that it answers, oldest first.
        now: Date where the message has none.
    Raises:
        SeedError: The headers contradict each other.
    """
    try:
        return _message(message, recipient, message_id, thread, now).as_bytes()
    except ValueError as error:
        raise SeedError(f"the message {message.subject!r} cannot be written: {error}") from None


def _message(
    message: SeedMessage, recipient: str, message_id: str, thread: Sequence[str], now: datetime
) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = message.sender, ", ".join(message.to) or recipient
    if message.cc:
        mail["Cc"] = ", ".join(message.cc)
    mail["Subject"], mail["Date"] = message.subject, message.date or now
    mail["Message-ID"] = message_id
    if thread:
        mail["In-Reply-To"], mail["References"] = thread[-1], " ".join(thread)
    for name, value in message.headers.items():
        mail[name] = value
    _fill(mail, message, hashlib.sha256(message_id.encode()).hexdigest()[:24])
    return mail


def _fill(mail: EmailMessage, message: SeedMessage, mark: str) -> None:
    mail.set_content(message.body)
    if message.html is not None:
        # The library's own boundaries are random.
        mail.make_alternative(boundary=f"=_alternative_{mark}")
        mail.add_alternative(message.html, subtype="html")
    if message.attachments:
        mail.make_mixed(boundary=f"=_mixed_{mark}")
    for file in message.attachments:
        main, _, sub = file.content_type.partition("/")
        mail.add_attachment(file.data(), maintype=main, subtype=sub, filename=file.name)


def _described(name: str, content: bytes) -> Seed:
    try:
        document = built(SeedDocument).model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        raise SeedError(f"{name}: {f'`{place}`' if place else 'it'} is wrong: {said}") from None
    alone = tuple((message,) for message in document.messages)
    threads = tuple(thread.filled() for thread in document.threads)
    return Seed(tuple(document.mailboxes), alone + threads)


def _mbox(content: bytes) -> list[bytes]:
    """Return the messages of an mbox; the standard library reads one from a file alone."""
    with tempfile.TemporaryDirectory(prefix="multimail-") as folder:
        path = Path(folder) / "seed.mbox"
        path.write_bytes(content)
        box = mailbox.mbox(path, create=False)
        try:
            return [box.get_bytes(key) for key in box.iterkeys()]
        finally:
            box.close()


def _raw(raw: bytes) -> RawSeed:
    found = read_headers(raw)
    fields = [unfold(value) for name in _FOR for value in found.all(name)]
    recipients = (address for _, address in getaddresses(fields) if is_address(address))
    mail_from = parseaddr(unfold(found.first("return-path")))[1]
    return RawSeed(
        raw, mail_from if is_address(mail_from) else "", tuple(map(to_mailbox_address, recipients))
    )
