"""HTML that a caller gives as the text of a message: recognised, and reduced to what is safe.

Nothing that stays can load anything, run anything or hide text.
"""

from __future__ import annotations

import re
from html import escape

from .markdown import Element, parse_visible, unfold_layout_tables
from .visibility import VOID_ELEMENTS, extract_visible_html

_BLOCKS = (
    "p|div|h[1-6]|ul|ol|dl|table|blockquote|pre|center|section|article|header|footer|main|"
    "address|font|html|body"
)
_INLINE = "a|b|strong|i|em|u|s|span|code|small|big|sub|sup|del|ins|mark|q"
_START = re.compile(rf"<({_BLOCKS}|{_INLINE}|br|hr|img)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_DOCUMENT = re.compile(r"<(?:!doctype\s+html|html|head|body)\b[^<>]*>", re.IGNORECASE)
_END = re.compile(rf"(?:</(?:{_BLOCKS}|{_INLINE})\s*>|<(?:br|hr|img)\b[^<>]*>)\Z", re.IGNORECASE)
_BLOCK_END = re.compile(rf"</(?:{_BLOCKS})\s*>", re.IGNORECASE)

_KEPT = frozenset(
    "a b strong i em u s del ins strike code kbd samp pre tt small big sub sup mark q span "  # noqa: SIM905
    "p div h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote hr br center address section article "
    "header footer figure figcaption table caption thead tbody tfoot tr td th".split()
)
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f]+", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}")


def is_html(text: str) -> bool:
    """Return whether a text is HTML as a whole, and not a text that speaks of tags.

    It is if it begins with a tag of a document, or if it begins with a tag that is closed and ends
    with one, or closes two blocks.
    """
    text = text.strip()
    if not text.startswith("<") or ">" not in text:
        return False
    if _DOCUMENT.match(text):
        return True
    start = _START.match(text)
    if start is None:
        return False
    name = start[1].lower()
    if name not in ("br", "hr", "img") and f"</{name}" not in text.lower():
        return False
    # The end is searched for in a slice: a pattern with \Z would be tried at every position.
    return _ends_with_tag(text) or len(_BLOCK_END.findall(text)) > 1


def _ends_with_tag(text: str) -> bool:
    last = text.rfind("<")
    return last > 0 and _END.match(text, last) is not None


def sanitize_html(html: str) -> str:
    """Return HTML with an allow-list of elements, and of attributes only those that show nothing.

    Links lead to http, https or mailto; images, scripts, forms, frames and styles are removed, and
    so is text that a reader would not see. What is returned is complete and escaped.
    """
    root = parse_visible(extract_visible_html(html, len(html)).html)
    unfold_layout_tables(root)
    return "".join(_write(child) for child in root.children)


def _write(node: Element | str) -> str:
    if isinstance(node, str):
        return escape(node)
    content = "".join(map(_write, node.children))
    if node.name not in _KEPT:
        return content
    tag = f"<{node.name}{_write_attributes(node)}>"
    return tag if node.name in VOID_ELEMENTS else f"{tag}{content}</{node.name}>"


def _write_attributes(element: Element) -> str:
    written = ""
    for name, value in element.attributes.items():
        is_link = name == "href" and element.name == "a" and _LINK.fullmatch(value)
        if is_link or (name in ("start", "colspan") and _NUMBER.fullmatch(value)):
            written += f' {name}="{escape(value)}"'
    return written
