"""Framed: the HTML of a mail, for a sandboxed frame that runs nothing and fetches nothing."""

from __future__ import annotations

import re

from ..mail.html.source import HtmlSource
from ..mail.mime import Part, parse_parts

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
    "<body>{}</body></html>"
)


def html_part(raw: bytes) -> str | None:
    """Return the first HTML text of a message that is no file, as it stands; None without one."""
    return _first_html(parse_parts(raw))


def framed(html: str) -> bytes:
    """Return a mail's HTML as a page of its own, without what could act or fetch.

    The frame's sandbox and policy forbid both; this leaves them nothing to forbid.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(f"<body>{HtmlSource(html, _MAX_HTML).text}", "html.parser")
    for tag in soup.find_all(_NEVER):
        tag.decompose()
    for tag in soup.find_all(True):
        for name in _FETCHING & set(tag.attrs):
            if not str(tag.attrs[name]).startswith("data:image/"):
                del tag[name]
        if _FETCHING_STYLE.search(str(tag.attrs.get("style", ""))):
            del tag["style"]
    return _PAGE.format(soup.body.decode_contents() if soup.body else "").encode("utf-8", "replace")


def _first_html(part: Part) -> str | None:
    if part.content_type == "text/html" and not part.is_attachment:
        return part.text()
    for child in part.children:
        found = _first_html(child)
        if found is not None:
            return found
    return None
