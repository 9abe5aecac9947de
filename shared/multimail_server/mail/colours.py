"""Colours of CSS, and whether a person can tell one from another (CSS Color 4, WCAG 2)."""

from __future__ import annotations

import re
from colorsys import hls_to_rgb
from dataclasses import dataclass
from functools import lru_cache

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
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,80})\)")
_MIN_CONTRAST = 1.2
_MIN_DISTANCE = 40
_MIN_ALPHA = 0.1


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour.

    Attributes:
        red: 0 to 255, as `green` and `blue`.
        green: See `red`.
        blue: See `red`.
        alpha: 0 (transparent) to 1.
    """

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    @property
    def is_clear(self) -> bool:
        """Whether it is as good as transparent."""
        return self.alpha < _MIN_ALPHA


BLACK, WHITE = Colour(0, 0, 0), Colour(255, 255, 255)
CLEAR = Colour(0, 0, 0, 0.0)


def colour_of(value: str) -> Colour | None:
    """Return a colour as CSS or an old attribute writes it, in lower case; None if it is none."""
    text = value.strip()
    if text == "transparent":
        return CLEAR
    known = _NAMED.get(text.replace("grey", "gray"))
    found = _HEX.fullmatch(f"#{known}" if known else text)
    if found:
        return _from_hex(found[1])
    function = _FUNCTION.fullmatch(text)
    return _from_function(function[1], function[2]) if function else None


@lru_cache(maxsize=512)
def _from_hex(digits: str) -> Colour:
    pairs = [d * 2 for d in digits] if len(digits) < 6 else re.findall("..", digits)
    red, green, blue, *alpha = (int(pair, 16) for pair in pairs)
    return Colour(red, green, blue, alpha[0] / 255 if alpha else 1.0)


def _from_function(kind: str, inner: str) -> Colour | None:
    parts = [part for part in re.split(r"[\s,/]+", inner.strip()) if part]
    whole = 255 if kind == "rgb" else 1
    try:
        first, second, third = (_number(part, whole) for part in parts[:3])
        alpha = _number(parts[3], 1) if len(parts) > 3 else 1.0
    except ValueError:
        return None
    if kind == "rgb":
        return Colour(_byte(first), _byte(second), _byte(third), alpha)
    red, green, blue = hls_to_rgb(first / 360 % 1, third, second)
    return Colour(_byte(red * 255), _byte(green * 255), _byte(blue * 255), alpha)


def _byte(value: float) -> float:
    return min(255.0, max(0.0, value))


def _number(text: str, whole: int) -> float:
    if text.endswith("%"):
        return float(text[:-1]) / 100 * whole
    return float(text.removesuffix("deg"))


def looks_same(text: Colour, behind: Colour) -> bool:
    """Return whether text of one colour cannot be read on the other."""
    pairs = ((text.red, behind.red), (text.green, behind.green), (text.blue, behind.blue))
    if max(abs(a - b) for a, b in pairs) >= _MIN_DISTANCE:
        return False
    dark, light = sorted((_luminance(text), _luminance(behind)))
    return (light + 0.05) / (dark + 0.05) < _MIN_CONTRAST


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (colour.red / 255, colour.green / 255, colour.blue / 255)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
