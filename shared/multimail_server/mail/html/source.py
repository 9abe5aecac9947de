"""HTML source made safe to parse, and its tree.

HTML parsers take quadratic time on thousands of attributes, of open elements or of unclosed
formatting, which hostile mail can have. So the source is first split into tokens as browsers do
(WHATWG HTML, section 13.2.5), within limits, and the parser gets only those tokens. At many tags
the standard also has a parser search all open elements, so a long source is parsed up to where it
is too deep, and not shown unless nothing in it can hide anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Protocol, cast

from .css_values import decode_data_url

MAX_TAGS = 20_000
MAX_ATTRIBUTES = 50
MAX_FORMATTING_PRODUCT = 300_000
"""How large formatting tags times other tags may be; beyond it, `<b>` is parsed as `<span>`."""
# HTML has five blanks. `\s` has more, and would split where browsers don't.
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
_FOREIGN = frozenset({"math", "plaintext", "frameset"})
HIDDEN_IMAGE = "x-svg"
"""What `svg` is parsed as: an image, whose words are not read."""
_FORMATTING = frozenset(
    # A link ends the link before it, so links don't accumulate.
    "b big code em font i s small strike strong tt u".split()  # noqa: SIM905 - a list of names
)
_REACHES_BACK = re.compile(r"<(?:style|body|html)", re.IGNORECASE)
"""What can hide text before it: rules, and attributes of the elements that contain everything."""
_SCRIPT = re.compile(r"<script[ \t\n\r\f/>]", re.IGNORECASE)
_KEPT = frozenset(
    "style class id hidden popover color bgcolor background text href rel start colspan open alt "  # noqa: SIM905
    "width height scrollamount".split()
)


class HtmlSource:
    """HTML source as clean tokens.

    Args:
        html: The source.
        max_chars: How many characters of it are parsed.

    Attributes:
        tokens: The tags and texts that remain, as HTML source.
        styles: The content of the `style` elements, in their order.
        comments: How many comments there were, including conditional ones.
        is_cut: Whether something was omitted because there was too much.
        reaches_back: Whether what was omitted may hide what remains.
    """

    def __init__(self, html: str, max_chars: int) -> None:
        self._html = html[:max_chars]
        self.styles: list[str] = []
        self.comments = 0
        self._cut_at: int | None = None
        self._tags = 0
        self._formatting = 0
        self.tokens = list(self._tokens())
        if self._formatting * (self._tags - self._formatting) > MAX_FORMATTING_PRODUCT:
            self.tokens = [_without_formatting(token) for token in self.tokens]
        is_long, cut_at = len(html) > max_chars, self._cut_at
        self.is_cut = is_long or cut_at is not None
        self.reaches_back = is_long or (
            cut_at is not None and _REACHES_BACK.search(html, cut_at) is not None
        )

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
                match = _TAG.match(html, less)
                self._tags += 1
                if self._tags > MAX_TAGS:
                    self._cut_at = less
                    return
                if match is None:
                    return
                token, at = self._tag(match)
                yield token
        yield html[at:].replace(">", "&gt;")

    def _tag(self, match: re.Match[str]) -> tuple[str, int]:
        """Return the token for a tag, and where the source continues."""
        name = match[2].lower()
        if name in _RAW:
            return "", match.end() if match[1] else self._after_element(name, match.end())
        if name in _FOREIGN:
            return "", match.end()
        if name == "svg":
            return self._svg(match), match.end()
        if name == "link":
            self._link(_parse_attributes(match[3]))
        safe = name if _NAME.fullmatch(name) else "x-unknown"
        if match[1]:
            return f"</{safe}>", match.end()
        self._formatting += safe in _FORMATTING
        return f"<{safe}{_attributes(match[3])}>", match.end()

    def _svg(self, match: re.Match[str]) -> str:
        if match[3].endswith("/"):
            return ""
        return f"<{match[1]}{HIDDEN_IMAGE}>"

    def _link(self, attributes: dict[str, str]) -> None:
        """Keep a style sheet that is in its own address; no other is fetched."""
        if "stylesheet" in attributes.get("rel", "").lower().split():
            css = decode_data_url(attributes.get("href", ""))
            if css:
                self.styles.append(css)

    def _after_declaration(self, at: int) -> int:
        html = self._html
        if not html.startswith("<!--", at):
            end = html.find(">", at)
            return end + 1 if end >= 0 else len(html)
        self.comments += 1
        for empty in ("<!-->", "<!--->"):
            if html.startswith(empty, at):
                return at + len(empty)
        match = _COMMENT_END.search(html, at + 4)
        return match.end() if match else len(html)

    def _after_element(self, name: str, at: int) -> int:
        """Return where a raw text element ends; keep the content of a `style`."""
        closing = re.compile(rf"</{name}(?=[ \t\n\r\f/>])", re.IGNORECASE)
        match = closing.search(self._html, at)
        end = match.start() if match else len(self._html)
        if name == "style":
            self.styles.append(self._html[at:end])
        if name == "script" and match and self._is_escaped_twice(at, end):
            match = closing.search(self._html, match.end()) or match
        after = self._html.find(">", match.end()) if match else -1
        return after + 1 if after >= 0 else len(self._html)

    def _is_escaped_twice(self, at: int, end: int) -> bool:
        """Return whether a script contains another one in a comment, with an end tag of its own."""
        last = self._html.rfind("-->", at, end)
        comment = self._html.find("<!--", max(at, last), end)
        return comment >= 0 and _SCRIPT.search(self._html, comment, end) is not None


def _attributes(text: str) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in _parse_attributes(text).items())


def _parse_attributes(text: str) -> dict[str, str]:
    """Return the relevant attributes and 50 others, of each name the first."""
    kept: dict[str, str] = {}
    others = 0
    for match in _ATTRIBUTE.finditer(text):
        name = match[1].lower()
        if name in kept or not match[1].isascii() or not _ATTRIBUTE_NAME.fullmatch(name):
            continue
        others += name not in _KEPT
        if name in _KEPT or others <= MAX_ATTRIBUTES:
            kept[name] = unescape(match[2] or match[3] or match[4] or "")
    return kept


def _without_formatting(token: str) -> str:
    match = re.match(r"<(/?)([a-z]+)", token)
    if match is None or match[2] not in _FORMATTING:
        return token
    return f"<{match[1]}span{token[match.end() :]}"


MAX_OPEN_ELEMENTS = 2000
"""How deep elements may be nested. Chrome flattens what is more than 512 deep."""
DEPTH_CHECK_INTERVAL = 4000
_PLAIN = frozenset(
    f"<{sign}{name}>"
    for name in ("div", "span", "p", "b", "i", "u", "em", "strong", "font", "center", "section",
                 "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "tbody", "tr", "td")
    for sign in ("", "/")
)  # fmt: skip


class Node(Protocol):
    """The part of selectolax's nodes that is used."""

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
    """Return the root of the tree, and whether it is too deep to be checked; then there is none.

    Args:
        tokens: The tags and texts of an `HtmlSource`.
        has_rules: Whether the mail has rules that could hide something.
    """
    for checkpoint in _get_checkpoints(tokens):
        start = tokens[:checkpoint]
        root = _parse(start)
        if root is None or not _is_too_deep(root):
            continue
        if has_rules or not _is_plain(tokens):
            return None, True
        # Nothing in it can hide anything, so the rest is kept as text.
        texts = [token for token in tokens[checkpoint:] if token[:1] != "<"]
        return _parse(start + texts), False
    return _parse(tokens), False


def _get_checkpoints(tokens: list[str]) -> list[int]:
    """Return the positions in the tokens after 4,000 tags, 8,000, and so on."""
    if len(tokens) < DEPTH_CHECK_INTERVAL:
        return []
    tags = [at for at, token in enumerate(tokens, 1) if token[:1] == "<"]
    return tags[DEPTH_CHECK_INTERVAL - 1 :: DEPTH_CHECK_INTERVAL]


def _parse(tokens: list[str]) -> Node | None:
    # Imported with the first HTML mail, which keeps the parser out of the server's start.
    from selectolax.lexbor import LexborHTMLParser

    return cast("Node | None", LexborHTMLParser("".join(tokens)).root)


def _is_plain(tokens: list[str]) -> bool:
    return all(token in _PLAIN for token in tokens if token[:1] == "<")


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
