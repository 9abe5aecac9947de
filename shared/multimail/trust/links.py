"""Links in text from outside: made unclickable and still readable, or taken out altogether.

What counts as a link: anything with `scheme://`; `http:` and its kin in front of anything at all;
`javascript:`, `data:` and `mailto:`; hosts that start with `www.`, that a path follows, or that end
in a widely used top-level domain; and the syntax of markdown's links, images and definitions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

REMOVED = "[link removed]"
_DOTS = ".\u3002\uff0e\uff61"
_TOP_LEVEL = (
    "com|net|org|info|biz|edu|gov|io|co|ai|dev|app|me|tv|cc|xyz|top|icu|vip|live|shop|site|online|"
    "store|club|link|click|website|space|page|work|us|uk|eu|de|fr|nl|ch|at|it|es|se|pl|ru|cn|jp|in|"
    "br|au|ca|example|test"
)
_SCHEMES = "https?|ftps?|wss?|file|javascript|vbscript|livescript|blob|mailto|tel|sms|callto|cid"
_SCHEME = rf"""
    (?<![a-z0-9+])(?P<scheme>(?!hxxps?:|fxps?:)[a-z][a-z0-9+-]{{0,100}}):(?=[/\\]{{2}})
    | (?<![a-z0-9])(?P<known>{_SCHEMES}):(?=[^\s\[])
    | (?<![a-z0-9])(?P<data>data):(?=[\w/+.-]{{0,80}}[;,])
    """
_LOOKED_AHEAD = 110
_INNER_SCHEME = re.compile(_SCHEME, re.VERBOSE | re.IGNORECASE)
_LINK = re.compile(
    rf"""
    {_SCHEME}
    | (?P<slashes>(?<![\w:/\\\]])//)(?=[\w-]{{1,63}}[{_DOTS}]\w)
    | (?<![\w@-])(?P<www>www)(?=[{_DOTS}]\w)
    | (?<![\w@{_DOTS}/\\-])(?P<host>(?:[\w-]{{1,63}}[{_DOTS}]){{1,8}}
      (?:[a-z]{{2,24}}(?=/[\w?\#])|(?:{_TOP_LEVEL})(?![\w@-]|[{_DOTS}]\w)))
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What a word has to hold if a link could stand in it. One pattern for each character that it can
# begin with: those are found as fast as a text is copied.
_HINTS = {one: re.compile(rf"{re.escape(one)}(?=[^\s.,;:!?])") for one in f":/{_DOTS}"}
_WORD_END = re.compile(r"\S*")
_AUTHORITY = re.compile(r"""[/\\]{0,8}[^\s/\\?#<>()\[\]"'`|{}]{0,2000}""")
_INNER_DOT = re.compile(rf"[{_DOTS}](?=\w)")
_TARGET = re.compile(
    r"""(?:[a-z+.-]{0,30}:)?(?://\[[0-9a-f:.]{2,45}\])?(?:\([^\s<>"'`()\]]*\)|[^\s<>"'`)\]])*""",
    re.IGNORECASE,
)
_ENDING = ".,;!?"
_SYNTAX = re.compile(
    r"(?P<inline>\](?=\())|(?P<definition>^[ \t>*+-]{0,20}\[[^\[\]]{1,200}\](?=:))", re.MULTILINE
)
_INLINE = re.compile(r"!?\[([^\[\]]{0,500})\](?=\()")
_DESTINATION = re.compile(
    r"""
    \([ \t]{0,9}\n?[ \t]{0,9}
    (?: <[^<>\n]{0,2000}> | [^\s()]{0,2000} (?: \([^\s()]{0,2000}\) [^\s()]{0,2000} ){0,4} )
    (?: \s{1,9} (?: "[^"]{0,500}" | '[^']{0,500}' | \([^()]{0,500}\) ) )?
    \s{0,9}\)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Changed:
    """Text whose links were changed.

    Attributes:
        text: The text afterwards.
        count: How many links there were.
    """

    text: str
    count: int


def defanged(text: str) -> Changed:
    """Return text whose links lead nowhere and can still be read: `hxxps://evil[.]example/path`.

    Markdown's links and definitions lose the adjacency that makes them so (`[text] (…)`), schemes
    other than HTTP and FTP get `[:]` for their colon, and hosts `[.]` for their dots. An address
    after `mailto` stays as it is. Doing it twice changes nothing more.
    """
    found = _each(text, _defanged_at)
    return Changed(_without_syntax(found.text), found.count)


def without_links(text: str) -> Changed:
    """Return text with `[link removed]` in place of each link; a link's own text stays.

    Of `mailto:` only the scheme goes: an address is no link.
    """
    plain, inline = _without_inline(text)
    found = _each(plain, _removed_at)
    return Changed(_without_syntax(found.text), found.count + inline)


def _each(text: str, change: Callable[[str, re.Match[str]], tuple[str, int]]) -> Changed:
    """Return text with each link changed; `change` tells what stands for it and where it ends."""
    pieces, at, count = [], 0, 0
    for first, end in _candidates(text):
        start = first
        while (found := _LINK.search(text, start, end)) is not None:
            pieces.append(text[at : found.start()])
            piece, at = change(text, found)
            pieces.append(piece)
            start, count = at, count + 1
    return Changed("".join(pieces) + text[at:], count)


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    """Return where the words stand in which a link could: most cannot, and are told apart first."""
    end, ahead = 0, {hint: -1 for char, hint in _HINTS.items() if char in text}
    while ahead:
        for hint, known in ahead.items():
            if known < end:
                found = hint.search(text, end)
                ahead[hint] = found.start() if found else len(text)
        at = min(ahead.values())
        if at == len(text):
            return
        start = at - _length_of_last_word(text[end:at])
        word = _WORD_END.match(text, at)
        assert word is not None
        end = word.end()
        yield start, end


def _length_of_last_word(text: str) -> int:
    """Return the length of what follows the last blank."""
    return len(text.rsplit(None, 1)[-1]) if text and not text[-1].isspace() else 0


def _scheme_of(found: re.Match[str]) -> str:
    return (found["scheme"] or found["known"] or found["data"] or "").lower()


def _defanged_at(text: str, found: re.Match[str]) -> tuple[str, int]:
    scheme = _scheme_of(found)
    if not scheme:
        return _with_dots_marked(text, found.start())
    written = found[0][: len(scheme)]
    if scheme in ("mailto", "data") or not _has_host(scheme, found):
        return f"{written}[:]", found.end()
    rest, end = _with_dots_marked(text, found.end())
    unclickable = {"http": "hxxp", "https": "hxxps", "ftp": "fxp", "ftps": "fxps"}.get(scheme)
    return (f"{unclickable}:{rest}" if unclickable else f"{written}[:]{rest}"), end


def _has_host(scheme: str, found: re.Match[str]) -> bool:
    return found["scheme"] is not None or scheme in ("http", "https", "ftp", "ftps", "ws", "wss")


def _with_dots_marked(text: str, start: int) -> tuple[str, int]:
    """Return a host with its dots marked, and where it ends: before a scheme, at the latest."""
    authority = _AUTHORITY.match(text, start)
    assert authority is not None
    inner = _INNER_SCHEME.search(text, start, authority.end() + _LOOKED_AHEAD)
    end = min(inner.start(), authority.end()) if inner else authority.end()
    following = text[end : end + 1]
    return _INNER_DOT.sub("[.]", text[start:end] + following).removesuffix(following), end


def _removed_at(text: str, found: re.Match[str]) -> tuple[str, int]:
    if _scheme_of(found) == "mailto":
        return f"{REMOVED} ", found.end()
    target = _TARGET.match(text, found.start())
    assert target is not None
    kept = len(target[0].rstrip(_ENDING))
    return REMOVED, max(found.end(), target.start() + kept)


def _without_syntax(text: str) -> str:
    """Return text in which no markdown link, image or definition is one any more."""
    return _SYNTAX.sub(r"\g<0> ", text) if "]" in text else text


def _without_inline(text: str) -> tuple[str, int]:
    """Return text whose inline links are their texts, and how many there were."""
    pieces, at, count = [], 0, 0
    while (found := _INLINE.search(text, at)) is not None:
        destination = _DESTINATION.match(text, found.end())
        pieces.append(text[at : found.start()])
        pieces.append(f"{found[1]} {REMOVED}" if destination else found[0])
        count += destination is not None
        at = destination.end() if destination else found.end()
    return "".join(pieces) + text[at:], count
