"""Transfer encodings (RFC 2045 section 6): base64, quoted-printable, uuencode; also damaged."""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_WHITE_SPACE = b" \t\r\n\f\v"
_COMMENT = re.compile(r"\([^()]*\)?")
_NOT_A_LETTER = re.compile(r"[^a-z0-9]+")
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]*(?:=[=A-Za-z0-9+/]*)?")
_MIN_LINE_AFTER_TEXT = 16
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")


def find_transfer_encoding(values: list[str]) -> str:
    """Return `base64`, `quoted-printable`, `uuencode`, or nothing for what needs no decoding.

    Args:
        values: The Content-Transfer-Encoding fields; the first that says one counts. Comments,
            quotes, stray marks and spellings such as `quoted_printable` don't matter.
    """
    for value in values:
        word = _NOT_A_LETTER.sub("", _COMMENT.sub(" ", value[:200].lower()))
        for key, name in _ENCODINGS.items():
            if key in word:
                return name
    return ""


_ENCODINGS = {
    "base64": "base64",
    "quotedprintable": "quoted-printable",
    "quotedprintible": "quoted-printable",
    "uuencode": "uuencode",
    "uue": "uuencode",
}


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """Return `data` decoded; `encoding` is a result of `find_transfer_encoding`."""
    if encoding == "base64":
        return decode_base64_text(data)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", data))
    return decode_uu(data) if encoding == "uuencode" else data


def decode_base64(data: bytes) -> bytes:
    """Decode base64; bytes outside of its alphabet are skipped, padding included."""
    clean = _NOT_BASE64.sub(b"", data)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def decode_base64_pieces(data: bytes) -> bytes:
    """Decode base64 that may go on after its padding; other bytes are skipped."""
    if b"=" not in data.rstrip(b"= \t\r\n"):
        return decode_base64(data)
    return b"".join(map(decode_base64, re.split(rb"=+", data)))


def decode_base64_text(data: bytes) -> bytes:
    """Decode the base64 of a part, without the text that others put before or after it.

    What has no line of base64 at all was declared wrongly, and is returned as it is.
    """
    clean = data.translate(None, _WHITE_SPACE)
    try:
        return binascii.a2b_base64(clean, strict_mode=True)
    except binascii.Error:
        lines = _list_base64_lines(data)
        return decode_base64_pieces(b"".join(lines)) if lines or not clean else data


def _list_base64_lines(data: bytes) -> list[bytes]:
    """Return the lines that are base64, such as those before a footer in plain text.

    A line with a few stray bytes counts, one of words doesn't. After the padding, the first line
    that is not base64 ends it all.
    """
    lines: list[bytes] = []
    is_padded = is_after_text = False
    for line in data.split(b"\n"):
        text = line.strip(_WHITE_SPACE)
        if not text:
            continue
        is_clean = _BASE64_LINE.fullmatch(text) is not None
        if is_padded and not is_clean:
            break
        has_words = any(blank in text for blank in b" \t") and not _is_base64_with_blanks(text)
        if has_words or text[:2] in {b"--", b"__"}:
            is_after_text = bool(lines)
            continue
        if is_after_text and (not is_clean or len(text) < _MIN_LINE_AFTER_TEXT):
            continue
        lines.append(text)
        is_padded = text.endswith(b"=")
    return lines


def _is_base64_with_blanks(text: bytes) -> bool:
    clean = text.translate(None, _WHITE_SPACE)
    return len(clean) % 4 == 0 and _BASE64_LINE.fullmatch(clean) is not None


def decode_uu(data: bytes) -> bytes:
    """Decode the lines between `begin` and `end` of uuencode; without them, all of `data`."""
    pieces: list[bytes] = []
    lines = data.split(b"\n")
    start = next((at for at, line in enumerate(lines) if line.startswith(b"begin ")), None)
    if start is None:
        return data
    for line in lines[start + 1 :]:
        text = line.rstrip(b"\r")
        if text.strip() in {b"end", b"`", b""}:
            if text.strip() == b"end":
                break
            continue
        pieces.append(_decode_uu_line(text))
    return b"".join(pieces)


def _decode_uu_line(line: bytes) -> bytes:
    length = (line[0] - 32) & 63
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Some encoders write more characters than the length of the line needs.
        try:
            return binascii.a2b_uu(line[: 1 + (length * 4 + 5) // 3])
        except binascii.Error:
            return b""
