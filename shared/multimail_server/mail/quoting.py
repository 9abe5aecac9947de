"""The quotation below a reply: an introduction, and the original's lines after `> `.

It is text of the original's author, and never parsed as Markdown or HTML of ours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape

from multimail.trust.text import clean, one_line

from .mime import Part, parse_parts
from .rendering import normalize_lines, render_text

MAX_CHARS = 10_000
MAX_LINES = 200
_MAX_NAME = 80
_REST = "> […]"
_INTRODUCTION = re.compile(r"On [0-9-]{10} [0-9:]{5} UTC, [^\n]{1,400} wrote:")


def build_quotation(text: str, date: datetime, name: str, address: str) -> str:
    """Return the quotation of a message as plain text, its first 200 lines or 10,000 characters.

    Args:
        text: What a reader of the message sees, as Markdown.
        date: When it came; aware.
        name: The name in From; may be empty.
        address: The address in From.
    """
    plain = clean(render_text(text[:MAX_CHARS]).plain).text.strip("\n")
    lines = plain.split("\n")
    quoted = [f"> {line}".rstrip() for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES or len(text) > MAX_CHARS:
        quoted.append(_REST)
    shown = re.sub(r"[<>]", "", one_line(name, _MAX_NAME))
    author = f"{shown} <{address}>" if shown else address
    written = f"On {date.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {author} wrote:"
    return "\n".join([written, *quoted])


def quotation_to_html(quotation: str) -> str:
    """Return a quotation as HTML, every character of it as text."""
    introduction, *lines = quotation.split("\n")
    quoted = "<br>\n".join(escape(line.removeprefix(">").removeprefix(" ")) for line in lines)
    return f"<p>{escape(introduction)}</p>\n<blockquote>{quoted}</blockquote>\n"


def find_quotation(raw: bytes, text: str) -> str:
    """Return the quotation at the end of a composed message; empty if there is none.

    Args:
        raw: The composed message.
        text: Its own text, which may quote as well and then is no quotation of ours.
    """
    plain = _find_plain(parse_parts(raw))
    lines = normalize_lines(plain or "").rstrip("\n").split("\n")
    start = len(lines)
    while start and lines[start - 1].startswith(">"):
        start -= 1
    if start in (0, len(lines)) or not _INTRODUCTION.fullmatch(lines[start - 1]):
        return ""
    quotation = "\n".join(lines[start - 1 :])
    return "" if render_text(text).plain.rstrip("\n").endswith(quotation) else quotation


def _find_plain(part: Part) -> str | None:
    if part.content_type == "text/plain" and not part.is_attachment:
        return part.text()
    return next(filter(None, map(_find_plain, part.children)), None)
