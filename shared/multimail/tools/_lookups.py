"""What the guard asks the API about an address: is it in the address book, does mail name it."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from itertools import islice
from typing import Any

from .. import endpoints as api
from .._call import Call, Pause
from ..errors import MultiMailError
from ..models import Contact, Page
from ..trust.addresses import normalize_address

MAX_LOOKUPS = 10
"""Addresses, or messages, that are looked up for one decision."""

log = logging.getLogger("multimail.guard")


def look_up_contacts(
    addresses: Iterable[str],
) -> Generator[Call[Any] | Pause, Any, frozenset[str]]:
    """Return the addresses that app code or a person put into the address book."""
    known = set()
    for address in islice(sorted(addresses), MAX_LOOKUPS):
        try:
            contacts: list[Contact] = yield from api.search_contacts(address)
        except MultiMailError as error:
            log.info("The address book could not be read (%s).", error.code)
            break
        known |= {normalize_address(row.email) for row in contacts if row.made_by == "app"}
    return frozenset(known)


def look_up_unmailed(
    addresses: Iterable[str], mailbox_id: str | None
) -> Generator[Call[Any] | Pause, Any, frozenset[str]]:
    """Return the addresses that no received mail of the mailbox names: a user may paste mail."""
    unmailed = set()
    for address in islice(sorted(addresses), MAX_LOOKUPS):
        try:
            is_named = yield from _is_in_received_mail(address, mailbox_id)
        except MultiMailError as error:
            log.info("The mailbox could not be searched (%s).", error.code)
            break
        if not is_named:
            unmailed.add(address)
    return frozenset(unmailed)


def _is_in_received_mail(
    address: str, mailbox_id: str | None
) -> Generator[Call[Any] | Pause, Any, bool]:
    """Return whether received mail names an address; without a search, whether it sent any."""
    facts: dict[str, Any] = {"direction": "inbound", "limit": 1}
    page: Page[Any]
    try:
        page = yield from api.search_email(f'"{address}"', mailbox=mailbox_id, **facts)
    except MultiMailError:
        page = yield from api.check_inbox(mailbox_id, sender=address, **facts)
    return bool(page.items)
