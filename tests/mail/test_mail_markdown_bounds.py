"""The bound on parsing Markdown: hostile text is shown as it was written, ordinary text never."""

from __future__ import annotations

from html import unescape

import pytest
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline

from multimail_server.mail.markdown_rules import MAX_ATTEMPTS, BoundedInline
from multimail_server.mail.rendering import render_text
from multimail_server.pages.untrusted_html import render_markdown

HOSTILE = ["![", "[a][", "[![", "[a](b)[", "<![CDATA[", "[a\\]", "*a_[", "![a]("]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_text_of_too_many_steps_is_shown_as_it_was_written(piece: str) -> None:
    text = f"**a** {piece * (18_000 // len(piece))}"
    assert render_text(text).plain.strip() == text
    assert text in unescape(str(render_markdown(text)))


@pytest.mark.parametrize("size", [2_000, 18_000])
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_steps_grow_as_the_text_does(
    piece: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    skips = 0
    skip = ParserInline.skipToken

    def count(parser: ParserInline, state: StateInline) -> None:
        nonlocal skips
        skips += 1
        skip(parser, state)

    monkeypatch.setattr(ParserInline, "skipToken", count)
    render_text(piece * (size // len(piece)))
    assert skips <= 20 * (MAX_ATTEMPTS + size)


@pytest.mark.parametrize(
    "piece",
    [
        "[a link](https://a.test/b), **bold** and *more* `code`. ",
        "- [x] one of [many](https://a.test) things\n",
        "![a picture](https://a.test/p.png) and [1] and [2].\n\n",
        "| a | [b](https://c.test) |\n",
        "*a* **b** ~~c~~ `d` ",
    ],
)
def test_ordinary_text_is_never_beyond_the_bound(piece: str) -> None:
    marked = sum(render_text(piece * count).html.count("<") > count for count in (3, 30, 300))
    assert marked == 3


def test_the_parser_counts_by_its_own_rule() -> None:
    assert BoundedInline().ruler.get_active_rules()[0] == "bound"
