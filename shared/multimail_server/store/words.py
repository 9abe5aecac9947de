"""Words: how the full-text index reads text and queries, the same on every database.

Case, accents and the width of letters make no difference: `Élan`, `elan` and `ÉLAN` are one word.
A letter of a script that is written without spaces (Han, Kana, Hangul, Thai …) and a symbol such as
an emoji is a word by itself, so that any part of such text is found as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_WORD = 64
"""Characters of a word; the rest of a longer one is ignored."""
MAX_QUERY = 20_000
"""Characters of a query; the rest of a longer one is ignored."""
MAX_TERMS = 32
"""Terms of a query; further ones are ignored."""
MAX_PHRASE = 32
"""Words of a phrase in a query; further ones are ignored."""
MIN_PREFIX = 2
"""Characters that must stand before a `*`; a shorter beginning is a whole word."""

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


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other.

    Attributes:
        words: As `split_words` returns them; at least one.
        is_prefix: Whether the last one is only the beginning of a word.
    """

    words: tuple[str, ...]
    is_prefix: bool = False


BREAK, _NOWHERE = "\ue000", "\ue001"
"""Words that no text contains: `split_words` leaves out private characters."""
NOWHERE = Phrase((_NOWHERE,))
"""A phrase that no text contains."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a text must contain, all of it, and what it must not contain.

    Attributes:
        wanted: Every one of these.
        unwanted: None of these.
    """

    wanted: tuple[Phrase, ...] = ()
    unwanted: tuple[Phrase, ...] = ()


_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»\uff02", '"'))
_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)(?:"|\Z)(?P<star>\*?)|(?P<plain>[^\s"]+))')


def parse_query(text: str | None) -> Query:
    """Return the query that a person or a model wrote. Every text is one.

    All words must occur, in any field. `"two words"` is a phrase, `-word` must not occur, `begin*`
    is a beginning. `AND` between words is what their order means anyway. Other signs part words, as
    in the index: `INV-2041` is the phrase `inv 2041`. A text without any word finds nothing, a
    blank one everything.
    """
    cut = (text or "")[:MAX_QUERY].translate(_QUOTES)
    wanted: list[Phrase] = []
    unwanted: list[Phrase] = []
    terms = list(_TERM.finditer(cut))
    for place, term in enumerate(terms):
        if term[0] == "AND" and 0 < place < len(terms) - 1:
            continue
        phrase = _build_phrase(term)
        if phrase is not None and len(wanted) + len(unwanted) < MAX_TERMS:
            (unwanted if term["minus"] else wanted).append(phrase)
    if cut.strip() and not (wanted or unwanted):
        return Query((NOWHERE,))
    return Query(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))


def _build_phrase(term: re.Match[str]) -> Phrase | None:
    quoted, plain = term["quoted"], term["plain"]
    text = plain if quoted is None else quoted
    words = split_words(text)[:MAX_PHRASE]
    if not words:
        return None
    has_star = bool(term["star"]) or (quoted is None and text.endswith("*"))
    is_long = len(words[-1]) >= MIN_PREFIX
    return Phrase(tuple(words), has_star and is_long)


def parse_part(text: str | None) -> tuple[Phrase, ...]:
    """Return the phrase that a field must contain; its last word may be a beginning.

    A text without any word stands for a phrase that nothing contains.
    """
    if text is None or not text.strip():
        return ()
    words = tuple(split_words(text[:MAX_QUERY])[:MAX_PHRASE])
    if not words:
        return (NOWHERE,)
    return (Phrase(words, len(words[-1]) >= MIN_PREFIX),)


def find_phrase(text: str, phrases: Sequence[Phrase]) -> int | None:
    """Return where the first of these phrases begins in a text; None if it contains none.

    It is looked for by its first word, letter by letter: `Straße` contains `strasse` for the index
    alone.
    """
    matches = _build_pattern(phrases)
    match = matches.search(fold_in_place(text)) if matches is not None else None
    return None if match is None else match.start()


def _build_pattern(phrases: Sequence[Phrase]) -> re.Pattern[str] | None:
    parts = [r"[\W_]*".join(_bound(phrase)) for phrase in phrases]
    return re.compile("|".join(parts)) if parts else None


def _bound(phrase: Phrase) -> Iterator[str]:
    """Yield the pattern of each word; a word of one unspaced letter has no bounds."""
    last = len(phrase.words) - 1
    for place, word in enumerate(phrase.words):
        if _is_unspaced(word):
            yield re.escape(word)
            continue
        end = "" if phrase.is_prefix and place == last else r"(?![^\W_])"
        yield rf"(?<![^\W_]){re.escape(word)}{end}"


def _is_unspaced(word: str) -> bool:
    return len(word) == 1 and (
        _is_within(ord(word), _UNSPACED) or unicodedata.category(word) == "So"
    )
