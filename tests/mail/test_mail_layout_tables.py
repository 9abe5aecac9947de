"""Layout tables: what they lay out is read as blocks, and what holds data stays a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimail_server.mail.html import html_to_markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        (
            "<table><tr><td><h2>Story</h2><p>It <b>moved</b>.</p></td></tr></table>",
            "## Story\n\nIt **moved**.",
        ),
        (
            "<table><tr><td><table><tr><td><p>One</table></td><td><table><tr><td><p>Two</table></table>",
            "One\n\nTwo",
        ),
        ("<p>Hi</p><table><tr><td>One</td></tr><tr><td>Two</td></tr></table>", "Hi\n\nOne\n\nTwo"),
        ("<table><tr><td>Widget</td><td>$5</td></tr></table>", "Widget $5"),
        ("<table><tr><td><p>left</p></td><td><p>right</p></td></tr></table>", "left\n\nright"),
        (
            "<table><tbody><tr><td></td><td>x</td></tr><tr><td>y</td><td></td></tr></table>",
            "x\n\ny",
        ),
    ],
)
def test_what_a_table_only_lays_out_becomes_blocks(html: str, markdown: str) -> None:
    assert html_to_markdown(html).text == markdown


@pytest.mark.parametrize(
    ("html", "row"),
    [
        ("<table><tr><th>Item<th>Price<tr><td>Widget<td>$5</table>", "| Widget | $5 |"),
        ("<table><tr><th>Total<td>$5</table>", "| Total | $5 |"),
        ("<table><tr><td>Widget<td>$5<tr><td>Bolt<td>$1</table>", "| Bolt | $1 |"),
        (
            "<table><tr><td><table><tr><td>Widget<td>$5<tr><td>Bolt<td>$1</table></table>",
            "| Bolt | $1 |",
        ),
    ],
)
def test_what_holds_data_stays_a_table(html: str, row: str) -> None:
    assert row in html_to_markdown(html).text.splitlines()


CELLS = st.lists(st.lists(st.text("abc", max_size=4), min_size=1, max_size=4), max_size=5)


@given(CELLS, st.booleans())
def test_no_word_is_lost_and_their_order_stays(rows: list[list[str]], nested: bool) -> None:
    html = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    html = f"<table>{html}</table>"
    if nested:
        html = f"<table><tr><td>{html}</td></tr></table>"
    words = [cell for row in rows for cell in row if cell]
    text = html_to_markdown(html).text
    assert text.replace("|", " ").replace("-", " ").split() == words
