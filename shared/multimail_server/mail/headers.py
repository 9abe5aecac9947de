"""Header fields: parsed from raw bytes, decoded to text (RFC 2047, RFC 2231), and written.

Parsing and decoding never raise, whatever the bytes. Real mail breaks the grammar of parameters: it
lacks semicolons, has comments, doubles types. What can only mean one thing is read as that.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from urllib.parse import quote, unquote_to_bytes

from .charsets import DecodedText, decode, decode_text, find_codec
from .transfer_encodings import decode_base64_pieces

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


MAX_VALUE = 8192
_NAME = r"[A-Za-z][A-Za-z0-9._-]{0,40}(?:\*\d{1,4})?\*?"
# A quoted string or comment that is not closed runs to the end, so that no input is scanned twice.
_PARAMETER = re.compile(
    r"\((?:[^()\\]|\\.)*(?:[()]|\\?\Z)"
    rf"|(?<![A-Za-z0-9._*-])({_NAME})\s{{0,20}}=\s{{0,20}}"
    rf'(?:"((?:[^"\\]|\\.)*)(?:"|\\?\Z)|([^;\s,]*(?:[\s,]+(?!{_NAME}\s{{0,20}}=)[^;\s,]+)*))',
    re.DOTALL,
)
_ESCAPED = re.compile(r'\\(["\\])')
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*(?:[()]|\\?\Z)")
_TYPE = re.compile(r"([a-z0-9!#$&^_.+-]{1,80})\s{0,20}/+\s{0,20}([a-z0-9!#$&^_.+/-]{1,160})")
_WORD = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}")
_TOKEN_END = re.compile(r"[\s,]")
_PIECE = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*?)")
_FREE_TEXT = frozenset({"filename", "name"})
_SHORT_TYPES = {"html": "text/html", "multipart": "multipart/mixed"}


def parse_media_type(value: bytes) -> str:
    """Return the media type of a Content-Type in lower case; empty where it names none.

    `text`, `text/` and `plain` are `text/plain`, `html` is `text/html`, `multipart` is
    `multipart/mixed`; of `multipart/multipart/mixed` the first and the last word count.
    """
    text = _COMMENT.sub(" ", unfold(value[:MAX_VALUE])).lower().replace("\\", "/")
    main = text.partition(";")[0].strip(" \t\"'=:,")
    match = _TYPE.match(main)
    if match is not None:
        subtype = match[2].strip("/").rpartition("/")[2]
        if subtype:
            return f"{match[1]}/{subtype}"
    word = _WORD.match(main)
    # The word before `=` is a parameter: there is no type at all.
    if word is None or main[word.end() :].lstrip().startswith("="):
        return ""
    if word[0] in {"text", "plain"}:
        return "text/plain"
    return _SHORT_TYPES.get(word[0], "")


@lru_cache(maxsize=64)
def get_parameter(value: bytes, name: str, charset: str = "") -> str:
    """Return a parameter of a field; empty if it is absent or unusable.

    The form of RFC 2231 counts before the plain one (RFC 6266 section 4.3).

    Args:
        value: The field's value as it was sent, of which 8 KiB count.
        name: The parameter's name in lower case.
        charset: The charset of the body, for raw bytes that are not UTF-8.
    """
    plain: str | None = None
    pieces: dict[int, tuple[bool, str]] = {}
    for key, text in _list_parameters(value, charset):
        match = _PIECE.fullmatch(key)
        if match is None or match[1] != name:
            continue
        if match[2] or match[3]:
            pieces.setdefault(int(match[2] or 0), (bool(match[3]), text))
        elif plain is None:
            plain = text
    return _join_pieces(pieces) or plain or ""


def _list_parameters(value: bytes, charset: str) -> list[tuple[str, str]]:
    text = unfold(value[:MAX_VALUE], charset)
    parameters: list[tuple[str, str]] = []
    for match in _PARAMETER.finditer(text):
        if match[1] is None:
            continue
        name = match[1].lower()
        if match[2] is not None:
            # A path such as C:\dir\a.txt is not escaped, whatever the grammar says.
            parameters.append((name, _ESCAPED.sub(r"\1", match[2])))
            continue
        plain = match[3].strip(" \t,")
        if name.partition("*")[0] not in _FREE_TEXT:
            plain = _TOKEN_END.split(plain, maxsplit=1)[0]
        parameters.append((name, plain))
    return parameters


def _join_pieces(pieces: dict[int, tuple[bool, str]]) -> str:
    """Return the text of `name*0*`, `name*1` … or `name*` (RFC 2231 sections 3 and 4)."""
    if not pieces:
        return ""
    first = min(pieces)
    charset, data, is_coded = "utf-8", bytearray(), False
    for number in range(first, first + len(pieces)):
        if number not in pieces:
            break
        is_extended, text = pieces[number]
        if is_extended and number == first and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        is_coded = is_coded or is_extended
        data += unquote_to_bytes(text) if is_extended else text.encode("utf-8", "replace")
    return decode_text(bytes(data), charset if is_coded else "utf-8")


_START = re.compile(r"=\?([^?\s]{0,75})\?([bBqQ])\?")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")


class _Word:
    """One encoded word: its charset without language, its encoding and its encoded text."""

    __slots__ = ("charset", "encoding", "text")

    def __init__(self, match: re.Match[str], text: str) -> None:
        self.charset = match[1].partition("*")[0].lower()  # RFC 2231 section 5
        self.encoding = match[2].lower()
        self.text = text

    @property
    def may_go_on(self) -> bool:
        """Whether its base64 ends within a group of four, as where a sender cut it anywhere."""
        return self.encoding == "b" and len(self.text) % 4 != 0 and not self.text.endswith("=")

    def content(self) -> bytes:
        """Return the encoded bytes, decoded."""
        data = _to_bytes(self.text, self.charset)
        if self.encoding == "b":
            return decode_base64_pieces(data)
        # A lone `=` at the end is no soft line break.
        return binascii.a2b_qp(data, header=True) + b"=" * data.endswith(b"=")


def decode_unstructured(value: bytes, charset: str = "") -> str:
    """Return an unstructured value as text (RFC 2047), at most 4,000 characters.

    Args:
        value: The value as it was sent, folds included.
        charset: The charset of the body, for raw bytes that are not UTF-8.
    """
    return decode_words(unfold(value[: 4 * MAX_TEXT], charset))[:MAX_TEXT]


def decode_words(text: str) -> str:
    """Return `text` with its encoded words decoded (RFC 2047) and on one line.

    Neighbouring words of one charset are joined before they are decoded, because senders split
    characters and shift states. A word may have spaces in it, or lack its end. An encoded line
    break or other control character becomes a space.
    """
    starts = list(_START.finditer(text)) if "=?" in text else []
    if not starts:
        return text
    pieces: list[str] = []
    run: list[_Word] = []
    at = 0
    limits = [*(match.start() for match in starts[1:]), len(text)]
    for match, limit in zip(starts, limits, strict=True):
        gap = text[at : match.start()]
        if run and gap.strip():
            pieces.append(_decode_run(run))
            run = []
        if gap.strip() or not run:
            pieces.append(gap)
        word, at = _read_word(text, match, limit)
        run.append(word)
    pieces += [_decode_run(run), text[at:]]
    return CONTROLS.sub(" ", "".join(pieces)).strip()


def _read_word(text: str, match: re.Match[str], limit: int) -> tuple[_Word, int]:
    """Return the word that starts with `match`, and where the text after it starts."""
    start = match.end()
    end = text.find("?=", start, limit)
    while end >= 0 and match[2] in "qQ" and _HEX.match(text, end + 2):
        # A question mark that should have been encoded, before an escape such as `=20`.
        later = text.find("?=", end + 2, limit)
        if later < 0:
            break
        end = later
    if end >= 0:
        return _Word(match, text[start:end]), end + 2
    if match[2] in "bB":
        encoded = _BASE64.match(text, start, limit)
        end = encoded.end() if encoded else start
    else:
        end = start + len(text[start:limit].rstrip())
    after = end + (text[end : end + 1] == "?")
    return _Word(match, text[start:end].removesuffix("?")), after


def _decode_run(run: list[_Word]) -> str:
    """Return the text of words that only white space separates."""
    groups = (list(words) for _, words in groupby(run, key=lambda word: word.charset))
    return "".join(_decode_same_charset(words).text for words in groups)


def _decode_same_charset(words: list[_Word]) -> DecodedText:
    charset = words[0].charset
    apart = decode(b"".join(word.content() for word in words), charset)
    if not apart.lost or not any(word.may_go_on for word in words[:-1]):
        return apart
    together = decode(
        decode_base64_pieces(_to_bytes("".join(word.text for word in words), charset)), charset
    )
    return together if together.lost < apart.lost else apart


def _to_bytes(text: str, charset: str) -> bytes:
    """Return the text of a word as the bytes that came, also where they are not ASCII."""
    if text.isascii():
        return text.encode("ascii")
    try:
        return text.encode(find_codec(charset) or "utf-8")
    except (UnicodeError, LookupError):
        return text.encode("utf-8", "replace")
