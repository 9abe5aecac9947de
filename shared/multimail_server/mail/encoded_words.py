"""Text of header fields: encoded words (RFC 2047) decoded, also broken ones as mail programs do."""

from __future__ import annotations

import binascii
import re
from itertools import groupby

from .charsets import DecodedText, decode, find_codec
from .headers import CONTROLS, MAX_TEXT, unfold
from .transfer_encodings import decode_base64_pieces

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
