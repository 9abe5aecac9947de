"""HTML beyond the limits: what stands before is shown only where nothing behind can hide it."""

from __future__ import annotations

import pytest
from tests.support.scaling import is_linear

from multimail_server.mail.html import MAX_HTML_CHARS, html_to_markdown
from multimail_server.mail.html.css_rules import MAX_RULES
from multimail_server.mail.html.source import DEPTH_CHECK_INTERVAL, MAX_OPEN_ELEMENTS, MAX_TAGS
from multimail_server.mail.html.visibility import extract_visible_html

REST = "the rest, which is too large to check for hidden text"
TAGS = "<i></i>" * (MAX_TAGS // 2)
LONG = "x" * MAX_HTML_CHARS
DEEP = '<div title="">' * (DEPTH_CHECK_INTERVAL + 1)
RULE = "<style>.x{display:none}</style>"
LATE = {
    "style after too many tags": f"<p class=x>SECRET</p>{TAGS}{RULE}",
    "style in upper case": f"<p class=x>SECRET</p>{TAGS}{RULE.replace('style', 'STYLE')}",
    "body after too many tags": f"<p>SECRET</p>{TAGS}<body style='display:none'>",
    "html after too many tags": f"<p>SECRET</p>{TAGS}<html hidden>",
    "style after too much text": f"<p class=x>SECRET</p>{LONG}{RULE}",
    "style that is too long": f"<p class=x>SECRET</p>{RULE.replace('.x', LONG + '{}.x')}",
    "tag that is too long": f"<p>SECRET</p><body title='{LONG}' hidden>",
    "style that is too deep": f"<p class=x>SECRET</p>{DEEP}{RULE}",
    "body that is too deep": f"<p>SECRET</p>{DEEP}<body style='font-size:0'>",
}


@pytest.mark.parametrize("html", LATE.values(), ids=LATE)
def test_text_beyond_the_limits_hides_text_before(html: str) -> None:
    found = html_to_markdown(html)
    assert "SECRET" not in found.text
    assert REST in found.removed


@pytest.mark.parametrize("before", range(-len(RULE), 3))
def test_a_style_across_the_end_of_what_is_read_hides_too(before: int) -> None:
    start = "<p class=x>SECRET</p>"
    html = f"{start}{'x' * (MAX_HTML_CHARS - len(start) + before)}{RULE}"
    assert "SECRET" not in extract_visible_html(html, MAX_HTML_CHARS).html


def test_text_before_the_tag_limit_is_shown() -> None:
    found = html_to_markdown(f"<style>.x{{color:red}}</style><p class=x>seen</p>{TAGS}<i>END")
    assert (found.text, found.removed) == ("seen", (REST,))


@pytest.mark.parametrize("rest", [LONG, DEEP])
def test_nothing_is_shown_where_the_end_is_not_known(rest: str) -> None:
    found = html_to_markdown(f"text<p>more</p>{rest}<i>END")
    assert (found.text, found.removed) == ("", (REST,))


def test_a_tag_that_is_never_complete_is_no_limit() -> None:
    assert html_to_markdown("<p>seen</p><b style='x").removed == ()
    assert html_to_markdown("<p>seen</p><style>.x{").text == "seen"


def test_depth_is_no_limit_where_nothing_can_hide() -> None:
    found = html_to_markdown("<p>first" + "<div>" * (DEPTH_CHECK_INTERVAL + 1) + "a<p>b</div>last")
    assert found.text.split() == ["first", "ablast"]
    assert found.removed == ()
    many = "<div><p title=''>x</p></div>" * (DEPTH_CHECK_INTERVAL // 2)
    assert html_to_markdown(f"{many}END").text.endswith("END")
    assert MAX_OPEN_ELEMENTS < DEPTH_CHECK_INTERVAL


def test_rules_beyond_the_limit_leave_nothing() -> None:
    html = f"<p>seen</p><style>{'a{color:red}' * (MAX_RULES + 1)}</style>"
    assert (html_to_markdown(html).text, html_to_markdown(html).removed) == ("", (REST,))


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "-2", "1.5", "", "x"])
def test_numbers_that_are_none_are_left_out(number: str) -> None:
    html = f'<ol start="{number}"><li>a</ol><table><tr><td colspan="{number}">b</table>'
    assert html_to_markdown(html).text.splitlines()[0] == "1. a"


def test_columns_are_written_up_to_a_limit() -> None:
    wide = html_to_markdown("<table><tr>" + "<th colspan=1000>x" * 2000)
    assert len(wide.text) < 300_000
    assert (
        html_to_markdown("<table><tr><td>a<th colspan=2>x").text.splitlines()[-1] == "| a | x | |"
    )


GROWING = {
    "numbered items": ("<ol>", "<li>x</li>"),
    "open items": ("<ol>", "<li>x"),
    "rows of a head": ("<table><thead>", "<tr><td>x"),
    "wide cells": ("<table><tr>", "<td colspan=1000>x"),
    "lists in lists": ("", "<ul><li><div>x"),
    "open tags": ("", "<dd><li title=x>"),
    "plain open tags": ("", "<dd><li>"),
}


@pytest.mark.parametrize(("before", "piece"), GROWING.values(), ids=GROWING)
def test_the_time_to_make_markdown_grows_as_the_mail_does(before: str, piece: str) -> None:
    assert is_linear(lambda html: html_to_markdown(before + html), piece, 40_000)
