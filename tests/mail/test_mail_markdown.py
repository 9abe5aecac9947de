"""Markdown: rendered as markdownify renders it, with Beautiful Soup."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given
from hypothesis import strategies as st
from markdownify import MarkdownConverter

from multimail_server.mail.html import html_to_markdown
from multimail_server.mail.html.markdown import parse_visible, render_tree
from multimail_server.mail.html.visibility import extract_visible_html

PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<i>", "</i>", "<h1>", "</h1>", "<h2>",
        "<ul>", "</ul>", "<ol>", "<ol start=7>", "</ol>", "<li>", "</li>", "<table>", "</table>",
        "<thead>", "<tbody>", "<tr>", "</tr>", "<th>", "<td>", "<td colspan=3>", "</td>",
        "<caption>", "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<code>", "</code>",
        "<dl>", "<dt>", "<dd>", "<br>", "<hr>", "<wbr>", "<a href='https://e.test/?a=1&amp;b=c&quot;'>",
        "</a>", "<q>", "<del>", "<sub>", "<x-y>", "<rt>",
        "<figcaption>", "<textarea>", "<title>", "a", " ", "\n", "  two  ", "*", "_", "1. ", "# ",
        "> ", "`", "|", "&amp;", "&lt;b&gt;", "&nbsp;", "&amp;nbsp;", "é", "\u2003", "\r",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
@example("<ol><li>a<li><li>b<ul><li>c</ul><li>d")
@example("<ol start=9><li>a<ol><li>b<li>c</ol>x<li>d</li>y</ol>")
@example("<table><thead><tr><td>a<tr><td>b<tbody><tr><td>c<tr><th>d")
@example("<pre>a\n  b<div>c</div></pre>d")
def test_a_tree_is_rendered_as_markdownify_renders_it(html: str) -> None:
    visible = extract_visible_html(html, 10_000).html
    soup = BeautifulSoup(f"<body>{visible}", "html.parser")
    expected = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup)
    assert render_tree(parse_visible(visible)) == expected


@pytest.mark.parametrize("start", [1, 7])
def test_items_are_numbered_from_their_start(start: int) -> None:
    items = "".join(f"<li>item {number}" for number in range(12))
    lines = html_to_markdown(f"<ol start={start}>{items}</ol>").text.splitlines()
    assert lines == [f"{start + number}. item {number}" for number in range(12)]
