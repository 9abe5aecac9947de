"""The CSS properties that decide whether text is visible, and the values that hide it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .css_effects import (
    MIN_BOX_SIZE,
    OFFSCREEN,
    OFFSCREEN_RIGHT,
    get_offset,
    is_cut_away,
    is_displaced,
    is_spaced_away,
)
from .css_values import (
    COLOR,
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
