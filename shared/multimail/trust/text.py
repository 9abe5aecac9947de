"""Text from outside, prepared for a model: cleaned, and marked as data."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass

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
