"""What recipients get of a text: its HTML and its plain text.

The text is Markdown or, as a whole, HTML. Both forms are made here and nowhere else, so that an
approver sees what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from .html.markdown import VOID_ELEMENTS, Element, parse_visible, unfold_layout_tables

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
    from .html.plain import html_to_plain_text

    text = normalize_lines(text)
    if is_html(text) and (html := sanitize_html(keep_lines(text))).strip():
        return RenderedText(f"{html}\n", html_to_plain_text(html))
    if not is_parsable(text):
        return RenderedText(render_verbatim(text), text)
    html = str(_get_parser().render(text))
    return RenderedText(html, html_to_plain_text(html))


def shorten(text: str, limit: int, *, is_markdown: bool) -> tuple[str, bool]:
    """Return the beginning of a text, in whole words, and whether it is all of it.

    Args:
        text: The text.
        limit: Characters of the result, without the mark at its end.
        is_markdown: Whether it is rendered as plain text first.
    """
    source = text.strip()
    # Markup can take more room than what it shows.
    text = source if len(source) <= 4 * limit else _cut(source, 4 * limit)
    is_short = text == source
    text = render_text(text).plain.strip() if is_markdown else text
    if len(text) > limit:
        return f"{_cut(text, limit)} …", False
    return (text, True) if is_short else (f"{text} …", False)


def _cut(text: str, limit: int) -> str:
    """Return the whole words of the beginning of a text; a long word is cut."""
    beginning = re.match(r".*(?=\s)", text[: limit + 1], re.DOTALL)
    return beginning[0].rstrip() if beginning and beginning[0].strip() else text[:limit]


def append_signature(text: str, signature: str | None, note: str | None) -> str:
    """Return a text with a signature after `-- ` (RFC 3676 section 4.3), and a note in italics.

    Args:
        text: Markdown or HTML; it stays what it is.
        signature: Markdown or HTML; becomes what the text is.
        note: One plain sentence.
    """
    from .html import html_to_markdown

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


_BLOCKS = (
    "p|div|h[1-6]|ul|ol|dl|table|blockquote|pre|center|section|article|header|footer|main|"
    "address|font|html|body"
)
_INLINE = "a|b|strong|i|em|u|s|span|code|small|big|sub|sup|del|ins|mark|q"
_START = re.compile(rf"<({_BLOCKS}|{_INLINE}|br|hr|img)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_DOCUMENT = re.compile(r"<(?:!doctype\s+html|html|head|body)\b[^<>]*>", re.IGNORECASE)
_END = re.compile(rf"(?:</(?:{_BLOCKS}|{_INLINE})\s*>|<(?:br|hr|img)\b[^<>]*>)\Z", re.IGNORECASE)
_BLOCK_END = re.compile(rf"</(?:{_BLOCKS})\s*>", re.IGNORECASE)

_BREAK = re.compile(r"[^\s<>]<br\s{0,3}/?>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<(?:/?([a-zA-Z][a-zA-Z0-9]{0,15})(?=[\s/>])|[a-zA-Z/!?@])")
_TAGS = frozenset(f"{_BLOCKS}|{_INLINE}|li|tr|td|th|tbody|br|hr|img|h1|h2|h3|h4".split("|"))
_MARKDOWN = re.compile(r"\*\*|`|^(?:#{1,6}|[-*>]) ", re.MULTILINE)
_ENDS_LINE = re.compile(
    rf"<(?:/?(?:{_BLOCKS}|li|tr|td|th|tbody)|[bh]r[ /]*)>[ \t]*$", re.IGNORECASE
)
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
    with one, or closes two blocks. A text that begins without a tag is HTML if `<br>` ends lines in
    it, if all its tags are HTML's, some of them others than `<br>`, and if nothing is Markdown.
    """
    text = text.strip()
    if ">" not in text:
        return False
    if not text.startswith("<"):
        return _has_breaks(text)
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


def _has_breaks(text: str) -> bool:
    if _BREAK.search(text) is None or _MARKDOWN.search(text):
        return False
    names = {(name or "?").lower() for name in _ANY_TAG.findall(text)}
    return len(names) > 1 and names <= _TAGS and f"</{min(names - {'br'})}" in text.lower()


def keep_lines(html: str) -> str:
    """Return HTML with a `<br>` at line ends that no tag precedes, if it begins without a tag."""
    if html.lstrip().startswith("<"):
        return html
    lines = html.strip().split("\n")
    return "\n".join(line if _ENDS_LINE.search(line[-40:]) else f"{line}<br>" for line in lines)


def _ends_with_tag(text: str) -> bool:
    last = text.rfind("<")
    return last > 0 and _END.match(text, last) is not None


def sanitize_html(html: str) -> str:
    """Return HTML with an allow-list of elements, and of attributes only those that show nothing.

    Links lead to http, https or mailto; images, scripts, forms, frames and styles are removed, and
    so is text that a reader would not see. What is returned is complete and escaped.
    """
    # Imported with the first HTML to send, as in `render_text`.
    from .html.visibility import extract_visible_html

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
