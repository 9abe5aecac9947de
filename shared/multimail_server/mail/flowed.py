"""Plain text with `format=flowed`: lines that were broken for transport are joined (RFC 3676)."""

from __future__ import annotations


def unflow(text: str, *, delete_space: bool) -> str:
    """Return flowed text with its paragraphs on one line each, quotes still marked with `>`.

    Args:
        text: The text, with LF line ends.
        delete_space: Whether `DelSp=yes` was declared: the space at the end of a line only marks
            that it goes on.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    depth = 0
    for line in text.split("\n"):
        own_depth = len(line) - len(line.lstrip(">"))
        content = line[own_depth:]
        content = content.removeprefix(" ")  # space-stuffing, section 4.4
        if paragraph and (own_depth != depth or content == "-- "):
            lines.append(_join(paragraph, depth))
            paragraph = []
        depth = own_depth
        flows = content.endswith(" ") and content != "-- "
        paragraph.append(content[:-1] if flows and delete_space else content)
        if not flows:
            lines.append(_join(paragraph, depth))
            paragraph = []
    if paragraph:
        lines.append(_join(paragraph, depth))
    return "\n".join(lines)


def _join(paragraph: list[str], depth: int) -> str:
    text = "".join(paragraph)
    # A stuffed `>` is no quote, and must not become one.
    is_like_quote = not depth and text.startswith(">")
    prefix = ">" * depth + " " * (bool(depth and text) or is_like_quote)
    return prefix + text
