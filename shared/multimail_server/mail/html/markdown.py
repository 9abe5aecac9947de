"""Visible HTML to markdown: markdownify over a tree of Beautiful Soup, in linear time.

What `hidden_text` writes is complete and regular, so it needs no parser of HTML any more. And
markdownify asks the tree some questions once for each element that take time with its size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html import unescape
from typing import Any

from bs4 import BeautifulSoup
from bs4.builder import HTMLTreeBuilder
from bs4.element import Tag
from markdownify import MarkdownConverter

_TOKEN = re.compile(r'<(/?)([^ >]+)((?: [a-z]+="[^"]*")*)>|([^<]+)')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')


def render_markdown(visible: str) -> str:
    """Return what `visible_html` wrote as markdown."""
    # `body` keeps Beautiful Soup from guessing that a short text is a file's name.
    soup = BeautifulSoup(
        f"<body>{visible}</body>", builder=_Builder(), element_classes={Tag: _Element}
    )
    unfold_layout_tables(soup)
    try:
        text: str = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup)
    except RecursionError:
        text = soup.get_text("\n", strip=True)
    return text


class _Builder(HTMLTreeBuilder):
    """Builds the tree of markup in which all is escaped, and closed."""

    def feed(self, markup: Any) -> None:
        """Tell Beautiful Soup what stands in the markup."""
        soup: Any = self.soup
        for close, name, attributes, text in _TOKEN.findall(markup):
            if text:
                soup.handle_data(unescape(text))
            elif not close:
                given = _ATTRIBUTE.findall(attributes) if attributes else ()
                soup.handle_starttag(name, None, None, {key: unescape(said) for key, said in given})
                if self.can_be_empty_element(name):
                    soup.handle_endtag(name)
            elif not self.can_be_empty_element(name):
                soup.handle_endtag(name)


class _Element(Tag):
    """An element that answers markdownify at once: the tree does not change while it asks."""

    _found: dict[tuple[str, ...], Any] | None = None
    _place: int | None = None

    def find_parent(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return the innermost element of a name that this one stands in."""
        if not isinstance(name, str) or others or named:
            return super().find_parent(name, *others, **named)
        above = self.parent
        while above is not None and above.name != name:
            above = above.parent
        return above

    def find_all(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return the elements of some names that stand in this one, looking for them once."""
        if not isinstance(name, str | list) or others or named:
            return super().find_all(name, *others, **named)
        names = (name,) if isinstance(name, str) else tuple(name)
        if self._found is None:
            self._found = {}
        if names not in self._found:
            tags = (one for one in self.descendants if isinstance(one, Tag))
            self._found[names] = [tag for tag in tags if tag.name in names]
        return self._found[names]

    def find_previous_siblings(self, name: Any = None, *others: Any, **named: Any) -> Any:
        """Return as many numbers as siblings of a name stand before this one.

        Markdownify only counts them, and for each item of a list from its start.
        """
        if name != self.name or others or named:
            return super().find_previous_siblings(name, *others, **named)
        self._place = 0
        for before in self.previous_siblings:
            if isinstance(before, _Element) and before.name == name:
                self._place += 1
                if before._place is not None:
                    self._place += before._place
                    break
        return range(self._place)


_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {
        "p", "div", "ul", "ol", "dl", "table", "blockquote", "pre", "hr", "br",
        "h1", "h2", "h3", "h4", "h5", "h6",
    }
)  # fmt: skip


def unfold_layout_tables(tree: Tag) -> None:
    """Turn each table that holds no data into the blocks that it lays out, in place.

    A table holds data if it has a header cell, or if two of its rows have two cells or more with
    text in them and no cell holds another table. Cells of the others become blocks, in their
    order, so that a heading in one stays a heading; a row of nothing but words stays one line.
    """
    tables = tree.find_all("table")
    around = {id(table.find_parent("table")) for table in tables}
    for table in tables:
        rows = [(row, list(_children(row, _CELLS))) for row in _rows(table)]
        if not _holds_data([cells for _, cells in rows], has_tables=id(table) in around):
            for part in (table, *_children(table, _GROUPS)):
                part.name = "div"
            for row, cells in rows:
                _unfold(row, cells)


def _children(above: Tag, names: Collection[str]) -> Iterator[Tag]:
    return (one for one in above.contents if isinstance(one, Tag) and one.name in names)


def _rows(table: Tag) -> Iterator[Tag]:
    """Yield the rows of a table itself, not of the tables in it."""
    for part in _children(table, _GROUPS | {"tr"}):
        yield from [part] if part.name == "tr" else _children(part, {"tr"})


def _holds_data(rows: list[list[Tag]], *, has_tables: bool) -> bool:
    if any(cell.name == "th" for cells in rows for cell in cells):
        return True
    return not has_tables and sum(map(_says_two_things, rows)) > 1


def _says_two_things(cells: list[Tag]) -> bool:
    return len(cells) > 1 and sum(bool(cell.get_text(strip=True)) for cell in cells) > 1


def _unfold(row: Tag, cells: list[Tag]) -> None:
    is_line = len(cells) > 1 and not any(_has_blocks(cell) for cell in cells)
    row.name = "div"
    for cell in cells:
        cell.name = "span" if is_line else "div"
        if is_line:
            cell.append(" ")


def _has_blocks(cell: Tag) -> bool:
    return any(isinstance(one, Tag) and one.name in _BLOCKS for one in cell.descendants)
