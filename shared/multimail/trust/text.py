"""Text from outside, made fit for a model: cleaned of what does not show, and marked as data."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass

from .quotes import split_quoted

__all__ = ["Cleaned", "Fence", "clean", "datamarked", "is_invisible", "one_line", "split_quoted"]

_LINE_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ASCII_CONTROL: dict[int, None] = dict.fromkeys([*range(9), *range(14, 32), 127])
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Characters of other categories that render as nothing: fillers, joiners, variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159")
_BLANK_RANGES = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0000", "\U000e0fff"))
_MOST_KNOWN = 20_000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text without invisible characters.

    Attributes:
        text: What is left.
        removed: How many characters were taken out.
    """

    text: str
    removed: int


def is_invisible(character: str) -> bool:
    """Return whether a reader doesn't see a character, or only sees what it does to its neighbors.

    Control and format characters (zero-width, bidirectional, tags), variation selectors, fillers,
    private-use, surrogate and unassigned code points; not line feeds, tabs and spaces. `clean`
    removes these characters for a model, and the server's review pages mark them for a person.
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
        # `splitlines` knows just these and the line feed; the dot keeps an empty last line.
        unified = "\n".join(f"{text}.".splitlines())[:-1]
    kept = unified.translate(_ASCII_CONTROL if unified.isascii() else _SHOWN)
    return Cleaned(kept, len(unified) - len(kept))


def _is_plain(text: str) -> bool:
    """Whether all of a text is ASCII on one line and shows: most header fields are."""
    return text.isascii() and text.isprintable()


class _Shown(dict[int, str]):
    """What `str.translate` puts for a character: itself, or nothing. It fills itself."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        shown = "" if is_invisible(char) else char
        if len(self) < _MOST_KNOWN:
            self[code] = shown
        return shown


_SHOWN = _Shown()


def datamarked(text: str, mark: str) -> str:
    """Return text with a mark for each run of blanks, so that no stretch of it looks unmarked.

    For an app's own prompts: tell the model that text so marked is data. No tool uses it.
    Source: Hines et al., "Defending Against Indirect Prompt Injection Attacks With Spotlighting".

    Args:
        text: Text from outside.
        mark: One or more characters that show and are no blanks; the text's own are taken out.

    Raises:
        ValueError: The mark is empty, holds blanks or does not show.
    """
    if not mark or mark.split() != [mark] or clean(mark).text != mark:
        raise ValueError("a mark is one or more characters that show, without blanks")
    return re.sub(r"[^\S\n]+", lambda _: mark, text.replace(mark, " "))


def one_line(text: str, longest: int) -> str:
    """Return text from outside as one cleaned line of at most `longest` characters."""
    line = " ".join((text if _is_plain(text) else clean(text).text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


@dataclass(frozen=True, slots=True)
class Fence:
    """A pair of marks around text from outside, which that text cannot contain.

    Attributes:
        nonce: 128 random bits in hex, new for each result.
    """

    nonce: str

    @classmethod
    def new(cls) -> Fence:
        """Return a fence that nobody could foresee."""
        return cls(secrets.token_hex(16))

    def around(self, text: str) -> str:
        """Return the text between the marks."""
        return f"<mail {self.nonce}>\n{text}\n</mail {self.nonce}>"

    @property
    def width(self) -> int:
        """How many characters the marks take."""
        return len(self.around(""))
