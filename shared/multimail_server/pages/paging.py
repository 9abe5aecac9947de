"""Paging: links to the pages of a listing before and after this one, by addresses alone.

A listing is continued after the last row of a page, so nothing is skipped or shown twice while
mail comes in. The way back is in the address: the cursors of the pages before this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from ..api.request import ApiRequest, cursor_of
from ..errors import invalid

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MAX_BACK = 20
"""Pages; the link back from further away leads to the first page."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The addresses of the pages beside this one; None where there is none."""

    back: str | None
    on: str | None


def turns(request: ApiRequest, last_id: str | None, **kept: str) -> Turns:
    """Return where a listing's page leads.

    Args:
        ask: The request for the page.
        last_id: The last row of the page, if more follow it.
        kept: What else stands in the address, such as the mailbox.
    """
    cursor, audit_log = request.query_str("cursor"), _trail(request)
    back = None
    if cursor is not None:
        back = _address(request, kept, audit_log[-1] if audit_log else None, audit_log[:-1])
    if last_id is None:
        return Turns(back, None)
    passed = [*audit_log, cursor] if cursor is not None else []
    return Turns(back, _address(request, kept, cursor_of(last_id), passed[-_MAX_BACK:]))


def _trail(request: ApiRequest) -> list[str]:
    text = request.query_str("trail", (_MAX_BACK + 1) * 61)
    audit_log = text.split(".") if text else []
    if not all(map(_CURSOR.fullmatch, audit_log)):
        raise invalid("`trail` was not given out by this page. Begin again without it.")
    return audit_log


def _address(
    request: ApiRequest, kept: dict[str, str], cursor: str | None, audit_log: list[str]
) -> str:
    asked = {**kept, "cursor": cursor, "trail": ".".join(audit_log)}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{request.path_text}?{query}" if query else request.path_text
