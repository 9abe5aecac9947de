"""The CSS properties that decide whether text is visible, and the values that hide it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .css_values import (
    ROOT_SIZE,
    Color,
    Declaration,
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
        "transform", "filter",
    }
)  # fmt: skip
_SHORTHANDS = frozenset(
    {"font", "background", "margin", "inset", "overflow-x", "overflow-y", "-webkit-transform"}
)
_PARSED_PROPERTIES = RELEVANT_PROPERTIES | _SHORTHANDS
_HARMLESS_ALONE = frozenset(
    {
        "visibility", "font-size", "color", "-webkit-text-fill-color", "background-color",
        "background-image", "width", "height", "max-width", "max-height", "line-height", "left",
        "top", "right", "bottom", "clip",
    }
)  # fmt: skip
"""Properties that `is_hidden` ignores, or reads only together with `overflow` or `position`."""
_CAN_HIDE_ALONE = RELEVANT_PROPERTIES - _HARMLESS_ALONE
MIN_FONT_SIZE = 2.0
MIN_BOX_SIZE = 2.0
MIN_OPACITY = 0.1
OFFSCREEN = 500.0
OFFSCREEN_RIGHT = 3000.0
_FONT = re.compile(
    r"(?:^|\s)([\d.]+(?:px|pt|em|rem|ex|%|vw|vh)?|calc\([^()]*\))(?:\s*/\s*\S+)?\s+\S"
)
_COLOR = re.compile(r"#[0-9a-f]{3,8}|(?:rgb|hsl)a?\([^()]*\)|[a-z]{3,20}")
_NOT_COLOR = re.compile(r"url\([^()]*\)|[a-z-]{0,30}gradient\((?:[^()]|\([^()]*\))*\)")
_SCALED_AWAY = re.compile(
    r"scale(?:3d|x|y)?\(\s*0*(?:\.0\d*)?\s*[,)]|matrix(?:3d)?\(\s*0\s*,|rotate[xy]\(\s*90deg"
)
_MOVED_AWAY = re.compile(
    r"translate(?:3d|x|y)?\([^()]*-\s*(?:\d{4,}|[5-9]\d\d)(?!\.?\d*%)"
    r"|translate(?:x|y)?\([^()]*-\d{3,}%"
)
_CLIPPED_AWAY = re.compile(
    r"inset\(\s*(?:[5-9]\d|100)(?:\.\d*)?%|(?:circle|ellipse)\(\s*0"
    r"|polygon\((?:[\s,]*0(?:px|%)?)+\s*\)"
)
_FILTERED_AWAY = re.compile(r"opacity\(\s*0*(?:\.0\d*)?%?\s*\)")
_RECTANGLE = re.compile(r"rect\(([^()]*)\)")
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
    elif name in ("overflow-x", "overflow-y"):
        pairs = [("overflow", value)]
    elif name == "-webkit-transform":
        pairs = [("transform", value)]
    for longhand, longhand_value in pairs:
        yield Declaration(longhand, longhand_value, declaration.important)


def _expand_background(value: str) -> Iterator[tuple[str, str]]:
    yield "background-image", value if "url(" in value or "gradient(" in value else "none"
    words = _COLOR.findall(_NOT_COLOR.sub(" ", value))
    color = next((word for word in words if parse_color(word)), None)
    yield "background-color", color or "transparent"


def parse_image_color(image: str) -> Color | None:
    """Return the first color of a gradient; None for any other background image."""
    if "gradient(" not in image or "url(" in image:
        return None
    colors = (parse_color(word) for word in _COLOR.findall(image))
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
    return is_hidden({name: value}) or name not in ("display", "opacity")


def is_hidden(style: Mapping[str, str]) -> bool:
    """Return whether an element with these properties hides all of its content."""
    if _CAN_HIDE_ALONE.isdisjoint(style):
        return False
    display = style.get("display", "")
    return (
        display == "none"
        or "var(" in display
        or style.get("content-visibility") == "hidden"
        or get_opacity(style) < MIN_OPACITY
        or _parse_scale(style.get("zoom", "")) < MIN_OPACITY
        or _is_collapsed(style)
        or _is_offscreen(style)
        or _is_clipped(style)
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
    if style.get("overflow", "visible").split()[0] not in ("hidden", "clip"):
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
    transform = style.get("transform", "")
    if transform and (_SCALED_AWAY.search(transform) or _MOVED_AWAY.search(transform)):
        return True
    if style.get("position", "static") == "static":
        return False
    offsets = [_get_offset(style, side) for side in ("left", "top", "right", "bottom")]
    return min(offsets) <= -OFFSCREEN or max(offsets) >= OFFSCREEN_RIGHT


def _get_offset(style: Mapping[str, str], side: str) -> float:
    """Return an offset in pixels; a percentage is relative to a window of 1,000 pixels."""
    value = style.get(side, "")
    if not value:
        return 0.0
    return parse_length(value, 1000 if value.endswith("%") else ROOT_SIZE) or 0.0


def _is_clipped(style: Mapping[str, str]) -> bool:
    if _CLIPPED_AWAY.search(style.get("clip-path", "")):
        return True
    if _FILTERED_AWAY.search(style.get("filter", "")):
        return True
    rectangle = _RECTANGLE.search(style.get("clip", ""))
    if rectangle is None or style.get("position") not in ("absolute", "fixed"):
        return False
    sides = [parse_length(side, ROOT_SIZE) for side in re.split(r"[\s,]+", rectangle[1].strip())]
    return all(side is not None and side < MIN_BOX_SIZE for side in sides)
