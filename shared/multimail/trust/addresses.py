"""Addresses: compared exactly once normalised, listed by an operator, and found in text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

import idna

from ..errors import ConfigurationError
from .text import clean

_NAMED = re.compile(r"<([^<>\s]{1,320})>\s*$")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'|=/@]{1,64}@[^\s<>()\[\],;:\"'|=/@]{1,255}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_MAX_HOST = 253
_MOST_FOUND = 500
_LONGEST_LOCAL = 64


def bare(text: str) -> str:
    """Return the address of `Name <address>`: a name is whatever its owner typed."""
    named = _NAMED.search(text) if ">" in text else None
    return named.group(1) if named else text.strip()


def normalised(text: str) -> str:
    """Return an address in the one form in which equal addresses are equal.

    Its display name is dropped, it is in lower case and NFC, and its domain is in A-labels
    (RFC 5890). Nothing else is folded: `a+b@x` and `a@x` are two addresses.
    """
    local, at, domain = bare(text).rpartition("@")
    if not at:
        return unicodedata.normalize("NFC", domain).lower()
    return f"{unicodedata.normalize('NFC', local).lower()}@{normalize_domain(domain)}"


def without_tag(text: str) -> str:
    """Return a normalised address without the `+tag` of its local part."""
    local, at, domain = normalised(text).rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def ascii_domain(domain: str) -> str | None:
    """Return a host name in lower case and A-labels (RFC 5890), or None if it is not one."""
    name = domain.strip().removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (UnicodeError, ValueError, IndexError):
            return None
    return name if len(name) <= _MAX_HOST and _HOST.fullmatch(name) else None


def normalize_domain(domain: str) -> str:
    """Return `ascii_domain`; for what is not a host name, the text in lower case and NFC."""
    return ascii_domain(domain) or unicodedata.normalize("NFC", domain.rstrip(".").lower())


def normalised_all(texts: Iterable[str]) -> frozenset[str]:
    """Return the normalised form of each address that is not empty."""
    return frozenset(filter(None, map(normalised, texts)))


def mentioned(*texts: str) -> frozenset[str]:
    """Return what looks like an address in the texts, normalised; at most 500 of each text.

    An address that a reader could put together from words is not found: what is not found is
    treated as unseen, which loosens nothing.
    """
    found: set[str] = set()
    for text in texts:
        if "@" not in text:
            continue
        # What is invisible could part an address that a reader sees whole.
        for match in islice(_addresses(clean(text).text), _MOST_FOUND):
            found.add(normalised(match.strip(".`*_~!?")))
    return frozenset(found)


def _addresses(text: str) -> Iterator[str]:
    """Return what `_ADDRESS` finds; only the surroundings of an `@` are looked at."""
    end = 0
    while (at := text.find("@", end)) >= 0:
        found = _ADDRESS.search(text, max(end, at - _LONGEST_LOCAL))
        if found is None:
            return
        yield found.group()
        end = found.end()


class AddressList:
    """Addresses and domains that an operator names.

    Args:
        entries: `ann@example.com` for an address, `example.com` or `@example.com` for a domain
            without its subdomains, `*.example.com` for its subdomains.

    Raises:
        ConfigurationError: An entry is none of these.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        given = (entries,) if isinstance(entries, str) else tuple(entries)
        self.entries = tuple(dict.fromkeys(_entry(one) for one in given))
        self._exact = frozenset(self.entries)
        self._above = tuple(one[1:] for one in self.entries if one.startswith("*."))

    def __contains__(self, address: str) -> bool:
        if not self.entries:
            return False
        found = normalised(address)
        domain = found.rpartition("@")[2]
        if found in self._exact or f"@{domain}" in self._exact:
            return True
        return any(domain.endswith(above) for above in self._above)

    def __repr__(self) -> str:
        return f"AddressList({list(self.entries)!r})"


def _entry(text: str) -> str:
    entry = text.strip()
    if entry.startswith("*.") and _is_domain(entry[2:]):
        return f"*.{normalize_domain(entry[2:])}"
    local, at, domain = entry.rpartition("@")
    if not _is_domain(domain) or (at and any(c.isspace() for c in local)):
        raise ConfigurationError(
            f"{text!r} is no address and no domain.",
            remedy="Write ann@example.com, example.com or *.example.com.",
        )
    return normalised(entry) if local else f"@{normalize_domain(domain)}"


def _is_domain(text: str) -> bool:
    return "." in text and not any(c.isspace() or c in "@<>,;*" for c in text)
