"""The quotation below a reply: an introduction, and the original's lines after `> `; and below a
forward: a line, a few header fields, and the whole text.

It is text of the original's author, and never parsed as Markdown or HTML of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from multimail.trust.text import clean, one_line

from .mime import Part, parse_parts
from .rendering import normalize_lines, render_text

MAX_CHARS = 10_000
MAX_LINES = 200
_MAX_NAME = 80
_REST = "> […]"
_FORWARD = "---------- Forwarded message ----------"
_MAX_FORWARDED = 200_000
_MAX_FIELD = 1000
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


def build_forward(text: str, date: datetime, header: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Return a forwarded message as plain text, at most its first 200,000 characters.

    Args:
        text: What a reader of the message sees, as Markdown.
        date: When it came; aware.
        header: Fields to show, each with its values; one without a value is left out.
    """
    plain = clean(render_text(text[:_MAX_FORWARDED]).plain).text.strip("\n")
    rest = ["[…]"] if len(text) > _MAX_FORWARDED else []
    fields = [
        f"{name}: {one_line(', '.join(values), _MAX_FIELD)}" for name, values in header if values
    ]
    fields.insert(1, f"Date: {date.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    return "\n".join([_FORWARD, *fields, "", plain, *rest])


def find_forward(raw: bytes, text: str) -> str:
    """Return the forwarded message at the end of a composed forward; empty if there is none.

    Args:
        raw: The composed message.
        text: The note above it, which may contain the same line.
    """
    plain = normalize_lines(_find_plain(parse_parts(raw)) or "").rstrip("\n")
    note = render_text(text).plain.rstrip() if text else ""
    start = plain.find(f"{_FORWARD}\n", len(note))
    return plain[start:] if start >= 0 else ""


def quotation_to_html(quotation: str) -> str:
    """Return a quotation as HTML, every character of it as text."""
    if quotation.startswith(_FORWARD):
        return f"<p>{'<br>'.join(map(escape, quotation.split(chr(10))))}</p>\n"
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
