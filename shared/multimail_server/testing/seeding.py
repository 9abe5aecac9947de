"""Seed mail, read from .eml, mbox or JSON files. Nothing is stored here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses, parseaddr
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ..api.schemas.base import ensure_model_built, to_list
from ..mail.addresses import is_address, to_mailbox_address
from ..mail.automation import get_author
from ..mail.headers import read_headers, unfold
from ..mail.quoting import MAX_SUBJECT
from ..oversight import Mode

_OWN_FIELDS = frozenset(
    {"from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"}
)


def _require_one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("it holds a line break or a control character")
    return value


def _require_address(value: str) -> str:
    if not is_address(parseaddr(value)[1]):
        raise ValueError(
            f"{value[:80]!r} is not an address such as ann@example.org or Ann <ann@example.org>"
        )
    return value


def _require_extra_headers(value: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("a header is repeated")
    for name in value:
        if name.lower() in _OWN_FIELDS or name.lower().startswith(("content-", "mime-")):
            raise ValueError(f"the header {name} is set by another field; leave it out")
    return value


def _require_plain_type(value: str) -> str:
    if value.lower().startswith(("multipart/", "message/")):
        raise ValueError(
            "an attachment cannot be multipart or a message; use application/octet-stream"
        )
    return value


Line = Annotated[str, Field(max_length=MAX_SUBJECT), AfterValidator(_require_one_line)]
Person = Annotated[Line, AfterValidator(_require_address)]
People = Annotated[list[Person], BeforeValidator(to_list)]
Headers = Annotated[
    dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Line],
    AfterValidator(_require_extra_headers),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class SeedAttachment(_Part):
    """A file of a message: text as `content`, or bytes as `content_base64`."""

    name: Annotated[Line, Field(min_length=1, validation_alias=AliasChoices("name", "filename"))]
    content: str | None = None
    content_base64: str | None = None
    content_type: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$"),
        AfterValidator(_require_plain_type),
    ] = "text/plain"

    @model_validator(mode="after")
    def _readable(self) -> SeedAttachment:
        if (self.content is None) is (self.content_base64 is None):
            raise ValueError("an attachment has either `content` or `content_base64`")
        self.data()
        return self

    def data(self) -> bytes:
        """Return the bytes of the file."""
        if self.content is not None:
            return self.content.encode()
        try:
            return base64.b64decode(self.content_base64 or "", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("content_base64 is not base64 (RFC 4648 section 4)") from None


class SeedMessage(_Part):
    """An inbound message. `mailbox` is an id or an address; default the first mailbox."""

    sender: Annotated[Person, Field(validation_alias=AliasChoices("from", "sender"))]
    subject: Line = ""
    body: str = ""
    html: str | None = None
    mailbox: Line | None = None
    to: People = []
    cc: People = []
    date: AwareDatetime | None = None
    headers: Headers = {}
    attachments: list[SeedAttachment] = []


class SeedThread(_Part):
    """A thread: each message replies to the previous one."""

    subject: Line = ""
    mailbox: Line | None = None
    messages: Annotated[list[SeedMessage], Field(min_length=1)]

    def fill(self) -> tuple[SeedMessage, ...]:
        """Return the messages, with the thread's mailbox and subject as defaults."""
        return tuple(
            message.model_copy(
                update={
                    "subject": message.subject or self._subject(position),
                    "mailbox": message.mailbox or self.mailbox,
                }
            )
            for position, message in enumerate(self.messages)
        )

    def _subject(self, position: int) -> str:
        return f"Re: {self.subject}" if self.subject and position else self.subject


class SeedMailbox(_Part):
    """A mailbox to create if it is missing."""

    address: Annotated[Line, Field(min_length=1)]
    display_name: Line | None = None
    oversight_mode: Mode | None = None


class SeedDocument(_Part):
    """A seed file."""

    mailboxes: list[SeedMailbox] = []
    messages: list[SeedMessage] = []
    threads: list[SeedThread] = []


_SUFFIXES = (".eml", ".mbox", ".json")
_RECIPIENT_FIELDS = ("delivered-to", "x-original-to", "to", "cc")


class SeedError(ValueError):
    """Seed mail is invalid; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class RawSeed:
    """A whole message.

    Attributes:
        raw: Its bytes.
        mail_from: The envelope sender: Return-Path, else From.
        recipients: The recipients in its header.
    """

    raw: bytes
    mail_from: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """The contents of seed files.

    Attributes:
        mailboxes: Mailboxes to create if they are missing.
        conversations: Messages to compose, by thread.
        raw: Whole messages.
    """

    mailboxes: tuple[SeedMailbox, ...] = ()
    conversations: tuple[tuple[SeedMessage, ...], ...] = ()
    raw: tuple[RawSeed, ...] = ()


def read_seeds(path: Path) -> list[Seed]:
    """Return the seed mail of a file, or of all .eml, .mbox and .json files of a directory.

    Raises:
        SeedError: The file is missing, holds no mail, or its JSON is invalid.
    """
    try:
        if not path.is_dir():
            return [parse_seed(path.name, path.read_bytes())]
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not files:
            raise SeedError(f"{path} holds no .eml, .mbox or .json file")
        return [parse_seed(file.name, file.read_bytes()) for file in files]
    except OSError as error:
        raise SeedError(f"{path} cannot be read: {error.strerror or error}") from None


def parse_seed(name: str, content: bytes) -> Seed:
    """Return the seed mail in the bytes of a JSON file, an mbox or one message.

    Args:
        name: The name of the file, for errors.
        content: JSON begins with `{`, an mbox with `From `; anything else is one message.
    Raises:
        SeedError: It holds no mail, or the JSON is invalid.
    """
    if content.lstrip()[:1] == b"{":
        return _parse_json(name, content)
    messages = _read_mbox(content) if content.startswith(b"From ") else [content]
    seeds = tuple(_parse_raw(raw) for raw in messages if raw.strip())
    if not seeds:
        raise SeedError(f"{name} holds no mail")
    return Seed(raw=seeds)


def compose_seed(
    message: SeedMessage, recipient: str, message_id: str, thread: Sequence[str], now: datetime
) -> bytes:
    """Return the bytes of a message, which depend on the arguments only.

    Args:
        message: The message in the JSON.
        recipient: The address of the mailbox; To if the message has none.
        message_id: With its angle brackets.
        thread: The Message-IDs of the earlier messages, oldest first.
        now: Date if the message has none.
    Raises:
        SeedError: The message cannot be composed.
    """
    try:
        return _build_message(message, recipient, message_id, thread, now).as_bytes()
    except ValueError as error:
        raise SeedError(f"the message {message.subject!r} cannot be composed: {error}") from None


def _build_message(
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
    _add_parts(mail, message, hashlib.sha256(message_id.encode()).hexdigest()[:24])
    return mail


def _add_parts(mail: EmailMessage, message: SeedMessage, boundary_id: str) -> None:
    mail.set_content(message.body)
    if message.html is not None:
        # The library's own boundaries are random.
        mail.make_alternative(boundary=f"=_alternative_{boundary_id}")
        mail.add_alternative(message.html, subtype="html")
    if message.attachments:
        mail.make_mixed(boundary=f"=_mixed_{boundary_id}")
    for file in message.attachments:
        main, _, sub = file.content_type.partition("/")
        mail.add_attachment(file.data(), maintype=main, subtype=sub, filename=file.name)


def _parse_json(name: str, content: bytes) -> Seed:
    try:
        document = ensure_model_built(SeedDocument).model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        field = f"`{path}`" if path else "the document"
        raise SeedError(f"{name}: {field} is invalid: {reason}") from None
    single = tuple((message,) for message in document.messages)
    threads = tuple(thread.fill() for thread in document.threads)
    return Seed(tuple(document.mailboxes), single + threads)


def _read_mbox(content: bytes) -> list[bytes]:
    """Return the messages of an mbox, which the standard library reads from files only."""
    import mailbox  # late: a server that starts without a seed does not need it

    with tempfile.TemporaryDirectory(prefix="multimail-") as folder:
        path = Path(folder) / "seed.mbox"
        path.write_bytes(content)
        box = mailbox.mbox(path, create=False)
        try:
            return [box.get_bytes(key) for key in box.iterkeys()]
        finally:
            box.close()


def _parse_raw(raw: bytes) -> RawSeed:
    headers = read_headers(raw)
    fields = [unfold(value) for name in _RECIPIENT_FIELDS for value in headers.all(name)]
    recipients = (address for _, address in getaddresses(fields) if is_address(address))
    return RawSeed(raw, get_mail_from(raw), tuple(map(to_mailbox_address, recipients)))


def get_mail_from(raw: bytes) -> str:
    """Return the envelope's sender of a message from a file: Return-Path, else From."""
    headers = read_headers(raw)
    paths = headers.all("return-path")
    address = parseaddr(unfold(paths[0]))[1] if paths else get_author(headers)
    return address if is_address(address) else ""
