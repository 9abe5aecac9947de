"""The tree that browsers build of an HTML body, unless it is nested beyond all reason.

At many a tag the standard has a parser look through all that is open, so thousands of elements
that are never closed take quadratic time. A long source is therefore parsed up to where it is too
deep, and not shown unless nothing in it could hide anything.
"""

from __future__ import annotations

from typing import Protocol, cast

from selectolax.lexbor import LexborHTMLParser

MAX_OPEN = 2000
"""The most elements, one in the other. Chrome flattens what is more than 512 deep."""
TAGS_AT_ONCE = 4000
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


def tree_of(tokens: list[str], *, has_rules: bool) -> tuple[Node | None, bool]:
    """Return the root of a body, and whether it is too deep to be checked: then there is none.

    Args:
        tokens: Its tags and texts: see `Source`.
        has_rules: Whether the mail has rules that could hide something.
    """
    for mark in _marks(tokens):
        begun = tokens[:mark]
        root = _parsed(begun)
        if root is None or not _is_too_deep(root):
            continue
        if has_rules or not _is_plain(tokens):
            return None, True
        # Nothing in it can hide anything, so the rest may be read as text.
        return _parsed(begun + [one for one in tokens[mark:] if one[:1] != "<"]), False
    return _parsed(tokens), False


def _marks(tokens: list[str]) -> list[int]:
    """Return after how many tokens there have been 4,000 tags, 8,000, and so on."""
    if len(tokens) < TAGS_AT_ONCE:
        return []
    tags = [at for at, one in enumerate(tokens, 1) if one[:1] == "<"]
    return tags[TAGS_AT_ONCE - 1 :: TAGS_AT_ONCE]


def _parsed(tokens: list[str]) -> Node | None:
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
        if len(above) > MAX_OPEN:
            return True
        node = child
    return False
