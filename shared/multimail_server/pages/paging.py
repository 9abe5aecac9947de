"""Paging: links to the pages of a listing before and after this one, by addresses alone.

A listing is continued after the last row of a page, so nothing is skipped or shown twice while
mail comes in. The way back is in the address: the cursors of the pages before this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from ..api.request import Ask, cursor_of
from ..refusals import invalid

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MOST_BACK = 20
"""Pages; the link back from further away leads to the first page."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The addresses of the pages beside this one; None where there is none."""

    back: str | None
    on: str | None


def turns(ask: Ask, last_id: str | None, **kept: str) -> Turns:
    """Return where a listing's page leads.

    Args:
        ask: The request for the page.
        last_id: The last row of the page, if more follow it.
        kept: What else stands in the address, such as the mailbox.
    """
    cursor, trail = ask.text("cursor"), _trail(ask)
    back = None
    if cursor is not None:
        back = _address(ask, kept, trail[-1] if trail else None, trail[:-1])
    if last_id is None:
        return Turns(back, None)
    passed = [*trail, cursor] if cursor is not None else []
    return Turns(back, _address(ask, kept, cursor_of(last_id), passed[-_MOST_BACK:]))


def _trail(ask: Ask) -> list[str]:
    text = ask.text("trail", (_MOST_BACK + 1) * 61)
    trail = text.split(".") if text else []
    if not all(map(_CURSOR.fullmatch, trail)):
        raise invalid("`trail` was not given out by this page. Begin again without it.")
    return trail


def _address(ask: Ask, kept: dict[str, str], cursor: str | None, trail: list[str]) -> str:
    asked = {**kept, "cursor": cursor, "trail": ".".join(trail)}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{ask.path_text}?{query}" if query else ask.path_text
