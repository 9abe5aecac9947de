"""What recipients get of a text: its HTML and its plain text.

The text is Markdown or, as a whole, HTML. Both forms are made here and nowhere else, so that an
approver sees what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

MAX_LINKS = 2000
MAX_BRACKETS = 8000
MAX_LINES = 10_000
"""Of more than these the parser would take seconds; such a text is shown as it was written."""


@dataclass(frozen=True, slots=True)
class RenderedText:
    """A text as it is sent.

    Attributes:
        html: Safe HTML, without the page around it.
        plain: The same as plain text, with LF line ends.
    """

    html: str
    plain: str


def render_text(text: str) -> RenderedText:
    """Return what recipients get of a text, always the same for the same text.

    Args:
        text: Markdown, or HTML if `is_html` says so.
    """
    # Imported with the first text to render, which keeps the parsers out of the server's start.
    from .html.outgoing import is_html, keep_lines, sanitize_html
    from .html.plain import html_to_plain_text

    text = normalize_lines(text)
    if is_html(text) and (html := sanitize_html(keep_lines(text))).strip():
        return RenderedText(f"{html}\n", html_to_plain_text(html))
    if not is_parsable(text):
        return RenderedText(render_verbatim(text), text)
    html = str(_get_parser().render(text))
    return RenderedText(html, html_to_plain_text(html))


def append_signature(text: str, signature: str | None, note: str | None) -> str:
    """Return a text with a signature after `-- ` (RFC 3676 section 4.3), and a note in italics.

    Args:
        text: Markdown or HTML; it stays what it is.
        signature: Markdown or HTML; becomes what the text is.
        note: One plain sentence.
    """
    from .html import html_to_markdown
    from .html.outgoing import is_html

    if is_html(text):
        parts = [text]
        if signature:
            html = signature if is_html(signature) else render_text(signature).html
            html = html.replace("<br>\n", "<br>")  # no line of it may look like Markdown
            parts.append(f"<p>-- </p>\n<div>{html}</div>")
        return "\n".join([*parts, *([f"<p><em>{escape(note)}</em></p>"] if note else [])])
    parts = [text.rstrip("\n")]
    if signature:
        markdown = html_to_markdown(signature).text if is_html(signature) else signature
        parts.append(f"-- \n{markdown}")
    return "\n\n".join([*parts, *([f"*{note}*"] if note else [])])


def normalize_lines(text: str) -> str:
    """Return a text with LF line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_parsable(text: str) -> bool:
    """Return whether a text has few enough links, brackets and lines to be parsed as Markdown."""
    links = text.count("//") + text.count("@")
    lines = text.count("\n")
    return links <= MAX_LINKS and text.count("[") <= MAX_BRACKETS and lines <= MAX_LINES


def render_verbatim(text: str) -> str:
    """Return a text as HTML that shows it as it was written, line by line."""
    return "<p>{}</p>\n".format(escape(text, quote=False).replace("\n", "<br>\n"))


@cache
def _get_parser() -> MarkdownIt:
    from markdown_it.common.utils import escapeHtml
    from markdown_it.renderer import RendererHTML

    from .markdown_rules import build_parser

    class Renderer(RendererHTML):
        def image(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            """Render an image as its description: loading it would reveal who reads the mail."""
            text = self.renderInlineAsText(tokens[idx].children or [], options, env)
            return escapeHtml(text or str(tokens[idx].attrGet("src") or ""))

    return build_parser(Renderer)
