"""The properties that decide whether text shows, and which of their values hide it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .colours import Colour, colour_of
from .css import ROOT_SIZE, Declaration, declarations, font_pixels, number_of, pixels

RELEVANT = frozenset(
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
_READ = RELEVANT | _SHORTHANDS
_NOT_BY_THEMSELVES = frozenset(
    {
        "visibility", "font-size", "color", "-webkit-text-fill-color", "background-color",
        "background-image", "width", "height", "max-width", "max-height", "line-height", "left",
        "top", "right", "bottom", "clip",
    }
)  # fmt: skip
"""What `is_gone` does not look at, or not without `overflow` or `position`."""
_MAY_HIDE = RELEVANT - _NOT_BY_THEMSELVES
MIN_FONT = 2.0
MIN_BOX = 2.0
MIN_OPACITY = 0.1
FAR = 500.0
FAR_RIGHT = 3000.0
_FONT = re.compile(
    r"(?:^|\s)([\d.]+(?:px|pt|em|rem|ex|%|vw|vh)?|calc\([^()]*\))(?:\s*/\s*\S+)?\s+\S"
)
_PAINT = re.compile(r"#[0-9a-f]{3,8}|(?:rgb|hsl)a?\([^()]*\)|[a-z]{3,20}")
_NO_PAINT = re.compile(r"url\([^()]*\)|[a-z-]{0,30}gradient\((?:[^()]|\([^()]*\))*\)")
_NO_SCALE = re.compile(
    r"scale(?:3d|x|y)?\(\s*0*(?:\.0\d*)?\s*[,)]|matrix(?:3d)?\(\s*0\s*,|rotate[xy]\(\s*90deg"
)
_MOVED = re.compile(
    r"translate(?:3d|x|y)?\([^()]*-\s*(?:\d{4,}|[5-9]\d\d)(?!\.?\d*%)"
    r"|translate(?:x|y)?\([^()]*-\d{3,}%"
)
_NO_SHAPE = re.compile(
    r"inset\(\s*(?:[5-9]\d|100)(?:\.\d*)?%|(?:circle|ellipse)\(\s*0"
    r"|polygon\((?:[\s,]*0(?:px|%)?)+\s*\)"
)
_NO_FILTER = re.compile(r"opacity\(\s*0*(?:\.0\d*)?%?\s*\)")
_RECTANGLE = re.compile(r"rect\(([^()]*)\)")
_SIDES = ("height", "max-height", "width", "max-width")


def relevant(css: str) -> list[Declaration]:
    """Return what of a style attribute or of a rule's block decides whether text shows."""
    found = (one for whole in declarations(css, _READ) for one in _expanded(whole))
    return [one for one in found if one.name in RELEVANT]


def _expanded(whole: Declaration) -> Iterator[Declaration]:
    """Yield the longhand declarations of a shorthand, so far as they are read; else itself."""
    name, value = whole.name, whole.value
    if name not in _SHORTHANDS:
        yield whole
        return
    pairs: list[tuple[str, str]] = []
    if name == "font":
        pairs = [("font-size", size[1]) for size in [_FONT.search(value)] if size]
    elif name == "background":
        pairs = list(_background(value))
    elif name in ("margin", "inset"):
        sides = value.split()
        prefix = "margin-" if name == "margin" else ""
        left = sides[(0, 1, 1, 3)[min(4, len(sides)) - 1]]
        pairs = [(f"{prefix}top", sides[0]), (f"{prefix}left", left)]
    elif name in ("overflow-x", "overflow-y"):
        pairs = [("overflow", value)]
    elif name == "-webkit-transform":
        pairs = [("transform", value)]
    for one, said in pairs:
        yield Declaration(one, said, whole.important)


def _background(value: str) -> Iterator[tuple[str, str]]:
    yield "background-image", value if "url(" in value or "gradient(" in value else "none"
    without = _NO_PAINT.sub(" ", value)
    paint = next((p for p in _PAINT.findall(without) if colour_of(p)), None)
    yield "background-color", paint or "transparent"


def paint_of(image: str) -> Colour | None:
    """Return the colour that a background image begins with; None where that is not known."""
    if "gradient(" not in image or "url(" in image:
        return None
    found = (colour_of(paint) for paint in _PAINT.findall(image))
    return next((paint for paint in found if paint is not None), None)


def hides(one: Declaration) -> bool:
    """Return whether a declaration can only make text harder to see, never easier."""
    if one.name in ("color", "background-color", "-webkit-text-fill-color"):
        return True
    if one.name == "visibility":
        return one.value in ("hidden", "collapse") or "var(" in one.value
    if one.name == "position":
        return one.value != "static"
    if one.name == "font-size":
        return (font_pixels(one.value, ROOT_SIZE) or ROOT_SIZE) < MIN_FONT
    return is_gone({one.name: one.value}) or one.name not in ("display", "opacity")


def is_gone(style: Mapping[str, str]) -> bool:
    """Return whether an element with these properties shows nothing of what it holds."""
    if _MAY_HIDE.isdisjoint(style):
        return False
    display = style.get("display", "")
    return (
        display == "none"
        or "var(" in display
        or style.get("content-visibility") == "hidden"
        or opacity_of(style) < MIN_OPACITY
        or _number(style.get("zoom", "")) < MIN_OPACITY
        or _is_folded(style)
        or _is_away(style)
        or _is_clipped(style)
    )


def opacity_of(style: Mapping[str, str]) -> float:
    """Return the opacity of an element itself."""
    return _number(style.get("opacity", ""))


def _number(value: str) -> float:
    if not value:
        return 1.0
    if "var(" in value:
        return 0.0
    number = number_of(value)
    return 1.0 if number is None else number


def _is_folded(style: Mapping[str, str]) -> bool:
    if style.get("overflow", "visible").split()[0] not in ("hidden", "clip"):
        return False
    flat = pixels(style.get("line-height", ""), ROOT_SIZE) == 0
    return flat or any(_is_tiny(style.get(side, "")) for side in _SIDES)


def _is_tiny(value: str) -> bool:
    size = pixels(value, ROOT_SIZE)
    return size is not None and (size == 0 if value.endswith("%") else size < MIN_BOX)


def _is_away(style: Mapping[str, str]) -> bool:
    if any(_offset(style, side) <= -FAR for side in ("margin-left", "margin-top")):
        return True
    if abs(_offset(style, "text-indent")) >= FAR:
        return True
    transform = style.get("transform", "")
    if transform and (_NO_SCALE.search(transform) or _MOVED.search(transform)):
        return True
    if style.get("position", "static") == "static":
        return False
    offsets = [_offset(style, side) for side in ("left", "top", "right", "bottom")]
    return min(offsets) <= -FAR or max(offsets) >= FAR_RIGHT


def _offset(style: Mapping[str, str], side: str) -> float:
    """Return an offset in pixels; a percentage is one of a window of 1,000."""
    value = style.get(side, "")
    return (pixels(value, 1000 if value.endswith("%") else ROOT_SIZE) or 0.0) if value else 0.0


def _is_clipped(style: Mapping[str, str]) -> bool:
    if _NO_SHAPE.search(style.get("clip-path", "")) or _NO_FILTER.search(style.get("filter", "")):
        return True
    found = _RECTANGLE.search(style.get("clip", ""))
    if found is None or style.get("position") not in ("absolute", "fixed"):
        return False
    sides = [pixels(side, ROOT_SIZE) for side in re.split(r"[\s,]+", found[1].strip())]
    return all(side is not None and side < MIN_BOX for side in sides)
