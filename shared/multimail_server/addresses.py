"""Addresses: which strings are usable as an RFC 5321 mailbox, and which of ours they reach."""

from __future__ import annotations

import re

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)*{_LABEL})")
_LOCAL_ONLY = re.compile(_LOCAL)
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
    return len(text) <= _MAX_LOCAL and _LOCAL_ONLY.fullmatch(text) is not None and "+" not in text


def base_of(address: str) -> str:
    """Return the mailbox address that `address` reaches: lower case, without a +detail."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
