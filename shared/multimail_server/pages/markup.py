"""Markup: markdown as HTML for a person who must not be fooled by it.

Raw HTML is text, an image is its description and its address, a link shows where it leads, and
characters that do not show are made visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from .reveal import reveal

MAX_RENDERED = 262_144
_LEVELS_DOWN = 2


def rendered(markdown: str) -> Markup:
    """Return markdown as safe HTML; what lies beyond 262,144 characters is left out."""
    html: str = _MARKDOWN.render(markdown[:MAX_RENDERED])
    return Markup(html)  # noqa: S704 - every rule of the renderer escapes


def unseen_definitions(markdown: str) -> list[str]:
    """Return where link definitions lead: the text has them, and the rendering shows none."""
    env: dict[str, Any] = {}
    _MARKDOWN.parse(markdown[:MAX_RENDERED], env)
    return [str(one["href"]) for one in env.get("references", {}).values()]


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
        words = self.renderInlineAsText(token.children or [], options, env)
        where = reveal(str(token.attrGet("src") or ""))
        return f'<span class="image">[image: {reveal(words)}]</span>{_target(where)}'

    def link_open(self, tokens: Sequence[Token], idx: int, _: Any, env: EnvType) -> str:
        href = str(tokens[idx].attrGet("href") or "")
        title = str(tokens[idx].attrGet("title") or "")
        shown = _target(reveal(href)) + (_target(reveal(title)) if title else "")
        env.setdefault("targets", []).append(shown)
        return f'<a href="{escape(href)}" rel="noreferrer noopener nofollow">'

    def link_close(self, _: Any, __: int, ___: Any, env: EnvType) -> str:
        return f"</a>{env['targets'].pop()}"

    def heading_open(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        return f"<{_lower(tokens[idx].tag)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        return f"</{_lower(tokens[idx].tag)}>\n"


def _lower(tag: str) -> str:
    """Return a heading's tag below those of the page itself."""
    return f"h{min(6, int(tag[1]) + _LEVELS_DOWN)}"


def _target(shown: str) -> str:
    return f' <span class="target">{shown}</span>'


_MARKDOWN = MarkdownIt("js-default", {"html": False}, renderer_cls=_Renderer)
