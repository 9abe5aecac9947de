"""Reading a message: raw bytes to the facts that a mailbox shows. It never raises."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .address_list import Mailbox, Unusable, read_addresses, read_from
from .filenames import safe_name, unique_name
from .headers import HeaderBlock, add_signature, read_headers, unfold
from .html import Markdown, markdown_from_html
from .parts import Part, read_parts

MAX_REFERENCES = 200
_MAX_IDS = 32 * 1024
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,400}>")


@dataclass(frozen=True, slots=True)
class ParsedAttachment:
    """A file in a message.

    Attributes:
        name: Its name: no path, no control characters, unique within the message.
        content_type: Its media type in lower case, without parameters.
        content: Its bytes, transfer encoding undone.
        content_id: Its Content-ID without angle brackets, if it has one.
        sha256: The SHA-256 of `content`, in hex.
    """

    name: str
    content_type: str
    content: bytes
    content_id: str | None
    sha256: str


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What a message says of itself. Nothing of it is proven: see `authentication`.

    Attributes:
        message_id: With its angle brackets; None if it is absent or unusable.
        in_reply_to: The message ids that it answers.
        references: Its thread so far, oldest first; at most 200.
        from_address: The one address in From, or empty where From is not exactly that.
        from_name: The name beside it.
        reply_to: Usable addresses of Reply-To.
        to: Usable addresses of To.
        cc: Usable addresses of Cc.
        subject: Decoded, on one line.
        date: Date, aware; None if it is absent or unusable.
        markdown: The text: text/plain as it is, else HTML converted.
        removed: What of an HTML text people would not have seen and was left out, in words.
        attachments: Every part that is not text of the body.
        auto_submitted: Auto-Submitted, RFC 3834.
        list_id: List-Id, RFC 2919.
        precedence: Precedence.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    from_address: str
    from_name: str
    reply_to: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    date: datetime | None
    markdown: str
    removed: tuple[str, ...]
    attachments: tuple[ParsedAttachment, ...]
    auto_submitted: str
    list_id: str
    precedence: str


def parse(raw: bytes, headers: HeaderBlock | None = None) -> ParsedMessage:
    """Return what can be read of a message, whatever its bytes. Sources: RFC 5322, RFC 2045 ff.

    Args:
        raw: The whole message. The caller keeps it: this is a reading, not a copy.
        headers: Its header block, if it was read before.
    """
    headers = headers or read_headers(raw)
    sender = _sender(headers)
    tree = read_parts(raw, headers)
    own = _message_ids(headers.all("message-id"))
    texts = _texts(tree)
    return ParsedMessage(
        message_id=own[0] if len(own) == 1 else None,
        in_reply_to=_message_ids(headers.all("in-reply-to")),
        references=_message_ids(headers.all("references")),
        from_address=sender.address,
        from_name=sender.name,
        reply_to=read_addresses(headers.all("reply-to")),
        to=read_addresses(headers.all("to")),
        cc=read_addresses(headers.all("cc")),
        subject=add_signature(headers.first("subject")),
        date=_date(headers.first("date")),
        markdown="\n\n".join(filter(None, (one.text for one in texts))),
        removed=tuple(dict.fromkeys(what for one in texts for what in one.removed)),
        attachments=_attachments(tree),
        auto_submitted=_word(headers, "auto-submitted"),
        list_id=_word(headers, "list-id"),
        precedence=_word(headers, "precedence"),
    )


def _sender(headers: HeaderBlock) -> Mailbox:
    values = headers.all("from")
    try:
        return read_from(values[0]) if len(values) == 1 else Mailbox("")
    except Unusable:
        return Mailbox("")


def _message_ids(values: list[bytes]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in values:
        found.update(dict.fromkeys(_MESSAGE_ID.findall(unfold(value[:_MAX_IDS]))))
    ids = tuple(found)
    return ids[:1] + ids[1:][-(MAX_REFERENCES - 1) :]


def _date(value: bytes) -> datetime | None:
    try:
        date = parsedate_to_datetime(unfold(value[:200]))
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        aware.astimezone(UTC)
    except Exception:
        return None  # the standard parser raises half a dozen types, by version
    return aware


def _word(headers: HeaderBlock, name: str) -> str:
    return add_signature(headers.first(name)[:1000])


def _texts(part: Part) -> list[Markdown]:
    """Return the texts of the body in their order, one reading of each alternative."""
    if part.content_type == "multipart/alternative" and part.children:
        return _best_of(part.children)
    if part.children:
        return [text for child in part.children for text in _texts(child)]
    if part.is_attachment:
        return []
    text = part.text()
    if part.content_type == "text/html":
        return [markdown_from_html(text)]
    return [Markdown(text.strip("\n"), ())]


def _best_of(alternatives: list[Part]) -> list[Markdown]:
    """Return the plain text if it says anything, else the last alternative that does."""
    plain = [part for part in alternatives if part.content_type == "text/plain"]
    others = [part for part in reversed(alternatives) if part.content_type != "text/plain"]
    for part in (*plain, *others):
        texts = _texts(part)
        if any(one.text.strip() for one in texts):
            return texts
    return []


def _attachments(tree: Part) -> tuple[ParsedAttachment, ...]:
    taken: set[str] = set()
    leaves = [part for part in _leaves(tree) if part.is_attachment and not _is_nothing(part)]
    return tuple(_attachment(part, number, taken) for number, part in enumerate(leaves, 1))


def _is_nothing(part: Part) -> bool:
    """Whether a multipart holds no part at all, as a cut message does."""
    return (
        part.content_type.startswith("multipart/") and not part.raw[part.start : part.end].strip()
    )


def _leaves(part: Part) -> list[Part]:
    if not part.children:
        return [part]
    return [leaf for child in part.children for leaf in _leaves(child)]


def _attachment(part: Part, number: int, taken: set[str]) -> ParsedAttachment:
    content = part.content()
    name = part.file_name()
    if part.content_type == "message/rfc822" and not name.lower().endswith(".eml"):
        name = f"{name or f'message-{number}'}.eml"
    content_id = unfold(part.headers.first("content-id")[:500]).strip("<> ")
    return ParsedAttachment(
        name=unique_name(safe_name(name, part.content_type, number), taken),
        content_type=part.content_type,
        content=content,
        content_id=content_id or None,
        sha256=hashlib.sha256(content).hexdigest(),
    )
