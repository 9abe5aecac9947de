"""Style sheets: which rules of a mail's own `style` elements apply to an element.

Selectors are read as tag, id, class and attribute, alone or below one another. What is beyond
that (`>`, `+`, `:nth-child()` …) is read as if it matched, and then only what hides counts: text
that a rule might hide is hidden. States that no reader is in (`:hover`) never match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .css_values import (
    ROOT_SIZE,
    Color,
    Declaration,
    iter_blocks,
    parse_color,
    parse_declarations,
    parse_font_size,
    parse_length,
    parse_number,
    split_css,
    strip_comments,
    unescape_css,
)

_WORD = r"(?:[\w-]|[^\x00-\x7f]|\\[0-9a-fA-F]{1,6}\s?|\\.)+"
_SIMPLE = re.compile(
    rf"""(?P<combinator>\s*[>+~]\s*|\s+)|\*|(?P<tag>{_WORD})|\#(?P<id>{_WORD})|\.(?P<cls>{_WORD})
    |\[\s*(?P<name>{_WORD})\s*(?:(?P<test>[~|^$*]?=)\s*(?P<value>"[^"]*"|'[^']*'|[^\]\s]+)\s*[is]?\s*)?\]
    |:(?P<pseudo>:?{_WORD})(?:\((?:[^()]|\([^()]*\))*\))?""",
    re.VERBOSE,
)
_NAMESPACE = re.compile(r"(?:\*|[\w-]{1,20})?\|(?!=)")
_NEVER_MATCHES = re.compile(
    r":.*|-(?:ms|moz|webkit|o)-.*|hover|active|focus.*|visited|checked|target|disabled|enabled|before|"
    r"after|first-l.*|placeholder.*|fullscreen|invalid|valid|required|selection|popover-open"
)
_WIDTH = re.compile(r"(max|min)-(?:device-)?width\s*:\s*(\d{1,6})(?:\.\d*)?(px|em|rem|pt)?")
_OTHER_MEDIA = re.compile(
    r"^(?:only\s+)?(?:print|speech|tty|tv|projection|embossed|braille|handheld)\b"
)
_SCREEN_WIDTH = 1000
MAX_NESTING = 5
MAX_NESTED = 20
MAX_SELECTOR = 1000
MAX_RULES = 5000


_NO_CLASSES: frozenset[str] = frozenset()


class Element:
    """What selectors look at.

    Attributes:
        tag: Its name in lower case.
        attributes: Its attributes; one without a value has the empty one.
        classes: Its classes.
        keys: Under what rules for it are found.
    """

    __slots__ = ("attributes", "classes", "keys", "tag")

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        named = attributes.get("class")
        self.classes = frozenset(named.split()) if named else _NO_CLASSES
        own = (f"#{attributes['id']}",) if "id" in attributes else ()
        self.keys = (tag, *own, *(f".{one}" for one in self.classes))


@dataclass(slots=True)
class _Compound:
    tag: str = ""
    ids: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    tests: list[tuple[str, str, str]] = field(default_factory=list)

    def fits(self, element: Element) -> bool:
        """Return whether an element is what this asks for."""
        return (
            self.tag in ("", element.tag)
            and all(element.attributes.get("id") == one for one in self.ids)
            and all(one in element.classes for one in self.classes)
            and all(_attribute_matches(element.attributes, *test) for test in self.tests)
        )


def _attribute_matches(attributes: Mapping[str, str], name: str, test: str, value: str) -> bool:
    found = attributes.get(name)
    if found is None or not test:
        return found is not None
    has, wanted = found.lower(), value.lower()
    return {
        "=": has == wanted,
        "~=": wanted in has.split(),
        "|=": has == wanted or has.startswith(f"{wanted}-"),
        "^=": has.startswith(wanted),
        "$=": has.endswith(wanted),
        "*=": wanted in has,
    }[test]


class Ancestors:
    """What an element stands in, outermost first."""

    def __init__(self) -> None:
        self._elements: list[Element] = []
        self._keys: dict[str, int] = {}
        self._walked = 0

    def add(self, element: Element) -> None:
        """Note that the walk has entered an element."""
        self._elements.append(element)
        for key in element.keys:
            self._keys[key] = self._keys.get(key, 0) + 1

    def pop(self) -> None:
        """Note that the walk has left the innermost element."""
        for key in self._elements.pop().keys:
            self._keys[key] -= 1

    def walked(self) -> int:
        """Return how many elements were looked at since this was last asked."""
        walked, self._walked = self._walked, 0
        return walked

    def hold(self, compounds: Sequence[_Compound]) -> bool:
        """Return whether they are found one inside the other."""
        if not all(not key or self._keys.get(key, 0) > 0 for key in map(_index_key, compounds)):
            return False
        self._walked += len(self._elements)
        ancestors = reversed(self._elements)
        return all(any(one.fits(a) for a in ancestors) for one in reversed(compounds))


@dataclass(slots=True)
class _Selector:
    compounds: list[_Compound] = field(default_factory=lambda: [_Compound()])
    exact: bool = True

    @property
    def specificity(self) -> tuple[int, int, int]:
        """Ids, classes and attributes, tags (Selectors 4, section 17)."""
        return (
            sum(len(one.ids) for one in self.compounds),
            sum(len(one.classes) + len(one.tests) for one in self.compounds),
            sum(bool(one.tag) for one in self.compounds),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One selector and what it declares.

    Attributes:
        rank: What decides between two that both apply.
        declarations: What it declares.
    """

    rank: tuple[int, int, int, int]
    declarations: tuple[Declaration, ...]
    _compounds: tuple[_Compound, ...]

    def applies(self, element: Element, above: Ancestors) -> bool:
        """Return whether the rule is for an element.

        Args:
            element: The element.
            above: What it stands in.
        """
        *outer, last = self._compounds
        return last.fits(element) and (not outer or above.hold(outer))


class StyleSheet:
    """The rules of all style elements of a mail.

    Attributes:
        count: How many there are.
        looks_above: Whether a rule asks what an element stands in.
    """

    def __init__(self, styles: Sequence[str]) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self.count = 0
        self.looks_above = False
        for css in styles:
            source = strip_comments(css).replace("<!--", " ").replace("-->", " ")
            for prelude, block in _iter_rules(source, MAX_NESTING):
                self._add(prelude, block)

    @property
    def is_cut(self) -> bool:
        """Whether there were more than 5,000 rules that could hide something."""
        return self.count > MAX_RULES

    def candidates(self, element: Element) -> list[Rule]:
        """Return the rules that may be for an element."""
        if not self._rules:
            return []
        found = list(self._rules.get("", ()))
        for key in element.keys:
            found += self._rules.get(key, ())
        return found

    def _add(self, prelude: str, block: str) -> None:
        found = () if self.is_cut else tuple(parse_relevant_declarations(block))
        if not found:
            return
        for text in split_css(prelude, ","):
            selector = _parse_selector(text.strip())
            if selector is None or self.is_cut:
                continue
            kept = found if selector.exact else tuple(filter(can_hide, found))
            self.count += 1
            self.looks_above |= len(selector.compounds) > 1
            rank = (*selector.specificity, self.count)
            rule = Rule(rank, kept, tuple(selector.compounds))
            self._rules.setdefault(_index_key(selector.compounds[-1]), []).append(rule)


def _index_key(last: _Compound) -> str:
    if last.ids:
        return f"#{last.ids[0]}"
    return f".{last.classes[0]}" if last.classes else last.tag


def _iter_rules(css: str, nesting: int) -> Iterator[tuple[str, str]]:
    """Yield selectors and blocks, those inside of conditions that hold included."""
    for prelude, block in iter_blocks(css):
        rule = prelude.strip()
        if not rule.startswith("@"):
            yield rule, block
            if nesting and "{" in block:
                yield from _iter_nested_rules(rule, block, nesting - 1)
            continue
        name, _, condition = rule.partition(" ")
        holds = name.lower() in ("@supports", "@layer", "@container", "@scope") or (
            name.lower().startswith("@media") and _media_matches(f"{name[6:]} {condition}".lower())
        )
        if holds and nesting:
            yield from _iter_rules(block, nesting - 1)


def _iter_nested_rules(outer: str, block: str, nesting: int) -> Iterator[tuple[str, str]]:
    """Yield the rules inside of a rule (CSS Nesting)."""
    for inner, inside in _iter_rules(block, nesting):
        for one in list(split_css(outer, ","))[:MAX_NESTED]:
            whole = inner.replace("&", one) if "&" in inner else f"{one} {inner}"
            yield whole[:MAX_SELECTOR], inside


def _media_matches(queries: str) -> bool:
    """Return whether a media query may hold where mail is read: a wide screen, in light colours."""
    return any(_query_matches(query.strip()) for query in queries.split(","))


def _query_matches(query: str) -> bool:
    if _OTHER_MEDIA.match(query) or re.match(r"not\s+(?:screen|all)\b", query) or "dark" in query:
        return False
    for bound, number, unit in _WIDTH.findall(query):
        width = int(number) * (16 if unit in ("em", "rem") else 1)
        if (width < _SCREEN_WIDTH) if bound == "max" else (width > _SCREEN_WIDTH):
            return False
    return True


def _parse_selector(text: str) -> _Selector | None:
    """Return a selector; None where it can match nothing that is read."""
    text = _NAMESPACE.sub("", text)
    selector, at = _Selector(), 0
    while at < len(text):
        found = _SIMPLE.match(text, at)
        if found is None or not _add_simple(selector, found):
            return None
        at = found.end()
    return selector if text else None


def _add_simple(selector: _Selector, found: re.Match[str]) -> bool:
    last = selector.compounds[-1]
    if found["combinator"] is not None:
        sign = found["combinator"].strip()
        selector.exact &= not sign
        if sign in ("+", "~"):
            selector.compounds.pop()
        selector.compounds.append(_Compound())
    elif found["tag"]:
        last.tag = unescape_css(found["tag"]).lower()
    elif found["id"]:
        last.ids.append(unescape_css(found["id"]))
    elif found["cls"]:
        last.classes.append(unescape_css(found["cls"]))
    elif found["name"]:
        value = unescape_css((found["value"] or "").strip("\"'"))
        last.tests.append((unescape_css(found["name"]).lower(), found["test"] or "", value))
    elif found["pseudo"]:
        selector.exact = False
        return _NEVER_MATCHES.fullmatch(found["pseudo"].lower()) is None
    return True


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
"""What `is_hidden` does not look at, or not without `overflow` or `position`."""
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
    """Return what of a style attribute or of a rule's block decides whether text shows."""
    found = (
        one
        for whole in parse_declarations(css, _PARSED_PROPERTIES)
        for one in _expand_shorthand(whole)
    )
    return [one for one in found if one.name in RELEVANT_PROPERTIES]


def _expand_shorthand(whole: Declaration) -> Iterator[Declaration]:
    """Yield the longhand declarations of a shorthand, so far as they are read; else itself."""
    name, value = whole.name, whole.value
    if name not in _SHORTHANDS:
        yield whole
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
    for one, said in pairs:
        yield Declaration(one, said, whole.important)


def _expand_background(value: str) -> Iterator[tuple[str, str]]:
    yield "background-image", value if "url(" in value or "gradient(" in value else "none"
    without = _NOT_COLOR.sub(" ", value)
    paint = next((p for p in _COLOR.findall(without) if parse_color(p)), None)
    yield "background-color", paint or "transparent"


def parse_image_color(image: str) -> Color | None:
    """Return the colour that a background image begins with; None where that is not known."""
    if "gradient(" not in image or "url(" in image:
        return None
    found = (parse_color(paint) for paint in _COLOR.findall(image))
    return next((paint for paint in found if paint is not None), None)


def can_hide(one: Declaration) -> bool:
    """Return whether a declaration can only make text harder to see, never easier."""
    if one.name in ("color", "background-color", "-webkit-text-fill-color"):
        return True
    if one.name == "visibility":
        return one.value in ("hidden", "collapse") or "var(" in one.value
    if one.name == "position":
        return one.value != "static"
    if one.name == "font-size":
        return (parse_font_size(one.value, ROOT_SIZE) or ROOT_SIZE) < MIN_FONT_SIZE
    return is_hidden({one.name: one.value}) or one.name not in ("display", "opacity")


def is_hidden(style: Mapping[str, str]) -> bool:
    """Return whether an element with these properties shows nothing of what it holds."""
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
    """Return the opacity of an element itself."""
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
    flat = parse_length(style.get("line-height", ""), ROOT_SIZE) == 0
    return flat or any(_is_tiny(style.get(side, "")) for side in _SIDES)


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
    """Return an offset in pixels; a percentage is one of a window of 1,000."""
    value = style.get(side, "")
    return (
        (parse_length(value, 1000 if value.endswith("%") else ROOT_SIZE) or 0.0) if value else 0.0
    )


def _is_clipped(style: Mapping[str, str]) -> bool:
    if _CLIPPED_AWAY.search(style.get("clip-path", "")) or _FILTERED_AWAY.search(
        style.get("filter", "")
    ):
        return True
    found = _RECTANGLE.search(style.get("clip", ""))
    if found is None or style.get("position") not in ("absolute", "fixed"):
        return False
    sides = [parse_length(side, ROOT_SIZE) for side in re.split(r"[\s,]+", found[1].strip())]
    return all(side is not None and side < MIN_BOX_SIZE for side in sides)
