"""The CSS properties that decide whether text is visible, and the values that hide it.

Beside plain values, effects (CSS Transforms 2, Masking 1) move, shrink, cut, mask or filter text
away, and animations hide it by where they end or by never leaving where they begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import cos, pi

from .css_values import (
    COLOR,
    ROOT_SIZE,
    Color,
    Declaration,
    iter_blocks,
    parse_color,
    parse_declarations,
    parse_font_size,
    parse_length,
    parse_number,
)

RELEVANT_PROPERTIES = frozenset(
    {
        "display", "visibility", "content-visibility", "opacity", "font-size", "color",
        "-webkit-text-fill-color", "background-color", "background-image", "width", "height",
        "max-width", "max-height", "overflow", "position", "left", "top", "right", "bottom",
        "margin-left", "margin-top", "text-indent", "line-height", "zoom", "clip", "clip-path",
        "transform", "filter", "translate", "scale", "rotate", "mask", "mask-image", "mask-size",
        "letter-spacing", "word-spacing", "offset-path", "-webkit-text-security", "mso-hide",
        "contain",
        "animation", "animation-name", "animation-fill-mode", "animation-play-state",
        "animation-duration", "animation-delay", "animation-direction",
    }
)  # fmt: skip
_PREFIXED = frozenset(
    f"-{vendor}-{name}"
    for vendor in ("webkit", "moz")
    for name in RELEVANT_PROPERTIES
    if name.startswith(("animation", "mask", "transform", "filter", "clip-path"))
)
_SHORTHANDS = _PREFIXED | {
    "font", "background", "margin", "inset", "overflow-x", "overflow-y", "all",
    "inset-inline-start", "inset-block-start", "margin-inline-start", "margin-block-start",
    "block-size", "inline-size", "max-block-size", "max-inline-size",
}  # fmt: skip
_LOGICAL = {
    "inset-inline-start": "left", "inset-block-start": "top", "margin-inline-start": "margin-left",
    "margin-block-start": "margin-top", "block-size": "height", "inline-size": "width",
    "max-block-size": "max-height", "max-inline-size": "max-width", "overflow-x": "overflow",
    "overflow-y": "overflow",
}  # fmt: skip
_PARSED_PROPERTIES = RELEVANT_PROPERTIES | _SHORTHANDS
_HARMLESS_ALONE = frozenset(
    {
        "visibility", "font-size", "color", "-webkit-text-fill-color", "background-color",
        "background-image", "width", "height", "max-width", "max-height", "line-height", "left",
        "top", "right", "bottom", "clip", "mask-size",
    }
)  # fmt: skip
"""Properties that `is_hidden` ignores, or reads only together with `overflow` or `position`."""
_CAN_HIDE_ALONE = RELEVANT_PROPERTIES - _HARMLESS_ALONE
MIN_FONT_SIZE = 2.0
MIN_OPACITY = 0.1
_FONT = re.compile(
    r"(?:^|\s)([\d.]+(?:px|pt|em|rem|ex|%|vw|vh)?|calc\([^()]*\))(?:\s*/\s*\S+)?\s+\S"
)
_NOT_COLOR = re.compile(r"url\([^()]*\)|[a-z-]{0,30}gradient\((?:[^()]|\([^()]*\))*\)")
_NOT_RENDERED = frozenset({"none", "table-column", "table-column-group"})
_SIDES = ("height", "max-height", "width", "max-width")


def parse_relevant_declarations(css: str) -> list[Declaration]:
    """Return the declarations of a style attribute or a rule that can hide or show text."""
    return [
        longhand
        for declaration in parse_declarations(css, _PARSED_PROPERTIES)
        for longhand in _expand_shorthand(declaration)
        if longhand.name in RELEVANT_PROPERTIES
    ]


def _expand_shorthand(declaration: Declaration) -> Iterator[Declaration]:
    """Yield the relevant longhand declarations of a shorthand; of anything else itself."""
    name, value = declaration.name, declaration.value
    if name not in _SHORTHANDS:
        yield declaration
        return
    pairs: list[tuple[str, str]] = []
    if name == "font":
        pairs = [("font-size", size[1]) for size in [_FONT.search(value)] if size]
    elif name == "background":
        pairs = list(_expand_background(value))
    elif name in ("margin", "inset"):
        sides = value.split()
        prefix = "margin-" if name == "margin" else ""
        left = sides[(0, 1, 1, 3)[min(4, len(sides)) - 1]]
        pairs = [(f"{prefix}top", sides[0]), (f"{prefix}left", left)]
    elif name in _LOGICAL:
        pairs = [(_LOGICAL[name], value)]
    elif name in _PREFIXED:
        pairs = [(name.removeprefix("-webkit-").removeprefix("-moz-"), value)]
    elif name == "all" and value == "initial":
        pairs = [(longhand, value) for longhand in ("color", "font-size", "visibility")]
    for longhand, longhand_value in pairs:
        yield Declaration(longhand, longhand_value, declaration.important)


def _expand_background(value: str) -> Iterator[tuple[str, str]]:
    yield "background-image", value if "url(" in value or "gradient(" in value else "none"
    words = COLOR.findall(_NOT_COLOR.sub(" ", value))
    color = next((word for word in words if parse_color(word)), None)
    yield "background-color", color or "transparent"


def parse_image_color(image: str) -> Color | None:
    """Return the first color of a gradient; None for any other background image."""
    if "gradient(" not in image or "url(" in image:
        return None
    colors = (parse_color(word) for word in COLOR.findall(image))
    return next((color for color in colors if color is not None), None)


def can_hide(declaration: Declaration) -> bool:
    """Return whether a declaration can hide text and can't reveal any."""
    name, value = declaration.name, declaration.value
    if name in ("color", "background-color", "-webkit-text-fill-color"):
        return True
    if name == "visibility":
        return value in ("hidden", "collapse") or "var(" in value
    if name == "position":
        return value != "static"
    if name == "font-size":
        return (parse_font_size(value, ROOT_SIZE) or ROOT_SIZE) < MIN_FONT_SIZE
    if name in ("background-image", "mask-size"):
        return True
    if name.startswith("animation") or name in ("overflow", "contain"):
        return value not in ("none", "visible")
    return is_hidden({"overflow": "hidden", "position": "absolute", name: value})


def is_hidden(style: Mapping[str, str]) -> bool:
    """Return whether an element with these properties hides all of its content."""
    if _CAN_HIDE_ALONE.isdisjoint(style):
        return False
    display = style.get("display", "")
    return (
        display in _NOT_RENDERED
        or "var(" in display
        or style.get("content-visibility") == "hidden"
        or style.get("mso-hide") == "all"
        or get_opacity(style) < MIN_OPACITY
        or _parse_scale(style.get("zoom", "")) < MIN_OPACITY
        or _is_collapsed(style)
        or _is_offscreen(style)
        or is_displaced(style)
        or is_spaced_away(style)
        or is_cut_away(style)
    )


def get_opacity(style: Mapping[str, str]) -> float:
    """Return the opacity of an element, without that of the elements around it."""
    return _parse_scale(style.get("opacity", ""))


def _parse_scale(value: str) -> float:
    if not value:
        return 1.0
    if "var(" in value:
        return 0.0
    number = parse_number(value)
    return 1.0 if number is None else number


def _is_collapsed(style: Mapping[str, str]) -> bool:
    clips = style.get("overflow", "visible").split()[0] != "visible"
    if not (clips or style.get("contain", "none") in ("strict", "content", "paint")):
        return False
    has_no_line_height = parse_length(style.get("line-height", ""), ROOT_SIZE) == 0
    return has_no_line_height or any(_is_tiny(style.get(side, "")) for side in _SIDES)


def _is_tiny(value: str) -> bool:
    size = parse_length(value, ROOT_SIZE)
    return size is not None and (size == 0 if value.endswith("%") else size < MIN_BOX_SIZE)


def _is_offscreen(style: Mapping[str, str]) -> bool:
    if any(_get_offset(style, side) <= -OFFSCREEN for side in ("margin-left", "margin-top")):
        return True
    if abs(_get_offset(style, "text-indent")) >= OFFSCREEN:
        return True
    if style.get("position", "static") == "static":
        return False
    offsets = [_get_offset(style, side) for side in ("left", "top", "right", "bottom")]
    return min(offsets) <= -OFFSCREEN or max(offsets) >= OFFSCREEN_RIGHT


def _get_offset(style: Mapping[str, str], side: str) -> float:
    return get_offset(style.get(side, ""), 1000)


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


MAX_KEYFRAMES = 500
_MIN_OPACITY, _MIN_SIZE = 0.1, 2.0
_TIME = re.compile(r"(?<![\w.-])(-?\d{0,9}\.?\d{1,9})(ms|s)\b")
_LONG = 30.0
"""Seconds after which a reader no longer waits for text to appear."""
_FRAME = re.compile(r"from|to|\d{1,3}(?:\.\d{1,6})?%")
_WORD = re.compile(r"[\w-]+")
_ENDS = {"from": 0.0, "to": 1.0}


class Keyframes:
    """The `@keyframes` rules of a mail, as far as they hide something."""

    def __init__(self) -> None:
        self._hidden_at: dict[str, set[float]] = {}
        self.count = 0

    def add(self, prelude: str, block: str) -> None:
        """Read a rule; of rules of the same name all count."""
        name = prelude.rpartition(" ")[2].strip("\"' \t\n").lower()
        for selector, inner in iter_blocks(block):
            self.count += 1
            if self.count > MAX_KEYFRAMES:
                return
            if _hides({item.name: item.value for item in parse_relevant_declarations(inner)}):
                frames = self._hidden_at.setdefault(name, set())
                frames.update(map(_get_position, _FRAME.findall(selector.lower())))

    def hide(self, style: Mapping[str, str]) -> bool:
        """Return whether an animation of an element hides it for good, or for long."""
        if not self._hidden_at:
            return False
        text = " ".join(value for name, value in style.items() if name.startswith("animation"))
        words = set(_WORD.findall(text))
        frames = set().union(*(self._hidden_at.get(word, ()) for word in words))
        if "var" in words:
            frames = set().union(*self._hidden_at.values())
        if not frames:
            return False
        times = [float(time) / (1000 if unit == "ms" else 1) for time, unit in _TIME.findall(text)]
        if "paused" in words or any(abs(time) >= _LONG for time in times) or frames >= {0.0, 1.0}:
            return True
        if not words & {"forwards", "both", "var"}:
            return False
        is_reversed = bool(words & {"reverse", "alternate", "alternate-reverse"})
        return 1.0 in frames or (is_reversed and 0.0 in frames)


def _get_position(frame: str) -> float:
    if frame in _ENDS:
        return _ENDS[frame]
    return float(frame.removesuffix("%")) / 100


def _hides(style: Mapping[str, str]) -> bool:
    size = parse_font_size(style.get("font-size", ""), ROOT_SIZE)
    color = parse_color(style.get("-webkit-text-fill-color", style.get("color", "")))
    return (
        is_hidden(style)
        or get_opacity(style) < _MIN_OPACITY
        or style.get("visibility") in ("hidden", "collapse")
        or (size is not None and size < _MIN_SIZE)
        or (color is not None and color.is_clear)
    )
