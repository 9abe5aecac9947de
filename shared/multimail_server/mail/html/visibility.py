"""Hidden text: an HTML body without what a person who opens it would not see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from .css_rules import (
    MIN_FONT_SIZE,
    MIN_OPACITY,
    Ancestors,
    Element,
    Rule,
    StyleSheet,
    get_opacity,
    is_hidden,
    parse_image_color,
    parse_relevant_declarations,
)
from .css_values import (
    BLACK,
    CLEAR,
    ROOT_SIZE,
    WHITE,
    Color,
    Declaration,
    is_unreadable_on,
    parse_color,
    parse_font_size,
)
from .source import HtmlSource, Node, parse_tree

MAX_NODES = 100_000
MAX_STEPS = 500_000
MAX_DEPTH = 120
MAX_BLOCKS = 16
_MAX_SPAN = 1000
MAX_COLUMNS = 10_000
"""The most columns that the cells of a mail may take by `colspan`: a mark is written for each."""
_NEVER_SHOWN = frozenset(
    {
        "head", "meta", "link", "base", "noscript", "template", "object", "embed", "input",
        "select", "datalist", "audio", "video", "canvas", "map", "applet", "param", "source",
    }
)  # fmt: skip
_FRAMES = frozenset({"html", "body"})
VOID_ELEMENTS = frozenset({"area", "br", "col", "hr", "wbr"})
_NESTING = frozenset({"blockquote", "ul", "ol", "table"})
_NUMBERS = ("start", "colspan")


_NUMBER = re.compile(r"[0-9]{1,9}")
_BLANK = re.compile(r"[ \t\r\n\f]+")
_LONG_BLANK = re.compile(r"[ \t]{100,}")


@dataclass(frozen=True, slots=True)
class VisibleHtml:
    """An HTML body as people see it.

    Attributes:
        html: Its source, safe to parse: shallow, complete, without scripts, styles and comments.
        removed: What was taken out, in words: "3 hidden elements".
    """

    html: str
    removed: tuple[str, ...]


def extract_visible_html(html: str, most: int) -> VisibleHtml:
    """Return what of an HTML body people see. Nothing is fetched, and nothing hostile is slow.

    What styling hides goes, by style attributes and by the mail's own style elements; so do
    comments, scripts and alternative texts of images. Where a mail is beyond the limits its
    rest goes too, and all of it if the rest could hide what stands before: what cannot be checked
    is not shown.

    Args:
        html: The source.
        most: How many characters of it are read.
    """
    source = HtmlSource(html, most)
    sheet = StyleSheet(source.styles)
    reader = _VisibleWriter(sheet)
    root, is_cut = None, sheet.is_cut or source.is_cut
    if not (sheet.is_cut or source.reaches_back):
        root, is_deep = parse_tree(source.tokens, has_rules=sheet.count > 0)
        is_cut |= is_deep
    if root is not None:
        reader.read(root)
    counts = {
        "hidden element": reader.counts["hidden"],
        "comment": source.comments,
        "alternative text of an image": reader.counts["alt"],
    }
    removed = [_pluralise(count, what) for what, count in counts.items() if count]
    if is_cut or reader.is_cut:
        removed.append("the rest, which is too large to check for hidden text")
    return VisibleHtml("".join(reader.written), tuple(removed))


def _pluralise(count: int, what: str) -> str:
    head, space, tail = what.partition(" of ")
    many = head if count == 1 else f"{head}s"
    return f"{count} {many}{space}{tail}"


@dataclass(slots=True)
class _OpenElement:
    """An element that is being read."""

    node: Node
    look: TextStyle
    name: str
    is_written: bool


class _VisibleWriter:
    """One walk through the tree, without recursion, that writes down what is seen."""

    def __init__(self, sheet: StyleSheet) -> None:
        self.written: list[str] = []
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        self._styles = StyleResolver(sheet)
        self._looks_above = sheet.looks_above
        self._open: list[_OpenElement] = []
        self._above = Ancestors()
        self._steps = 0
        self._depth = self._nesting = self._pre = self._columns = 0

    def read(self, root: Node) -> None:
        """Write down what is seen of `root`, as far as the limits allow."""
        node: Node | None = root
        look = TextStyle()
        nodes = 0
        while node is not None or self._open:
            if node is None:
                node, look = self._close()
                continue
            nodes += 1
            if nodes > MAX_NODES or self._steps > MAX_STEPS:
                self.is_cut = True
                break
            inner = self._enter(node, look)
            if inner is None:
                node = node.next if self._open else None
            else:
                node, look = node.first_child, inner
        while self._open:
            self._close()

    def _enter(self, node: Node, look: TextStyle) -> TextStyle | None:
        """Write a node; return how text inside of it looks, or None if none of it is to be read."""
        name = node.tag or ""
        if name == "-text":
            self._text(node.text_content or "", look)
            return None
        if not name[:1].isalpha() or name in _NEVER_SHOWN:
            return None
        attributes = {key: value or "" for key, value in node.attributes.items()}
        if name == "img":
            self.counts["alt"] += bool(attributes.get("alt", "").strip())
            return None
        element = Element(name, attributes)
        style, steps = self._styles.of(element, self._above)
        self._steps += steps
        inner = compute_style(look, style)
        if is_hidden(style) or inner.is_faded:
            self.counts["hidden"] += _has_text(node)
            return None
        return self._opened(node, element, inner)

    def _text(self, text: str, look: TextStyle) -> None:
        if text.strip() and not look.shows_text:
            self.counts["hidden"] += 1
            return
        blanks = _LONG_BLANK.sub(" " * 100, text) if self._pre else _BLANK.sub(" ", text)
        self.written.append(escape(blanks, quote=False))

    def _opened(self, node: Node, element: Element, inner: TextStyle) -> TextStyle | None:
        name = element.tag
        too_deep = self._depth >= MAX_DEPTH or (name in _NESTING and self._nesting >= MAX_BLOCKS)
        is_written = name not in _FRAMES and not too_deep
        if is_written:
            self.written.append(self._start(element))
        elif too_deep and self.written[-1:] != [" "]:
            self.written.append(" ")
        if name in VOID_ELEMENTS:
            return None
        self._open.append(_OpenElement(node, inner, name, is_written))
        if self._looks_above:
            self._above.add(element)
        if is_written:
            self._count(name, 1)
        return inner

    def _close(self) -> tuple[Node | None, TextStyle]:
        """Close the innermost element; return what follows it, and how text looks there."""
        done = self._open.pop()
        if self._looks_above:
            self._above.pop()
        if done.is_written:
            self._count(done.name, -1)
            self.written.append(f"</{done.name}>")
        around = self._open[-1].look if self._open else TextStyle()
        return (done.node.next if self._open else None), around

    def _start(self, element: Element) -> str:
        """Return a start tag, with the attributes that markdown has a use for."""
        given = element.attributes
        said = ""
        if "href" in given:
            said = f' href="{escape("".join(given["href"].split()))}"'
        for name in _NUMBERS:
            number = "".join(given[name].split()) if name in given else ""
            if _NUMBER.fullmatch(number) and self._has_room(name, int(number)):
                said += f' {name}="{number}"'
        return f"<{element.tag}{said}>"

    def _has_room(self, name: str, number: int) -> bool:
        if name == "colspan":
            self._columns += min(number, _MAX_SPAN)
        return name != "colspan" or self._columns <= MAX_COLUMNS

    def _count(self, name: str, by: int) -> None:
        self._depth += by
        self._nesting += by * (name in _NESTING)
        self._pre += by * (name == "pre")


def _has_text(node: Node) -> bool:
    return bool(node.text().strip())


_LINK_COLOR = Color(0, 0, 238)
_MIN_OPAQUE_ALPHA = 0.5
_COLOR_ATTRIBUTES = (("bgcolor", "background-color"), ("color", "color"), ("text", "color"))


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How text looks at one place: what is inherited, and what lies behind it.

    Attributes:
        colour: Its colour; None where that is not known.
        behind: The colour behind it; None where an image may be.
        size: Of its font, in pixels.
        shown: Whether `visibility` lets it show.
        opacity: Of all that it stands in.
    """

    colour: Color | None = BLACK
    behind: Color | None = WHITE
    size: float = ROOT_SIZE
    shown: bool = True
    opacity: float = 1.0

    @property
    def shows_text(self) -> bool:
        """Whether text that looks like this can be read."""
        if not self.shown or self.size < MIN_FONT_SIZE:
            return False
        if self.colour is None:
            return True
        if self.colour.is_clear:
            return False
        return self.behind is None or not is_unreadable_on(self.colour, self.behind)

    @property
    def is_faded(self) -> bool:
        """Whether it is as good as transparent, and all that stands in it."""
        return self.opacity < MIN_OPACITY


class StyleResolver:
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
        matching = [rule for rule in looked_at if rule.applies(element, above)]
        matching.sort(key=_rank)
        said = [one for rule in matching for one in rule.declarations]
        text = element.attributes.get("style")
        if text:
            said += self._inline(text)
        style = _parse_presentational_attributes(element)
        for important in (False, True) if said else ():
            for one in said:
                if one.important is important:
                    style[one.name] = one.value
        return style, 1 + len(looked_at) + len(matching) + above.walked()

    def _inline(self, text: str) -> list[Declaration]:
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = parse_relevant_declarations(text)
        return found


def _rank(rule: Rule) -> tuple[int, int, int, int]:
    return rule.rank


def _parse_presentational_attributes(element: Element) -> dict[str, str]:
    """Return what the attributes of older HTML stand for (HTML, section 15)."""
    given = element.attributes
    style: dict[str, str] = {}
    if "hidden" in given or (element.tag == "dialog" and "open" not in given):
        style["display"] = "none"
    if element.tag == "a" and "href" in given:
        style["color"] = "-link"
    for attribute, name in _COLOR_ATTRIBUTES:
        if attribute not in given or (attribute == "text" and element.tag != "body"):
            continue
        value = given[attribute].strip().lower()
        if value:
            style[name] = value if parse_color(value) else f"#{value}"
    if given.get("background"):
        style["background-image"] = "image"
    return style


def compute_style(around: TextStyle, style: Mapping[str, str]) -> TextStyle:
    """Return how text in an element looks.

    Args:
        around: How it looks around the element.
        style: The properties of the element.
    """
    if not style:
        return around
    return TextStyle(
        colour=_compute_color(around.colour, style),
        behind=_compute_background(around, style),
        size=_compute_size(around.size, style.get("font-size", "")),
        shown=_compute_visibility(around.shown, style.get("visibility", "")),
        opacity=around.opacity * get_opacity(style),
    )


def _compute_color(around: Color | None, style: Mapping[str, str]) -> Color | None:
    value = style.get("-webkit-text-fill-color", style.get("color", ""))
    if value in ("", "inherit", "unset", "currentcolor"):
        return around
    if value == "-link":
        return _LINK_COLOR
    if value in ("initial", "revert"):
        return BLACK
    # A colour that cannot be worked out, by `var()` or `oklch()`, may be that of what is behind.
    return parse_color(value) or (CLEAR if "(" in value else None)


def _compute_background(around: TextStyle, style: Mapping[str, str]) -> Color | None:
    behind = around.behind
    plain = style.get("background-color", "")
    if plain:
        paint = around.colour if plain == "currentcolor" else parse_color(plain)
        behind = None if paint is None and "(" in plain else behind
        if paint is not None and paint.alpha >= _MIN_OPAQUE_ALPHA:
            behind = paint
    image = style.get("background-image", "none")
    if image in ("none", "initial", "unset", "revert"):
        return behind
    return parse_image_color(image)


def _compute_size(around: float, value: str) -> float:
    size = parse_font_size(value, around) if value else None
    return around if size is None else size


def _compute_visibility(around: bool, value: str) -> bool:
    if value in ("", "inherit", "unset"):
        return around
    return value in ("visible", "initial", "revert")
