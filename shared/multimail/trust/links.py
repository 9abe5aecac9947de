"""Links in text from outside: defanged, so that they can be read and not followed, or removed.

A link is anything with `scheme://`; `http:` and similar schemes before any text;
`javascript:`, `data:` and `mailto:`; names of hosts that start with `www.`, that are followed by a
path or a port, or that end in a top-level domain (`hosts`); IP addresses that are followed by a
path or a port; and markdown's links, images and definitions. Characters that browsers read as
others, such as full-width letters, are read so here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .hosts import DOTS, HOST, fold_width, is_linked_host

REMOVED = "[link removed]"
_SCHEMES = (
    "https?|ftps?|wss?|file|javascript|vbscript|livescript|blob|mailto|tel|sms|callto|cid|magnet|"
    "bitcoin|ethereum|litecoin|monero|sips?|xmpp|skype|facetime|facetime-audio|msteams|zoommtg|tg|"
    "whatsapp|viber|geo|webcal|ed2k|view-source|search-ms|ms-[a-z]{1,20}|itms-[a-z]{1,20}|otpauth|"
    "ipfs|ipns|jar"
)
_SCHEME = rf"""
    (?<![a-z0-9+])(?P<scheme>(?!hxxps?:|fxps?:)[a-z][a-z0-9+-]{{0,100}}):(?=[/\\]{{2}})
    | (?<![a-z0-9])(?P<known>{_SCHEMES}):(?=[^\s\[])
    | (?<![a-z0-9])(?P<data>data):(?=[\w/+.-]{{0,80}}[;,])
    """
_LOOKAHEAD_CHARS = 110
_INNER_SCHEME = re.compile(_SCHEME, re.VERBOSE | re.IGNORECASE)
_LINK = re.compile(
    rf"""
    {_SCHEME}
    | (?P<slashes>(?<![\w:/\\\]])(?://|\\\\))(?=[\w-]{{1,63}}[{DOTS}]\w)
    | (?<![\w@-])(?P<www>www)(?=[{DOTS}]\w)
    | (?P<host>{HOST})
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Links that someone defanged already: a model can still read them.
_DEFANGED = re.compile(
    rf"""
    (?<![a-z0-9])(?:hxxps?|fxps?)\[?:\]?[/\\]{{2}}[^\s<>"'`]++
    | (?<![\w@.-])[\w-]++(?:(?:[{DOTS}]|[\[(\{{](?:\.|dot)[\])\}}])[\w-]++)++(?:/[^\s<>"'`)\]]*+)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKED_DOT = re.compile(r"[\[({](?:\.|dot)[\])}]", re.IGNORECASE)
# A word without one of these contains no link. One pattern for each first character: a search for
# a literal character is as fast as copying the text.
_HINTS = {char: re.compile(rf"{re.escape(char)}(?=[^\s.,;:!?])") for char in f":/{DOTS}"}
_LAST_LABEL = re.compile(rf"[{DOTS}]")
_WORD_END = re.compile(r"\S*")
_AUTHORITY = re.compile(r"""[/\\]{0,8}[^\s/\\?#<>()\[\]"'`|{}]{0,2000}""")
_INNER_DOT = re.compile(rf"[{DOTS}](?=\w)")
_TARGET = re.compile(
    r"""
    (?:[a-z+.-]{0,30}:)? (?://\[[0-9a-f:.]{2,45}\])?
    (?: \([^\s<>"'`()\]]*\) | [^\s<>"'`)\]\u3001\u3008-\u3011\uff01\uff08\uff09\uff0c\uff1b] )*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DEFANGED_MARKS = {
    "xp": ("hxxp", "fxp"),
    "[": ("[.]", "[dot]"),
    "(": ("(.)", "(dot)"),
    "{": ("{.}", "{dot}"),
}
"""What a defanged link contains, by a part of it that few texts have."""
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
class LinkRewrite:
    """Text whose links were rewritten.

    Attributes:
        text: The text afterwards.
        count: The number of links that were rewritten.
    """

    text: str
    count: int


def defang_links(text: str) -> LinkRewrite:
    """Return text whose links can be read and not followed: `hxxps://evil[.]example/path`.

    Markdown's links and definitions are broken by a space (`[text] (…)`), schemes other than HTTP
    and FTP get `[:]` for their colon, and hosts `[.]` for their dots. An address after `mailto`
    stays as it is. Idempotent.
    """
    rewrite = _rewrite_each(text, _defang_at)
    return LinkRewrite(_break_markdown(rewrite.text), rewrite.count)


def remove_links(text: str) -> LinkRewrite:
    """Return text with `[link removed]` in place of each link; a link's own text stays.

    Of `mailto:` only the scheme is removed: an address is not a link.
    """
    plain, inline = _remove_inline(text)
    rewrite = _rewrite_each(plain, _remove_at)
    rest, defanged = _remove_defanged(rewrite.text)
    return LinkRewrite(_break_markdown(rest), rewrite.count + inline + defanged)


def _rewrite_each(
    text: str, rewrite: Callable[[str, re.Match[str]], tuple[str, int]]
) -> LinkRewrite:
    """Return text with each link rewritten; `rewrite` returns the new text and the link's end."""
    folded = fold_width(text)
    pieces, at, count = [], 0, 0
    for first, end in _candidates(folded):
        start = first
        while (match := _LINK.search(folded, start, end)) is not None:
            if match["host"] and not is_linked_host(match["host"], folded, match.end()):
                # The last label can begin a link of its own: `x.javascript:…`.
                start = match.end() - _get_last_label_length(match["host"])
                continue
            pieces.append(text[at : match.start()])
            piece, at = rewrite(folded, match)
            pieces.append(piece)
            start, count = at, count + 1
    return LinkRewrite("".join(pieces) + text[at:], count)


def _get_last_label_length(host: str) -> int:
    return len(_LAST_LABEL.split(host)[-1])


def _candidates(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each word that could contain a link: most words cannot."""
    end, ahead = 0, {hint: -1 for char, hint in _HINTS.items() if char in text}
    while ahead:
        for hint, known in ahead.items():
            if known < end:
                match = hint.search(text, end)
                ahead[hint] = match.start() if match else len(text)
        at = min(ahead.values())
        if at == len(text):
            return
        start = at - _get_last_word_length(text[end:at])
        word = _WORD_END.match(text, at)
        assert word is not None
        end = word.end()
        yield start, end


def _get_last_word_length(text: str) -> int:
    """Return the number of characters after the last blank."""
    return len(text.rsplit(None, 1)[-1]) if text and not text[-1].isspace() else 0


def _get_scheme(match: re.Match[str]) -> str:
    return (match["scheme"] or match["known"] or match["data"] or "").lower()


def _defang_at(text: str, match: re.Match[str]) -> tuple[str, int]:
    scheme = _get_scheme(match)
    if match[0].startswith("["):
        return match[0].replace(":", "[:]"), match.end()
    if not scheme:
        return _mark_dots(text, match.start())
    written = match[0][: len(scheme)]
    if scheme in ("mailto", "data") or not _has_host(scheme, match):
        return f"{written}[:]", match.end()
    rest, end = _mark_dots(text, match.end())
    unclickable = {"http": "hxxp", "https": "hxxps", "ftp": "fxp", "ftps": "fxps"}.get(scheme)
    return (f"{unclickable}:{rest}" if unclickable else f"{written}[:]{rest}"), end


def _has_host(scheme: str, match: re.Match[str]) -> bool:
    return match["scheme"] is not None or scheme in ("http", "https", "ftp", "ftps", "ws", "wss")


def _mark_dots(text: str, start: int) -> tuple[str, int]:
    """Return a host with its dots marked, and its end: at the latest before a scheme."""
    authority = _AUTHORITY.match(text, start)
    assert authority is not None
    inner = _INNER_SCHEME.search(text, start, authority.end() + _LOOKAHEAD_CHARS)
    end = min(inner.start(), authority.end()) if inner else authority.end()
    following = text[end : end + 1]
    return _INNER_DOT.sub("[.]", text[start:end] + following).removesuffix(following), end


def _remove_at(text: str, match: re.Match[str]) -> tuple[str, int]:
    if _get_scheme(match) == "mailto":
        return f"{REMOVED} ", match.end()
    target = _TARGET.match(text, match.end() if match[0][0] == "[" else match.start())
    assert target is not None
    length = len(target[0].rstrip(_ENDING))
    return REMOVED, max(match.end(), target.start() + length)


def _remove_defanged(text: str) -> tuple[str, int]:
    """Return text without links such as `hxxps://evil[.]example`, and how many there were."""
    count = 0

    def remove(match: re.Match[str]) -> str:
        nonlocal count
        if not match[0].lower().startswith(("hxxp", "fxp")):
            plain = _MARKED_DOT.sub(".", match[0])
            if plain == match[0] or not _rewrite_each(plain, _remove_at).count:
                return match[0]
        count += 1
        length = len(match[0].rstrip(_ENDING))
        return REMOVED + match[0][length:]

    lower = text.lower()
    if not any(
        part in lower and any(mark in lower for mark in marks)
        for part, marks in _DEFANGED_MARKS.items()
    ):
        return text, 0
    return _DEFANGED.sub(remove, text), count


def _break_markdown(text: str) -> str:
    """Return text without working markdown links, images and definitions."""
    return _SYNTAX.sub(r"\g<0> ", text) if "]" in text else text


def _remove_inline(text: str) -> tuple[str, int]:
    """Return text with the link text in place of each inline link, and the number of links."""
    if "](" not in text:  # many times faster than the pattern
        return text, 0
    pieces, at, count = [], 0, 0
    while (match := _INLINE.search(text, at)) is not None:
        destination = _DESTINATION.match(text, match.end())
        pieces.append(text[at : match.start()])
        pieces.append(f"{match[1]} {REMOVED}" if destination else match[0])
        count += destination is not None
        at = destination.end() if destination else match.end()
    return "".join(pieces) + text[at:], count
