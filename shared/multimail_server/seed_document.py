"""The JSON form of seed mail: mailboxes to make, messages that came in, and conversations."""

from __future__ import annotations

import base64
import binascii
from email.utils import parseaddr
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from .mail.addresses import is_address
from .oversight import Mode

_OWN_FIELDS = frozenset(
    {"from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"}
)


def _one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("it has a line break or a control character in it")
    return value


def _somebody(value: str) -> str:
    if not is_address(parseaddr(value)[1]):
        raise ValueError(f"{value[:80]!r} is not like ann@example.org or Ann <ann@example.org>")
    return value


def _more_fields(value: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("a header stands there twice")
    for name in value:
        if name.lower() in _OWN_FIELDS or name.lower().startswith(("content-", "mime-")):
            raise ValueError(f"the header {name} is made from the other fields; leave it out")
    return value


def _plain_type(value: str) -> str:
    if value.lower().startswith(("multipart/", "message/")):
        raise ValueError("a file is no multipart and no message; take application/octet-stream")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Line = Annotated[str, Field(max_length=998), AfterValidator(_one_line)]
Person = Annotated[Line, AfterValidator(_somebody)]
People = Annotated[list[Person], BeforeValidator(_listed)]
Headers = Annotated[
    dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Line], AfterValidator(_more_fields)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)


class SeedAttachment(_Part):
    """A file of a message: text as `content`, or bytes as `content_base64`."""

    name: Annotated[Line, Field(min_length=1, validation_alias=AliasChoices("name", "filename"))]
    content: str | None = None
    content_base64: str | None = None
    content_type: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$"), AfterValidator(_plain_type)
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
    """A message that came in. `mailbox` is an id or an address; the first mailbox if not given."""

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
    """A conversation: each message answers the one before it."""

    subject: Line = ""
    mailbox: Line | None = None
    messages: Annotated[list[SeedMessage], Field(min_length=1)]

    def filled(self) -> tuple[SeedMessage, ...]:
        """Return the messages, each with the thread's mailbox and subject where it has none."""
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
    """A mailbox to make, unless it is there already."""

    address: Annotated[Line, Field(min_length=1)]
    display_name: Line | None = None
    oversight_mode: Mode | None = None


class SeedDocument(_Part):
    """The whole file."""

    mailboxes: list[SeedMailbox] = []
    messages: list[SeedMessage] = []
    threads: list[SeedThread] = []
