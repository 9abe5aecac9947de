"""Email addresses: parsed from header fields, and checked for use in an envelope.

From decides who vouches for a message. A From that RFC 5322 forbids is read all the same if it
holds exactly one address, because then no program can show another author; where programs could
disagree, it names no author. Other fields are read as far as they can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from multimail.trust.addresses import ascii_domain, has_invalid_label

from .charsets import decode_text
from .headers import CONTROLS, decode_words

MAX_ADDRESSES = 1000
_MAX_FROM = 2000
_MAX_LIST = 64 * 1024
_MAX_NAME = 500
_MAX_LOCAL_PART, _MAX_ADDRESS = 64, 254

# Mobile operators gave out addresses with dots where RFC 5322 allows none, such as `taro..y.@…`.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\ud7ff\ue000-\U0010ffff-]+"
_LOCAL = re.compile(rf"[.{_ATEXT[1:]}")
_QUOTED_LOCAL = re.compile(r"[\x20\x21\x23-\x3b\x3d\x3f\x41-\x5b\x5d-\x7e]+")
# A quoted string that is not closed runs to the end, so that no input is scanned twice.
_PIECE = re.compile(
    r'("(?:[^"\\]|\\.)*")|"(?:[^"\\]|\\.)*\\?\Z|([(),:;<>\\])|([^(),:;<>\\"]+)', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_COMMENT = re.compile(r"\(((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\)")
# A run of blanks is only scanned from its start, so that a long one costs no square of its length.
_BLANKS_AROUND_AT = re.compile(r"(?<!\s)\s*+@\s*+")
_DOMAIN_GOES_ON = re.compile(r"@[^\s@()]{1,255}[\s()](?:[^()@]{0,100}\))?\s*\.\w")
_WORD_FOLLOWS = re.compile(r"""@[^\s<>(),;:"\\@]{1,255}(?:"\s*[^\s>,;]|\s+[^\s<>(),;:"\\])""")
_BETWEEN_WORDS = re.compile(r'[\s<>(),;:"\\]+')
_LOOSE_PUNCTUATION = re.compile(r'[<>"\\]+|\bmailto:', re.IGNORECASE)
_AROUND_NAMES = " \t,;:()[]'"
# Punctuation that belongs into an encoded word only as an escape (RFC 2047 section 5).
_Q_WORD = re.compile(r"=\?[^?\s]{1,60}\?[qQ]\?[^?<>@\\]*\?=")
_Q_ESCAPES = str.maketrans({mark: f"={ord(mark):02X}" for mark in '(),;:"'})

_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_HOST_LABEL}\.)*{_HOST_LABEL}"
# Dots where RFC 5322 has none, as some phone companies gave them out, are sent in quotes.
_RECIPIENT = re.compile(rf'({_LOCAL.pattern}|"{_QUOTED_LOCAL.pattern}")@{_HOST}')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """One address of a header field, and the name shown with it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The domain, in lower case and in ASCII (RFC 5890 A-labels)."""
        return self.address.rpartition("@")[2].lower()


class InvalidMailboxError(Exception):
    """A value is not one plain mailbox; the message says why, as the end of a sentence."""


@lru_cache(maxsize=64)  # several readers of one message ask for it
def parse_from(value: bytes, charset: str = "") -> NamedAddress:
    """Return the one mailbox of a From field (RFC 5322 section 3.6.2).

    The address never depends on `charset`, which an intermediary may be able to change.

    Args:
        value: The field's value as it was sent.
        charset: The charset of the body, for a name in raw bytes that are not UTF-8.

    Raises:
        InvalidMailboxError: The field doesn't name exactly one address: a list, a source route, an
            encoded word as address, an address beside another in the display name …
    """
    if len(value) > _MAX_FROM:
        raise InvalidMailboxError("is longer than 2,000 bytes")
    if any((byte < 32 and byte not in b"\t\r\n") or byte == 127 for byte in value):
        raise InvalidMailboxError("contains a control character")
    text = _unfold(value)
    try:
        mailbox = _parse_mailbox(_tokenize(text))
    except InvalidMailboxError:
        odd = _find_only_mailbox(text)
        if odd is None:
            raise
        mailbox = odd
    name = mailbox.name or _get_comment(text)
    return NamedAddress(mailbox.address, _decode_name(name, charset))


def parse_addresses(values: list[bytes]) -> tuple[str, ...]:
    """Return the usable addresses of To, Cc or Reply-To fields, each once, at most 1,000."""
    addresses: dict[str, None] = {}
    for value in values:
        text = _unfold(value[:_MAX_LIST])
        for address in _list_addresses(text):
            addresses[address] = None
            if len(addresses) >= MAX_ADDRESSES:
                return tuple(addresses)
    return tuple(addresses)


def _list_addresses(text: str) -> list[str]:
    addresses: list[str] = []
    for pieces in _split_mailboxes(_tokenize(text)):
        try:
            addresses.append(_parse_mailbox(pieces).address)
        except InvalidMailboxError:
            odd = _find_only_mailbox("".join(pieces))
            addresses.extend([odd.address] if odd else [])
    if addresses or "@" not in text:
        return addresses
    # A quote or a comment that is not closed has swallowed them all.
    words = filter(None, map(_to_address, _list_words(text)))
    return list(words)


def _unfold(value: bytes) -> str:
    """Return a value on one line, with lone surrogates for bytes that are not UTF-8."""
    text = value.replace(b"\r\n", b"").decode("utf-8", "surrogateescape")
    text = CONTROLS.sub(" ", text).strip()
    return _Q_WORD.sub(lambda word: word[0].translate(_Q_ESCAPES), text)


def _decode_name(text: str, charset: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    is_utf8 = not any("\udc80" <= character <= "\udcff" for character in text)
    plain = text if is_utf8 else CONTROLS.sub(" ", decode_text(data, charset))
    return " ".join(decode_words(plain).split())[:_MAX_NAME]


def _get_comment(text: str) -> str:
    """Return the comment of `ann@example.com (Ann)`, which was the name before RFC 822."""
    match = _COMMENT.search(text)
    return _ESCAPED.sub(r"\1", match[1]) if match else ""


def _find_only_mailbox(text: str) -> NamedAddress | None:
    """Return the mailbox of a text that breaks the grammar but holds one address; else None."""
    # Some parsers join what stands beside a quote, or after white space, with the address.
    if '"@' in text or _DOMAIN_GOES_ON.search(text) or _WORD_FOLLOWS.search(text):
        return None
    words = {*_list_words(text), *_list_words(decode_words(text))}
    addresses = {address.lower() if address else None for address in map(_to_address, words)}
    address = next(filter(None, map(_to_address, _list_words(text))), None)
    if address is None or len(addresses) != 1 or not all(word.isascii() for word in words):
        return None
    shown = _BLANKS_AROUND_AT.sub("@", text)
    at = shown.lower().find(address.lower())
    before, after = (shown[:at], shown[at + len(address) :]) if at >= 0 else ("", "")
    names = (_LOOSE_PUNCTUATION.sub(" ", part).strip(_AROUND_NAMES) for part in (before, after))
    return NamedAddress(address, next((name for name in names if name and "@" not in name), ""))


def _list_words(text: str) -> list[str]:
    """Return the words with an `@` that could be an address or make it doubtful."""
    words = _BETWEEN_WORDS.split(_BLANKS_AROUND_AT.sub("@", text))
    return [word.lstrip("'`[*").rstrip("'`[]*.") for word in words if "@" in word]


def _to_address(word: str) -> str | None:
    """Return a word as an address, with its domain in ASCII; None if it is not one."""
    try:
        return _parse_address([word])
    except InvalidMailboxError:
        return None


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


def _parse_mailbox(pieces: list[str]) -> NamedAddress:
    """Return the one mailbox that `pieces` make up."""
    if not "".join(pieces).strip():
        raise InvalidMailboxError("names no address")
    if "(" in pieces or ")" in pieces:
        raise InvalidMailboxError("has an unbalanced comment")
    if "\\" in pieces:
        raise InvalidMailboxError("has a backslash outside quotes")
    if "<" not in pieces:
        _reject_list(pieces)
        return NamedAddress(_parse_address(pieces))
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
    return NamedAddress(address, _get_name(before, address))


def _reject_list(pieces: list[str]) -> None:
    if "," in pieces or "<" in pieces:
        raise InvalidMailboxError("names more than one address")
    if ":" in pieces or ";" in pieces:
        raise InvalidMailboxError("uses the group syntax")
    if ">" in pieces or '"' in pieces:
        raise InvalidMailboxError("has an unbalanced quote or angle bracket")


def _parse_address(pieces: list[str]) -> str:
    quoted = next((piece for piece in pieces if piece[:1] == '"'), "")
    text = _BLANKS_AROUND_AT.sub("@", "".join(pieces)).strip()
    if quoted:
        return _parse_quoted_address(text, quoted)
    if any(mark in text for mark in ",:;"):
        raise InvalidMailboxError("contains a source route")
    local, at, domain = text.rpartition("@")
    if "=?" in text:
        raise InvalidMailboxError("has an encoded word for an address")
    if not at:
        raise InvalidMailboxError("names no address")
    if "@" in local:
        raise InvalidMailboxError("has more than one @ in its address")
    return _build_address(local, domain)


def _parse_quoted_address(text: str, quoted: str) -> str:
    """Return `"a b"@example.com` as it is, and `"a..b"@example.com` without its quotes."""
    local = _ESCAPED.sub(r"\1", quoted[1:-1])
    rest = text.removeprefix(quoted)
    if not rest.startswith("@") or '"' in rest or _QUOTED_LOCAL.fullmatch(local) is None:
        raise InvalidMailboxError("has a quoted string in its address")
    if _LOCAL.fullmatch(local):
        return _build_address(local, rest[1:])
    return f'"{local}"{_build_address("x", rest[1:])[1:]}'


def _build_address(local: str, domain: str) -> str:
    host = ascii_domain(domain)
    is_usable = _LOCAL.fullmatch(local) is not None and local.strip(".") != ""
    if not is_usable or len(local) > _MAX_LOCAL_PART or host is None:
        raise InvalidMailboxError("has an address that is not like name@example.com")
    return f"{local}@{host}"


def _get_name(pieces: list[str], address: str) -> str:
    """Return the display name, not yet decoded; an `@` in it must not make another address."""
    bare = "".join(piece if piece[:1] != '"' else " " for piece in pieces)
    for word in _list_words(bare):
        local, _, domain = word.rpartition("@")
        is_like_address = "@" in local or "." in domain
        if is_like_address and (_to_address(word) or word).lower() != address.lower():
            raise InvalidMailboxError("has two addresses")
    words = [_ESCAPED.sub(r"\1", t[1:-1]) if t[:1] == '"' else t for t in pieces]
    return " ".join("".join(words).split())


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
    is_plain = local.startswith('"') or _DOT_ATOM.fullmatch(local) is not None
    return address if is_plain else f'"{local}"@{host}'


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
    if has_invalid_label(address.rpartition("@")[2]):
        return "has a domain with xn-- that encodes no name"
    if len(match[1].encode()) > _MAX_LOCAL_PART:
        return f"has more than {_MAX_LOCAL_PART} characters before the @"
    return None


def is_address(address: str) -> bool:
    """Return whether `address` can be an envelope recipient."""
    return find_address_fault(address) is None


def is_local_part(text: str) -> bool:
    """Return whether `text` can be the local part of a new mailbox."""
    is_plain = text.isascii() and "+" not in text and _DOT_ATOM.fullmatch(text) is not None
    return is_plain and len(text) <= _MAX_LOCAL_PART


def to_mailbox_address(address: str) -> str:
    """Return the mailbox that `address` reaches: in lower case and without `+detail`."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
