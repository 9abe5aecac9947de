"""HTML as plain text: lines as a mail program shows them, without any markup.

The input is HTML that this package wrote: complete, escaped and not deeper than 120 elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .markdown import Element, parse_visible

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SPACED = _HEADINGS | {"p", "ul", "ol", "dl", "blockquote", "pre", "table", "hr", "figure"}
"""Blocks with a blank line before and after them."""
_BLOCKS = _SPACED | {
    "div", "section", "article", "header", "footer", "center", "address", "li", "dt", "dd",
    "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "figcaption",
}  # fmt: skip
_BREAK = "\0"
_RULE = "---"
_SIGNATURE = "-- "


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together, and whether blank lines part them from their neighbours."""

    lines: list[str]
    is_spaced: bool


def html_to_plain_text(html: str) -> str:
    """Return HTML as plain text.

    Headings and paragraphs are lines, items of lists keep their dash or number, quotations have
    `> `, a link is followed by its address in angle brackets, the cells of a row are parted by `|`.

    Args:
        html: Written by `sanitize_html` or by the renderer of Markdown.
    """
    lines = _get_lines(parse_visible(html))
    # RFC 3676 section 4.3: the blank after the dashes makes them the separator of a signature.
    return "\n".join(_SIGNATURE if line == "--" else line for line in lines)


def _get_lines(element: Element) -> list[str]:
    lines: list[str] = []
    was_spaced = False
    is_tight = element.name == "li" and not any(element.get_children({"p"}))
    for block in _get_blocks(element):
        if lines and not is_tight and (was_spaced or block.is_spaced):
            lines.append("")
        lines += block.lines
        was_spaced = block.is_spaced
    return lines


def _get_blocks(element: Element) -> Iterator[_Block]:
    """Yield the blocks in an element, in their order; text between them is a block of its own."""
    inline: list[str] = []
    for child in element.children:
        if isinstance(child, Element) and (child.name in _BLOCKS or _has_block(child)):
            yield from _flush(inline)
            block = _Block(_RENDERERS.get(child.name, _get_lines)(child), child.name in _SPACED)
            if block.lines:
                yield block
        else:
            inline.append(_get_text(child))
    yield from _flush(inline)


def _has_block(element: Element) -> bool:
    children = [child for child in element.children if isinstance(child, Element)]
    return any(child.name in _BLOCKS or _has_block(child) for child in children)


def _flush(inline: list[str]) -> Iterator[_Block]:
    text = "".join(inline)
    inline.clear()
    if text.strip(" \t\n\0"):
        yield _Block(_split_lines(text), is_spaced=False)


def _split_lines(text: str) -> list[str]:
    """Return the lines of inline content; only a break ends a line."""
    pieces = ([piece.strip(" \t") for piece in line.split("\n")] for line in text.split(_BREAK))
    lines = [" ".join(filter(None, line)) for line in pieces]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _get_text(node: Element | str) -> str:
    if isinstance(node, str):
        return node.replace(_BREAK, "")
    if node.name == "br":
        return _BREAK
    text = "".join(map(_get_text, node.children))
    if node.name == "a":
        return _add_target(text, node.attributes.get("href", ""))
    if node.name in ("s", "del", "strike"):  # what is struck out must not read as valid
        return f"~~{text}~~" if text.strip() else text
    return f'"{text}"' if node.name == "q" else text


def _add_target(text: str, href: str) -> str:
    shown = " ".join(text.replace(_BREAK, " ").split())
    if not href or shown in (href, href.removeprefix("mailto:"), href.removesuffix("/")):
        return text
    return f"{text} <{href}>" if shown else f"<{href}>"


def _render_heading(element: Element) -> list[str]:
    return [" ".join(_get_lines(element))] if element.children else []


def _render_list(element: Element) -> list[str]:
    lines: list[str] = []
    number = _to_int(element.attributes.get("start"), 1)
    for item in element.get_children({"li"}):
        number = _to_int(item.attributes.get("value"), number)
        bullet = f"{number}. " if element.name == "ol" else "- "
        number += 1
        content = _get_lines(item) or [""]
        if lines and any(item.get_children({"p"})):
            lines.append("")
        lines += _indent(content, bullet, " " * len(bullet))
    return lines


def _render_quote(element: Element) -> list[str]:
    return [f"> {line}" if line else ">" for line in _get_lines(element)]


def _render_preformatted(element: Element) -> list[str]:
    text = "".join(map(_get_text, element.children)).replace(_BREAK, "\n")
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def _render_row(element: Element) -> list[str]:
    cells = (" ".join(_get_lines(cell)) for cell in element.get_children({"td", "th"}))
    return [" | ".join(cells).rstrip()]


def _render_definition(element: Element) -> list[str]:
    return _indent(_get_lines(element), "    ", "    ")


def _indent(lines: list[str], first: str, rest: str) -> list[str]:
    starts = [first, *[rest] * len(lines)]
    return [f"{start}{line}".rstrip() for start, line in zip(starts, lines, strict=False)]


def _to_int(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and text.isascii() else default


_RENDERERS: dict[str, Callable[[Element], list[str]]] = {
    **dict.fromkeys(_HEADINGS, _render_heading),
    "ul": _render_list,
    "ol": _render_list,
    "blockquote": _render_quote,
    "pre": _render_preformatted,
    "tr": _render_row,
    "dd": _render_definition,
    "hr": lambda _element: [_RULE],
}
