"""Layout tables: what newsletters use for columns and spacing is no table to a reader."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bs4.element import Tag

_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {
        "p", "div", "ul", "ol", "dl", "table", "blockquote", "pre", "hr", "br",
        "h1", "h2", "h3", "h4", "h5", "h6",
    }
)  # fmt: skip


def without_layout_tables(tree: Tag) -> None:
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
