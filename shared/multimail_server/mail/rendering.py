"""Rendering: the HTML of outgoing markdown. Raw HTML is text, and an image is its description."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict


class _Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Show an image's description: a remote image tells its owner who reads the mail."""
        return escapeHtml(self.renderInlineAsText(tokens[idx].children or [], options, env))


MARKDOWN = MarkdownIt("js-default", {"html": False}, renderer_cls=_Renderer)
