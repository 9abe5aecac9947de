"""HTML source made safe to parse: clean tags and text, within limits, and the styles apart.

An HTML parser takes quadratic time on thousands of attributes, of open tags or of unclosed
formatting, and mail may have all of them. None of it gets that far: the tokens are cut here as
browsers cut them (WHATWG HTML, section 13.2.5), and what the parser then sees is those tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Protocol, cast

MAX_TAGS = 20_000
MAX_ATTRIBUTES = 50
MAX_FORMATTING_PRODUCT = 300_000
"""The most that formatting tags times other tags may be before `<b>` is read as `<span>`."""
# HTML's blanks are five; `\s` has more, and would cut where browsers do not.
_TAG = re.compile(
    r"""<(/?)([a-zA-Z][^ \t\n\r\f/>]*+)
    ((?:[ \t\n\r\f/]++ | [^ \t\n\r\f/>][^ \t\n\r\f/>=]*+
        (?:[ \t\n\r\f]*+=[ \t\n\r\f]*+
            (?:"[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^ \t\n\r\f>"'][^ \t\n\r\f>]*+)?+
        )?+
    )*+)>""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)
    (?:[ \t\n\r\f]*+=[ \t\n\r\f]*+
        (?:"([^"]*+)" | '([^']*+)' | ([^ \t\n\r\f>"'][^ \t\n\r\f>]*+))?+
    )?+""",
    re.VERBOSE,
)
_OPENS = re.compile(r"<(?:/?[a-zA-Z]|([!?]|/(?=[^a-zA-Z])))")
_COMMENT_END = re.compile(r"--!?>")
_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_.:-]{0,60}")
_NAME = re.compile(r"[a-z][a-z0-9:-]{0,40}")
_RAW = frozenset({"script", "style", "title", "textarea", "iframe", "noframes", "xmp", "noembed"})
_FOREIGN = frozenset({"svg", "math", "plaintext", "frameset"})
_FORMATTING = frozenset(
    # A link ends the one before it, so links do not pile up.
    "b big code em font i s small strike strong tt u".split()  # noqa: SIM905 - a list of names
)
_REACHES_BACK = re.compile(r"<(?:style|body|html)", re.IGNORECASE)
"""What hides what stands before it: rules, and attributes of the elements that hold all of it."""
_SCRIPT = re.compile(r"<script[ \t\n\r\f/>]", re.IGNORECASE)
_KEPT = frozenset(
    "style class id hidden color bgcolor background text href start colspan open alt".split()  # noqa: SIM905
)


class HtmlSource:
    """HTML, cut into tokens once.

    Attributes:
        tokens: The tags and texts that are left, as HTML source.
        styles: What stood in `style` elements, in their order.
        comments: How many comments there were, conditional ones included.
        is_cut: Whether something was left out because there was too much.
        reaches_back: Whether that may hide what is left.
    """

    def __init__(self, html: str, most: int) -> None:
        self._html = html[:most]
        self.styles: list[str] = []
        self.comments = 0
        self._cut_at: int | None = None
        self._tags = 0
        self._formatting = 0
        self.tokens = list(self._tokens())
        if self._formatting * (self._tags - self._formatting) > MAX_FORMATTING_PRODUCT:
            self.tokens = [_without_formatting(token) for token in self.tokens]
        is_long, cut_at = len(html) > most, self._cut_at
        self.is_cut = is_long or cut_at is not None
        self.reaches_back = is_long or (
            cut_at is not None and _REACHES_BACK.search(html, cut_at) is not None
        )

    @property
    def text(self) -> str:
        """All that is left, as HTML source."""
        return "".join(self.tokens)

    def _tokens(self) -> Iterator[str]:
        html, at = self._html, 0
        while (less := html.find("<", at)) >= 0:
            yield html[at:less].replace(">", "&gt;")
            opens = _OPENS.match(html, less)
            if opens is None:
                yield "&lt;"
                at = less + 1
            elif opens[1]:
                at = self._after_declaration(less)
            else:
                found = _TAG.match(html, less)
                self._tags += 1
                if self._tags > MAX_TAGS:
                    self._cut_at = less
                    return
                if found is None:
                    return
                token, at = self._tag(found)
                yield token
        yield html[at:].replace(">", "&gt;")

    def _tag(self, found: re.Match[str]) -> tuple[str, int]:
        """Return what stands for a tag, and where the source goes on."""
        name = found[2].lower()
        if name in _RAW:
            return "", found.end() if found[1] else self._after_element(name, found.end())
        if name in _FOREIGN:
            return "", found.end()
        safe = name if _NAME.fullmatch(name) else "x-unknown"
        if found[1]:
            return f"</{safe}>", found.end()
        self._formatting += safe in _FORMATTING
        return f"<{safe}{_attributes(found[3])}>", found.end()

    def _after_declaration(self, at: int) -> int:
        html = self._html
        if not html.startswith("<!--", at):
            end = html.find(">", at)
            return end + 1 if end >= 0 else len(html)
        self.comments += 1
        for empty in ("<!-->", "<!--->"):
            if html.startswith(empty, at):
                return at + len(empty)
        found = _COMMENT_END.search(html, at + 4)
        return found.end() if found else len(html)

    def _after_element(self, name: str, at: int) -> int:
        """Return where a raw text element ends; keep what a style says."""
        closing = re.compile(rf"</{name}(?=[ \t\n\r\f/>])", re.IGNORECASE)
        found = closing.search(self._html, at)
        end = found.start() if found else len(self._html)
        if name == "style":
            self.styles.append(self._html[at:end])
        if name == "script" and found and self._is_escaped_twice(at, end):
            found = closing.search(self._html, found.end()) or found
        after = self._html.find(">", found.end()) if found else -1
        return after + 1 if after >= 0 else len(self._html)

    def _is_escaped_twice(self, at: int, end: int) -> bool:
        """Return whether a script holds another within a comment: the first end is not its own."""
        last = self._html.rfind("-->", at, end)
        comment = self._html.find("<!--", max(at, last), end)
        return comment >= 0 and _SCRIPT.search(self._html, comment, end) is not None


def _attributes(text: str) -> str:
    """Return the attributes, the first of each name: those that can matter, and 50 others."""
    kept: dict[str, str] = {}
    others = 0
    for found in _ATTRIBUTE.finditer(text):
        name = found[1].lower()
        if name in kept or not found[1].isascii() or not _ATTRIBUTE_NAME.fullmatch(name):
            continue
        others += name not in _KEPT
        if name in _KEPT or others <= MAX_ATTRIBUTES:
            kept[name] = unescape(found[2] or found[3] or found[4] or "")
    return "".join(f' {name}="{escape(value)}"' for name, value in kept.items())


def _without_formatting(token: str) -> str:
    found = re.match(r"<(/?)([a-z]+)", token)
    if found is None or found[2] not in _FORMATTING:
        return token
    return f"<{found[1]}span{token[found.end() :]}"


MAX_OPEN_ELEMENTS = 2000
"""The most elements, one in the other. Chrome flattens what is more than 512 deep."""
DEPTH_CHECK_INTERVAL = 4000
_PLAIN = frozenset(
    f"<{sign}{name}>"
    for name in ("div", "span", "p", "b", "i", "u", "em", "strong", "font", "center", "section",
                 "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "tbody", "tr", "td")
    for sign in ("", "/")
)  # fmt: skip


class Node(Protocol):
    """What is used of the parser's nodes."""

    @property
    def tag(self) -> str | None: ...
    @property
    def attributes(self) -> dict[str, str | None]: ...
    @property
    def first_child(self) -> Node | None: ...
    @property
    def next(self) -> Node | None: ...
    @property
    def text_content(self) -> str | None: ...
    def text(self) -> str: ...


def parse_tree(tokens: list[str], *, has_rules: bool) -> tuple[Node | None, bool]:
    """Return the root of a body, and whether it is too deep to be checked: then there is none.

    Args:
        tokens: Its tags and texts: see `HtmlSource`.
        has_rules: Whether the mail has rules that could hide something.
    """
    for mark in _get_checkpoints(tokens):
        begun = tokens[:mark]
        root = _parse(begun)
        if root is None or not _is_too_deep(root):
            continue
        if has_rules or not _is_plain(tokens):
            return None, True
        # Nothing in it can hide anything, so the rest may be read as text.
        return _parse(begun + [one for one in tokens[mark:] if one[:1] != "<"]), False
    return _parse(tokens), False


def _get_checkpoints(tokens: list[str]) -> list[int]:
    """Return after how many tokens there have been 4,000 tags, 8,000, and so on."""
    if len(tokens) < DEPTH_CHECK_INTERVAL:
        return []
    tags = [at for at, one in enumerate(tokens, 1) if one[:1] == "<"]
    return tags[DEPTH_CHECK_INTERVAL - 1 :: DEPTH_CHECK_INTERVAL]


def _parse(tokens: list[str]) -> Node | None:
    # Imported with the first HTML mail, which keeps the parser out of the server's start.
    from selectolax.lexbor import LexborHTMLParser

    return cast("Node | None", LexborHTMLParser("".join(tokens)).root)


def _is_plain(tokens: list[str]) -> bool:
    return all(one in _PLAIN for one in tokens if one[:1] == "<")


def _is_too_deep(root: Node) -> bool:
    above: list[Node] = []
    node: Node | None = root
    while node is not None or above:
        if node is None:
            node = above.pop().next
            continue
        child = node.first_child
        if child is None:
            node = node.next
            continue
        above.append(node)
        if len(above) > MAX_OPEN_ELEMENTS:
            return True
        node = child
    return False
