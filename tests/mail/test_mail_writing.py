"""What recipients get of a text: lines stay lines, characters stay characters, HTML is safe."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimail_server.mail.rendering import (
    MAX_BRACKETS,
    MAX_LINES,
    MAX_LINKS,
    append_signature,
    is_html,
    render_text,
)


def shown_lines(html: str) -> list[str]:
    """Return the lines that a mail program shows of simple HTML."""
    broken = re.sub(r"<(?:br|/p|/h\d|/li|/div|/pre|/tr|hr|/?[uo]l|/?blockquote)>\n?", "\n", html)
    lines = unescape(re.sub(r"<[^<>]*>", "", broken)).split("\n")
    return [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    "text",
    [
        "Dear Mia,\nthe lamp is ready.\n\nBest wishes\nNoor\nLight & Shade Ltd",
        "first\n\n\n\nsecond",
        "Total\n=====\n12 EUR",
        "see below\n-- \nNoor\nLight Ltd",
        "7*6*5 = 210",
        "2 * 3 * 4 and 2**3**4 and x*y*z",
        "(a+b)*(c+d)*(e+f)",
        "5*(3+2)*4, 3€*2€*1€",
        "*.csv and *.txt",
        "snake_case_name, __x__y and __init__.py ^_^ or ^_^",
        "#7 has shipped",
        "# 7 has shipped",
        "# of boxes: 7",
        "#",
        "## ",
        "+ one more\n+ another",
        "+49 30 1234",
        "1986. That was a year.",
        "On\n24. Dezember\nwe are closed",
        "* All prices include tax.",
        "Thanks\n- Noor",
        ">50% off",
        ">= 3 pieces",
        "a < b > c & d",
        "List<String> and <b>",
        "Mia <mia@example.org>",
        "<mia@example.org>",
        "use <br> for a break",
        "~5 kg, ~/notes",
        "a | b | c",
        r"C:\new\_old\*.txt",
        r"\\server\share",
        "C:\\temp\\\nnext",
        r"tab is \t and \n",
        "note [1] and [2](3)\n[1]: https://a.example/x_y_z_\n[2]: Done",
        "array[i](x) [call](tel:1) [x](javascript:alert)",
        "12:30 :-) (c) ... --",
        "Card ****-****-****-1234 or ***-***-1234",
        "____________________ name",
        "mail mia@example.org or https://a.example/?a=1&b=2*3*4.",
        "Q: 3?\nA: 4!",
        "Ünïcode “quotes” …",
        "5 $ * 3 $",
        "1) first\n2) second",
        "~~~~~\ntext\n~~~~~",
        "prices (*) and (*), \"*\" or '**'",
        "a b <br> c",
        "*",
        "-",
        "[]",
        "![]",
        "\\",
        "`",
    ],
)
def test_characters_stay_characters(text: str) -> None:
    rendered = render_text(text)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    assert shown_lines(rendered.html) == lines
    assert [line.strip() for line in rendered.plain.split("\n") if line.strip()] == lines
    assert not re.search("<(h[1-6]|em|strong|li|hr|blockquote|img)", rendered.html)


@pytest.mark.parametrize(
    ("markdown", "html", "plain"),
    [
        ("**b** and *i* and _i_ and __B b__", "<strong>b</strong>", "b and i and i and B b"),
        ("**重要。**请看**这里**的", "<strong>重要。</strong>请看<strong>这里", "重要。请看这里的"),
        ("**중요**합니다", "<strong>중요</strong>", "중요합니다"),
        ("**Total:** 5*3", "<strong>Total:</strong> 5*3", "Total: 5*3"),
        ("# Plan\ntext", "<h1>Plan</h1>", "Plan\n\ntext"),
        ("## 2. Steps", "<h2>2. Steps</h2>", "2. Steps"),
        ("- a\n- b\n  - c", "<li>b\n<ul>", "- a\n- b\n  - c"),
        ("* a\n* b", "<ul>", "- a\n- b"),
        ("- a\n  more", "<li>a<br>", "- a\n  more"),
        ("a:\n- b\n- c\n-- \nN", "</ul>\n<p>--<br>", "a:\n\n- b\n- c\n\n-- \nN"),
        ("1. a\n2. b", "<ol>", "1. a\n2. b"),
        ("3. a\n4. b\n7. c", '<ol start="3">', "3. a\n4. b\n7. c"),
        ("1. a\n1. b", "<ol>", "1. a\n2. b"),
        ("1. A:\n- x\n- y\n2. B:\n- z", "<p>1. A:</p>", "1. A:\n\n- x\n- y\n\n2. B:\n- z"),
        ("- a\n\n- b", "<p>b</p>", "- a\n\n- b"),
        ("> q\n> r\n\nyes", "<blockquote>", "> q\n> r\n\nyes"),
        ("> q\nanswer", "</blockquote>\n<p>answer</p>", "> q\n\nanswer"),
        ("> a\n>\n> > b", "<blockquote>", "> a\n>\n> > b"),
        ("a\n\n---\n\nb", "<hr>", "a\n\n---\n\nb"),
        ("a\n---\nb", "<p>a</p>\n<hr>", "a\n\n---\n\nb"),
        ("[site](https://a.example/x)", '<a href="https://a.example/x">site</a>',
         "site <https://a.example/x>"),
        ("[www.a.example](www.a.example)", '"https://www.a.example"',
         "www.a.example <https://www.a.example>"),
        ("[us](us@a.example)", '"mailto:us@a.example"', "us <mailto:us@a.example>"),
        ("https://a.example/b.", '<a href="https://a.example/b">', "https://a.example/b."),
        ("<https://a.example>", '<a href="https://a.example">', "https://a.example"),
        ("us@fir.com", '<a href="mailto:us@fir.com">', "us@fir.com"),
        ("`a * b`", "<code>a * b</code>", "a * b"),
        ("```py\nx  = 1\n  y\n```", "<pre>", "x  = 1\n  y"),
        ("|A|B|\n|-|-|\n|1|2|\nend", "<table>", "A | B\n1 | 2\nend |"),
        ("~~9~~ 8 EUR", "<s>9</s>", "~~9~~ 8 EUR"),
        (r"\*a\* 5\*3 my\_file", "*a* 5*3 my_file", "*a* 5*3 my_file"),
        ("a<br>b<br/>c", "a<br>\nb<br>\nc", "a\nb\nc"),
        ("a &amp; b", "a &amp; b", "a & b"),
        ("![a *cat*](http://t.test/p.png)", "a cat", "a cat"),
        ("![](http://t.test/p.png)", "<p>http://t.test/p.png</p>", "http://t.test/p.png"),
        ("<script>x</script> **b**", "&lt;script&gt;", "<script>x</script> b"),
        ('<b onclick="x">', "&lt;b onclick", '<b onclick="x">'),
    ],
)  # fmt: skip
def test_markdown_works_and_reads_as_plain_text(markdown: str, html: str, plain: str) -> None:
    rendered = render_text(markdown)
    assert html in rendered.html
    assert rendered.plain == plain


@pytest.mark.parametrize(
    ("text", "html", "plain"),
    [
        ("<p>Hello</p><br>", "<p>Hello</p>", "Hello"),
        ("<p>5*3*2</p>\n<p># 1 &amp; &lt;b&gt;</p>", "5*3*2", "5*3*2\n\n# 1 & <b>"),
        ("<b>Hi</b> Mia,<br>ready<br>", "<b>Hi</b> Mia,<br>ready", "Hi Mia,\nready"),
        ("<!DOCTYPE html><html><body>Hi<p>you</body></html>", "<p>you</p>", "Hi\n\nyou"),
        ("<ul><li>a<li>b</ul>", "<li>a</li><li>b</li>", "- a\n- b"),
        ("<ol start=3><li>a</li></ol>", '<ol start="3">', "3. a"),
        ('<p><a href="https://a.example/x">a</a></p>', 'href="https://a.example/x"',
         "a <https://a.example/x>"),
        ("<p>a</p>\n<div>b</div>\nbye", "<div>b</div>", "a\n\nb\nbye"),
        ("<table><tr><th>A</th></tr><tr><td>1</td></tr></table>", "<th>A</th>", "A\n1"),
        ("Hi Mia,<br>lamp <b>7</b>\nis ready.<br><br>Noor", "lamp <b>7</b><br>",
         "Hi Mia,\nlamp 7\nis ready.\n\nNoor"),
        ("<p>a</p><hr><blockquote>b</blockquote>", "<blockquote>b</blockquote>",
         "a\n\n---\n\n> b"),
    ],
)  # fmt: skip
def test_html_is_recognised_and_converted(text: str, html: str, plain: str) -> None:
    rendered = render_text(text)
    assert html in rendered.html
    assert rendered.plain == plain


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6 and <b@x.example>",
        "<mia@example.org> wrote to <noor@example.org>",
        "Use <p> and </p>",
        "<p> opens a paragraph and </p> closes it.",
        "Paste this:\n<div>a</div>",
        "<3 and >3",
        "```\n<p>a</p>\n```",
        "a <b>c</b>",
        "<unknown>a</unknown>",
        "x<br>y<br>List<String> and <b>z</b>",
        "x<br>**y** and <b>z</b>",
        "Use <br> and <b>b</b> like <br> this",
        "<p",
    ],
)
def test_a_text_that_speaks_of_tags_is_no_html(text: str) -> None:
    assert not is_html(text)
    assert "&lt;" in render_text(text).html


@pytest.mark.parametrize(
    "inner",
    [
        "<img src=https://t.test/p.gif alt=x>",
        "<div style='background:url(https://t.test/p)'>a</div>",
        "<style>@import 'https://t.test/a.css'; b{color:red}</style>",
        "<link rel=stylesheet href=https://t.test/a.css>",
        "<script src=https://t.test/a.js>alert(1)</script>",
        "<iframe src=https://t.test></iframe>",
        "<form action=https://t.test><input name=a></form>",
        "<svg onload=alert(1)><image href=https://t.test/a></svg>",
        "<table background=https://t.test/a><tr><td>a</td></tr></table>",
        "<video poster=https://t.test/a src=https://t.test/b></video>",
        "<object data=https://t.test/a></object><embed src=https://t.test/a>",
        "<b onclick=alert(1)>a</b>",
        "<a href='javascript:alert(1)'>a</a>",
        "<a href='&#106;avascript:alert(1)'>a</a>",
        "<a href='data:text/html,a'>a</a>",
        "<base href=https://t.test>",
        "<meta http-equiv=refresh content='0;url=https://t.test'>",
        "<p style='display:none'>secret t.test</p>",
        "<p hidden>secret t.test</p>",
        "<!-- t.test -->",
    ],
)
def test_nothing_of_html_loads_runs_or_hides(inner: str) -> None:
    html = render_text(f"<p>a</p>{inner}<p>b</p>").html
    assert "t.test" not in html
    assert "alert" not in html
    assert set(re.findall(r"</?([a-z0-9]+)", html)) <= {
        "p", "div", "b", "a", "table", "tbody", "tr", "td",
    }  # fmt: skip
    assert not re.search(r"<[^>]*\s(?:style|on\w+|src|href)", html)


@pytest.mark.parametrize(
    ("text", "signature", "plain"),
    [
        ("Hi", "Fir & Co\n1 Hill Road\n# 4", "Hi\n\n-- \nFir & Co\n1 Hill Road\n# 4"),
        ("Hi", "<p>Fir<br>Hill Road</p>", "Hi\n\n-- \nFir\nHill Road"),
        ("<p>Hi</p>", "Fir & Co\nHill Road", "Hi\n\n--\n\nFir & Co\nHill Road"),
        ("- a\n- b", "Fir", "- a\n- b\n\n-- \nFir"),
        ("Hi<br><b>you</b>", "Fir\n# 4", "Hi\nyou\n\n--\n\nFir\n# 4"),
    ],
)
def test_a_signature_keeps_its_lines(text: str, signature: str, plain: str) -> None:
    whole = append_signature(text, signature, None)
    assert is_html(whole) is is_html(text)
    assert render_text(whole).plain == plain.replace("\n--\n", "\n-- \n")


LONG = ["[" * (MAX_BRACKETS + 1), "http://! " * (MAX_LINKS + 1), "a@b. " * (MAX_LINKS + 1)]


@pytest.mark.parametrize("text", [*LONG, "- a\n" * MAX_LINES])
def test_what_would_take_long_is_shown_as_it_is(text: str) -> None:
    rendered = render_text(f"**a**\n{text}")
    assert rendered.plain == f"**a**\n{text}"
    lines = text.replace("\n", "<br>\n")
    assert rendered.html == f"<p>**a**<br>\n{lines}</p>\n"


@settings(max_examples=150, deadline=None)
@given(st.text("ab *_#+-=>.\n\\()<", max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    plain = render_text(text).plain
    assert re.findall("[ab]", plain) == re.findall("[ab]", text)
