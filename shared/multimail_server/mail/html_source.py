"""HTML source made safe to parse: every tag complete, shallow and spelled in one way.

The standard library's HTML parser takes quadratic time on tags that never end, and raises on odd
declarations; a tree of thousands of levels exhausts whoever walks it. None of it gets that far.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

MOST_DEPTH = 120
MOST_BLOCKS = 16
MOST_TAGS = 20_000
_NEAR = 4096
_MOST_FAR = 50
_TAG = re.compile(r"""<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40})((?:[^<>"']|"[^"]*"|'[^']*')*+)>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]{1,60})(?:\s{0,9}=\s{0,9}("[^"]*"|'[^']*'|[^\s"'<>]+))?""")
_BLANK = re.compile(r"[ \t\r\n\f]+")
_LONG_BLANK = re.compile(r"[ \t]{100,}")
_DROPPED = frozenset(
    {"script", "style", "title", "textarea", "iframe", "noframes", "xmp", "noembed"}
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
)
_NESTING = frozenset({"blockquote", "ul", "ol", "table"})
_CLOSED_BY_ITSELF = frozenset({"p", "li", "dt", "dd", "td", "th", "tr", "option"})


def safe_source(html: str) -> str:
    """Return HTML that any parser reads alike and in linear time, its text kept.

    Comments, declarations, scripts and styles are gone; a `<` that begins no complete tag is
    text; tags beyond a depth of 120, or of 16 lists, tables and quotes, or after 20,000 tags, are
    left out, what they hold is not. Runs of blanks are closed up outside of preformatted text.
    """
    return "".join(_Source(html).pieces())


class _Source:
    def __init__(self, html: str) -> None:
        self._html = html
        self._open: list[str] = []
        self._blocks = 0
        self._tags = 0
        self._skipped = 0
        self._far = _MOST_FAR

    def pieces(self) -> Iterator[str]:
        """Yield the source again, piece by piece."""
        html, at = self._html, 0
        while (less := html.find("<", at)) >= 0:
            yield self._text(html[at:less])
            if html.startswith(("<!", "<?"), less):
                at = self._after_declaration(less)
                continue
            found = self._tag(less)
            if found is None:
                yield "&lt;"
                at = less + 1
                continue
            at = found.end()
            name = found[2].lower()
            if name in _DROPPED and not found[1]:
                at = self._after_element(name, at)
            elif name not in _DROPPED:
                yield from self._closed(name) if found[1] else self._opened(name, found[3])
        yield self._text(html[at:])

    def _text(self, text: str) -> str:
        blanks = _LONG_BLANK.sub(" " * 100, text) if "pre" in self._open else _BLANK.sub(" ", text)
        return blanks.replace(">", "&gt;")

    def _tag(self, at: int) -> re.Match[str] | None:
        """Return the tag at `at`. A long one is looked for only so many times in vain."""
        found = _TAG.match(self._html, at, at + _NEAR)
        if found is None and self._far and self._html.find(">", at + _NEAR) >= 0:
            found = _TAG.match(self._html, at)
            self._far -= found is None
        return found

    def _after_declaration(self, at: int) -> int:
        comment = self._html.startswith("<!--", at)
        end = self._html.find("-->" if comment else ">", at + 2)
        if end < 0:
            return len(self._html)
        return end + (3 if comment else 1)

    def _after_element(self, name: str, at: int) -> int:
        closing = re.compile(rf"</{name}(?=[\s/>])[^>]*>", re.IGNORECASE)
        found = closing.search(self._html, at)
        return found.end() if found else len(self._html)

    def _opened(self, name: str, attributes: str) -> Iterator[str]:
        if name in _CLOSED_BY_ITSELF and self._open[-1:] == [name]:
            yield f"</{name}>"
            self._open.pop()
        self._tags += 1
        if self._is_too_much(name):
            self._skipped += name not in _VOID
            yield " "
            return
        if name not in _VOID:
            self._open.append(name)
            self._blocks += name in _NESTING
        yield f"<{name}{''.join(_attributes(attributes))}>"

    def _is_too_much(self, name: str) -> bool:
        deep = len(self._open) >= MOST_DEPTH
        return self._tags > MOST_TAGS or deep or (name in _NESTING and self._blocks >= MOST_BLOCKS)

    def _closed(self, name: str) -> Iterator[str]:
        if self._skipped:
            self._skipped -= 1
            yield " "
        elif name in self._open:
            inner = ""
            while inner != name:
                inner = self._open.pop()
                self._blocks -= inner in _NESTING
                yield f"</{inner}>"


def _attributes(text: str) -> Iterator[str]:
    for found in _ATTRIBUTE.finditer(text):
        value = found[2] or ""
        if value[:1] in {'"', "'"}:
            value = value[1:-1]
        yield f' {found[1].lower()}="{escape(unescape(value))}"'
