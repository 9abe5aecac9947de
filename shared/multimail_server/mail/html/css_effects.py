"""CSS that moves, shrinks, cuts, masks or filters text away (CSS Transforms 2, Masking 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import cos, pi

from .css_values import COLOR, ROOT_SIZE, parse_color, parse_length, parse_number

OFFSCREEN = 500.0
OFFSCREEN_RIGHT = 3000.0
MIN_SCALE = 0.125
MIN_BOX_SIZE = 2.0
_MIN_ALPHA = 0.1
_MAX_BLUR = 8.0
_EDGE_ON = 0.05
_MIN_LETTER_SPACING, _MIN_WORD_SPACING = -6.0, -100.0
_MAX_INSET = 95.0
_ARGUMENTS = r"((?:[^()]|\([^()]*\))*)"
_FUNCTION = re.compile(rf"([a-z0-9-]{{1,30}})\({_ARGUMENTS}\)")
_SEPARATOR = re.compile(r"[\s,]+(?![^()]*\))")
_ANGLE = re.compile(r"([+-]?\d{0,6}\.?\d{1,6})(deg|grad|rad|turn)?")
_RADIANS = {"deg": pi / 180, "grad": pi / 200, "rad": 1.0, "turn": 2 * pi}
_WINDOW = re.compile(r"\d(?:[sld]?v(?:w|h|i|b|min|max))\b")
_UNSET = frozenset({"", "none", "auto", "initial", "unset", "revert", "inherit", "normal"})
_WHOLE_BOX = frozenset({"border-box", "padding-box", "content-box", "margin-box", "view-box"})


def is_displaced(style: Mapping[str, str]) -> bool:
    """Return whether transforms move an element away, turn it edge-on or make it tiny."""
    functions = list(_FUNCTION.findall(style.get("transform", "")))
    for name in ("translate", "scale", "rotate"):
        value = style.get(name, "")
        if value not in _UNSET:
            functions.append((name, value))
    scale = 1.0
    for name, arguments in functions:
        parts = _split(arguments)
        if name.startswith("translate") and any(map(is_far, parts)):
            return True
        if name.startswith(("rotate", "skew")) and _is_edge_on(name, parts):
            return True
        scale *= _get_scale(name, parts)
        if name.startswith("matrix") and _is_matrix_far(parts):
            return True
    return scale < MIN_SCALE or style.get("offset-path", "none") not in _UNSET


def _split(arguments: str) -> list[str]:
    return [part for part in _SEPARATOR.split(arguments.strip()) if part]


def is_far(value: str) -> bool:
    """Return whether an offset moves something out of a window."""
    offset = get_offset(value, 500)
    return offset <= -OFFSCREEN or offset >= OFFSCREEN_RIGHT


def get_offset(value: str, box: float) -> float:
    """Return an offset in pixels, as if the window were 1,000 pixels wide or high.

    To the right and down a window can be scrolled: there, a window counts three times.

    Args:
        value: A length.
        box: What a percentage is of, in pixels.
    """
    if not value or value in _UNSET:
        return 0.0
    offset = parse_length(value, box if "%" in value else ROOT_SIZE) or 0.0
    if _WINDOW.search(value):
        offset *= 10 / 6 if offset < 0 else 30 / 6
    return offset


def _is_edge_on(name: str, parts: list[str]) -> bool:
    """Return whether something is turned so that only its edge is seen."""
    if name in ("rotate", "rotatez", "rotate3d"):
        axis = [part for part in parts if not part.endswith(("deg", "grad", "rad", "turn"))]
        is_flat = axis in ([], ["z"]) or (len(axis) == 3 and axis[:2] == ["0", "0"])
        if is_flat or name == "rotatez":
            return False
    angles = [match for match in map(_ANGLE.fullmatch, parts) if match and match[2]]
    return any(abs(cos(float(match[1]) * _RADIANS[match[2]])) < _EDGE_ON for match in angles)


def _get_scale(name: str, parts: list[str]) -> float:
    """Return by how much a function scales in the direction in which it does so most."""
    numbers = [1.0 if number is None else number for number in map(parse_number, parts)]
    if name in ("scale", "scale3d", "scalex", "scaley") and numbers:
        return min(map(abs, numbers[:2]))
    if name == "matrix" and len(numbers) == 6:
        return abs(numbers[0] * numbers[3] - numbers[1] * numbers[2])
    if name == "matrix3d" and len(numbers) == 16:
        return abs(numbers[0] * numbers[5] - numbers[1] * numbers[4]) / (abs(numbers[15]) or 1)
    return 1.0


def _is_matrix_far(parts: list[str]) -> bool:
    return any(map(is_far, parts[4:6] if len(parts) == 6 else parts[12:14]))


def is_spaced_away(style: Mapping[str, str]) -> bool:
    """Return whether letters or words stand on each other, or apart from each other."""
    for name, least in (
        ("letter-spacing", _MIN_LETTER_SPACING),
        ("word-spacing", _MIN_WORD_SPACING),
    ):
        spacing = get_offset(style.get(name, ""), ROOT_SIZE)
        if spacing <= least or spacing >= OFFSCREEN:
            return True
    return style.get("-webkit-text-security", "none") not in _UNSET


def is_cut_away(style: Mapping[str, str]) -> bool:
    """Return whether `clip-path`, `clip`, a mask or a filter leaves nothing to see."""
    return (
        _is_clipped(style.get("clip-path", ""))
        or _is_masked(style)
        or any(
            _is_filtered(name, inner) for name, inner in _FUNCTION.findall(style.get("filter", ""))
        )
        or _has_empty_rectangle(style)
    )


def _has_empty_rectangle(style: Mapping[str, str]) -> bool:
    if style.get("position") not in ("absolute", "fixed"):
        return False
    sides = dict(_FUNCTION.findall(style.get("clip", ""))).get("rect")
    if sides is None:
        return False
    lengths = [parse_length(side, ROOT_SIZE) for side in _split(sides)]
    if len(lengths) != 4 or None in lengths:
        return False
    top, right, bottom, left = (length or 0.0 for length in lengths)
    return right - left < MIN_BOX_SIZE or bottom - top < MIN_BOX_SIZE


def _is_clipped(value: str) -> bool:
    if value in _UNSET or value in _WHOLE_BOX:
        return False
    shapes = _FUNCTION.findall(value)
    return not shapes or any(_is_empty_shape(name, inner) for name, inner in shapes)


def _is_empty_shape(name: str, inner: str) -> bool:
    if name == "inset":
        sides = [get_offset(side, 100) for side in _split(inner.partition("round")[0])]
        if not sides:
            return False
        top, right, bottom, left = (sides[at] for at in _SIDES_OF[min(4, len(sides)) - 1])
        return max(top + bottom, left + right) >= _MAX_INSET
    if name in ("circle", "ellipse"):
        radii = _split(inner.partition("at ")[0])
        sizes = [parse_length(radius, 100 if "%" in radius else ROOT_SIZE) for radius in radii]
        return any(size is not None and size < MIN_BOX_SIZE for size in sizes)
    if name == "polygon":
        return _get_area(list(_get_points(inner))) < MIN_BOX_SIZE**2
    # Of other shapes and of references nothing is known.
    return True


_SIDES_OF = ((0, 0, 0, 0), (0, 1, 0, 1), (0, 1, 2, 1), (0, 1, 2, 3))


def _get_points(inner: str) -> Iterator[tuple[float, float]]:
    for pair in inner.split(","):
        lengths = [parse_length(part, 100) for part in _split(pair)]
        if len(lengths) == 2 and lengths[0] is not None and lengths[1] is not None:
            yield lengths[0], lengths[1]


def _get_area(points: list[tuple[float, float]]) -> float:
    shifted = points[1:] + points[:1]
    pairs = zip(points, shifted, strict=True)
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairs)) / 2


def _is_masked(style: Mapping[str, str]) -> bool:
    """Return whether there is a mask that is not known to show something."""
    for name in ("mask", "mask-image"):
        value = style.get(name, "")
        if value in _UNSET:
            continue
        colors = (parse_color(word) for word in COLOR.findall(value))
        shows = any(color is not None and color.alpha >= _MIN_ALPHA for color in colors)
        is_plain = not re.search(r"url\(|/|luminance|var\(", value) and "mask-size" not in style
        if not (shows and is_plain and "gradient(" in value):
            return True
    return False


def _is_filtered(name: str, inner: str) -> bool:
    if name == "opacity":
        return (parse_number(inner.strip()) or 0.0) < _MIN_ALPHA
    if name == "blur":
        return (parse_length(inner.strip(), ROOT_SIZE) or 0.0) >= _MAX_BLUR
    return name in ("url", "var")
