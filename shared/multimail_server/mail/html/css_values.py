"""CSS syntax and values: declarations, lengths and colors, as far as they can hide text."""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Container, Iterator
from colorsys import hls_to_rgb
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_NAMES = """
canvas:ffffff field:ffffff window:ffffff canvastext:000000 fieldtext:000000 windowtext:000000
aliceblue:f0f8ff antiquewhite:faebd7 aqua:00ffff aquamarine:7fffd4 azure:f0ffff beige:f5f5dc
bisque:ffe4c4 black:000000 blanchedalmond:ffebcd blue:0000ff blueviolet:8a2be2 brown:a52a2a
burlywood:deb887 cadetblue:5f9ea0 chartreuse:7fff00 chocolate:d2691e coral:ff7f50
cornflowerblue:6495ed cornsilk:fff8dc crimson:dc143c cyan:00ffff darkblue:00008b
darkcyan:008b8b darkgoldenrod:b8860b darkgray:a9a9a9 darkgreen:006400 darkkhaki:bdb76b
darkmagenta:8b008b darkolivegreen:556b2f darkorange:ff8c00 darkorchid:9932cc darkred:8b0000
darksalmon:e9967a darkseagreen:8fbc8f darkslateblue:483d8b darkslategray:2f4f4f
darkturquoise:00ced1 darkviolet:9400d3 deeppink:ff1493 deepskyblue:00bfff dimgray:696969
dodgerblue:1e90ff firebrick:b22222 floralwhite:fffaf0 forestgreen:228b22 fuchsia:ff00ff
gainsboro:dcdcdc ghostwhite:f8f8ff gold:ffd700 goldenrod:daa520 gray:808080 green:008000
greenyellow:adff2f honeydew:f0fff0 hotpink:ff69b4 indianred:cd5c5c indigo:4b0082
ivory:fffff0 khaki:f0e68c lavender:e6e6fa lavenderblush:fff0f5 lawngreen:7cfc00
lemonchiffon:fffacd lightblue:add8e6 lightcoral:f08080 lightcyan:e0ffff
lightgoldenrodyellow:fafad2 lightgreen:90ee90 lightgray:d3d3d3 lightpink:ffb6c1
lightsalmon:ffa07a lightseagreen:20b2aa lightskyblue:87cefa lightslategray:778899
lightsteelblue:b0c4de lightyellow:ffffe0 lime:00ff00 limegreen:32cd32 linen:faf0e6
magenta:ff00ff maroon:800000 mediumaquamarine:66cdaa mediumblue:0000cd mediumorchid:ba55d3
mediumpurple:9370db mediumseagreen:3cb371 mediumslateblue:7b68ee mediumspringgreen:00fa9a
mediumturquoise:48d1cc mediumvioletred:c71585 midnightblue:191970 mintcream:f5fffa
mistyrose:ffe4e1 moccasin:ffe4b5 navajowhite:ffdead navy:000080 oldlace:fdf5e6 olive:808000
olivedrab:6b8e23 orange:ffa500 orangered:ff4500 orchid:da70d6 palegoldenrod:eee8aa
palegreen:98fb98 paleturquoise:afeeee palevioletred:db7093 papayawhip:ffefd5
peachpuff:ffdab9 peru:cd853f pink:ffc0cb plum:dda0dd powderblue:b0e0e6 purple:800080
rebeccapurple:663399 red:ff0000 rosybrown:bc8f8f royalblue:4169e1 saddlebrown:8b4513
salmon:fa8072 sandybrown:f4a460 seagreen:2e8b57 seashell:fff5ee sienna:a0522d silver:c0c0c0
skyblue:87ceeb slateblue:6a5acd slategray:708090 snow:fffafa springgreen:00ff7f
steelblue:4682b4 tan:d2b48c teal:008080 thistle:d8bfd8 tomato:ff6347 turquoise:40e0d0
violet:ee82ee wheat:f5deb3 white:ffffff whitesmoke:f5f5f5 yellow:ffff00 yellowgreen:9acd32
"""
_NAMED = {name: digits for name, _, digits in (pair.partition(":") for pair in _NAMES.split())}
_HEX = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
COLOR = re.compile(r"#[0-9a-f]{3,8}|(?:rgb|hsl)a?\([^()]*\)|[a-z]{3,20}")
"""What may be a color within a longer value."""
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,80})\)")
_MIN_CONTRAST = 1.2
_MIN_DISTANCE = 40
_MIN_ALPHA = 0.1

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
"""Characters that are white space for Python's `str.split`, but not for CSS."""
_IMPORTANT = re.compile(r"![ \t\n\r\f]*important$", re.IGNORECASE)
_LENGTH = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:e[+-]?\d{1,2})?)([a-z%]{0,5})")
_TIMES_ZERO = re.compile(r"\*\s*0(?:\.0*)?(?![\d.])|(?<![\d.])0(?:\.0*)?\s*\*")
_PIXELS = {
    "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945,
    "rem": ROOT_SIZE, "vw": 6.0, "vh": 6.0, "vi": 6.0, "vb": 6.0, "vmin": 6.0, "vmax": 6.0,
}  # fmt: skip
_PIXELS |= {f"{size}{unit}": 6.0 for size in "sld" for unit in ("vw", "vh", "vi", "vb")}
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
     "margin-left", "margin-top", "line-height", "letter-spacing", "word-spacing", "mask-size"}
)  # fmt: skip
_LENGTH_WORDS = frozenset(
    {"auto", "none", "normal", "cover", "contain", "fit-content", "max-content", "min-content"}
)
_LENGTH_LISTS = frozenset({"translate", "scale", "rotate"})
_PART = re.compile(r"[+-]?\d*\.?\d+(?:e[+-]?\d+)?[a-z%]{0,5}")
_AXES = frozenset("xyz")
_NAMED_FUNCTION = re.compile(r"([a-z0-9-]+)\(")
_MATH = "calc -webkit-calc min max clamp var env"
_FUNCTIONS = {
    name: frozenset(f"{names} {_MATH}".split())
    for name, names in {
        "clip": "rect",
        "clip-path": "inset circle ellipse polygon path url rect xywh shape",
        "transform": "matrix matrix3d translate translatex translatey translatez translate3d scale "
        "scalex scaley scalez scale3d rotate rotatex rotatey rotatez rotate3d skew skewx skewy "
        "perspective",
        "filter": "opacity blur brightness contrast drop-shadow grayscale hue-rotate invert "
        "saturate sepia url rgb rgba hsl hsla",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Color:
    """A color.

    Attributes:
        red: 0 to 255.
        green: 0 to 255.
        blue: 0 to 255.
        alpha: 0 (transparent) to 1.
    """

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    @property
    def is_clear(self) -> bool:
        """Whether it is practically transparent."""
        return self.alpha < _MIN_ALPHA


BLACK, WHITE = Color(0, 0, 0), Color(255, 255, 255)
CLEAR = Color(0, 0, 0, 0.0)


def parse_color(value: str) -> Color | None:
    """Parse a color of CSS or of an HTML attribute, in lower case; return None if it is not one."""
    text = value.strip()
    if text == "transparent":
        return CLEAR
    named = _NAMED.get(text.replace("grey", "gray"))
    digits = _HEX.fullmatch(f"#{named}" if named else text)
    if digits:
        return _from_hex(digits[1])
    function = _FUNCTION.fullmatch(text)
    return _from_function(function[1], function[2]) if function else None


@lru_cache(maxsize=512)
def _from_hex(digits: str) -> Color:
    pairs = [d * 2 for d in digits] if len(digits) < 6 else re.findall("..", digits)
    red, green, blue, *alpha = (int(pair, 16) for pair in pairs)
    return Color(red, green, blue, alpha[0] / 255 if alpha else 1.0)


def _from_function(kind: str, inner: str) -> Color | None:
    parts = [part for part in re.split(r"[\s,/]+", inner.strip()) if part]
    whole = 255 if kind == "rgb" else 1
    try:
        first, second, third = (_number(part, whole) for part in parts[:3])
        alpha = _number(parts[3], 1) if len(parts) > 3 else 1.0
    except ValueError:
        return None
    if kind == "rgb":
        return Color(_byte(first), _byte(second), _byte(third), alpha)
    red, green, blue = hls_to_rgb(first / 360 % 1, third, second)
    return Color(_byte(red * 255), _byte(green * 255), _byte(blue * 255), alpha)


def _byte(value: float) -> float:
    return min(255.0, max(0.0, value))


def _number(text: str, whole: int) -> float:
    if text.endswith("%"):
        return float(text[:-1]) / 100 * whole
    return float(text.removesuffix("deg"))


def is_unreadable_on(text: Color, background: Color) -> bool:
    """Return whether text of this color can't be read on a background (WCAG 2 contrast)."""
    channels = (
        (text.red, background.red),
        (text.green, background.green),
        (text.blue, background.blue),
    )
    if max(abs(a - b) for a, b in channels) >= _MIN_DISTANCE:
        return False
    dark, light = sorted((_luminance(text), _luminance(background)))
    return (light + 0.05) / (dark + 0.05) < _MIN_CONTRAST


def _luminance(color: Color) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (color.red / 255, color.green / 255, color.blue / 255)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Declaration:
    """A property and its value, in lower case, without escapes and comments.

    Attributes:
        name: The property.
        value: Its value.
        important: Whether it is marked `!important`.
    """

    name: str
    value: str
    important: bool


def strip_comments(css: str) -> str:
    """Return CSS without comments; one that is not closed reaches to the end."""
    return _COMMENT.sub("", css) if "/*" in css else css


def unescape_css(text: str) -> str:
    """Return text with CSS escapes decoded (CSS Syntax 3, section 4.3.7)."""
    return _ESCAPE.sub(_decode_escape, text) if "\\" in text else text


def _decode_escape(match: re.Match[str]) -> str:
    if match[1] is None:
        return "" if match[2] == "\n" else match[2]
    code = int(match[1], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def decode_data_url(url: str) -> str:
    """Return the content of a `data:` address as text (RFC 2397); empty for any other."""
    text = "".join(url.split()) if ";base64" in url.lower() else url.strip()
    head, comma, data = text.partition(",")
    if not comma or not head.lower().startswith("data:"):
        return ""
    content = unquote_to_bytes(data)
    if head.lower().endswith(";base64"):
        content = a2b_base64(re.sub(rb"[^A-Za-z0-9+/]", b"", content) + b"====")
    return content.decode("utf-8", "replace")


def split_css(css: str, separator: str) -> Iterator[str]:
    """Split CSS at each separator outside of strings and brackets.

    A string or bracket that is not closed reaches to the end (CSS Syntax 3, section 5.4).

    Args:
        css: The source, without comments.
        separator: `;` or `,`.
    """
    if _NESTS.search(css) is None:
        yield from css.split(separator)
        return
    closing: list[str] = []
    at = 0
    for match in _MARK.finditer(css):
        mark = match[0]
        if mark == separator and not closing:
            yield css[at : match.start()]
            at = match.end()
        elif mark in _CLOSES:
            closing.append(_CLOSES[mark])
        elif closing and mark == closing[-1]:
            closing.pop()
    yield css[at:]


def parse_declarations(css: str, names: Container[str]) -> Iterator[Declaration]:
    """Yield the valid declarations of a style attribute or of a rule's block.

    A value that browsers don't know is skipped, because the declaration before it stays in force.

    Args:
        css: The source.
        names: The properties to parse.
    """
    for piece in split_css(strip_comments(css), ";"):
        name, _, value = piece.partition(":")
        name = unescape_css(name).strip(_BLANKS).lower()
        if name not in names:
            continue
        value = unescape_css(value).strip(_BLANKS)
        plain = _IMPORTANT.sub("", value).strip(_BLANKS) if "!" in value else value
        if plain and (_is_plain(plain) or "(" in plain) and _is_valid(name, plain.lower()):
            yield Declaration(name, plain.lower(), plain != value)


def _is_plain(value: str) -> bool:
    """Return whether a value consists of characters that keywords can have."""
    return value.isascii() and _ODD_BLANK.search(value) is None


def _is_valid(name: str, value: str) -> bool:
    if "var(" in value or value in _WIDE:
        return True
    if name in ("opacity", "zoom"):
        return parse_number(value) is not None
    if name == "font-size":
        return parse_font_size(value, ROOT_SIZE) is not None
    if name in ("color", "background-color"):
        return value == "currentcolor" or "(" in value or parse_color(value) is not None
    if name in _LENGTHS:
        return value in _LENGTH_WORDS or parse_length(value, ROOT_SIZE) is not None
    name = name.removeprefix("-webkit-").removeprefix("-moz-")
    if name in _FUNCTIONS:
        names = _NAMED_FUNCTION.findall(value)
        return (bool(names) and _FUNCTIONS[name].issuperset(names)) or value in _LENGTH_WORDS
    if name in _LENGTH_LISTS:
        words = [word for word in value.split() if name != "rotate" or word not in _AXES]
        return value == "none" or "(" in value or all(map(_PART.fullmatch, words))
    keywords = _WORDS.get(name)
    return keywords is None or all(word in keywords for word in value.split())


def parse_number(value: str) -> float | None:
    """Parse a number, or a percentage as a fraction; return None if the value is neither."""
    inner = _strip_function(value)
    match = _LENGTH.fullmatch(inner)
    if match is None or match[2] not in ("", "%"):
        numbers = _LENGTH.findall(inner)
        is_zero = numbers and all(float(number) == 0 for number, _ in numbers)
        return 0.0 if is_zero or _TIMES_ZERO.search(inner) else None
    return float(match[1]) / (100 if match[2] else 1)


def parse_length(value: str, em: float) -> float | None:
    """Parse a length and return it in pixels, approximately; None if the value is not one.

    Args:
        value: A length, a percentage (of `em`), or `calc()`, `min()`, `max()` or `clamp()` of some.
        em: The size of the font, in pixels.
    """
    if "(" not in value:
        match = _LENGTH.fullmatch(value)
        return _to_pixels(match, em) if match else None
    if "var(" in value:
        return 0.0
    function = value.partition("(")[0].strip()
    inner = _strip_function(value)
    lengths = [_to_pixels(match, em) for match in _LENGTH.finditer(inner)]
    if not lengths or function not in ("calc", "-webkit-calc", "min", "max", "clamp"):
        return None
    if _TIMES_ZERO.search(inner):
        return 0.0
    if function in ("max", "clamp"):
        return max(lengths)
    return min(lengths) if function == "min" else sum(lengths)


def _to_pixels(match: re.Match[str], em: float) -> float:
    number, unit = float(match[1]), match[2]
    if unit == "%":
        return number * em / 100
    return number * (_PIXELS.get(unit, 1.0) if unit not in ("em", "ex", "ch") else em)


def _strip_function(value: str) -> str:
    if "(" not in value:
        return value
    match = re.match(r"[a-z-]{1,20}\((.*)\)$", value, re.DOTALL)
    return match[1].strip() if match else value


def parse_font_size(value: str, parent: float) -> float | None:
    """Parse a font size and return it in pixels; None if the value is not one.

    Args:
        value: The value of `font-size`.
        parent: The font size of the parent element.
    """
    if value in _SIZE_WORDS:
        return _SIZE_WORDS[value]
    if value in ("smaller", "larger"):
        return parent * (0.83 if value == "smaller" else 1.2)
    return parent if value in ("inherit", "unset") else parse_length(value, parent)


def iter_blocks(css: str) -> Iterator[tuple[str, str]]:
    """Yield the prelude and the content of each outermost block in braces."""
    closing: list[str] = []
    at, prelude = 0, ""
    for match in _MARK.finditer(css):
        mark = match[0]
        if not closing and mark in ("{", ";", "}"):
            prelude, at = css[at : match.start()], match.end()
        if mark in _CLOSES:
            closing.append(_CLOSES[mark])
        elif closing and mark == closing[-1]:
            closing.pop()
            if not closing and mark == "}":
                yield prelude, css[at : match.start()]
                at = match.end()
    if closing and closing[0] == "}":
        yield prelude, css[at:]
