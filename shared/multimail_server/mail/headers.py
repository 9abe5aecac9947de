"""Header fields: parsed from raw bytes, decoded to text, and written.

Parsing and decoding never raise, whatever the bytes.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import quote

from .charsets import decode_text, find_codec

MAX_FIELDS = 1000
MAX_HEADER_BYTES = 256 * 1024
MAX_TEXT = 4000

_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)([ \t]*):")
_MBOX_LINE = re.compile(rb">?From [^\r\n]{1,300}?\d:\d\d")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_MAX_LINE = 76
_MAX_TOKEN = 900
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_QUOTABLE = re.compile(r"[\x20-\x7e]+")
_MAX_ENCODED_WORD = 42
"""Bytes in one encoded word: 75 characters less `=?utf-8?b?` and `?=`, in base64, rounded down."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field.

    Attributes:
        name: Its name in lower case.
        value: Everything after the colon as it was sent, folds included, with CRLF line ends.
        raw_name: Its name as it was sent.
    """

    name: str
    value: bytes
    raw_name: bytes


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The header fields of a message or of a MIME part, from top to bottom.

    Attributes:
        fields: The fields that could be parsed.
        faults: What is wrong with the rest, in fixed words; they quote nothing from the message.
        body_start: The position of the body in the bytes that were parsed.
        has_mbox_line: Whether a mail store's separator stands on top (RFC 4155), which is no field.
    """

    fields: tuple[Field, ...]
    faults: tuple[str, ...]
    body_start: int
    has_mbox_line: bool = False

    def all(self, name: str) -> list[bytes]:
        """Return the values of all fields called `name`, in lower case."""
        return [field.value for field in self.fields if field.name == name]

    def first(self, name: str) -> bytes:
        """Return the value of the topmost field called `name`; empty without one."""
        return next((field.value for field in self.fields if field.name == name), b"")


def read_headers(raw: bytes, start: int = 0, end: int | None = None) -> HeaderBlock:
    """Parse the header block of `raw[start:end]` (RFC 5322 section 2.2).

    Lines end in CRLF or LF, as they do for DKIM verifiers. A block of more than 256 KiB or 1,000
    fields is cut, and the cut is a fault.
    """
    stop = len(raw) if end is None else end
    block_end, body_start = _find_bounds(raw, start, stop)
    faults: dict[str, None] = {}
    if block_end - start > MAX_HEADER_BYTES:
        faults["the header block is larger than 256 KiB"] = None
        block_end = start + MAX_HEADER_BYTES
    block = raw[start:block_end]
    if b"\0" in block:
        faults["the header block contains a NUL"] = None
    if b"\r" in block.replace(b"\r\n", b"").removesuffix(b"\r"):
        faults["the header block contains a bare CR"] = None
    top = _find_first_field(block)
    fields = _parse_fields(block[top:], faults)
    if len(fields) > MAX_FIELDS:
        faults["there are more than 1,000 header fields"] = None
    return HeaderBlock(tuple(fields[:MAX_FIELDS]), tuple(faults), body_start, top > 0)


def _find_first_field(block: bytes) -> int:
    """Return where the fields start, below the separators that mail stores leave on top."""
    start = 0
    while _MBOX_LINE.match(block, start) and not _FIELD.match(block, start):
        start = block.find(b"\n", start) + 1 or len(block)
    return start


def _find_bounds(raw: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the end of the header block and the start of the body."""
    for empty in (b"\r\n", b"\n"):
        if raw.startswith(empty, start, stop):
            return start, start + len(empty)
    match = _END.search(raw, start, stop)
    return (match.start(), match.end()) if match else (stop, stop)


def _parse_fields(block: bytes, faults: dict[str, None]) -> list[Field]:
    names: list[bytes] = []
    values: list[list[bytes]] = []
    for line in block.split(b"\n"):
        text = line.removesuffix(b"\r")
        if text[:1] in (b" ", b"\t"):
            if values:
                values[-1].append(text)
            else:
                faults["the header block starts with white space"] = None
            continue
        match = _FIELD.match(text)
        if match is None:
            if text:
                faults["a header line is not a field"] = None
            continue
        if match[2]:
            faults["a field has white space before the colon"] = None
        names.append(match[1])
        values.append([text[match.end() :]])
    joined = (b"\r\n".join(lines) for lines in values)
    return [
        Field(name.decode("ascii").lower(), value, name)
        for name, value in zip(names, joined, strict=True)
    ]


def unfold(value: bytes, charset: str = "") -> str:
    """Return a field's value on one line, without control characters.

    Args:
        value: The value as it was sent.
        charset: The charset of the body, for bytes that are not UTF-8; default Windows-1252.
    """
    return CONTROLS.sub(" ", _decode_raw(value.replace(b"\r\n", b""), charset)).strip()


def _decode_raw(data: bytes, charset: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return decode_text(data, "" if find_codec(charset) == "utf-8" else charset)
    return decode_text(data, "iso-2022-jp") if b"\x1b$" in data else text


def check_header_value(field: str, value: str) -> str:
    """Return `value` if it is safe in a header field.

    Raises:
        ValueError: It contains CR, LF or NUL, with which it could add fields; names `field`.
    """
    if any(mark in value for mark in "\r\n\0"):
        raise ValueError(f"{field}: contains a line break or a NUL")
    return value


def fold_text(name: str, value: str) -> str:
    """Return an unstructured field, folded, and encoded where it is not ASCII (RFC 2047)."""
    plain = _PLAIN.fullmatch(value) is not None and "=?" not in value
    if plain and max(map(len, value.split(" "))) <= _MAX_TOKEN:
        return _fold(name, value.split(" "))
    return _fold(name, _encoded_words(value)) if value else f"{name}:"


def fold_addresses(name: str, mailboxes: list[str]) -> str:
    """Return a field that lists mailboxes, folded between them."""
    last = len(mailboxes) - 1
    tokens = (f"{text}," if at < last else text for at, text in enumerate(mailboxes))
    return _fold(name, list(tokens))


def format_mailbox(name: str, address: str) -> str:
    """Return an address with its display name: plain, quoted or encoded (RFC 5322 section 3.4)."""
    if not name.strip():
        return address
    if "=?" not in name and _ATOMS.fullmatch(name) and len(name) <= _MAX_TOKEN:
        return f"{name} <{address}>"
    if "=?" not in name and _QUOTABLE.fullmatch(name) and len(name) <= _MAX_LINE // 2:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return "\r\n ".join([*_encoded_words(name), f"<{address}>"])


def fold_tokens(name: str, tokens: list[str]) -> str:
    """Return a field of tokens that are never encoded, such as message ids, folded between them."""
    return _fold(name, tokens)


def format_filename(name: str) -> str:
    """Return the parameter `filename`, in the form of RFC 2231 where it is not ASCII."""
    if _QUOTABLE.fullmatch(name) and len(name) <= _MAX_LINE:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'filename="{escaped}"'
    coded = quote(name.encode("utf-8", "replace"), safe="")
    pieces = re.findall(r"(?:%..|[^%]){1,20}", coded)
    if len(pieces) == 1:
        return f"filename*=utf-8''{coded}"
    lines = [f"filename*{at}*={piece}" for at, piece in enumerate(pieces)]
    lines[0] = lines[0].replace("*=", "*=utf-8''", 1)
    return ";\r\n ".join(lines)


def _encoded_words(text: str) -> list[str]:
    """Return `text` as encoded words of whole characters (RFC 2047 section 5)."""
    words: list[bytes] = [b""]
    for character in text:
        coded = character.encode("utf-8", "replace")
        if len(words[-1]) + len(coded) > _MAX_ENCODED_WORD:
            words.append(b"")
        words[-1] += coded
    return [f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words]


def _fold(name: str, words: list[str]) -> str:
    """Return a field whose lines break only between `words`."""
    lines = [f"{name}:"]
    for word in words:
        # The first word stays on the line of the name: some parsers fail on an empty first line.
        if len(lines[-1]) + 1 + len(word) > _MAX_LINE and len(lines[-1]) > len(name) + 1:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines)
