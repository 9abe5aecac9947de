"""Hidden text: an HTML body without what a person who opens it would not see."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from html import escape

from .html_source import Source
from .html_tree import Node, tree_of
from .looks import Look, Styles, look_of
from .properties import is_gone
from .stylesheet import Ancestors, Element, StyleSheet

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
_VOID = frozenset({"area", "br", "col", "hr", "wbr"})
_NESTING = frozenset({"blockquote", "ul", "ol", "table"})
_NUMBERS = ("start", "colspan")


_NUMBER = re.compile(r"[0-9]{1,9}")
_BLANK = re.compile(r"[ \t\r\n\f]+")
_LONG_BLANK = re.compile(r"[ \t]{100,}")


@dataclass(frozen=True, slots=True)
class Visible:
    """An HTML body as people see it.

    Attributes:
        html: Its source, safe to parse: shallow, complete, without scripts, styles and comments.
        removed: What was taken out, in words: "3 hidden elements".
    """

    html: str
    removed: tuple[str, ...]


def visible_html(html: str, most: int) -> Visible:
    """Return what of an HTML body people see. Nothing is fetched, and nothing hostile is slow.

    What styling hides goes, by style attributes and by the mail's own style elements; so do
    comments, scripts and alternative texts of images. Where a mail is beyond the limits its
    rest goes too, and all of it if the rest could hide what stands before: what cannot be checked
    is not shown.

    Args:
        html: The source.
        most: How many characters of it are read.
    """
    source = Source(html, most)
    sheet = StyleSheet(source.styles)
    reader = _Reader(sheet)
    root, is_cut = None, sheet.is_cut or source.is_cut
    if not (sheet.is_cut or source.reaches_back):
        root, is_deep = tree_of(source.tokens, has_rules=sheet.count > 0)
        is_cut |= is_deep
    if root is not None:
        reader.read(root)
    counts = {
        "hidden element": reader.counts["hidden"],
        "comment": source.comments,
        "alternative text of an image": reader.counts["alt"],
    }
    removed = [_counted(count, what) for what, count in counts.items() if count]
    if is_cut or reader.is_cut:
        removed.append("the rest, which is too large to check for hidden text")
    return Visible("".join(reader.written), tuple(removed))


def _counted(count: int, what: str) -> str:
    head, space, tail = what.partition(" of ")
    many = head if count == 1 else f"{head}s"
    return f"{count} {many}{space}{tail}"


@dataclass(slots=True)
class _Open:
    """An element that is being read."""

    node: Node
    look: Look
    name: str
    is_written: bool


class _Reader:
    """One walk through the tree, without recursion, that writes down what is seen."""

    def __init__(self, sheet: StyleSheet) -> None:
        self.written: list[str] = []
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        self._styles = Styles(sheet)
        self._looks_above = sheet.looks_above
        self._open: list[_Open] = []
        self._above = Ancestors()
        self._steps = 0
        self._depth = self._nesting = self._pre = self._columns = 0

    def read(self, root: Node) -> None:
        """Write down what is seen of `root`, as far as the limits allow."""
        node: Node | None = root
        look = Look()
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

    def _enter(self, node: Node, look: Look) -> Look | None:
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
        inner = look_of(look, style)
        if is_gone(style) or inner.is_faded:
            self.counts["hidden"] += _says_something(node)
            return None
        return self._opened(node, element, inner)

    def _text(self, text: str, look: Look) -> None:
        if text.strip() and not look.shows_text:
            self.counts["hidden"] += 1
            return
        blanks = _LONG_BLANK.sub(" " * 100, text) if self._pre else _BLANK.sub(" ", text)
        self.written.append(escape(blanks, quote=False))

    def _opened(self, node: Node, element: Element, inner: Look) -> Look | None:
        name = element.tag
        too_deep = self._depth >= MAX_DEPTH or (name in _NESTING and self._nesting >= MAX_BLOCKS)
        is_written = name not in _FRAMES and not too_deep
        if is_written:
            self.written.append(self._start(element))
        elif too_deep and self.written[-1:] != [" "]:
            self.written.append(" ")
        if name in _VOID:
            return None
        self._open.append(_Open(node, inner, name, is_written))
        if self._looks_above:
            self._above.add(element)
        if is_written:
            self._count(name, 1)
        return inner

    def _close(self) -> tuple[Node | None, Look]:
        """Close the innermost element; return what follows it, and how text looks there."""
        done = self._open.pop()
        if self._looks_above:
            self._above.pop()
        if done.is_written:
            self._count(done.name, -1)
            self.written.append(f"</{done.name}>")
        around = self._open[-1].look if self._open else Look()
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


def _says_something(node: Node) -> bool:
    return bool(node.text().strip())
