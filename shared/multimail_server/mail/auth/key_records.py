"""DKIM key records: looked up and read as their owners meant them (RFC 6376 section 3.6.1).

A record is read more leniently than the RFC's grammar says, since a slip in it changes neither
the key nor who published it. A restriction is never lost: where a slip might hide one, the record
is unusable.
"""

from __future__ import annotations

import re

from .dkim_crypto import split_record
from .dns import Resolver

_MAX_RECORD = 2048
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MEANINGFUL = frozenset({"v", "h", "k", "p", "s", "t"})
_HIDDEN_IN_WORDS = re.compile(r"(?<![a-z0-9])[hkpst](?![a-z0-9])", re.IGNORECASE)
_HIDDEN_IN_VALUE = re.compile(r"(?:^|[\s,])[hkpst]\s*=", re.IGNORECASE)
_FLAG = re.compile(r"[a-z0-9]+")


def look_up_key(selector: str, domain: str, kind: str, resolver: Resolver) -> dict[str, str]:
    """Return the tags of the one key record for a signature (RFC 6376 section 3.6.2).

    Args:
        selector: Tag `s=` of the signature.
        domain: Tag `d=` of the signature.
        kind: The key that its algorithm needs, `rsa` or `ed25519`.
        resolver: Looks up the key.

    Raises:
        ValueError: There is no key, there are several, or it is not usable for this signature;
            the message says which.
        DnsUnavailableError: DNS gave no answer.
    """
    records = resolver.txt(f"{selector}._domainkey.{domain}")
    # Under a wildcard there may be other records beside it.
    keys = [tags for tags in map(parse_key_record, records) if tags is not None]
    if not keys:
        raise ValueError("the domain publishes no such key")
    if len(keys) > 1:
        raise ValueError("the domain publishes several keys under one selector")
    tags = keys[0]
    if not tags["p"]:
        raise ValueError("the key was revoked")
    if tags.get("k", "rsa").lower() != kind:
        raise ValueError("the key is of another algorithm than the signature")
    if not {"*", "email"} & parse_list(tags.get("s", "*")):
        raise ValueError("the key is not for mail")
    return tags


def parse_key_record(record: bytes) -> dict[str, str] | None:
    """Return the tags of a key record; None if a TXT record is none.

    Empty tags, words that are no tag, and blanks around names and values are ignored.

    Raises:
        ValueError: It is too long, or might hide a restriction.
    """
    specs = split_record(record)
    names = [name for name, _ in specs]
    if "p" not in names or any(name == "v" and value != "DKIM1" for name, value in specs):
        return None
    if len(record) > _MAX_RECORD:
        raise ValueError("the key record is too long")
    tags: dict[str, str] = {}
    for name, value in specs:
        if name.lower() in _MEANINGFUL:
            if name.lower() in tags:
                raise ValueError("the key record is malformed")
            tags[name.lower()] = value
        elif _may_hide_restriction(name, value):
            raise ValueError("the key record is malformed")
    return tags


def _may_hide_restriction(name: str, value: str) -> bool:
    """Return whether what is no known tag might be one that was meant to be, such as `foo t=y`."""
    if _TAG_NAME.fullmatch(name):
        return _HIDDEN_IN_VALUE.search(value) is not None
    return _HIDDEN_IN_WORDS.search(f"{name} {value}") is not None


def parse_flags(tags: dict[str, str]) -> set[str]:
    """Return the flags of a key, tag `t=`, whatever stands between them."""
    return set(_FLAG.findall(tags.get("t", "").lower()))


def parse_list(value: str) -> set[str]:
    """Return the items of a tag's value, in lower case."""
    return {item.strip().lower() for item in value.split(":")}
