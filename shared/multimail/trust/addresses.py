"""Email addresses: normalized for comparison, listed by an operator, and found in text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

import idna

from ..errors import ConfigurationError
from .text import clean

_ANGLE_ADDRESS = re.compile(r"<([^<>\s]{1,320})>\s*$")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'|=/@]{1,64}@[^\s<>()\[\],;:\"'|=/@]{1,255}")
_NEEDLESS_QUOTES = re.compile(r'"([^\s"()<>\[\],;:@\\]+)"')
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_MAX_HOST_CHARS = 253
_MAX_LOCAL_CHARS = 64
_MAX_FOUND = 500
_MAX_CACHED, _MAX_CACHED_CHARS = 4096, 400


def extract_address(text: str) -> str:
    """Return the address of `Name <address>`, without the name, which its owner can choose."""
    match = _ANGLE_ADDRESS.search(text) if ">" in text else None
    return match.group(1) if match else text.strip()


def normalize_address(text: str) -> str:
    """Return an address in a form in which equal addresses are equal.

    The display name is dropped, the text is in lower case and NFC, and the domain in A-labels
    (RFC 5890). Quotes around letters and dots are dropped: `"a..b"@x` is `a..b@x`. Nothing else is
    folded: `a+b@x` and `a@x` are two addresses.
    """
    return _normalize_cached(text) if len(text) <= _MAX_CACHED_CHARS else _normalize(text)


def _normalize(text: str) -> str:
    local, at, domain = extract_address(text).rpartition("@")
    if not at:
        return unicodedata.normalize("NFC", domain).lower()
    plain = _NEEDLESS_QUOTES.fullmatch(local)
    local = plain[1] if plain else local
    return f"{unicodedata.normalize('NFC', local).lower()}@{normalize_domain(domain)}"


# Each of a listing's few addresses is compared for several reasons.
_normalize_cached = lru_cache(_MAX_CACHED)(_normalize)


def normalize_addresses(texts: Iterable[str]) -> frozenset[str]:
    """Return the normalized form of each address that is not empty."""
    return frozenset(filter(None, map(normalize_address, texts)))


def strip_tag(text: str) -> str:
    """Return a normalized address without the `+tag` of its local part."""
    local, at, domain = normalize_address(text).rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def ascii_domain(domain: str) -> str | None:
    """Return a host name in lower case and A-labels (RFC 5890), or None if it is not one."""
    name = domain.strip().removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (UnicodeError, ValueError, IndexError):
            return None
    return name if len(name) <= _MAX_HOST_CHARS and _HOST.fullmatch(name) else None


def has_invalid_label(domain: str) -> bool:
    """Return whether a label that begins with `xn--` encodes no name (RFC 3492, RFC 5890)."""
    return any(map(_is_invalid_label, domain.lower().split(".")))


def _is_invalid_label(label: str) -> bool:
    if not label.startswith("xn--"):
        return False
    try:
        name = label[4:].encode("ascii").decode("punycode")
        return name.isascii() or not name.isprintable() or _encode_label(name) != label
    except UnicodeError:
        return True


def _encode_label(name: str) -> str:
    return f"xn--{name.encode('punycode').decode('ascii')}"


def normalize_domain(domain: str) -> str:
    """Return `ascii_domain`; for what is not a host name, the text in lower case and NFC."""
    return ascii_domain(domain) or unicodedata.normalize("NFC", domain.rstrip(".").lower())


def find_addresses(*texts: str) -> frozenset[str]:
    """Return what looks like an address in the texts, normalized; at most 500 of each text.

    An address that a reader could put together from words is not found. That is safe: the guard
    treats an address that was not found as unseen, which loosens nothing.
    """
    addresses: set[str] = set()
    for text in texts:
        if "@" not in text:
            continue
        # An invisible character could split an address that a reader sees whole.
        for match in islice(_iter_matches(clean(text).text), _MAX_FOUND):
            addresses.add(normalize_address(match.strip(".`*_~!?")))
    return frozenset(addresses)


def _iter_matches(text: str) -> Iterator[str]:
    """Yield the matches of `_ADDRESS`, searching only around each `@`."""
    end = 0
    while (at := text.find("@", end)) >= 0:
        match = _ADDRESS.search(text, max(end, at - _MAX_LOCAL_CHARS))
        if match is None:
            return
        yield match.group()
        end = match.end()


class AddressList:
    """Addresses and domains that an operator names.

    Args:
        entries: `ann@example.com` for an address, `example.com` or `@example.com` for a domain
            without its subdomains, `*.example.com` for its subdomains.

    Raises:
        ConfigurationError: An entry is none of these.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        texts = (entries,) if isinstance(entries, str) else tuple(entries)
        self.entries = tuple(dict.fromkeys(_parse_entry(text) for text in texts))
        self._exact = frozenset(self.entries)
        self._suffixes = tuple(entry[1:] for entry in self.entries if entry.startswith("*."))

    def __contains__(self, address: str) -> bool:
        if not self.entries:
            return False
        normalized = normalize_address(address)
        domain = normalized.rpartition("@")[2]
        if normalized in self._exact or f"@{domain}" in self._exact:
            return True
        return any(domain.endswith(suffix) for suffix in self._suffixes)

    def __repr__(self) -> str:
        return f"AddressList({list(self.entries)!r})"


def _parse_entry(text: str) -> str:
    entry = text.strip()
    if entry.startswith("*.") and _is_domain(entry[2:]):
        return f"*.{normalize_domain(entry[2:])}"
    local, at, domain = entry.rpartition("@")
    if not _is_domain(domain) or (at and any(char.isspace() for char in local)):
        raise ConfigurationError(
            f"{text!r} is neither an address nor a domain.",
            remedy="Write ann@example.com, example.com or *.example.com.",
        )
    return normalize_address(entry) if local else f"@{normalize_domain(domain)}"


def _is_domain(text: str) -> bool:
    return "." in text and not any(char.isspace() or char in "@<>,;*" for char in text)
