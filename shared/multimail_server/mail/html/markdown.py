"""Visible HTML to Markdown, in linear time.

The input is what `visibility` wrote. It is shallow, complete and escaped, so that reading it needs
no HTML parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from html import unescape
from typing import TypeAlias

VOID_ELEMENTS = frozenset({"area", "br", "col", "hr", "wbr"})
"""Elements of the visible HTML that have no end tag."""

_TOKEN = re.compile(r'<(/?)([^ >]+)((?: [a-z]+="[^"]*")*)>|([^<]+)')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_BLANKS = " \t\r\n"
_BLANK_RUN = re.compile(r"[\t \r\n]+")
_BACKTICKS = re.compile(r"`+")
_LINE = re.compile(r"^(.+)", re.MULTILINE)
_MAX_COLSPAN = 1000

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_TRIMMED = _HEADINGS | {
    "p", "blockquote", "article", "div", "section", "ol", "ul", "li", "dl", "dt", "dd",
    "table", "thead", "tbody", "tfoot", "tr", "td", "th",
}  # fmt: skip
"""Elements that begin and end a line: blanks at their edges mean nothing."""
_LISTS = frozenset({"ul", "ol"})
_CODE = frozenset({"pre", "code", "kbd", "samp"})
_INLINE_CONTENT = _HEADINGS | {"td", "th"}
"""Elements whose content must stay on one line of Markdown."""


@dataclass(eq=False, slots=True)
class Element:
    """An element of the visible HTML.

    Attributes:
        name: Its name in lower case.
        attributes: Its attributes.
        parent: The element that it is in; None for the root.
        position: Its place among the children of its parent.
        item_number: How many `li` are among those before it.
        children: The elements and texts in it.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    parent: Element | None = field(default=None, repr=False)
    position: int = 0
    item_number: int = 0
    children: list[Node] = field(default_factory=list)
    _found: dict[tuple[str, ...], list[Element]] = field(default_factory=dict, repr=False)

    def get_children(self, names: Collection[str]) -> Iterator[Element]:
        """Yield the elements of these names directly below this one."""
        return (node for node in self.children if isinstance(node, Element) and node.name in names)

    def get_descendants(self) -> Iterator[Node]:
        """Yield everything below this element, in document order."""
        stack = self.children[::-1]
        while stack:
            node = stack.pop()
            yield node
            if isinstance(node, Element):
                stack += node.children[::-1]

    def find_all(self, *names: str) -> list[Element]:
        """Return the elements of these names below this one, searched for once."""
        if names not in self._found:
            elements = (node for node in self.get_descendants() if isinstance(node, Element))
            self._found[names] = [element for element in elements if element.name in names]
        return self._found[names]

    def get_previous(self) -> Element | None:
        """Return the element before this one in its parent."""
        siblings = self.parent.children if self.parent else []
        before = (siblings[at] for at in range(self.position - 1, -1, -1))
        return next((node for node in before if isinstance(node, Element)), None)

    def get_next(self) -> Node | None:
        """Return the element or the text after this one in its parent, but for blanks."""
        siblings = self.parent.children if self.parent else []
        after = (siblings[at] for at in range(self.position + 1, len(siblings)))
        return next((node for node in after if isinstance(node, Element) or node.strip()), None)

    def has_text(self) -> bool:
        """Return whether the element has any text but blanks."""
        return any(isinstance(node, str) and node.strip() for node in self.get_descendants())


Node: TypeAlias = Element | str


def parse_visible(visible: str) -> Element:
    """Return the tree of the HTML that `extract_visible_html` wrote."""
    root = current = Element("body")
    items: dict[Element, int] = {}
    for close, name, attributes, text in _TOKEN.findall(visible):
        if text:
            current.children.append(unescape(text))
        elif close:
            current = current.parent or root
        else:
            values = {key: unescape(value) for key, value in _ATTRIBUTE.findall(attributes)}
            element = Element(name, values, current, len(current.children), items.get(current, 0))
            if name == "li":
                items[current] = element.item_number + 1
            current.children.append(element)
            current = current if name in VOID_ELEMENTS else element
    return root


def render_markdown(visible: str) -> str:
    """Return HTML that `extract_visible_html` wrote as Markdown."""
    root = parse_visible(visible)
    unfold_layout_tables(root)
    return render_tree(root)


def render_tree(root: Element) -> str:
    """Return a tree as Markdown."""
    return _render(root, _Context()).strip("\n")


@dataclass(frozen=True, slots=True)
class _Context:
    """Where an element is.

    Attributes:
        is_inline: In a heading or a cell, where nothing may break the line.
        is_code: In code, where nothing is escaped or marked up.
        in_pre: In preformatted text, where blanks count.
        in_item: In an item of a list.
    """

    is_inline: bool = False
    is_code: bool = False
    in_pre: bool = False
    in_item: bool = False


def _render(element: Element, context: _Context) -> str:
    inner = context
    if element.name in _INLINE_CONTENT or element.name in _CODE or element.name == "li":
        inner = replace(
            context,
            is_inline=context.is_inline or element.name in _INLINE_CONTENT,
            is_code=context.is_code or element.name in _CODE,
            in_pre=context.in_pre or element.name == "pre",
            in_item=context.in_item or element.name == "li",
        )
    pieces = list(filter(None, _render_children(element, inner)))
    text = "".join(pieces) if inner.in_pre else _join_blocks(pieces)
    convert = _CONVERTERS.get(element.name)
    return convert(element, text, context) if convert else text


def _render_children(element: Element, context: _Context) -> Iterator[str]:
    children = element.children
    is_trimmed = element.name in _TRIMMED
    last = len(children) - 1
    for position, child in enumerate(children):
        if isinstance(child, Element):
            yield _render(child, context)
            continue
        at_start = is_trimmed if position == 0 else _ends_line(children[position - 1])
        at_end = is_trimmed if position == last else _ends_line(children[position + 1])
        if (at_start or at_end) and not child.strip():
            continue
        text = child if context.is_code else _escape(child)
        text = text.lstrip(_BLANKS) if at_start else text
        yield text.rstrip() if at_end else text


def _ends_line(node: Node) -> bool:
    return isinstance(node, Element) and (node.name in _TRIMMED or node.name == "pre")


def _escape(text: str) -> str:
    return text.replace("*", r"\*").replace("_", r"\_")


def _join_blocks(pieces: Iterable[str]) -> str:
    """Join text whose line ends meet: of those at a boundary the longer run stays, at most two."""
    joined = [""]
    for piece in pieces:
        content = piece.lstrip("\n")
        leading = piece[: len(piece) - len(content)]
        trailing = content[len(content.rstrip("\n")) :]
        if joined[-1] and leading:
            leading = "\n" * min(2, max(len(joined.pop()), len(leading)))
        joined += [leading, content.rstrip("\n"), trailing]
    return "".join(joined)


def _split_edges(text: str) -> tuple[str, str, str]:
    """Return a space if `text` begins with one, the text without blanks, and likewise its end."""
    return " " * text.startswith(" "), text.strip(), " " * text.endswith(" ")


def _indent(text: str, first: str, rest: str) -> str:
    """Put `first` before the first line and `rest` before the others, but for empty ones."""
    return first + _LINE.sub(lambda line: rest + line[1], text)[len(rest) :]


def _mark(symbol: str) -> Callable[[Element, str, _Context], str]:
    """Return a converter that puts a symbol on both sides of an element's text."""

    def convert(_element: Element, text: str, context: _Context) -> str:
        before, content, after = _split_edges(text)
        if context.is_code or not content:
            return text if context.is_code else ""
        return f"{before}{symbol}{content}{symbol}{after}"

    return convert


def _convert_link(element: Element, text: str, context: _Context) -> str:
    before, content, after = _split_edges(text)
    if context.is_code or not content:
        return text if context.is_code else ""
    href = element.attributes.get("href")
    if not href:
        return content
    if content.replace(r"\_", "_") == href:
        return f"<{href}>"
    return f"{before}[{content}]({href}){after}"


def _convert_code(_element: Element, text: str, context: _Context) -> str:
    before, content, after = _split_edges(text)
    if context.is_code or not content:
        return text if context.is_code else ""
    longest = max(map(len, _BACKTICKS.findall(content)), default=0)
    if longest:
        content = f" {content} "
    fence = "`" * (longest + 1)
    return f"{before}{fence}{content}{fence}{after}"


def _convert_block(_element: Element, text: str, context: _Context) -> str:
    content = text.strip()
    if context.is_inline:
        return f" {content} "
    return f"\n\n{content}\n\n" if content else ""


def _convert_paragraph(_element: Element, text: str, context: _Context) -> str:
    content = text.strip(_BLANKS)
    if context.is_inline:
        return f" {content} "
    return f"\n\n{content}\n\n" if content else ""


def _convert_quote(_element: Element, text: str, context: _Context) -> str:
    content = text.strip(_BLANKS)
    if context.is_inline:
        return f" {content} "
    if not content:
        return "\n"
    lines = (f"> {line}" if line else ">" for line in content.split("\n"))
    return "\n" + "\n".join(lines) + "\n\n"


def _convert_heading(element: Element, text: str, context: _Context) -> str:
    if context.is_inline:
        return text
    return f"\n\n{'#' * int(element.name[1])} {_BLANK_RUN.sub(' ', text.strip())}\n\n"


def _convert_break(_element: Element, _text: str, context: _Context) -> str:
    return " " if context.is_inline else "  \n"


def _convert_preformatted(_element: Element, text: str, _context: _Context) -> str:
    if not text:
        return ""
    begins = len(text) - len(text.lstrip(" \n"))
    first = text.rfind("\n", 0, begins) + 1
    content = text[first:].rstrip(" \n")
    return f"\n\n```\n{content}\n```\n\n"


def _convert_list(element: Element, text: str, context: _Context) -> str:
    if context.in_item:
        return "\n" + text.rstrip()
    following = element.get_next()
    is_last = following is None or (isinstance(following, Element) and following.name in _LISTS)
    return f"\n\n{text}" if is_last else f"\n\n{text}\n"


def _convert_item(element: Element, text: str, _context: _Context) -> str:
    content = text.strip()
    if not content:
        return "\n"
    bullet = "- "
    parent = element.parent
    if parent is not None and parent.name == "ol":
        start = int(parent.attributes.get("start", "1"))
        bullet = f"{start + element.item_number}. "
    return _indent(content, bullet, " " * len(bullet)) + "\n"


def _convert_term(_element: Element, text: str, context: _Context) -> str:
    content = _BLANK_RUN.sub(" ", text.strip())
    if context.is_inline:
        return f" {content} "
    return f"\n\n{content}\n" if content else "\n"


def _convert_definition(_element: Element, text: str, context: _Context) -> str:
    content = text.strip()
    if context.is_inline:
        return f" {content} "
    return _indent(content, ":   ", "    ") + "\n" if content else "\n"


def _convert_row(element: Element, text: str, _context: _Context) -> str:
    """Return a row of a table; a first row gets the rule that Markdown wants below a header."""
    row = f"|{text}\n"
    if element.get_previous() is not None:
        return row
    cells = element.find_all("td", "th")
    columns = sum(map(_get_colspan, cells))
    rule = "| " + " | ".join(["---"] * columns) + " |\n"
    group = element.parent
    assert group is not None
    is_only_row = group.name == "thead" and len(group.find_all("tr")) == 1
    if is_only_row or all(cell.name == "th" for cell in cells):
        return row + rule
    table = group.parent
    has_header = table is not None and table.find_all("thead")
    if group.name == "tbody" and has_header and group.get_previous() is not None:
        return row
    return "| " + " | ".join([""] * columns) + " |\n" + rule + row


def _get_colspan(cell: Element) -> int:
    return max(1, min(_MAX_COLSPAN, int(cell.attributes.get("colspan", "1"))))


def _convert_cell(element: Element, text: str, _context: _Context) -> str:
    content = text.strip().replace("\n", " ")
    return f" {content}" + " |" * _get_colspan(element)


Converter: TypeAlias = Callable[[Element, str, _Context], str]
_CONVERTERS: dict[str, Converter] = {
    "a": _convert_link,
    "article": _convert_block,
    "b": _mark("**"),
    "blockquote": _convert_quote,
    "br": _convert_break,
    "caption": lambda _element, text, _context: f"{text.strip()}\n\n",
    "code": _convert_code,
    "dd": _convert_definition,
    "del": _mark("~~"),
    "div": _convert_block,
    "dl": _convert_block,
    "dt": _convert_term,
    "em": _mark("*"),
    "figcaption": lambda _element, text, _context: f"\n\n{text.strip()}\n\n",
    "hr": lambda _element, _text, _context: "\n\n---\n\n",
    "i": _mark("*"),
    "kbd": _convert_code,
    "li": _convert_item,
    "ol": _convert_list,
    "p": _convert_paragraph,
    "pre": _convert_preformatted,
    "q": lambda _element, text, _context: f'"{text}"',
    "s": _mark("~~"),
    "samp": _convert_code,
    "section": _convert_block,
    "strong": _mark("**"),
    "sub": _mark(""),
    "sup": _mark(""),
    "table": lambda _element, text, _context: f"\n\n{text.strip()}\n\n",
    "td": _convert_cell,
    "th": _convert_cell,
    "tr": _convert_row,
    "ul": _convert_list,
    **dict.fromkeys(_HEADINGS, _convert_heading),
}


_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = _HEADINGS | {
    "p", "div", "ul", "ol", "dl", "table", "blockquote", "pre", "hr", "br",
}  # fmt: skip


def unfold_layout_tables(root: Element) -> None:
    """Turn each table that only lays out a page into blocks, in place.

    A table holds data if it has a header cell, or if at least two of its rows have two or more
    cells with text and no cell holds another table. The cells of other tables, which newsletters
    use for columns and spacing, become blocks in their order, so that a heading in one stays a
    heading; a row of cells without blocks stays one line.
    """
    tables = root.find_all("table")
    outer = {id(_get_outer_table(table)) for table in tables}
    for table in tables:
        rows = [(row, list(row.get_children(_CELLS))) for row in _get_rows(table)]
        if not _holds_data([cells for _, cells in rows], has_tables=id(table) in outer):
            for part in (table, *table.get_children(_GROUPS)):
                part.name = "div"
            for row, cells in rows:
                _unfold_row(row, cells)


def _get_outer_table(table: Element) -> Element | None:
    outer = table.parent
    while outer is not None and outer.name != "table":
        outer = outer.parent
    return outer


def _get_rows(table: Element) -> Iterator[Element]:
    """Yield the rows of a table itself, not of the tables in it."""
    for part in table.get_children(_GROUPS | {"tr"}):
        yield from [part] if part.name == "tr" else part.get_children({"tr"})


def _holds_data(rows: list[list[Element]], *, has_tables: bool) -> bool:
    if any(cell.name == "th" for cells in rows for cell in cells):
        return True
    return not has_tables and sum(map(_has_two_texts, rows)) > 1


def _has_two_texts(cells: list[Element]) -> bool:
    return len(cells) > 1 and sum(cell.has_text() for cell in cells) > 1


def _unfold_row(row: Element, cells: list[Element]) -> None:
    is_line = len(cells) > 1 and not any(_has_blocks(cell) for cell in cells)
    row.name = "div"
    for cell in cells:
        cell.name = "span" if is_line else "div"
        if is_line:
            cell.children.append(" ")


def _has_blocks(cell: Element) -> bool:
    elements = (node for node in cell.get_descendants() if isinstance(node, Element))
    return any(element.name in _BLOCKS for element in elements)
