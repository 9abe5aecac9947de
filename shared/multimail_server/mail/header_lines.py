"""Writing header fields: values to lines that are ASCII, folded and free of injection."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

_MAX_LINE = 76
_MAX_TOKEN = 900
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_QUOTABLE = re.compile(r"[\x20-\x7e]+")
_MAX_WORD = 42
"""Bytes in one encoded word: 75 characters less `=?utf-8?b?` and `?=`, in base64, rounded down."""


def check_header(field: str, value: str) -> str:
    """Return `value` if it can stand in a header field.

    Raises:
        ValueError: It contains CR, LF or NUL and could add fields of its own; names `field`.
    """
    if any(mark in value for mark in "\r\n\0"):
        raise ValueError(f"{field}: contains a line break or a NUL")
    return value


def text_line(name: str, value: str) -> str:
    """Return an unstructured field, encoded where ASCII cannot hold it (RFC 2047)."""
    plain = _PLAIN.fullmatch(value) is not None and "=?" not in value
    if plain and max(map(len, value.split(" "))) <= _MAX_TOKEN:
        return _folded(name, value.split(" "))
    return _folded(name, _encoded_words(value)) if value else f"{name}:"


def address_line(name: str, mailboxes: list[str]) -> str:
    """Return a field that lists mailboxes, one after the other."""
    last = len(mailboxes) - 1
    return _folded(name, [f"{one}," if at < last else one for at, one in enumerate(mailboxes)])


def mailbox_text(name: str, address: str) -> str:
    """Return an address with its display name: bare, quoted or encoded, RFC 5322 section 3.4."""
    if not name.strip():
        return address
    if "=?" not in name and _ATOMS.fullmatch(name) and len(name) <= _MAX_TOKEN:
        return f"{name} <{address}>"
    if "=?" not in name and _QUOTABLE.fullmatch(name) and len(name) <= _MAX_LINE // 2:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return "\r\n ".join([*_encoded_words(name), f"<{address}>"])


def ids_line(name: str, ids: list[str]) -> str:
    """Return a field that lists message ids. They are never encoded."""
    return _folded(name, ids)


def file_parameter(name: str) -> str:
    """Return the parameter `filename`, in the form of RFC 2231 where ASCII cannot hold it."""
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
    """Return `text` as encoded words of whole characters, RFC 2047 section 5."""
    words: list[bytes] = [b""]
    for character in text:
        coded = character.encode("utf-8", "replace")
        if len(words[-1]) + len(coded) > _MAX_WORD:
            words.append(b"")
        words[-1] += coded
    return [f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words]


def _folded(name: str, words: list[str]) -> str:
    """Return a field whose lines break only between `words`."""
    lines = [f"{name}:"]
    for word in words:
        # The first word stays beside the name: an empty first line confuses some readers.
        if len(lines[-1]) + 1 + len(word) > _MAX_LINE and len(lines[-1]) > len(name) + 1:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines)
