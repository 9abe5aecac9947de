"""A message as a mailbox shows it: its header fields, the text of its body, its files.

Nothing here raises, whatever the bytes.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .addresses import InvalidMailboxError, NamedAddress, parse_addresses, parse_from
from .automation import parse_list_post
from .body import PGP_TYPE, BodyNote, get_leaves, parse_tree, read_body
from .calendars import is_calendar
from .headers import HeaderBlock, decode_unstructured, read_headers, unfold
from .message_ids import parse_message_ids, parse_own_id
from .mime import Part

_MAX_NAME = 150
_MAX_EXTENSION = 16
_UNSAFE = re.compile(r'[<>:"|?*]')
_NAMES = {
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-signature": "smime.p7s",
    "application/pgp-signature": "signature.asc",
    "application/ms-tnef": "winmail.dat",
    "text/calendar": "invite.ics",
}
"""Names that mail programs give these types; their extensions alone say little."""
_EXTENSION = re.compile(r"\.[A-Za-z0-9_-]{1,15}$")


def sanitize_filename(name: str, content_type: str, position: int) -> str:
    """Return a file name without path, control, format or reserved characters.

    Args:
        name: The name that the sender gave the file; may be empty.
        content_type: Its media type, for an extension where there is no usable name.
        position: Its number within the message, from 1.
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(
        c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    clean = _UNSAFE.sub("_", " ".join(shown.split())).strip(". ")
    if not clean and content_type in _NAMES:
        return _NAMES[content_type]
    if not clean:
        known = mimetypes.guess_extension(content_type, strict=False)
        return f"attachment-{position}{known or '.bin'}"
    stem, extension = split_extension(clean)
    return stem[: _MAX_NAME - len(extension)] + extension


def split_extension(name: str) -> tuple[str, str]:
    """Split a name into its stem and its extension, which includes the dot."""
    match = _EXTENSION.search(name, max(1, len(name) - _MAX_EXTENSION))
    return (name[: match.start()], match[0]) if match else (name, "")


def make_filename_unique(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if `taken` has it in any case, and add it to `taken`."""
    stem, extension = split_extension(name)
    chosen, number = name, 1
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{stem} ({number}){extension}"
    taken.add(chosen.casefold())
    return chosen


_LOST_IN_HEADER = "characters of the subject or the sender's name that could not be decoded"


@dataclass(frozen=True, slots=True)
class ParsedAttachment:
    """A file in a message.

    Attributes:
        name: A name without path and control characters, unique within the message.
        content_type: Its media type in lower case, without parameters.
        content: Its content, decoded.
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
    """What a message says about itself. None of it is proven: see `auth.authenticate`.

    Attributes:
        message_id: With its angle brackets; None if it is absent or unusable.
        in_reply_to: The Message-IDs of the messages that it replies to.
        references: The Message-IDs of its thread, oldest first; at most 200.
        from_address: The address in From; empty unless it is exactly one.
        from_name: The display name beside it.
        reply_to: Usable addresses of Reply-To.
        to: Usable addresses of To.
        cc: Usable addresses of Cc.
        subject: Decoded, on one line.
        date: Date, aware; None if it is absent or unusable.
        markdown: The text of its body, of `read_body`.
        removed: What was left out of HTML because a reader would not see it, and what could not be
            decoded, in words.
        notes: What a reader has to know of the body.
        attachments: Every part that is not text of the body.
        auto_submitted: Auto-Submitted, RFC 3834.
        list_id: List-Id, RFC 2919.
        list_post: The addresses in List-Post, RFC 2369: what is sent to them reaches the list.
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
    notes: tuple[BodyNote, ...]
    attachments: tuple[ParsedAttachment, ...]
    auto_submitted: str
    list_id: str
    list_post: tuple[str, ...]
    precedence: str


def parse_message(raw: bytes, headers: HeaderBlock | None = None) -> ParsedMessage:
    """Parse a message. Sources: RFC 5322, RFC 2045 to 2049.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    headers = headers or read_headers(raw)
    tree = parse_tree(raw, headers)
    charset = tree.header_charset
    sender = _parse_sender(headers, charset)
    body = read_body(tree)
    subject = decode_unstructured(headers.first("subject"), charset)
    is_lossy = "\ufffd" in subject or "\ufffd" in sender.name
    return ParsedMessage(
        message_id=parse_own_id(headers.all("message-id")),
        in_reply_to=parse_message_ids(headers.all("in-reply-to")),
        references=parse_message_ids(headers.all("references")),
        from_address=sender.address,
        from_name=sender.name,
        reply_to=parse_addresses(headers.all("reply-to")),
        to=parse_addresses(headers.all("to")),
        cc=parse_addresses(headers.all("cc")),
        subject=subject,
        date=_parse_date(headers.first("date")),
        markdown=body.text,
        removed=body.removed + (_LOST_IN_HEADER,) * is_lossy,
        notes=body.notes,
        attachments=_collect_attachments(tree),
        auto_submitted=_get_word(headers, "auto-submitted"),
        list_id=_get_word(headers, "list-id"),
        list_post=parse_list_post(headers.all("list-post")),
        precedence=_get_word(headers, "precedence"),
    )


def _parse_sender(headers: HeaderBlock, charset: str) -> NamedAddress:
    values = headers.all("from")
    try:
        return parse_from(values[0], charset) if len(values) == 1 else NamedAddress("")
    except InvalidMailboxError:
        return NamedAddress("")


def _parse_date(value: bytes) -> datetime | None:
    try:
        date = parsedate_to_datetime(unfold(value[:200]))
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        aware.astimezone(UTC)
    except Exception:
        return None  # which of half a dozen types is raised depends on the Python version
    return aware


def _get_word(headers: HeaderBlock, name: str) -> str:
    return decode_unstructured(headers.first(name)[:1000])


def _collect_attachments(tree: Part) -> tuple[ParsedAttachment, ...]:
    taken: set[str] = set()
    parts = enumerate(list_files(tree), 1)
    return tuple(_to_attachment(part, number, taken) for number, part in parts)


def list_files(tree: Part) -> list[Part]:
    """Return the parts of a message that are its attachments, in their order.

    An invitation without a name is one where it comes without a copy that has a name.
    """
    files = [part for part in get_leaves(tree) if part.is_attachment and not _has_nothing(part)]
    if not any(is_calendar(part) and part.file_name() for part in files):
        return files
    return [part for part in files if not is_calendar(part) or part.file_name()]


def _has_nothing(part: Part) -> bool:
    """Return whether a part is PGP's version number, or a multipart that is cut off."""
    if part.content_type == PGP_TYPE:
        return True
    is_multipart = part.content_type.startswith("multipart/")
    return is_multipart and not part.raw[part.start : part.end].strip()


def _to_attachment(part: Part, number: int, taken: set[str]) -> ParsedAttachment:
    content = part.content()
    name = part.file_name()
    if part.content_type == "message/rfc822" and not name.lower().endswith(".eml"):
        name = f"{name or f'message-{number}'}.eml"
    content_id = unfold(part.headers.first("content-id")[:500]).strip("<> ")
    return ParsedAttachment(
        name=make_filename_unique(sanitize_filename(name, part.content_type, number), taken),
        content_type=part.content_type,
        content=content,
        content_id=content_id or None,
        sha256=hashlib.sha256(content).hexdigest(),
    )
