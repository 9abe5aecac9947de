"""Parsing a message: raw bytes to MIME parts, and to what a mailbox shows of them.

Nothing here raises, whatever the bytes. MIME parts are not parsed by the standard library because
its parser recurses on hostile nesting and does not keep the exact bytes of an enclosed message.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import mimetypes
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from itertools import chain

from .addresses import InvalidMailboxError, Mailbox, parse_addresses, parse_from
from .headers import (
    HeaderBlock,
    decode_base64,
    decode_text,
    decode_unstructured,
    decode_words,
    read_headers,
    unfold,
)
from .html import Markdown, html_to_markdown

MAX_REFERENCES = 200
_MAX_IDS = 32 * 1024
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,400}>")
MAX_DEPTH = 20
MAX_PARTS = 500
_MAX_PARAMETERS = 8192
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")
_MAX_NAME = 150
_MAX_EXTENSION = 16
_UNSAFE = re.compile(r'[<>:"|?*]')
_EXTENSION = re.compile(r"\.[A-Za-z0-9_-]{1,15}$")


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
        markdown: The text: text/plain unchanged, else HTML converted.
        removed: What was left out of HTML because a reader would not see it, in words.
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


def parse_message(raw: bytes, headers: HeaderBlock | None = None) -> ParsedMessage:
    """Parse a message. Sources: RFC 5322, RFC 2045 to 2049.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    headers = headers or read_headers(raw)
    sender = _parse_sender(headers)
    tree = parse_parts(raw, headers)
    own = _parse_message_ids(headers.all("message-id"))
    texts = _collect_texts(tree)
    return ParsedMessage(
        message_id=own[0] if len(own) == 1 else None,
        in_reply_to=_parse_message_ids(headers.all("in-reply-to")),
        references=_parse_message_ids(headers.all("references")),
        from_address=sender.address,
        from_name=sender.name,
        reply_to=parse_addresses(headers.all("reply-to")),
        to=parse_addresses(headers.all("to")),
        cc=parse_addresses(headers.all("cc")),
        subject=decode_unstructured(headers.first("subject")),
        date=_parse_date(headers.first("date")),
        markdown="\n\n".join(filter(None, (text.text for text in texts))),
        removed=tuple(dict.fromkeys(reason for text in texts for reason in text.removed)),
        attachments=_collect_attachments(tree),
        auto_submitted=_get_word(headers, "auto-submitted"),
        list_id=_get_word(headers, "list-id"),
        precedence=_get_word(headers, "precedence"),
    )


def _parse_sender(headers: HeaderBlock) -> Mailbox:
    values = headers.all("from")
    try:
        return parse_from(values[0]) if len(values) == 1 else Mailbox("")
    except InvalidMailboxError:
        return Mailbox("")


def _parse_message_ids(values: list[bytes]) -> tuple[str, ...]:
    found = (_MESSAGE_ID.findall(unfold(value[:_MAX_IDS])) for value in values)
    ids = tuple(dict.fromkeys(chain.from_iterable(found)))
    return ids[:1] + ids[1:][-(MAX_REFERENCES - 1) :]


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


def _collect_texts(part: Part) -> list[Markdown]:
    """Return the texts of the body in their order, one of each set of alternatives."""
    if part.content_type == "multipart/alternative" and part.children:
        return _choose_alternative(part.children)
    if part.children:
        return [text for child in part.children for text in _collect_texts(child)]
    if part.is_attachment:
        return []
    text = part.text()
    if part.content_type == "text/html":
        return [html_to_markdown(text)]
    return [Markdown(text.strip("\n"), ())]


def _choose_alternative(alternatives: list[Part]) -> list[Markdown]:
    """Return the plain text unless it is empty, else the last alternative that is not."""
    plain = [part for part in alternatives if part.content_type == "text/plain"]
    others = [part for part in reversed(alternatives) if part.content_type != "text/plain"]
    for part in (*plain, *others):
        texts = _collect_texts(part)
        if any(text.text.strip() for text in texts):
            return texts
    return []


def _collect_attachments(tree: Part) -> tuple[ParsedAttachment, ...]:
    taken: set[str] = set()
    leaves = [part for part in _get_leaves(tree) if part.is_attachment and not _is_empty(part)]
    return tuple(_to_attachment(part, number, taken) for number, part in enumerate(leaves, 1))


def _is_empty(part: Part) -> bool:
    """Return whether a multipart has no parts at all, as in a truncated message."""
    return (
        part.content_type.startswith("multipart/") and not part.raw[part.start : part.end].strip()
    )


def _get_leaves(part: Part) -> list[Part]:
    if not part.children:
        return [part]
    return [leaf for child in part.children for leaf in _get_leaves(child)]


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


@dataclass(slots=True)
class Part:
    """A node of the MIME tree; its content is `raw[start:end]`, still encoded."""

    raw: bytes = field(repr=False)
    headers: HeaderBlock
    content_type: str
    start: int
    end: int
    children: list[Part] = field(default_factory=list)
    is_whole: bool = False
    """Whether the part is the message itself."""

    @property
    def is_attachment(self) -> bool:
        """Whether the part is a file rather than text of the body."""
        if self.content_type not in {"text/plain", "text/html"}:
            return True
        if self.is_whole:
            return False  # otherwise an intermediary could turn a signed text into a file
        disposition = unfold(self.headers.first("content-disposition")[:_MAX_PARAMETERS])
        return disposition.lower().startswith("attachment") or bool(self.file_name())

    def content(self) -> bytes:
        """Return the content without its transfer encoding (RFC 2045 section 6)."""
        encoding = unfold(self.headers.first("content-transfer-encoding")[:100]).lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(memoryview(self.raw)[self.start : self.end])
        data = self.raw[self.start : self.end]
        return decode_base64(data) if encoding == "base64" else data

    def text(self) -> str:
        """Return the content as text with LF line ends and without NUL."""
        charset = get_parameter(self.headers.first("content-type"), "charset")
        text = decode_text(self.content(), charset)
        # One pass is faster than replacing each kind of line end on its own.
        text = io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)
        return text.replace("\0", "") if "\0" in text else text

    def file_name(self) -> str:
        """Return the file name that the sender gave the part (RFC 2183, RFC 2231); may be empty."""
        name = get_parameter(self.headers.first("content-disposition"), "filename")
        return decode_words(name or get_parameter(self.headers.first("content-type"), "name"))


def get_parameter(value: bytes, name: str) -> str:
    """Return a parameter of a structured field (RFC 2231); empty if it is absent or unusable."""
    holder = Message()
    try:
        holder["Content-Type"] = f"x/x; {unfold(value[:_MAX_PARAMETERS]).partition(';')[2]}"
        value_or_parts = holder.get_param(name)
        if isinstance(value_or_parts, tuple):
            charset, _, text = value_or_parts
            return decode_text(text.encode("latin-1", "replace"), charset or "utf-8")
        return value_or_parts if isinstance(value_or_parts, str) else ""
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, LookupError):
        return ""


def parse_parts(raw: bytes, headers: HeaderBlock | None = None) -> Part:
    """Return the MIME tree of a message (RFC 2046). Beyond a limit, a part stays an opaque leaf.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    return _PartParser(raw).read(headers or read_headers(raw), len(raw), 0, "text/plain")


class _PartParser:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._count = 0

    def read(self, headers: HeaderBlock, end: int, depth: int, default: str) -> Part:
        self._count += 1
        declared = headers.first("content-type")
        kind = unfold(declared[:_MAX_PARAMETERS]).partition(";")[0].strip().lower()
        if not _TYPE.fullmatch(kind):
            kind = "application/octet-stream" if "/" in kind else default
        part = Part(self._raw, headers, kind, headers.body_start, end, is_whole=depth == 0)
        boundary = get_parameter(declared, "boundary") if kind.startswith("multipart/") else ""
        if boundary and depth < MAX_DEPTH:
            inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            for first, last in self._between(boundary, part.start, end):
                if self._count >= MAX_PARTS:
                    break
                below = read_headers(self._raw, first, last)
                part.children.append(self.read(below, last, depth + 1, inner))
        return part

    def _between(self, boundary: str, start: int, end: int) -> list[tuple[int, int]]:
        """Return where each part between delimiter lines begins and ends."""
        mark = b"--" + boundary.encode("utf-8", "replace")
        spans: list[tuple[int, int]] = []
        opened: int | None = None
        at = self._raw.find(mark, start, end)
        while at >= 0 and len(spans) <= MAX_PARTS:
            after = self._line_end(at + len(mark), end)
            if after is None or (at != start and self._raw[at - 1 : at] != b"\n"):
                at = self._raw.find(mark, at + len(mark), end)
                continue
            if opened is not None:
                spans.append((opened, max(opened, self._before(at, start))))
            opened = after
            if self._raw.startswith(b"--", at + len(mark), end):
                return spans
            at = self._raw.find(mark, max(after - 1, at + len(mark)), end)
        if opened is not None:
            spans.append((opened, end))
        return spans

    def _line_end(self, at: int, end: int) -> int | None:
        """Return where the line after a delimiter starts; None if this is not a delimiter line."""
        newline = self._raw.find(b"\n", at, min(end, at + 200))
        stop = end if newline < 0 and end - at < 200 else newline
        if stop < 0:
            return None
        rest = self._raw[at:stop].strip(b" \t\r")
        return min(stop + 1, end) if rest in {b"", b"--"} else None

    def _before(self, at: int, start: int) -> int:
        """Return where the content before the delimiter at `at` ends."""
        if at - 1 >= start and self._raw[at - 1 : at] == b"\n":
            at -= 1
        if at - 1 >= start and self._raw[at - 1 : at] == b"\r":
            at -= 1
        return at


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
