"""Links: made unclickable and still readable, or taken out; nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail.trust.links import REMOVED, LinkRewrite, defang_links, remove_links

CASES = [
    ("see https://evil.example/a.b?c=d#e.", "see hxxps://evil[.]example/a.b?c=d#e.", 1),
    ("HTTP://Evil.Example", "hxxp://Evil[.]Example", 1),
    ("ftp://files.example/x", "fxp://files[.]example/x", 1),
    ("https://bank.example@evil.example/", "hxxps://bank[.]example@evil[.]example/", 1),
    ("http://192.0.2.1:8080/", "hxxp://192[.]0[.]2[.]1:8080/", 1),
    ("https://evil\u3002example/", "hxxps://evil[.]example/", 1),
    ("http:evil.example", "hxxp:evil[.]example", 1),
    ("https:\\\\evil.example", "hxxps:\\\\evil[.]example", 1),
    ("gopher://old.example/", "gopher[:]//old[.]example/", 1),
    ("//evil.example/x", "//evil[.]example/x", 1),
    ("www.evil.example/x", "www[.]evil[.]example/x", 1),
    ("evil.com and evil.co.uk/login", "evil[.]com and evil[.]co[.]uk/login", 2),
    ("[click](https://evil.example)", "[click] (hxxps://evil[.]example)", 1),
    ('[click](<https://evil.example> "t")', '[click] (<hxxps://evil[.]example> "t")', 1),
    ("![pixel](http://t.example/p.gif)", "![pixel] (hxxp://t[.]example/p.gif)", 1),
    ("[![i](http://a.test)](http://b.test)", "[![i] (hxxp://a[.]test)] (hxxp://b[.]test)", 2),
    ("[x][1]\n\n[1]: https://evil.example", "[x][1]\n\n[1] : hxxps://evil[.]example", 1),
    ("<https://evil.example>", "<hxxps://evil[.]example>", 1),
    ("javascript:alert(1)", "javascript[:]alert(1)", 1),
    ("data:text/html;base64,PGI+", "data[:]text/html;base64,PGI+", 1),
    ("mailto:ann@example.com", "mailto[:]ann@example.com", 1),
    ("https://a.example/?u=https://b.example/", "hxxps://a[.]example/?u=hxxps://b[.]example/", 2),
    ('<a href="https://evil.example">x</a>', '<a href="hxxps://evil[.]example">x</a>', 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "count"), CASES)
def test_a_link_is_defanged(text: str, expected: str, count: int) -> None:
    assert defang_links(text) == LinkRewrite(expected, count)


@pytest.mark.parametrize(
    "text",
    [
        "Plain words. And more, e.g. these; and/or those: 3.5 of 4/5 at 10:30.",
        "Write to ann@example.com or ann.lee@mail.example.com.",
        "The file report.pdf, main.py and notes.md",
        "Data: see below. Note: http is a protocol; javascript: the good parts",
        "a[0] (first) and [brackets] (apart)",
        "C++ std::vector, foo::bar",
        "Grüße — 日本。",
    ],
)
def test_what_is_no_link_stays(text: str) -> None:
    assert defang_links(text) == remove_links(text) == LinkRewrite(text, 0)


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("see https://evil.example/a.b?c=d#e.", f"see {REMOVED}.", 1),
        ("[click here](https://evil.example/x 'y') now", f"click here {REMOVED} now", 1),
        ("![a logo](http://t.example/p.gif)", f"a logo {REMOVED}", 1),
        ("[rel](/path) and [file](evil.zip)", f"rel {REMOVED} and file {REMOVED}", 2),
        ("[1]: https://evil.example", f"[1] : {REMOVED}", 1),
        ("<https://evil.example>", f"<{REMOVED}>", 1),
        ("(www.evil.example)", f"({REMOVED})", 1),
        ("http://[2001:db8::1]/x y", f"{REMOVED} y", 1),
        ("javascript:alert(1); x", f"{REMOVED}; x", 1),
        ("mailto:ann@example.com", f"{REMOVED} ann@example.com", 1),
        ("www[.evil.example](x)", f"{REMOVED} {REMOVED}", 2),
    ],
)  # fmt: skip
def test_a_link_is_removed_and_its_text_stays(text: str, expected: str, count: int) -> None:
    assert remove_links(text) == LinkRewrite(expected, count)


def widen(text: str) -> str:
    """Return ASCII as full-width characters."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


LINKS = [
    "evil.рф/p", "xn--80a.xn--p1ai", "президент.рф", "例子.中国", "evil.agency", "bit.ly",
    "t.me/x", "evil.onion", "1.2.3.4/p", "1.2.3.4:8080", "0x7f.0.0.1/p", "0x7f000001/p",
    "[2001:db8::1]/p", "[::1]:80", "1.2.3.4/24", "localhost:8080/x",
    "magnet:?xt=urn:btih:c1", "bitcoin:1abc", "ms-settings:x", "evil.com:80", "README.md/x",
    "setup.py:80", "report.zip?x=1", "order.Is/p", "..evil.com", "*evil.com", "_evil.com_",
    "hxxps://evil[.]com/x", "evil[.]com", "evil(dot)com/p", "x.javascript:alert(1)",
    "evil。com", f"{widen('http')}://a.b", f"http{widen('://')}evil.com", widen("evil.com"),
    widen("www.e.f"), "\U0001d41e\U0001d42f.com", "evil\u2024com", r"\\evil.com\share",
    "a.b.c.d.e.f.g.h.i.j.com",
]  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_a_link_has_many_spellings(link: str) -> None:
    left = remove_links(f"see {link} now").text
    assert REMOVED in left
    assert re.sub(r"[*._x ]", "", left.replace(REMOVED, "")) == "seenow"


NO_LINKS = [
    "report.pdf", "README.md", "setup.py", "main.rs", "install.sh.", "backup.zip",
    "a.tar.gz", "file.md.", "ann.me@b.c", "v1.2.3.4", "10.0.0.0/8", "1.2.3", "1.2.3.4",
    "01.02.2027", "1.234,56", "either/or", "9.am", "src/main.rs",
    "Thank you.It arrived.Is it all?", "ASP.NET and System.IO", "U.S.A.", r"C:\ann\a.txt",
    "анна@почта.рф", "и т.д. и т.п.", "谢谢。再见", "node.js:12",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_LINKS)
def test_a_name_of_a_file_or_a_number_is_no_link(text: str) -> None:
    assert defang_links(text) == remove_links(text) == LinkRewrite(text, 0)


LINKISH = st.lists(
    st.sampled_from(
        [
            "http", "s", ":", "//", "/", "\\", "www.", "evil", ".", "com", "example", "[", "]", "(",
            ")", "](", "]:", "!", "<", ">", " ", "\n", "mailto:", "javascript:", "data:", ",", "@",
            "hxxp", "[.]", "x", "-", "?", "=", '"', "\u3002", "é", "[link removed]", "ftp://",
            "1", "0x1", "рф", "md", "Is", "(dot)", "\uff1a", "\uff57",
        ]
    ),
    max_size=30,
).map("".join)  # fmt: skip
# A `www.` within a name, after a dot, is no beginning: the name's top-level domain decides.
CLICKABLE = re.compile(
    r"(?<![a-z0-9+])(?!hxxps?|fxps?)[a-z][a-z0-9+-]{0,90}://|(?<![\w@.\u3002-])www\.\w"
    r"|\]\(|^[ >]*\[[^][]+\]:",
    re.IGNORECASE | re.MULTILINE,
)


@given(LINKISH)
def test_defanging_twice_is_defanging_once(text: str) -> None:
    once = defang_links(text)
    assert defang_links(once.text).text == once.text
    assert not CLICKABLE.search(once.text)


@given(LINKISH)
def test_defanging_lengthens_by_its_markers_only(text: str) -> None:
    once = defang_links(text).text
    brackets = once.count("[.]") + once.count("[:]") - text.count("[.]") - text.count("[:]")
    spaces = once.count("] (") + once.count("] :")
    assert len(once) <= len(text) + 2 * max(0, brackets) + spaces


@given(LINKISH)
def test_no_link_is_left(text: str) -> None:
    left = remove_links(text).text
    assert defang_links(left).count == 0
    assert not CLICKABLE.search(left)


HOSTILE = (
    "[", "](", "](<", "[a](", "[a](((", '[a](x "', "http:", "http://", "a.", "www.", "//", "a-",
    "x:", "mailto:", " data:", "[a]:", "!?", "a.a.com ", "https://a.example/ ", "words to read, ",
    "-", "a.-", "[.]", "a[.]", "a(dot)", "hxxp:", "[:", "0x1.", "1.", "1.2.3.4/", "。", "字。",
    "\uff57.", "a。com", "localhost:", "a.md ",
)  # fmt: skip


@pytest.mark.parametrize("change", [defang_links, remove_links])
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_grows_as_the_text_does(piece: str, change: Callable[[str], LinkRewrite]) -> None:
    assert is_linear(change, piece, 100_000)
