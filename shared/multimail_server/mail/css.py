"""CSS values: declarations read as browsers read them, so far as they can hide text."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from .colours import colour_of

ROOT_SIZE = 16.0
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_MARK = re.compile(
    r"""\\. | "(?:[^"\\\n]|\\.)*+(?:"|(?=\n)|\Z) | '(?:[^'\\\n]|\\.)*+(?:'|(?=\n)|\Z)
        | [][(){};,]""",
    re.VERBOSE | re.DOTALL,
)
_NESTS = re.compile(r"""[][(){}"'\\]""")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_BLANKS = " \t\n\r\f"
_ODD_BLANK = re.compile(r"[\x0b\x1c-\x1f]")
"""What Python takes for a blank of ASCII, and CSS does not."""
_IMPORTANT = re.compile(r"![ \t\n\r\f]*important$", re.IGNORECASE)
_LENGTH = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:e[+-]?\d{1,2})?)([a-z%]{0,5})")
_TIMES_ZERO = re.compile(r"\*\s*0(?:\.0*)?(?![\d.])|(?<![\d.])0(?:\.0*)?\s*\*")
_PIXELS = {
    "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945,
    "rem": ROOT_SIZE, "vw": 8.0, "vh": 6.0, "vmin": 6.0, "vmax": 8.0,
}  # fmt: skip
_SIZE_WORDS = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
    "x-large": 24.0, "xx-large": 32.0, "xxx-large": 48.0, "initial": ROOT_SIZE,
}  # fmt: skip
_WORDS = {
    name: frozenset(words.split())
    for name, words in {
        "display": "none block inline inline-block flex inline-flex grid inline-grid table "
        "inline-table table-row table-cell table-row-group table-header-group table-footer-group "
        "table-column table-column-group table-caption list-item flow-root contents run-in "
        "-webkit-box -webkit-flex -webkit-inline-box -webkit-inline-flex",
        "visibility": "visible hidden collapse",
        "position": "static relative absolute fixed sticky -webkit-sticky",
        "overflow": "visible hidden clip scroll auto overlay",
        "content-visibility": "visible hidden auto",
    }.items()
}
_WIDE = frozenset({"inherit", "initial", "unset", "revert", "revert-layer"})
_LENGTHS = frozenset(
    {"width", "height", "max-width", "max-height", "left", "top", "right", "bottom", "text-indent",
     "margin-left", "margin-top", "line-height"}
)  # fmt: skip
_LENGTH_WORDS = frozenset({"auto", "none", "normal", "fit-content", "max-content", "min-content"})
_FUNCTIONS = frozenset({"clip", "clip-path", "transform", "filter", "-webkit-transform"})


@dataclass(frozen=True, slots=True)
class Declaration:
    """One property and its value, in lower case, escapes and comments undone.

    Attributes:
        name: The property.
        value: Its value.
        important: Whether it is marked `!important`.
    """

    name: str
    value: str
    important: bool


def without_comments(css: str) -> str:
    """Return CSS without its comments; one that is not closed reaches to the end."""
    return _COMMENT.sub("", css) if "/*" in css else css


def unescaped(text: str) -> str:
    """Return text with the escapes of CSS undone (CSS Syntax 3, section 4.3.7)."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(found: re.Match[str]) -> str:
    if found[1] is None:
        return "" if found[2] == "\n" else found[2]
    code = int(found[1], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def pieces(css: str, end: str) -> Iterator[str]:
    """Yield CSS cut at each mark `end` outside of strings and brackets.

    What is not closed reaches to the end, as it does for browsers (CSS Syntax 3, section 5.4).

    Args:
        css: The source, without comments.
        end: `;` or `,`.
    """
    if _NESTS.search(css) is None:
        yield from css.split(end)
        return
    closing: list[str] = []
    at = 0
    for found in _MARK.finditer(css):
        mark = found[0]
        if mark == end and not closing:
            yield css[at : found.start()]
            at = found.end()
        elif mark in _CLOSES:
            closing.append(_CLOSES[mark])
        elif closing and mark == closing[-1]:
            closing.pop()
    yield css[at:]


def declarations(css: str, names: Container[str]) -> Iterator[Declaration]:
    """Yield the declarations of a style attribute or of a rule's block, that a browser would obey.

    Values that no browser knows are skipped for the properties that decide whether text shows:
    an unknown value leaves the one before in force.

    Args:
        css: The source.
        names: The properties that are asked for; the others are not read.
    """
    for piece in pieces(without_comments(css), ";"):
        name, _, value = piece.partition(":")
        name = unescaped(name).strip(_BLANKS).lower()
        if name not in names:
            continue
        value = unescaped(value).strip(_BLANKS)
        plain = _IMPORTANT.sub("", value).strip(_BLANKS) if "!" in value else value
        if plain and (_is_plain(plain) or "(" in plain) and _is_valid(name, plain.lower()):
            yield Declaration(name, plain.lower(), plain != value)


def _is_plain(value: str) -> bool:
    """Return whether a value has only the letters and blanks that keywords can have."""
    return value.isascii() and _ODD_BLANK.search(value) is None


def _is_valid(name: str, value: str) -> bool:
    if "var(" in value or value in _WIDE:
        return True
    if name in ("opacity", "zoom"):
        return number_of(value) is not None
    if name == "font-size":
        return font_pixels(value, ROOT_SIZE) is not None
    if name in ("color", "background-color"):
        return value == "currentcolor" or "(" in value or colour_of(value) is not None
    if name in _LENGTHS:
        return value in _LENGTH_WORDS or pixels(value, ROOT_SIZE) is not None
    if name in _FUNCTIONS:
        return "(" in value or value in ("none", "auto")
    known = _WORDS.get(name)
    return known is None or all(word in known for word in value.split())


def number_of(value: str) -> float | None:
    """Return a number or a percentage as a fraction; None where it is neither."""
    inner = _without_function(value)
    found = _LENGTH.fullmatch(inner)
    if found is None or found[2] not in ("", "%"):
        return 0.0 if _TIMES_ZERO.search(inner) else None
    return float(found[1]) / (100 if found[2] else 1)


def pixels(value: str, em: float) -> float | None:
    """Return a length in pixels, roughly; None where it is none.

    Args:
        value: A length, a percentage (of `em`), or `calc()`, `min()`, `max()` or `clamp()` of some.
        em: The size of the font, in pixels.
    """
    if "(" not in value:
        whole = _LENGTH.fullmatch(value)
        return _pixels(whole, em) if whole else None
    if "var(" in value:
        return 0.0
    function = value.partition("(")[0].strip()
    inner = _without_function(value)
    lengths = [_pixels(found, em) for found in _LENGTH.finditer(inner)]
    if not lengths or function not in ("calc", "-webkit-calc", "min", "max", "clamp"):
        return None
    if _TIMES_ZERO.search(inner):
        return 0.0
    if function in ("max", "clamp"):
        return max(lengths)
    return min(lengths) if function == "min" else sum(lengths)


def _pixels(found: re.Match[str], em: float) -> float:
    number, unit = float(found[1]), found[2]
    if unit == "%":
        return number * em / 100
    return number * (_PIXELS.get(unit, 1.0) if unit not in ("em", "ex", "ch") else em)


def _without_function(value: str) -> str:
    if "(" not in value:
        return value
    found = re.match(r"[a-z-]{1,20}\((.*)\)$", value, re.DOTALL)
    return found[1].strip() if found else value


def font_pixels(value: str, parent: float) -> float | None:
    """Return the size of a font in pixels; None where the value is no size.

    Args:
        value: Of `font-size`.
        parent: The size around it.
    """
    if value in _SIZE_WORDS:
        return _SIZE_WORDS[value]
    if value in ("smaller", "larger"):
        return parent * (0.83 if value == "smaller" else 1.2)
    return parent if value in ("inherit", "unset") else pixels(value, parent)


def blocks(css: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before each `{` of the outermost level, and what stands in its braces."""
    closing: list[str] = []
    at, prelude = 0, ""
    for found in _MARK.finditer(css):
        mark = found[0]
        if not closing and mark in ("{", ";", "}"):
            prelude, at = css[at : found.start()], found.end()
        if mark in _CLOSES:
            closing.append(_CLOSES[mark])
        elif closing and mark == closing[-1]:
            closing.pop()
            if not closing and mark == "}":
                yield prelude, css[at : found.start()]
                at = found.end()
    if closing and closing[0] == "}":
        yield prelude, css[at:]
