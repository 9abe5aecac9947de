"""Words: how the full-text index reads text, the same on every database.

Case, accents and the width of letters make no difference: `Élan`, `elan` and `ÉLAN` are one word.
A letter of a script that is written without spaces (Han, Kana, Hangul, Thai …) and a symbol such as
an emoji is a word by itself, so that any part of such text is found as a phrase.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MAX_WORD = 64
"""Characters of a word; the rest of a longer one is ignored."""
BREAK, NOWHERE = "\ue000", "\ue001"
"""Words that no text contains: private characters are none. The first parts two fields."""

_ACCENTS = (
    (0x0300, 0x036F),  # combining diacritical marks
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED),  # Arabic
    (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F),
)  # fmt: skip
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF),  # Thai to Khmer
    (0x1100, 0x11FF), (0xAC00, 0xD7FF),  # Hangul
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3040, 0x31FF),  # radicals and Kana
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
_LETTERS = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
"""Letters that Unicode does not take apart."""


class _Folding(dict[int, str]):
    """What becomes of each character: `str.translate` asks once for each that it meets."""

    def __missing__(self, point: int) -> str:
        self[point] = folded = "".join(
            _fold_part(part) for part in _decompose(chr(point)) if not _is_accent(part)
        )
        return folded


def _decompose(character: str) -> str:
    if _is_within(ord(character), _UNSPACED):
        return character
    return _LETTERS.get(character) or unicodedata.normalize("NFKD", character)


def _fold_part(part: str) -> str:
    category = unicodedata.category(part)
    if part.isascii():
        return part if part.isalnum() else " "
    if category == "Cf":
        return ""
    if category[0] not in "LNM" and category != "So":
        return " "
    if category == "So" or _is_within(ord(part), _UNSPACED):
        return f" {part} "
    return part


def _is_accent(part: str) -> bool:
    return _is_within(ord(part), _ACCENTS)


def _is_within(point: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(first <= point <= last for first, last in ranges)


_FOLDING = _Folding()


def split_words(text: str) -> list[str]:
    """Return the words of a text, in their order."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [word[:MAX_WORD] for word in text.casefold().translate(_FOLDING).split()]


class _FoldingInPlace(dict[int, str]):
    def __missing__(self, point: int) -> str:
        lower = chr(point).casefold()[:1]
        self[point] = folded = _FOLDING[ord(lower)].strip()[:1] or " "
        return folded


_FOLDING_IN_PLACE = _FoldingInPlace()


def fold_in_place(text: str) -> str:
    """Return a text folded character by character: a word is at the same place in both."""
    return text.translate(_FOLDING_IN_PLACE)


def is_unspaced(word: str) -> bool:
    """Return whether a word is a letter of a script without spaces, or a symbol."""
    return len(word) == 1 and (
        _is_within(ord(word), _UNSPACED) or unicodedata.category(word) == "So"
    )
