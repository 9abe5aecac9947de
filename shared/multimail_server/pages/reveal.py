"""Revealing: characters that do not show, made visible, so that nobody approves what they hide."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

_NOT_PLAIN = re.compile(r"[^\n\t\x20-\x7e]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4")
_BLANK_RANGES = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0000", "\U000e0fff"))


@dataclass(frozen=True, slots=True)
class Hidden:
    """One kind of hidden character in a text."""

    code: str
    name: str
    count: int


@lru_cache(maxsize=4096)
def is_hidden(character: str) -> bool:
    """Return whether a reader would not see the character, or see it change its neighbours.

    Controls, format characters (zero-width, bidirectional, tags), variation selectors, fillers,
    private and unassigned code points; not line feeds, tabs and spaces.
    """
    if character in "\n\t":
        return False
    if character in _BLANK or any(first <= character <= last for first, last in _BLANK_RANGES):
        return True
    return unicodedata.category(character) in _INVISIBLE


def reveal(text: str) -> Markup:
    """Return text as HTML, each hidden character replaced by a visible mark with its number."""
    return Markup(_NOT_PLAIN.sub(_mark, str(escape(text.replace("\r\n", "\n")))))  # noqa: S704 - escaped


def revealed_plain(text: str) -> str:
    """Return text with its hidden characters spelled out, for where no HTML can stand."""
    return _NOT_PLAIN.sub(lambda found: _spelled(found[0]), text)


def hidden_in(texts: Iterable[str]) -> list[Hidden]:
    """Return which characters of the texts do not show, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        found = _NOT_PLAIN.findall(text.replace("\r\n", "\n"))
        counts.update(character for character in found if is_hidden(character))
    return [Hidden(_code(one), _name(one), count) for one, count in counts.most_common()]


def _spelled(character: str) -> str:
    return f"[{_code(character)}]" if is_hidden(character) else character


def _mark(found: re.Match[str]) -> str:
    character = found[0]
    if not is_hidden(character):
        return character
    return f'<span class="unseen" title="{escape(_name(character))}">{_code(character)}</span>'


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _name(character: str) -> str:
    category = unicodedata.category(character)
    fallback = {"Cc": "control character", "Co": "private use", "Cs": "half of a pair"}
    return unicodedata.name(character, fallback.get(category, "unassigned")).lower()
