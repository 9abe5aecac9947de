"""Addresses in header fields: From read strictly, the other fields as far as they can be."""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna

from .headers import decode_words, unfold

MAX_ADDRESSES = 1000
_MAX_FROM = 2000
_MAX_LIST = 64 * 1024
_MAX_NAME = 500

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
# A quoted string that nobody closes runs to the end, so that no input is read twice.
_PIECE = re.compile(
    r'("(?:[^"\\]|\\.)*")|"(?:[^"\\]|\\.)*\\?\Z|([(),:;<>\\])|([^(),:;<>\\"]+)', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address of a header field, and the name shown with it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The domain, in lower case and in ASCII (RFC 5890 A-labels)."""
        return self.address.rpartition("@")[2].lower()


class Unusable(Exception):  # noqa: N818
    """A value is not one plain mailbox; the message says why, as the end of a sentence."""


def ascii_domain(domain: str) -> str | None:
    """Return a host name in lower case and A-labels, or None if it is not one."""
    name = domain.strip().removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (UnicodeError, ValueError, IndexError):
            return None
    return name if len(name) <= 253 and _HOST.fullmatch(name) else None


def read_from(value: bytes) -> Mailbox:
    """Return the one mailbox of a From field, RFC 5322 section 3.6.2, read strictly.

    Raises:
        Unusable: It is not exactly one plain address: a list, a group, a source route, an
            encoded word or a quoted string as address, text after the address …
    """
    if len(value) > _MAX_FROM:
        raise Unusable("is longer than 2,000 bytes")
    if any((byte < 32 and byte not in b"\t\r\n") or byte == 127 for byte in value):
        raise Unusable("contains a control character")
    return _mailbox(_pieces(unfold(value)))


def read_addresses(values: list[bytes]) -> tuple[str, ...]:
    """Return the usable addresses of To, Cc or Reply-To fields, each once, at most 1,000."""
    found: dict[str, None] = {}
    for value in values:
        for pieces in _split(_pieces(unfold(value[:_MAX_LIST]))):
            try:
                found[_mailbox(pieces).address] = None
            except Unusable:
                continue
            if len(found) >= MAX_ADDRESSES:
                break
    return tuple(found)


def _pieces(text: str) -> list[str]:
    """Return specials, quoted strings and runs of other text; a comment becomes a space.

    A quote that is not closed, or that stands in a comment, is left as a lone `"`.
    """
    pieces: list[str] = []
    depth = 0
    escaped = False
    for found in _PIECE.finditer(text):
        piece = found[0] if found[1] or found[2] or found[3] else '"'
        if depth and escaped:
            piece = piece[1:]
        escaped = piece == "\\" and not escaped
        if piece == "(":
            depth += 1
        elif piece == ")" and depth:
            depth -= 1
            pieces.append(" ")
        elif depth:
            pieces.extend('"' * piece.startswith('"'))
        else:
            pieces.append(piece)
    return [*pieces, "("] if depth else pieces


def _split(pieces: list[str]) -> list[list[str]]:
    """Return the mailboxes of a list, groups opened (RFC 5322 section 3.4)."""
    found: list[list[str]] = [[]]
    inside = False
    for piece in pieces:
        if piece == "<":
            inside = True
        elif piece == ">":
            inside = False
        if piece in {",", ";"} and not inside:
            found.append([])
        elif piece == ":" and not inside:
            found[-1] = []
        else:
            found[-1].append(piece)
    return [part for part in found if "".join(part).strip()]


def _mailbox(pieces: list[str]) -> Mailbox:
    """Return the one mailbox that `pieces` spell."""
    if not "".join(pieces).strip():
        raise Unusable("names no address")
    if "(" in pieces or ")" in pieces:
        raise Unusable("has an unbalanced comment")
    if "\\" in pieces:
        raise Unusable("has a backslash outside quotes")
    if "<" not in pieces:
        _no_list(pieces)
        return Mailbox(_address(pieces))
    opened = pieces.index("<")
    if ">" not in pieces[opened:]:
        raise Unusable("has an unbalanced angle bracket")
    closed = pieces.index(">", opened)
    before, inner, after = pieces[:opened], pieces[opened + 1 : closed], pieces[closed + 1 :]
    _no_list(before)
    _no_list(after)
    if "".join(after).strip():
        raise Unusable("has text after the address")
    if "<" in inner:
        raise Unusable("has an angle bracket within another")
    if inner and inner[0].lstrip().startswith("@"):
        raise Unusable("contains a source route")
    address = _address(inner)
    return Mailbox(address, _name(before, address))


def _no_list(pieces: list[str]) -> None:
    if "," in pieces or "<" in pieces:
        raise Unusable("names more than one address")
    if ":" in pieces or ";" in pieces:
        raise Unusable("uses the group syntax")
    if ">" in pieces or '"' in pieces:
        raise Unusable("has an unbalanced quote or angle bracket")


def _address(pieces: list[str]) -> str:
    if any(piece[:1] == '"' for piece in pieces):
        raise Unusable("has a quoted string in its address")
    text = "".join(pieces).strip()
    if any(mark in text for mark in ",:;"):
        raise Unusable("contains a source route")
    local, at, domain = text.rpartition("@")
    if "=?" in text:
        raise Unusable("has an encoded word for an address")
    if not at:
        raise Unusable("names no address")
    if "@" in local:
        raise Unusable("has more than one @ in its address")
    host = ascii_domain(domain)
    if _LOCAL.fullmatch(local) is None or len(local) > 64 or host is None:
        raise Unusable("has an address that is not like name@example.com")
    return f"{local}@{domain.lower() if domain.isascii() else host}"


def _name(pieces: list[str], address: str) -> str:
    bare = "".join(piece for piece in pieces if piece[:1] != '"').strip()
    if "@" in bare and bare.lower() != address.lower():
        raise Unusable("has two addresses")
    words = [_ESCAPED.sub(r"\1", t[1:-1]) if t[:1] == '"' else t for t in pieces]
    text = " ".join("".join(words).split())
    return " ".join(decode_words(text).split())[:_MAX_NAME]


_ASCII_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ASCII_LOCAL})@((?:{_HOST_LABEL}\.)*{_HOST_LABEL})")
_LOCAL_PART = re.compile(_ASCII_LOCAL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_LOCAL, _MAX_ALL = 64, 254


def problem_with(address: str) -> str | None:
    """Return why `address` is not a usable mail address, as the end of a sentence; else None."""
    if _CONTROL.search(address):
        return "contains a control character or a line break"
    if len(address) > _MAX_ALL:
        return f"is longer than {_MAX_ALL} characters"
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return "is not a mail address like name@example.com"
    if len(found[1]) > _MAX_LOCAL:
        return f"has more than {_MAX_LOCAL} characters before the @"
    return None


def is_address(address: str) -> bool:
    """Return whether `address` can be an envelope recipient."""
    return problem_with(address) is None


def is_local_part(text: str) -> bool:
    """Return whether `text` can stand before the @ of a new mailbox."""
    return len(text) <= _MAX_LOCAL and _LOCAL_PART.fullmatch(text) is not None and "+" not in text


def base_of(address: str) -> str:
    """Return the mailbox address that `address` reaches: lower case, without a +detail."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
