"""Automatic and bulk mail: what the header and the envelope of a received message say of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from multimail.trust.automation import AUTOMATION_FIELDS, Sign, is_bulk, is_bulk_field, list_signs

from .addresses import InvalidMailboxError, parse_from
from .encoded_words import decode_unstructured
from .headers import HeaderBlock

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
