"""Human turns: what people typed in a framework's conversation, as the guard's store keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..trust.addresses import find_addresses
from ..trust.targets import Sources

MAX_TURN_CHARS = 20_000
"""The most characters of a turn that are kept."""
_TURN = "turn:"


def build_turn_entries(texts: Iterable[str]) -> frozenset[str]:
    """Return turns as entries among what is declared in a conversation; blank ones are left out."""
    return frozenset(f"{_TURN}{text[:MAX_TURN_CHARS]}" for text in texts if text.strip())


def list_turns(entries: Iterable[str]) -> Iterator[str]:
    """Yield the human turns among what is declared in a conversation."""
    return (entry.removeprefix(_TURN) for entry in entries if entry.startswith(_TURN))


def list_turn_sources(allowed: frozenset[str]) -> frozenset[str]:
    """Return the words of the human turns as sources, without addresses that are not allowed.

    Args:
        allowed: What is declared in a conversation, its turns included.
    """
    turns = list(list_turns(allowed))
    for address in find_addresses(*turns) - allowed:
        turns = [re.sub(re.escape(address), " ", turn, flags=re.IGNORECASE) for turn in turns]
    # Where one is written in another form, such as a domain in its own script, the turn goes.
    return Sources([turn for turn in turns if find_addresses(turn) <= allowed]).to_entries()
