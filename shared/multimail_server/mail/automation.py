"""Automatic, bulk and list mail: what header and envelope of a received message say of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import unquote

from multimail.trust.automation import AUTOMATION_FIELDS, Sign, is_bulk, is_bulk_field, list_signs

from .addresses import InvalidMailboxError, parse_addresses, parse_from
from .headers import HeaderBlock, decode_unstructured, unfold

_MAX_VALUE = 1000


def get_author(headers: HeaderBlock) -> str:
    """Return the address in From; empty unless it is exactly one."""
    values = headers.all("from")
    try:
        return parse_from(values[0]).address if len(values) == 1 else ""
    except InvalidMailboxError:
        return ""


def list_automation_signs(headers: HeaderBlock, return_path: str) -> Iterator[Sign]:
    """Yield the signs that a program sent a message; see `multimail.trust.automation`.

    Args:
        headers: Its header block.
        return_path: The sender of its envelope; empty for a bounce (RFC 5321 section 4.5.5).
    """
    return list_signs(_get_fields(headers), get_author(headers), return_path)


def is_bulk_mail(headers: HeaderBlock) -> bool:
    """Return whether a mailing list or a bulk sender sent a message."""
    return is_bulk(_get_fields(headers))


def _get_fields(headers: HeaderBlock) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = defaultdict(list)
    for field in headers.fields:
        if field.name in AUTOMATION_FIELDS or is_bulk_field(field.name):
            fields[field.name].append(decode_unstructured(field.value[:_MAX_VALUE]))
    return dict(fields)


MAX_LIST_ADDRESSES = 20
_MAX_FIELD = 4096
_SCHEME_OR_QUERY = re.compile(r"mailto:|\?[^<>,]*", re.IGNORECASE)
_BETWEEN = re.compile(r"[<>,()]")


def parse_list_post(values: list[bytes]) -> tuple[str, ...]:
    """Return the addresses that List-Post fields name, each once, at most 20.

    White space within a URL is ignored (RFC 2369 section 2), and so are missing brackets and a
    missing `mailto:`. `NO` names no address.

    Args:
        values: The fields' values as they were sent.
    """
    texts = ("".join(unfold(value[:_MAX_FIELD]).split()) for value in values)
    words = (word for text in texts for word in _BETWEEN.split(_SCHEME_OR_QUERY.sub("", text)))
    encoded = [unquote(word).encode() for word in words]
    return parse_addresses([word for word in encoded if b"@" in word])[:MAX_LIST_ADDRESSES]
