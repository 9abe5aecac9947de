"""Framed: the HTML of a mail, for a sandboxed frame that runs nothing and fetches nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from ..mail.html.source import HtmlSource, parse_tree
from ..mail.mime import Part, parse_parts

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_NEVER = [
    "head", "meta", "link", "base", "object", "embed", "applet", "svg", "math", "form", "input",
    "button", "select", "frame", "frameset", "video", "audio", "source", "portal",
]  # fmt: skip
_FETCHING = {"href", "src", "srcset", "background", "poster", "data", "action", "ping"}
_MAX_HTML = 1_000_000
# A backslash can spell any of them in another way.
_FETCHING_STYLE = re.compile(r"url|image|src|\\", re.IGNORECASE)
POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_PAGE = (
    '<!DOCTYPE html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>'
    "<style>html{{background:#fff;color:#000;font:16px/1.5 system-ui,sans-serif}}</style></head>"
    "{}</html>"
)


def html_part(raw: bytes) -> str | None:
    """Return the first HTML text of a message that is no file, as it stands; None without one."""
    return _first_html(parse_parts(raw))


def framed(html: str) -> bytes:
    """Return a mail's HTML as a page of its own, without elements that act and URLs that fetch.

    The frame's sandbox and its policy forbid both as well.
    """
    tokens = HtmlSource(html, _MAX_HTML).tokens
    root, is_too_deep = parse_tree(tokens, has_rules=True)
    if is_too_deep or root is None:
        return _PAGE.format("<body>This HTML is nested too deeply to be shown.</body>").encode()
    return _PAGE.format(_sanitize(cast("LexborNode", root))).encode("utf-8", "replace")


def _sanitize(root: LexborNode) -> str:
    # From the last to the first: an element is freed with its parent.
    for node in reversed(root.css(", ".join(_NEVER))):
        node.decompose()
    for node in root.css("*"):
        for name, value in node.attributes.items():
            is_fetching = name in _FETCHING and not (value or "").startswith("data:image/")
            if is_fetching or (name == "style" and _FETCHING_STYLE.search(value or "")):
                del node.attrs[name]
    body = root.css_first("body")
    return (body.html if body is not None else None) or "<body></body>"


def _first_html(part: Part) -> str | None:
    if part.content_type == "text/html" and not part.is_attachment:
        return part.text()
    for child in part.children:
        found = _first_html(child)
        if found is not None:
            return found
    return None
