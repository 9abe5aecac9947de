"""What a reply or a forward takes from its original: the subject, and the quotation.

A reply has an introduction and the original's lines after `> `; a forward has a line, a few header
fields, and the whole text. The quotation is text of the original's author,
and never parsed as Markdown or HTML of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from multimail.trust.quotes import REPLY_WORDS
from multimail.trust.text import clean, one_line

from .mime import Part, parse_parts
from .rendering import normalize_lines, render_text

MAX_SUBJECT = 998
_MAX_PREFIXES = 20
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_PREFIX = re.compile(
    rf"{_BLANK}*(?:{REPLY_WORDS}){_BLANK}*(?:[\[(^]{_BLANK}?[0-9]{{1,4}}[\])]?)?{_BLANK}*"
    r"[:\uff1a\ufe55\ua789]",
    re.IGNORECASE,
)
# Fewer than `quotes` knows: "I:" or "Ilt:" may be a person's own word.
_FORWARD_WORDS = "fwd?|wg|tr|rv|vb|pd|fs|doorst|πρθ|пересл|转发|轉寄|轉發|転送|전달"
_FORWARD = re.compile(rf"{_BLANK}*(?:{_FORWARD_WORDS}){_BLANK}*[:\uff1a]", re.IGNORECASE)
_TAG = re.compile(rf"{_BLANK}*(\[[^\[\]]{{1,80}}\])")


def build_forward_subject(subject: str) -> str:
    """Return the subject of a forward: `Fwd: ` once, and the subject of the message.

    Args:
        subject: The subject of the message that is forwarded, decoded.
    """
    for _ in range(_MAX_PREFIXES):
        prefix = _FORWARD.match(subject)
        if prefix is None:
            break
        subject = subject[prefix.end() :]
    return " ".join(["Fwd:", *subject.split()])[:MAX_SUBJECT]


def build_reply_subject(subject: str) -> str:
    """Return the subject of a reply: `Re: ` once, and what the thread is about (RFC 5322 3.6.5).

    Prefixes of replies are dropped, also those behind the tag of a list, as in `[team] AW: x`.

    Args:
        subject: The subject of the message that is replied to, decoded.
    """
    tags: list[str] = []
    for _ in range(_MAX_PREFIXES):
        if prefix := _PREFIX.match(subject):
            subject = subject[prefix.end() :]
        elif (tag := _TAG.match(subject)) and _PREFIX.match(subject, tag.end()):
            tags.append(tag[1])
            subject = subject[tag.end() :]
        else:
            break
    return " ".join(["Re:", *tags, *subject.split()])[:MAX_SUBJECT]


MAX_CHARS = 10_000
MAX_LINES = 200
_MAX_NAME = 80
_REST = "> […]"
_FORWARD_LINE = "---------- Forwarded message ----------"
_MAX_FORWARD_LINEED = 200_000
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
    plain = clean(render_text(text[:_MAX_FORWARD_LINEED]).plain).text.strip("\n")
    rest = ["[…]"] if len(text) > _MAX_FORWARD_LINEED else []
    fields = [
        f"{name}: {one_line(', '.join(values), _MAX_FIELD)}" for name, values in header if values
    ]
    fields.insert(1, f"Date: {date.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    return "\n".join([_FORWARD_LINE, *fields, "", plain, *rest])


def find_forward(raw: bytes, text: str) -> str:
    """Return the forwarded message at the end of a composed forward; empty if there is none.

    Args:
        raw: The composed message.
        text: The note above it, which may contain the same line.
    """
    plain = normalize_lines(_find_plain(parse_parts(raw)) or "").rstrip("\n")
    note = render_text(text).plain.rstrip() if text else ""
    start = plain.find(f"{_FORWARD_LINE}\n", len(note))
    return plain[start:] if start >= 0 else ""


def quotation_to_html(quotation: str) -> str:
    """Return a quotation as HTML, every character of it as text."""
    if quotation.startswith(_FORWARD_LINE):
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
