"""The MIME tree of a message: its parts, their parameters, their decoded content.

Nothing here raises, whatever the bytes. MIME parts are not parsed by the standard library because
its parser recurses on hostile nesting and does not keep the exact bytes of an enclosed message.
"""

from __future__ import annotations

import binascii
import io
import re
from dataclasses import dataclass, field
from email.message import Message

from .headers import HeaderBlock, decode_base64, decode_text, decode_words, read_headers, unfold

MAX_DEPTH = 20
MAX_PARTS = 500
_MAX_PARAMETERS = 8192
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")


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
