"""The MIME tree of a message: its parts, their parameters, their decoded content.

Nothing here raises, whatever the bytes. MIME parts are not parsed by the standard library because
its parser recurses on hostile nesting and does not keep the exact bytes of an enclosed message.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from .charsets import DecodedText, decode, decode_html, find_codec, find_html_charset
from .headers import (
    MAX_VALUE,
    HeaderBlock,
    decode_words,
    get_parameter,
    parse_media_type,
    read_headers,
    unfold,
)
from .transfer_encodings import decode_transfer, find_transfer_encoding

MAX_DEPTH = 20
MAX_PARTS = 500
_FILE_TYPES = frozenset(
    f"text/{subtype}"
    for subtype in (
        "calendar", "csv", "tab-separated-values", "vcard", "x-vcard", "directory", "rtf", "css",
        "javascript", "ecmascript", "xml", "rfc822-headers", "rfc822", "x-vcalendar", "x-diff",
        "x-patch", "x-log", "yaml",
    )
)  # fmt: skip
"""Types of text that is a file. Any other is read as text/plain is (RFC 2046 section 4.1.4)."""
_DELIMITER_LINE = re.compile(rb"--([^\s]{1,200})[ \t]*\r?")
_HEADER_LINE = re.compile(rb"content-[a-z-]{1,40}:|\r?\Z", re.IGNORECASE)
_MAX_PREAMBLE = 20


@dataclass(slots=True)
class Part:
    """A node of the MIME tree; its content is `raw[start:end]`, still encoded.

    Attributes:
        raw: The bytes that the part is in: the message, or a decoded multipart.
        headers: Its header fields.
        content_type: Its media type in lower case, as far as it can be made out.
        start: Where its content starts in `raw`.
        end: Where its content ends in `raw`.
        declared: Its Content-Type as it was sent, with the parameters.
        children: The parts of a multipart.
        is_whole: Whether the part is the message itself.
        is_body: Whether it is read as the body in spite of its name, because nothing else is.
        header_charset: The charset of the body, for raw bytes in header fields.
    """

    raw: bytes = field(repr=False)
    headers: HeaderBlock
    content_type: str
    start: int
    end: int
    declared: bytes = b""
    children: list[Part] = field(default_factory=list)
    is_whole: bool = False
    is_body: bool = False
    header_charset: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the part can be read as text of the body."""
        return self.content_type.startswith("text/") and self.content_type not in _FILE_TYPES

    @property
    def is_html(self) -> bool:
        """Whether the part is HTML, also that for watches or for AMP."""
        return self.content_type == "text/html" or self.is_lesser_html()

    def is_lesser_html(self) -> bool:
        """Whether the part is a version of the HTML that few programs show."""
        return self.content_type in {"text/watch-html", "text/x-amp-html"}

    @property
    def is_attachment(self) -> bool:
        """Whether the part is a file rather than text of the body."""
        if not self.is_text:
            return True
        # An intermediary could turn a signed text into a file by a name for the whole message.
        if self.is_whole or self.is_body:
            return False
        return self.has_attachment_disposition or bool(self.file_name())

    @property
    def has_attachment_disposition(self) -> bool:
        """Whether Content-Disposition says that the part is an attachment (RFC 2183)."""
        value = unfold(self.headers.first("content-disposition")[:MAX_VALUE])
        return value.lower().lstrip(" \"'").startswith("attachment")

    @property
    def charset(self) -> str:
        """The charset that the part declares for its text, in Content-Type or in its HTML."""
        label = get_parameter(self.declared, "charset")
        if self.is_html and not find_codec(label):
            return find_html_charset(self.content()) or label
        return label

    @property
    def transfer_encoding(self) -> str:
        """The transfer encoding, of those that need decoding; else empty."""
        values = self.headers.all("content-transfer-encoding")
        return find_transfer_encoding([unfold(value[:200]) for value in values[:10]])

    def content(self) -> bytes:
        """Return the content without its transfer encoding (RFC 2045 section 6)."""
        return decode_transfer(self.raw[self.start : self.end], self.transfer_encoding)

    def text(self) -> str:
        """Return the content as text with LF line ends and without NUL."""
        return self.read_text().text

    def read_text(self) -> DecodedText:
        """Return the content as `text` does, and whether all of it could be decoded."""
        label = get_parameter(self.declared, "charset")
        result = (decode_html if self.is_html else decode)(self.content(), label)
        # One pass is faster than replacing each kind of line end on its own.
        text = io.IncrementalNewlineDecoder(None, translate=True).decode(result.text, final=True)
        text = text.replace("\0", "") if "\0" in text else text
        if not self.is_html and get_parameter(self.declared, "format").lower() == "flowed":
            text = unflow(text, delete_space=get_parameter(self.declared, "delsp").lower() == "yes")
        return replace(result, text=text)

    def file_name(self) -> str:
        """Return the file name that the sender gave the part (RFC 2183, RFC 2231); may be empty."""
        disposition = self.headers.first("content-disposition")
        name = get_parameter(disposition, "filename", self.header_charset)
        return decode_words(name or get_parameter(self.declared, "name", self.header_charset))

    def walk(self) -> Iterator[Part]:
        """Yield the part and those in it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_parts(raw: bytes, headers: HeaderBlock | None = None) -> Part:
    """Return the MIME tree of a message (RFC 2046). Beyond a limit, a part stays an opaque leaf.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    tree = _PartParser().read(raw, headers or read_headers(raw), len(raw), 0, "text/plain")
    _set_header_charset(tree)
    _choose_named_body(tree)
    return tree


def find_body_charset(tree: Part) -> str:
    """Return the first charset that the texts of a message declare; empty without one."""
    leaves = [part for part in tree.walk() if part.is_text]
    return next((label for part in leaves[:5] if find_codec(label := part.charset)), "")


def _set_header_charset(tree: Part) -> None:
    fields = (field for part in tree.walk() for field in part.headers.fields)
    if all(field.value.isascii() for field in fields):
        return
    charset = find_body_charset(tree)
    for part in tree.walk() if charset else ():
        part.header_charset = charset


def _choose_named_body(tree: Part) -> None:
    """Mark named texts as the body where no text is without a name.

    Some senders name the body. A text that is named as an attachment is the body only where it is
    the only part; one that is named inline, also before files.
    """
    if not tree.children:
        return
    leaves = [part for part in tree.walk() if not part.children]
    if any(not part.is_attachment and part.raw[part.start : part.end].strip() for part in leaves):
        return
    texts = [part for part in leaves if part.is_text and part.is_attachment]
    inline = [part for part in texts if not part.has_attachment_disposition]
    for part in inline[:1] or (texts if len(leaves) == 1 else []):
        part.is_body = True
        for version in _find_versions(tree, part):
            version.is_body = any(version is text for text in inline)


def _find_versions(tree: Part, part: Part) -> Iterator[Part]:
    """Yield the parts in the multipart/alternative that `part` is in."""
    for parent in tree.walk():
        if parent.content_type == "multipart/alternative":
            versions = list(parent.walk())
            if any(version is part for version in versions):
                yield from versions


class _PartParser:
    def __init__(self) -> None:
        self._count = 0

    def read(self, raw: bytes, headers: HeaderBlock, end: int, depth: int, default: str) -> Part:
        self._count += 1
        values = headers.all("content-type")
        declared = next(filter(parse_media_type, values), b"".join(values[:1]))
        kind = parse_media_type(declared)
        boundary = get_parameter(declared, "boundary")
        kind = kind or ("multipart/mixed" if boundary else default)
        part = Part(raw, headers, kind, headers.body_start, end, declared, is_whole=depth == 0)
        if kind.startswith("multipart/") and depth < MAX_DEPTH:
            self._read_children(part, boundary, depth)
        return part

    def _read_children(self, part: Part, boundary: str, depth: int) -> None:
        raw, start, end = part.raw, part.start, part.end
        spans = self._find_spans(raw, boundary, start, end)
        if not spans and part.transfer_encoding:
            # RFC 2045 section 6.4 forbids it, and some senders encode a multipart as a whole.
            raw = part.content()
            start, end = 0, len(raw)
            spans = self._find_spans(raw, boundary, start, end)
        inner = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        for first, last in spans:
            if self._count >= MAX_PARTS:
                break
            below = read_headers(raw, first, last)
            if not below.fields and below.faults:
                below = replace(below, body_start=first)  # the empty line before it is missing
            part.children.append(self.read(raw, below, last, depth + 1, inner))
        if not spans and raw[start:end].strip():
            part.content_type = "text/plain"  # there is no delimiter, so that all of it is text

    def _find_spans(self, raw: bytes, boundary: str, start: int, end: int) -> list[tuple[int, int]]:
        """Return where the parts are: by the boundary, or else by the first delimiter line."""
        for candidate in dict.fromkeys((boundary, boundary.strip(" '\""))):
            mark = b"--" + candidate.encode("utf-8", "replace")
            spans = self._between(raw, mark, start, end) if candidate else []
            if spans:
                return spans
        guess = _guess_boundary(raw[start : min(end, start + MAX_VALUE)])
        return self._between(raw, b"--" + guess, start, end) if guess else []

    def _between(self, raw: bytes, mark: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Return where each part between delimiter lines begins and ends."""
        spans: list[tuple[int, int]] = []
        opened: int | None = None
        at = raw.find(mark, start, end)
        while at >= 0 and len(spans) <= MAX_PARTS:
            after = _get_line_end(raw, at + len(mark), end)
            if after is None or (at != start and raw[at - 1 : at] != b"\n"):
                at = raw.find(mark, at + len(mark), end)
                continue
            if opened is not None:
                spans.append((opened, max(opened, _get_content_end(raw, at, start))))
            opened = after
            if raw.startswith(b"--", at + len(mark), end):
                return spans
            at = raw.find(mark, max(after - 1, at + len(mark)), end)
        if opened is not None:
            spans.append((opened, end))
        return spans


def _guess_boundary(body: bytes) -> bytes:
    """Return the boundary of the first line that looks like a delimiter before a part."""
    lines = body.split(b"\n", _MAX_PREAMBLE)[:_MAX_PREAMBLE]
    for line, following in pairwise(lines):
        match = _DELIMITER_LINE.fullmatch(line)
        if match and _HEADER_LINE.match(following):
            return match[1]
    return b""


def _get_line_end(raw: bytes, at: int, end: int) -> int | None:
    """Return where the line after a delimiter starts; None if this is not a delimiter line."""
    newline = raw.find(b"\n", at, min(end, at + 200))
    stop = end if newline < 0 and end - at < 200 else newline
    if stop < 0:
        return None
    rest = raw[at:stop].strip(b" \t\r")
    return min(stop + 1, end) if rest in {b"", b"--"} else None


def _get_content_end(raw: bytes, at: int, start: int) -> int:
    """Return where the content before the delimiter at `at` ends."""
    if at - 1 >= start and raw[at - 1 : at] == b"\n":
        at -= 1
    if at - 1 >= start and raw[at - 1 : at] == b"\r":
        at -= 1
    return at


def unflow(text: str, *, delete_space: bool) -> str:
    """Return flowed text with its paragraphs on one line each, quotes still marked with `>`.

    Args:
        text: The text, with LF line ends.
        delete_space: Whether `DelSp=yes` was declared: the space at the end of a line only marks
            that it goes on.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    depth = 0
    for line in text.split("\n"):
        own_depth = len(line) - len(line.lstrip(">"))
        content = line[own_depth:]
        content = content.removeprefix(" ")  # space-stuffing, section 4.4
        if paragraph and (own_depth != depth or content == "-- "):
            lines.append(_join(paragraph, depth))
            paragraph = []
        depth = own_depth
        flows = content.endswith(" ") and content != "-- "
        paragraph.append(content[:-1] if flows and delete_space else content)
        if not flows:
            lines.append(_join(paragraph, depth))
            paragraph = []
    if paragraph:
        lines.append(_join(paragraph, depth))
    return "\n".join(lines)


def _join(paragraph: list[str], depth: int) -> str:
    text = "".join(paragraph)
    # A stuffed `>` is no quote, and must not become one.
    is_like_quote = not depth and text.startswith(">")
    prefix = ">" * depth + " " * (bool(depth and text) or is_like_quote)
    return prefix + text
