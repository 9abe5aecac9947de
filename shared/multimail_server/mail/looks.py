"""Looks: how text at one place of an HTML body looks, from its styles and what it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .colours import BLACK, CLEAR, WHITE, Colour, colour_of, looks_same
from .css import ROOT_SIZE, Declaration, font_pixels
from .properties import MIN_FONT, MIN_OPACITY, opacity_of, paint_of, relevant
from .stylesheet import Ancestors, Element, Rule, StyleSheet

_LINK_COLOUR = Colour(0, 0, 238)
_SEE_THROUGH = 0.5
_PAINTS = (("bgcolor", "background-color"), ("color", "color"), ("text", "color"))


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks at one place: what is inherited, and what lies behind it.

    Attributes:
        colour: Its colour; None where that is not known.
        behind: The colour behind it; None where an image may be.
        size: Of its font, in pixels.
        shown: Whether `visibility` lets it show.
        opacity: Of all that it stands in.
    """

    colour: Colour | None = BLACK
    behind: Colour | None = WHITE
    size: float = ROOT_SIZE
    shown: bool = True
    opacity: float = 1.0

    @property
    def shows_text(self) -> bool:
        """Whether text that looks like this can be read."""
        if not self.shown or self.size < MIN_FONT:
            return False
        if self.colour is None:
            return True
        if self.colour.is_clear:
            return False
        return self.behind is None or not looks_same(self.colour, self.behind)

    @property
    def is_faded(self) -> bool:
        """Whether it is as good as transparent, and all that stands in it."""
        return self.opacity < MIN_OPACITY


class Styles:
    """The properties that matter of each element of one mail.

    A mail says the same style attribute again and again: each is read once.

    Args:
        sheet: The rules of the mail.
    """

    def __init__(self, sheet: StyleSheet) -> None:
        self._sheet = sheet
        self._read: dict[str, list[Declaration]] = {}

    def of(self, element: Element, above: Ancestors) -> tuple[dict[str, str], int]:
        """Return the properties of an element that matter, and how much work that was.

        Later ones win, more specific ones, the style attribute, and `!important` (CSS Cascade 4).

        Args:
            element: The element.
            above: What it stands in.
        """
        looked_at = self._sheet.candidates(element)
        find_matching_code = [rule for rule in looked_at if rule.applies(element, above)]
        find_matching_code.sort(key=_rank)
        said = [one for rule in find_matching_code for one in rule.declarations]
        text = element.attributes.get("style")
        if text:
            said += self._inline(text)
        style = _presentational(element)
        for important in (False, True) if said else ():
            for one in said:
                if one.important is important:
                    style[one.name] = one.value
        return style, 1 + len(looked_at) + len(find_matching_code) + above.walked()

    def _inline(self, text: str) -> list[Declaration]:
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = relevant(text)
        return found


def _rank(rule: Rule) -> tuple[int, int, int, int]:
    return rule.rank


def _presentational(element: Element) -> dict[str, str]:
    """Return what the attributes of older HTML stand for (HTML, section 15)."""
    given = element.attributes
    style: dict[str, str] = {}
    if "hidden" in given or (element.tag == "dialog" and "open" not in given):
        style["display"] = "none"
    if element.tag == "a" and "href" in given:
        style["color"] = "-link"
    for attribute, name in _PAINTS:
        if attribute not in given or (attribute == "text" and element.tag != "body"):
            continue
        value = given[attribute].strip().lower()
        if value:
            style[name] = value if colour_of(value) else f"#{value}"
    if given.get("background"):
        style["background-image"] = "image"
    return style


def look_of(around: Look, style: Mapping[str, str]) -> Look:
    """Return how text in an element looks.

    Args:
        around: How it looks around the element.
        style: The properties of the element.
    """
    if not style:
        return around
    return Look(
        colour=_colour(around.colour, style),
        behind=_behind(around, style),
        size=_size(around.size, style.get("font-size", "")),
        shown=_shown(around.shown, style.get("visibility", "")),
        opacity=around.opacity * opacity_of(style),
    )


def _colour(around: Colour | None, style: Mapping[str, str]) -> Colour | None:
    value = style.get("-webkit-text-fill-color", style.get("color", ""))
    if value in ("", "inherit", "unset", "currentcolor"):
        return around
    if value == "-link":
        return _LINK_COLOUR
    if value in ("initial", "revert"):
        return BLACK
    # A colour that cannot be worked out, by `var()` or `oklch()`, may be that of what is behind.
    return colour_of(value) or (CLEAR if "(" in value else None)


def _behind(around: Look, style: Mapping[str, str]) -> Colour | None:
    behind = around.behind
    plain = style.get("background-color", "")
    if plain:
        paint = around.colour if plain == "currentcolor" else colour_of(plain)
        behind = None if paint is None and "(" in plain else behind
        if paint is not None and paint.alpha >= _SEE_THROUGH:
            behind = paint
    image = style.get("background-image", "none")
    if image in ("none", "initial", "unset", "revert"):
        return behind
    return paint_of(image)


def _size(around: float, value: str) -> float:
    size = font_pixels(value, around) if value else None
    return around if size is None else size


def _shown(around: bool, value: str) -> bool:
    if value in ("", "inherit", "unset"):
        return around
    return value in ("visible", "initial", "revert")
