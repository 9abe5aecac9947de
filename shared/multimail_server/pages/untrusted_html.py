"""Mail content as safe HTML: its markdown for the review page, its HTML for a sandboxed frame.

In rendered markdown, raw HTML is text, an image is its description and its address, a link shows
its target, and invisible characters are marked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from ..api.schemas.base import MAX_MARKDOWN
from ..mail.html.source import HtmlSource, parse_tree
from ..mail.markdown_rules import build_parser
from ..mail.rendering import is_html, is_parsable, normalize_lines, render_text
from .formatting import reveal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_MAX_HTML = 1_000_000
_HEADING_OFFSET = 2
"""Headings of a message stand below those of the page."""
_REMOVED_TAGS = [
    "head", "meta", "link", "base", "object", "embed", "applet", "svg", "math", "form", "input",
    "button", "select", "frame", "frameset", "video", "audio", "source", "portal",
]  # fmt: skip
_FETCHING_ATTRIBUTES = {
    "href", "src", "srcset", "background", "poster", "data", "action", "ping",
}  # fmt: skip
# A backslash can spell any of them in another way.
_FETCHING_STYLE = re.compile(r"url|image|src|\\", re.IGNORECASE)
SANDBOX_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_FRAME = (
    '<!DOCTYPE html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>'
    "<style>html{{background:#fff;color:#000;font:16px/1.5 system-ui,sans-serif}}</style></head>"
    "{}</html>"
)


def sanitize_for_iframe(html: str) -> bytes:
    """Return a mail's HTML as a page with active and remote content removed.

    This is defence in depth: the frame's sandbox and its policy block both as well.
    """
    tokens = HtmlSource(html, _MAX_HTML).tokens
    root, is_too_deep = parse_tree(tokens, has_rules=True)
    if is_too_deep or root is None:
        return _FRAME.format("<body>This HTML is nested too deeply to be shown.</body>").encode()
    return _FRAME.format(_sanitize(cast("LexborNode", root))).encode("utf-8", "replace")


def _sanitize(root: LexborNode) -> str:
    # From the last to the first: an element is freed with its parent.
    for node in reversed(root.css(", ".join(_REMOVED_TAGS))):
        node.decompose()
    for node in root.css("*"):
        for name, value in node.attributes.items():
            is_remote = name in _FETCHING_ATTRIBUTES and not (value or "").startswith("data:image/")
            is_handler = name.startswith("on")
            if is_remote or is_handler or (name == "style" and _FETCHING_STYLE.search(value or "")):
                del node.attrs[name]
    body = root.css_first("body")
    return (body.html if body is not None else None) or "<body></body>"


def render_markdown(markdown: str) -> Markup:
    """Return markdown as safe HTML, without what lies beyond 262,144 characters.

    HTML that `render_text` recognizes is shown as its plain text, in which links have targets.
    """
    text = markdown[:MAX_MARKDOWN]
    if is_html(text) or not is_parsable(text):
        return Markup(f"<pre>{reveal(render_text(text).plain)}</pre>")  # noqa: S704 - it escapes
    html: str = _MARKDOWN.render(normalize_lines(text))
    return Markup(html)  # noqa: S704 - every rule of the renderer escapes


class _Renderer(RendererHTML):
    def text(self, tokens: Sequence[Token], idx: int, *_: Any, **__: Any) -> str:
        return reveal(tokens[idx].content)

    def code_inline(self, tokens: Sequence[Token], idx: int, *_: Any, **__: Any) -> str:
        return f"<code>{reveal(tokens[idx].content)}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, *_: Any, **__: Any) -> str:
        return f"<pre><code>{reveal(tokens[idx].content)}</code></pre>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.code_block(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Fetch nothing: a remote image tells its owner who looks."""
        token = tokens[idx]
        description = self.renderInlineAsText(token.children or [], options, env)
        source = reveal(str(token.attrGet("src") or ""))
        return f'<span class="image">[image: {reveal(description)}]</span>{_show_target(source)}'

    def link_open(self, tokens: Sequence[Token], idx: int, _: Any, env: EnvType) -> str:
        href = str(tokens[idx].attrGet("href") or "")
        title = str(tokens[idx].attrGet("title") or "")
        is_bare = tokens[idx].info == "auto" and href.endswith(tokens[idx + 1].content)
        target = "" if is_bare else _show_target(reveal(href))
        target += _show_target(reveal(title)) if title else ""
        env.setdefault("targets", []).append(target)
        return f'<a href="{escape(href)}" rel="noreferrer noopener nofollow">'

    def link_close(self, _: Any, __: int, ___: Any, env: EnvType) -> str:
        return f"</a>{env['targets'].pop()}"

    def heading_open(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        return f"<{_lower_heading(tokens[idx].tag)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        return f"</{_lower_heading(tokens[idx].tag)}>\n"


def _lower_heading(tag: str) -> str:
    return f"h{min(6, int(tag[1]) + _HEADING_OFFSET)}"


def _show_target(target: str) -> str:
    return f' <span class="target">{target}</span>'


_MARKDOWN = build_parser(_Renderer)
