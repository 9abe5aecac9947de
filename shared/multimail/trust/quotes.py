"""Quoted history: a body in two, what its author wrote and the conversation below it.

`quotequail` (extra `quotes`) recognises the lines that introduce history in several languages;
without it only `>` lines and the commonest of those introductions are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast

MOST_ASKED = 100
_LONGEST_LINE = 300
_QUOTE = re.compile(r"[ \t]*>")
_ATTRIBUTION = re.compile(
    r"^.{0,300}(?:wrote|schrieb|écrit|escribió)[^\n]{0,100}:[ \t]*$", re.MULTILINE
)


class _Quote(Protocol):
    def __call__(
        self, text: str, *, limit: int, quote_intro_line: bool
    ) -> list[tuple[bool, str]]: ...


def split_quoted(text: str) -> tuple[str, str]:
    """Split a body into what its author wrote and the quoted history at its end.

    History is a block of `>` lines, with at most an introduction above it, that only blank lines
    follow; or, in a body without `>` lines, all from a line such as `-----Original Message-----`.
    Text below quoted lines is its author's, so it is never history, nor is a body that has
    nothing above such a line: a bare forward. The first 100 lines that could be one are looked at.

    Returns:
        The new part and the history; the history is empty where there is none. Together they hold
        every line of the text, in order.
    """
    if not any(mark in text for mark in (">", "--", "__")):
        return text.rstrip(), ""
    lines = text.rstrip().split("\n")
    start = _start_of_marked(lines)
    if start == len(lines):
        start = _start_of_unmarked(lines)
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start:])


def _start_of_marked(lines: Sequence[str]) -> int:
    """Return where `>` lines at the end begin, their introduction included."""
    start = len(lines)
    while start > 0 and (not lines[start - 1].strip() or _QUOTE.match(lines[start - 1])):
        start -= 1
    first = next((at for at in range(start, len(lines)) if lines[at].strip()), None)
    if first is None:
        return len(lines)
    return start - _length_of_introduction(lines, start)


def _length_of_introduction(lines: Sequence[str], end: int) -> int:
    """Return how many of the lines before `end`, two at most, introduce what follows."""
    for length in (1, 2):
        if length <= end and _is_known(lines[end - length : end]):
            return length
    return int(end > 0 and _ATTRIBUTION.match(lines[end - 1]) is not None)


def _start_of_unmarked(lines: Sequence[str]) -> int:
    """Return where history without `>` begins: at a ruled line that the library recognises."""
    if any(_QUOTE.match(line) for line in lines):
        return len(lines)
    asked = 0
    for at, line in enumerate(lines):
        if asked >= MOST_ASKED or not line.rstrip().endswith(("--", "__")):
            continue
        asked += 1
        if _is_known([line]) and any(above.strip() for above in lines[:at]):
            return at
    return len(lines)


def _is_known(lines: Sequence[str]) -> bool:
    """Return whether the library takes just these lines for an introduction."""
    quote = _library()
    if quote is None or any(len(line) > _LONGEST_LINE for line in lines):
        return False
    asked = "\n".join(line.strip() for line in lines)
    found = quote(asked, limit=len(lines) + 1, quote_intro_line=True)
    return len(found) == 2 and not found[0][1]


@cache
def _library() -> _Quote | None:
    try:
        return cast("_Quote", import_module("quotequail").quote)
    except ImportError:
        return None
