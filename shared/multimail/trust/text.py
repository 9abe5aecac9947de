"""Text from outside, prepared for a model: cleaned, split from its quotes, and marked as data.

`quotequail` (extra `quotes`) recognizes the lines that introduce quoted history in several
languages; without it only `>` lines and the most common introductions are recognized.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

_LINE_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ASCII_CONTROL: dict[int, None] = dict.fromkeys([*range(9), *range(14, 32), 127])
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Characters of other categories that render as nothing: fillers, joiners, variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159")
_BLANK_RANGES = (
    ("\u180b", "\u180f"),
    ("\u2060", "\u206f"),
    ("\ufdd0", "\ufdef"),  # noncharacters
    ("\ufe00", "\ufe0f"),
    ("\ufff0", "\ufff8"),
    ("\U000e0000", "\U000e0fff"),
)
_MAX_CACHED = 20_000
_MAX_INTRODUCTIONS = 100
_MAX_INTRODUCTION_CHARS = 300
_QUOTE = re.compile(r"[ \t]*>")
_ATTRIBUTION = re.compile(
    r"^.{0,300}(?:wrote|schrieb|écrit|escribió)[^\n]{0,100}:[ \t]*$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text without invisible characters.

    Attributes:
        text: What is left.
        removed: How many characters were removed.
    """

    text: str
    removed: int


def is_invisible(character: str) -> bool:
    """Return whether a reader doesn't see a character, or only sees what it does to its neighbors.

    Control and format characters (zero-width, bidirectional, tags), variation selectors, fillers,
    private-use and surrogate code points; not line feeds, tabs and spaces. Unassigned code points
    count only where Unicode makes them ignorable: others can be emoji newer than this Python.
    `clean` removes these characters for a model; the server's review pages mark them for a person.
    """
    if character in "\n\t":
        return False
    if character in _BLANK or any(first <= character <= last for first, last in _BLANK_RANGES):
        return True
    return unicodedata.category(character) in _INVISIBLE_CATEGORIES


def clean(text: str) -> Cleaned:
    """Remove the invisible characters, which a model would read (`is_invisible`).

    Line breaks of all kinds become line feeds. The joiners of Persian, Indic scripts and emoji are
    removed too: the text stays readable, and a joiner can carry a hidden message.
    """
    if _is_plain(text):
        return Cleaned(text, 0)
    unified = text
    if any(char in text for char in _LINE_BREAKS):
        # `splitlines` knows exactly these and the line feed; the dot keeps an empty last line.
        unified = "\n".join(f"{text}.".splitlines())[:-1]
    kept = unified.translate(_ASCII_CONTROL if unified.isascii() else _VISIBLE)
    return Cleaned(kept, len(unified) - len(kept))


def _is_plain(text: str) -> bool:
    """Return whether a text is one line of visible ASCII: most header fields are."""
    return text.isascii() and text.isprintable()


class _VisibleTable(dict[int, str]):
    """A table for `str.translate` that fills itself: a visible character stays, others go."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        visible = "" if is_invisible(char) else char
        if len(self) < _MAX_CACHED:
            self[code] = visible
        return visible


_VISIBLE = _VisibleTable()


def datamark(text: str, mark: str) -> str:
    """Return text with a mark in place of each run of blanks, so that all of it looks marked.

    For an application's own prompts: tell the model that text so marked is data. No tool uses it.
    Source: Hines et al., "Defending Against Indirect Prompt Injection Attacks With Spotlighting".

    Args:
        text: Text from outside.
        mark: One or more visible characters without blanks; the text's own are removed.

    Raises:
        ValueError: The mark is empty, contains blanks or is invisible.
    """
    if not mark or mark.split() != [mark] or clean(mark).text != mark:
        raise ValueError("a mark is one or more visible characters without blanks")
    return re.sub(r"[^\S\n]+", lambda _: mark, text.replace(mark, " "))


def one_line(text: str, max_chars: int) -> str:
    """Return text from outside as one cleaned line of at most `max_chars` characters."""
    line = " ".join((text if _is_plain(text) else clean(text).text).split())
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


@dataclass(frozen=True, slots=True)
class Fence:
    """A pair of marks around text from outside, which that text cannot contain.

    Attributes:
        nonce: 128 random bits in hex, new for each result.
    """

    nonce: str

    @classmethod
    def new(cls) -> Fence:
        """Return a fence with an unpredictable nonce."""
        return cls(secrets.token_hex(16))

    def around(self, text: str) -> str:
        """Return the text between the marks."""
        return f"<mail {self.nonce}>\n{text}\n</mail {self.nonce}>"

    @property
    def width(self) -> int:
        """The number of characters that the marks take."""
        return len(self.around(""))


def split_quoted(text: str) -> tuple[str, str]:
    """Split a body into what its author wrote and the quoted history at its end.

    History is a block of `>` lines, with at most an introduction above it, that only blank lines
    follow; or, in a body without `>` lines, everything from a line such as
    `-----Original Message-----`. Text below quoted lines is its author's, so it is never history;
    nor is a body with nothing above such a line, which is a bare forward. Only the first 100
    lines that could be such a line are tried.

    Returns:
        The new part and the history; the history is empty where there is none. Together they hold
        every line of the text, in order.
    """
    if not any(mark in text for mark in (">", "--", "__")):
        return text.rstrip(), ""
    lines = text.rstrip().split("\n")
    start = _find_marked(lines)
    if start == len(lines):
        start = _find_unmarked(lines)
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start:])


def _find_marked(lines: Sequence[str]) -> int:
    """Return where the `>` lines at the end begin, their introduction included."""
    start = len(lines)
    while start > 0 and (not lines[start - 1].strip() or _QUOTE.match(lines[start - 1])):
        start -= 1
    first = next((at for at in range(start, len(lines)) if lines[at].strip()), None)
    if first is None:
        return len(lines)
    return start - _count_introduction_lines(lines, start)


def _count_introduction_lines(lines: Sequence[str], end: int) -> int:
    """Return how many of the lines before `end`, at most two, introduce what follows."""
    for length in (1, 2):
        if length <= end and _is_introduction(lines[end - length : end]):
            return length
    return int(end > 0 and _ATTRIBUTION.match(lines[end - 1]) is not None)


def _find_unmarked(lines: Sequence[str]) -> int:
    """Return where history without `>` begins: at a ruled line that quotequail recognizes."""
    if any(_QUOTE.match(line) for line in lines):
        return len(lines)
    tried = 0
    for at, line in enumerate(lines):
        if tried >= _MAX_INTRODUCTIONS or not line.rstrip().endswith(("--", "__")):
            continue
        tried += 1
        if _is_introduction([line]) and any(above.strip() for above in lines[:at]):
            return at
    return len(lines)


def _is_introduction(lines: Sequence[str]) -> bool:
    """Return whether quotequail takes exactly these lines for an introduction."""
    quote = _load_quotequail()
    if quote is None or any(len(line) > _MAX_INTRODUCTION_CHARS for line in lines):
        return False
    joined = "\n".join(line.strip() for line in lines)
    parts = quote(joined, limit=len(lines) + 1, quote_intro_line=True)
    return len(parts) == 2 and not parts[0][1]


class _Quote(Protocol):
    def __call__(
        self, text: str, *, limit: int, quote_intro_line: bool
    ) -> list[tuple[bool, str]]: ...


@cache
def _load_quotequail() -> _Quote | None:
    try:
        return cast("_Quote", import_module("quotequail").quote)
    except ImportError:
        return None
