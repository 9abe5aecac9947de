"""Flags: what a reader should know of a message, and that proves nothing about its sender.

They are fixed sentences: nothing that a stranger wrote stands in them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..addresses import base_of
from .mime import ParsedMessage

OLD = timedelta(days=7)
AHEAD = timedelta(days=1)
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when a message came in.

    Attributes:
        mailbox: The address of the mailbox.
        at: The server's time.
        seen: Whether the mailbox has received a message with this Message-ID before.
        ours: Whether the mailbox has sent a message with this Message-ID.
    """

    mailbox: str
    at: datetime
    seen: bool = False
    ours: bool = False


def flags(message: ParsedMessage, arrival: Arrival) -> tuple[str, ...]:
    """Return what a reader should know, in plain words, the gravest first."""
    found = (
        *_names_another(message),
        *_replayed(arrival),
        *_age(message.date, arrival.at),
        *_misaddressed(message, arrival.mailbox),
    )
    return tuple(found)


def _names_another(message: ParsedMessage) -> list[str]:
    # As it looks: full-width forms are plain, and what cannot be seen is not there.
    plain = unicodedata.normalize("NFKC", message.from_name)
    shown = "".join(mark for mark in plain if unicodedata.category(mark) != "Cf")
    own = message.from_address.lower()
    others = [one for one in _ADDRESS.findall(shown) if one.lower().rstrip(".") != own]
    return ["the display name shows another address than the sender's"] if others else []


def _replayed(arrival: Arrival) -> list[str]:
    if arrival.ours:
        return ["it bears the Message-ID of a message that this mailbox sent"]
    if arrival.seen:
        return ["a message with the same Message-ID came before"]
    return []


def _age(date: datetime | None, now: datetime) -> list[str]:
    if date is None:
        return []
    age = now - date
    if age > OLD:
        return [f"it is dated {age.days} days before it came"]
    return ["it is dated more than a day ahead"] if -age > AHEAD else []


def _misaddressed(message: ParsedMessage, mailbox: str) -> list[str]:
    named = {base_of(address) for address in (*message.to, *message.cc)}
    return [] if mailbox in named else ["neither To nor Cc names this mailbox"]
