"""Text from outside, made fit for a model: cleaned of what does not show, and marked as data."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass

_KEPT = frozenset("\n\t")
_QUOTE = re.compile(r"^[ \t]*>.*(?:\n|$)")
_ATTRIBUTION = re.compile(
    r"^.{0,300}(?:wrote|schrieb|écrit|escribió)[^\n]{0,20}:[ \t]*$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text without invisible characters.

    Attributes:
        text: What is left.
        removed: How many characters were taken out.
    """

    text: str
    removed: int


def clean(text: str) -> Cleaned:
    """Remove characters that do not show but that a model reads.

    Control characters, Unicode format characters (bidi controls, zero-width characters), tag
    characters and variation selectors go; line breaks are unified to line feeds.
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    if unified.isascii() and unified.isprintable():
        return Cleaned(unified, 0)
    kept = "".join(char for char in unified if _shows(char))
    return Cleaned(kept, len(unified) - len(kept))


def _shows(char: str) -> bool:
    if char in _KEPT or " " <= char <= "~":
        return True
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0000" <= char <= "\U000e0fff":
        return False
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def one_line(text: str, longest: int) -> str:
    """Return text from outside as one cleaned line of at most `longest` characters."""
    line = " ".join(clean(text).text.split())
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


def split_quoted(text: str) -> tuple[str, str]:
    """Split a body into what its author wrote and the quoted history at its end.

    A block of `>` lines with at most a line of attribution above counts as history when nothing
    but blank lines follows it.

    Returns:
        The new part and the history; the history is empty where there is none.
    """
    lines = text.rstrip().split("\n")
    start = len(lines)
    while start > 0 and (not lines[start - 1].strip() or _QUOTE.match(lines[start - 1])):
        start -= 1
    history = [line for line in lines[start:] if line.strip()]
    if not history:
        return text.rstrip(), ""
    if start > 0 and _ATTRIBUTION.match(lines[start - 1]):
        start -= 1
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start:])
