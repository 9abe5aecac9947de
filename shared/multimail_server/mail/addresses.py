"""Email addresses: parsed from header fields, and checked for use in an envelope.

From is parsed strictly, because it decides who vouches for a message; other fields as far as they
can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from multimail.trust.addresses import ascii_domain

from .encoded_words import decode_words
from .headers import unfold

MAX_ADDRESSES = 1000
_MAX_FROM = 2000
_MAX_LIST = 64 * 1024
_MAX_NAME = 500
_MAX_LOCAL_PART, _MAX_ADDRESS = 64, 254

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
# A quoted string that is not closed runs to the end, so that no input is scanned twice.
_PIECE = re.compile(
    r'("(?:[^"\\]|\\.)*")|"(?:[^"\\]|\\.)*\\?\Z|([(),:;<>\\])|([^(),:;<>\\"]+)', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_ASCII_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_HOST_LABEL}\.)*{_HOST_LABEL}"
# Dots where RFC 5322 has none, as some phone companies gave them out, are sent in quotes.
_RECIPIENT = re.compile(rf"([.{_ATEXT[1:]})@{_HOST}")
_LOCAL_PART = re.compile(_ASCII_LOCAL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address of a header field, and the name shown with it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The domain, in lower case and in ASCII (RFC 5890 A-labels)."""
        return self.address.rpartition("@")[2].lower()


class InvalidMailboxError(Exception):
    """A value is not one plain mailbox; the message says why, as the end of a sentence."""


def parse_from(value: bytes, charset: str = "") -> Mailbox:
    """Return the one mailbox of a From field, parsed strictly (RFC 5322 section 3.6.2).

    Args:
        value: The field's value as it was sent.
        charset: The charset of the body, for a name in raw bytes that are not UTF-8.

    Raises:
        InvalidMailboxError: The field is not exactly one plain address: a list, a group, a
            source route, an encoded word or a quoted string as address, text after it …
    """
    if len(value) > _MAX_FROM:
        raise InvalidMailboxError("is longer than 2,000 bytes")
    if any((byte < 32 and byte not in b"\t\r\n") or byte == 127 for byte in value):
        raise InvalidMailboxError("contains a control character")
    return _parse_mailbox(_tokenize(unfold(value, charset)))


def parse_addresses(values: list[bytes]) -> tuple[str, ...]:
    """Return the usable addresses of To, Cc or Reply-To fields, each once, at most 1,000."""
    addresses: dict[str, None] = {}
    for value in values:
        for pieces in _split_mailboxes(_tokenize(unfold(value[:_MAX_LIST]))):
            try:
                addresses[_parse_mailbox(pieces).address] = None
            except InvalidMailboxError:
                continue
            if len(addresses) >= MAX_ADDRESSES:
                break
    return tuple(addresses)


def _tokenize(text: str) -> list[str]:
    """Return specials, quoted strings and runs of other text; a comment becomes a space.

    A quote that is not closed, or that is in a comment, is left as a lone `"`.
    """
    pieces: list[str] = []
    depth = 0
    escaped = False
    for match in _PIECE.finditer(text):
        piece = match[0] if match[1] or match[2] or match[3] else '"'
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


def _split_mailboxes(pieces: list[str]) -> list[list[str]]:
    """Return the mailboxes of a list, groups opened (RFC 5322 section 3.4)."""
    mailboxes: list[list[str]] = [[]]
    inside = False
    for piece in pieces:
        if piece == "<":
            inside = True
        elif piece == ">":
            inside = False
        if piece in {",", ";"} and not inside:
            mailboxes.append([])
        elif piece == ":" and not inside:
            mailboxes[-1] = []
        else:
            mailboxes[-1].append(piece)
    return [mailbox for mailbox in mailboxes if "".join(mailbox).strip()]


def _parse_mailbox(pieces: list[str]) -> Mailbox:
    """Return the one mailbox that `pieces` make up."""
    if not "".join(pieces).strip():
        raise InvalidMailboxError("names no address")
    if "(" in pieces or ")" in pieces:
        raise InvalidMailboxError("has an unbalanced comment")
    if "\\" in pieces:
        raise InvalidMailboxError("has a backslash outside quotes")
    if "<" not in pieces:
        _reject_list(pieces)
        return Mailbox(_parse_address(pieces))
    opened = pieces.index("<")
    if ">" not in pieces[opened:]:
        raise InvalidMailboxError("has an unbalanced angle bracket")
    closed = pieces.index(">", opened)
    before, inner, after = pieces[:opened], pieces[opened + 1 : closed], pieces[closed + 1 :]
    _reject_list(before)
    _reject_list(after)
    if "".join(after).strip():
        raise InvalidMailboxError("has text after the address")
    if "<" in inner:
        raise InvalidMailboxError("has an angle bracket within another")
    if inner and inner[0].lstrip().startswith("@"):
        raise InvalidMailboxError("contains a source route")
    address = _parse_address(inner)
    return Mailbox(address, _parse_name(before, address))


def _reject_list(pieces: list[str]) -> None:
    if "," in pieces or "<" in pieces:
        raise InvalidMailboxError("names more than one address")
    if ":" in pieces or ";" in pieces:
        raise InvalidMailboxError("uses the group syntax")
    if ">" in pieces or '"' in pieces:
        raise InvalidMailboxError("has an unbalanced quote or angle bracket")


def _parse_address(pieces: list[str]) -> str:
    if any(piece[:1] == '"' for piece in pieces):
        raise InvalidMailboxError("has a quoted string in its address")
    text = "".join(pieces).strip()
    if any(mark in text for mark in ",:;"):
        raise InvalidMailboxError("contains a source route")
    local, at, domain = text.rpartition("@")
    if "=?" in text:
        raise InvalidMailboxError("has an encoded word for an address")
    if not at:
        raise InvalidMailboxError("names no address")
    if "@" in local:
        raise InvalidMailboxError("has more than one @ in its address")
    host = ascii_domain(domain)
    if _LOCAL.fullmatch(local) is None or len(local) > _MAX_LOCAL_PART or host is None:
        raise InvalidMailboxError("has an address that is not like name@example.com")
    return f"{local}@{domain.lower() if domain.isascii() else host}"


def _parse_name(pieces: list[str], address: str) -> str:
    bare = "".join(piece for piece in pieces if piece[:1] != '"').strip()
    if "@" in bare and bare.lower() != address.lower():
        raise InvalidMailboxError("has two addresses")
    words = [_ESCAPED.sub(r"\1", t[1:-1]) if t[:1] == '"' else t for t in pieces]
    text = " ".join("".join(words).split())
    return " ".join(decode_words(text).split())[:_MAX_NAME]


def normalize_recipient(address: str) -> str:
    """Return an address as it is kept: its host in ASCII (RFC 5890), its local part unquoted.

    What is no address stays as it is; `find_address_fault` says so.
    """
    local, at, host = address.strip().rpartition("@")
    if len(local) > 2 and local[0] == local[-1] == '"':
        local = local[1:-1]
    name = host if host.isascii() else ascii_domain(host)
    normal = f"{local}{at}{name}"
    return normal if name and is_address(normal) else address


def format_address(address: str) -> str:
    """Return an address as commands and header fields have it, quoted where it must be.

    Args:
        address: One that has no fault.
    """
    local, _, host = address.rpartition("@")
    return address if _LOCAL.fullmatch(local) else f'"{local}"@{host}'


def find_address_fault(address: str) -> str | None:
    """Return why `address` can't be used in an envelope, as the end of a sentence; else None.

    A local part may have characters outside ASCII (RFC 6531), a host in their A-labels only.
    """
    if _CONTROL.search(address):
        return "contains a control character or a line break"
    if len(address) > _MAX_ADDRESS:
        return f"is longer than {_MAX_ADDRESS} characters"
    match = _RECIPIENT.fullmatch(address)
    if match is None or not match[1].strip(".") or not match[1].isprintable():
        return "is not a mail address like name@example.com"
    if len(match[1].encode()) > _MAX_LOCAL_PART:
        return f"has more than {_MAX_LOCAL_PART} characters before the @"
    return None


def is_address(address: str) -> bool:
    """Return whether `address` can be an envelope recipient."""
    return find_address_fault(address) is None


def is_local_part(text: str) -> bool:
    """Return whether `text` can be the local part of a new mailbox."""
    return (
        len(text) <= _MAX_LOCAL_PART and _LOCAL_PART.fullmatch(text) is not None and "+" not in text
    )


def to_mailbox_address(address: str) -> str:
    """Return the mailbox that `address` reaches: in lower case and without `+detail`."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
