"""Visible text: removes from an HTML body what a person who opens it would not see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from .css_properties import (
    MIN_FONT_SIZE,
    MIN_OPACITY,
    get_opacity,
    is_hidden,
    parse_image_color,
    parse_relevant_declarations,
)
from .css_rules import Ancestors, Rule, StyledElement, StyleSheet
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
from .markdown import VOID_ELEMENTS
from .source import HIDDEN_IMAGE, HtmlSource, Node, parse_tree

MAX_NODES = 100_000
MAX_STEPS = 500_000
MAX_DEPTH = 120
MAX_BLOCKS = 16
_MAX_SPAN = 1000
MAX_COLUMNS = 10_000
"""How many columns all `colspan` of a mail may add up to: Markdown has a mark for each."""
_NEVER_SHOWN = frozenset(
    {
        "head", "meta", "link", "base", "noscript", "template", "object", "embed", "input",
        "select", "datalist", "audio", "video", "canvas", "map", "applet", "param", "source",
        "progress", "meter", "rp", "desc", "metadata", "defs", "symbol", "annotation",
        "annotation-xml", HIDDEN_IMAGE,
    }
)  # fmt: skip
_ROOTS = frozenset({"html", "body"})
_NESTING = frozenset({"blockquote", "ul", "ol", "table"})
_NUMERIC_ATTRIBUTES = ("start", "colspan")
_NUMBER = re.compile(r"[0-9]{1,9}")
_BLANK = re.compile(r"[ \t\r\n\f]+")
_LONG_BLANK = re.compile(r"[ \t]{100,}")

_LINK_COLOR = Color(0, 0, 238)
_MIN_OPAQUE_ALPHA = 0.5
_COLOR_ATTRIBUTES = (("bgcolor", "background-color"), ("color", "color"), ("text", "color"))


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How text looks at one place.

    Attributes:
        color: Its color; None if it can't be computed.
        background: The color behind it; None if that may be an image.
        font_size: In pixels.
        is_visible: Whether `visibility` shows it.
        opacity: The product of the opacities of the element and all elements around it.
    """

    color: Color | None = BLACK
    background: Color | None = WHITE
    font_size: float = ROOT_SIZE
    is_visible: bool = True
    opacity: float = 1.0

    @property
    def is_readable(self) -> bool:
        """Whether text of this style can be read."""
        if not self.is_visible or self.font_size < MIN_FONT_SIZE:
            return False
        if self.color is None:
            return True
        if self.color.is_clear:
            return False
        return self.background is None or not is_unreadable_on(self.color, self.background)

    @property
    def is_transparent(self) -> bool:
        """Whether the element and everything in it is practically transparent."""
        return self.opacity < MIN_OPACITY


class StyleResolver:
    """Resolves the CSS properties of elements, by the rules of one mail.

    Each distinct style attribute is parsed once, since mail repeats them.

    Args:
        sheet: The rules of the mail.
    """

    def __init__(self, sheet: StyleSheet) -> None:
        self._sheet = sheet
        self._inline_styles: dict[str, list[Declaration]] = {}

    def resolve(self, element: StyledElement, ancestors: Ancestors) -> tuple[dict[str, str], int]:
        """Return the relevant properties of an element, and how many steps of work it took.

        More specific rules win over others, later ones over earlier ones, the style attribute over
        rules, and `!important` over all (CSS Cascade 4).

        Args:
            element: The element.
            ancestors: The elements around it.
        """
        candidates = self._sheet.candidates(element)
        matching = [rule for rule in candidates if rule.applies(element, ancestors)]
        matching.sort(key=_rank)
        declarations = [declared for rule in matching for declared in rule.declarations]
        text = element.attributes.get("style")
        if text:
            declarations += self._parse_inline(text)
        properties = _parse_presentational_attributes(element)
        for important in (False, True) if declarations else ():
            for declaration in declarations:
                if declaration.important is important:
                    properties[declaration.name] = declaration.value
        return properties, 1 + len(candidates) + len(matching) + ancestors.take_step_count()

    def _parse_inline(self, text: str) -> list[Declaration]:
        declarations = self._inline_styles.get(text)
        if declarations is None:
            declarations = self._inline_styles[text] = parse_relevant_declarations(text)
        return declarations


def _rank(rule: Rule) -> tuple[int, int, int, int]:
    return rule.rank


def _parse_presentational_attributes(element: StyledElement) -> dict[str, str]:
    """Return the properties that attributes of older HTML set (HTML, section 15)."""
    attributes = element.attributes
    properties: dict[str, str] = {}
    is_closed = element.tag == "dialog" and "open" not in attributes
    if "hidden" in attributes or "popover" in attributes or is_closed:
        properties["display"] = "none"
    if element.tag == "marquee":
        properties |= _parse_marquee(attributes)
    if element.tag == "a" and "href" in attributes:
        properties["color"] = "-link"
    for attribute, name in _COLOR_ATTRIBUTES:
        if attribute not in attributes or (attribute == "text" and element.tag != "body"):
            continue
        value = attributes[attribute].strip().lower()
        if value:
            properties[name] = value if parse_color(value) else f"#{value}"
    if attributes.get("background"):
        properties["background-image"] = "image"
    return properties


def _parse_marquee(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of a `marquee`, which clips; one that stands still shows nothing."""
    properties = {"overflow": "hidden"}
    for name in ("width", "height"):
        size = attributes.get(name, "").strip()
        if size:
            properties[name] = size if size.endswith("%") else f"{size}px"
    if attributes.get("scrollamount", "").strip() == "0":
        properties["display"] = "none"
    return properties


def compute_style(outer: TextStyle, properties: Mapping[str, str]) -> TextStyle:
    """Return the style of text in an element.

    Args:
        outer: The style around the element.
        properties: The properties of the element.
    """
    if not properties:
        return outer
    return TextStyle(
        color=_compute_color(outer.color, properties),
        background=_compute_background(outer, properties),
        font_size=_compute_size(outer.font_size, properties.get("font-size", "")),
        is_visible=_compute_visibility(outer.is_visible, properties.get("visibility", "")),
        opacity=outer.opacity * get_opacity(properties),
    )


def _compute_color(outer: Color | None, properties: Mapping[str, str]) -> Color | None:
    value = properties.get("-webkit-text-fill-color", properties.get("color", ""))
    if value in ("", "inherit", "unset", "currentcolor"):
        return outer
    if value == "-link":
        return _LINK_COLOR
    if value in ("initial", "revert"):
        return BLACK
    # A color that can't be computed, by `var()` or `oklch()`, may be that of the background.
    return parse_color(value) or (CLEAR if "(" in value else None)


def _compute_background(outer: TextStyle, properties: Mapping[str, str]) -> Color | None:
    background = outer.background
    value = properties.get("background-color", "")
    if value:
        color = outer.color if value == "currentcolor" else parse_color(value)
        background = None if color is None and "(" in value else background
        if color is not None and color.alpha >= _MIN_OPAQUE_ALPHA:
            background = color
    image = properties.get("background-image", "none")
    if image in ("none", "initial", "unset", "revert"):
        return background
    return parse_image_color(image)


def _compute_size(outer: float, value: str) -> float:
    size = parse_font_size(value, outer) if value else None
    return outer if size is None else size


def _compute_visibility(outer: bool, value: str) -> bool:
    if value in ("", "inherit", "unset"):
        return outer
    return value in ("visible", "initial", "revert")


@dataclass(frozen=True, slots=True)
class VisibleHtml:
    """The visible part of an HTML body.

    Attributes:
        html: Its source: shallow, complete, escaped, without scripts, styles and comments.
        removed: What was removed, in words such as "3 hidden elements".
    """

    html: str
    removed: tuple[str, ...]


def extract_visible_html(html: str, max_chars: int) -> VisibleHtml:
    """Return what a reader sees of an HTML body, in linear time. Nothing is fetched.

    Text that style attributes or the mail's own style elements hide is removed, and so are
    comments, scripts and alternative texts of images. What is beyond the limits is removed too, and
    everything if the rest could hide what precedes it: what can't be checked is not shown.

    Args:
        html: The source.
        max_chars: How many characters of it are parsed.
    """
    source = HtmlSource(html, max_chars)
    sheet = StyleSheet(source.styles)
    writer = _VisibleWriter(sheet)
    root, is_cut = None, sheet.is_cut or source.is_cut
    if not (sheet.is_cut or source.reaches_back):
        root, is_deep = parse_tree(source.tokens, has_rules=sheet.count > 0)
        is_cut |= is_deep
    if root is not None:
        writer.write(root)
    counts = {
        "hidden element": writer.counts["hidden"],
        "comment": source.comments,
        "alternative text of an image": writer.counts["alt"],
    }
    removed = [_pluralise(count, kind) for kind, count in counts.items() if count]
    if is_cut or writer.is_cut:
        removed.append("the rest, which is too large to check for hidden text")
    return VisibleHtml("".join(writer.written), tuple(removed))


def _pluralise(count: int, kind: str) -> str:
    noun, of, rest = kind.partition(" of ")
    return f"{count} {noun if count == 1 else f'{noun}s'}{of}{rest}"


@dataclass(slots=True)
class _OpenElement:
    """An element whose end was not reached yet."""

    node: Node
    style: TextStyle
    name: str
    is_written: bool


class _VisibleWriter:
    """Walks through a tree, without recursion, and writes what is visible."""

    def __init__(self, sheet: StyleSheet) -> None:
        self.written: list[str] = []
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        self._sheet = sheet
        self._resolver = StyleResolver(sheet)
        self._needs_ancestors = sheet.needs_ancestors
        self._open: list[_OpenElement] = []
        self._ancestors = Ancestors()
        self._steps = 0
        self._depth = self._nesting = self._pre = self._columns = 0

    def write(self, root: Node) -> None:
        """Write what is visible of `root`, as far as the limits allow."""
        node: Node | None = root
        style = TextStyle()
        nodes = 0
        while node is not None or self._open:
            if node is None:
                node, style = self._close()
                continue
            nodes += 1
            if nodes > MAX_NODES or self._steps > MAX_STEPS:
                self.is_cut = True
                break
            inner = self._enter(node, style)
            if inner is None:
                node = node.next if self._open else None
            else:
                node, style = node.first_child, inner
        while self._open:
            self._close()

    def _enter(self, node: Node, outer: TextStyle) -> TextStyle | None:
        """Write the start of a node; return its style, or None if its content is skipped."""
        name = node.tag or ""
        if name == "-text":
            self._write_text(node.text_content or "", outer)
            return None
        if not name[:1].isalpha() or name in _NEVER_SHOWN:
            return None
        attributes = {key: value or "" for key, value in node.attributes.items()}
        if name == "img":
            self.counts["alt"] += bool(attributes.get("alt", "").strip())
            return None
        element = StyledElement(name, attributes)
        properties, steps = self._resolver.resolve(element, self._ancestors)
        self._steps += steps
        inner = compute_style(outer, properties)
        if element.tag == "a" and "href" in attributes:
            properties.pop("mso-hide", None)  # a button for all programs but Outlook
        hides = is_hidden(properties) or self._sheet.keyframes.hide(properties)
        if hides or inner.is_transparent:
            self.counts["hidden"] += _has_text(node)
            return None
        return self._open_element(node, element, inner)

    def _write_text(self, text: str, style: TextStyle) -> None:
        if text.strip() and not style.is_readable:
            self.counts["hidden"] += 1
            return
        collapsed = _LONG_BLANK.sub(" " * 100, text) if self._pre else _BLANK.sub(" ", text)
        self.written.append(escape(collapsed, quote=False))

    def _open_element(
        self, node: Node, element: StyledElement, style: TextStyle
    ) -> TextStyle | None:
        name = element.tag
        too_deep = self._depth >= MAX_DEPTH or (name in _NESTING and self._nesting >= MAX_BLOCKS)
        is_written = name not in _ROOTS and not too_deep
        if is_written:
            self.written.append(self._format_start_tag(element))
        elif too_deep and self.written[-1:] != [" "]:
            self.written.append(" ")
        if name in VOID_ELEMENTS:
            return None
        self._open.append(_OpenElement(node, style, name, is_written))
        if self._needs_ancestors:
            self._ancestors.add(element)
        if is_written:
            self._count(name, 1)
        return style

    def _close(self) -> tuple[Node | None, TextStyle]:
        """Close the innermost element; return the node after it, and the style there."""
        element = self._open.pop()
        if self._needs_ancestors:
            self._ancestors.pop()
        if element.is_written:
            self._count(element.name, -1)
            self.written.append(f"</{element.name}>")
        if not self._open:
            return None, TextStyle()
        return element.node.next, self._open[-1].style

    def _format_start_tag(self, element: StyledElement) -> str:
        """Return a start tag with the attributes that Markdown needs."""
        attributes = element.attributes
        written = ""
        if "href" in attributes:
            written = f' href="{escape("".join(attributes["href"].split()))}"'
        for name in _NUMERIC_ATTRIBUTES:
            number = "".join(attributes.get(name, "").split())
            if _NUMBER.fullmatch(number) and self._has_room(name, int(number)):
                written += f' {name}="{number}"'
        return f"<{element.tag}{written}>"

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
