"""Content-Type outside of a signature: whether the signed body leaves it any choice.

Large senders do not sign Content-Type. Whoever passes such a message on can then put another one
before the same body, so that something else is shown. Where the body itself shows what its type
must be, there is nothing to gain, and the signature may count.
"""

from __future__ import annotations

import re

from .parts import parameter

_KINDS = frozenset({"mixed", "alternative", "related", "report", "signed"})
_PLAIN_CHARSETS = frozenset({"", "us-ascii", "utf-8"})
_DELIMITER = re.compile(rb"^--(?!-*[ \t]*\r?$)[^\r\n]+", re.MULTILINE)
"""A line that can delimit parts; one of dashes alone is a rule under a heading."""
_MARKUP = re.compile(rb"\s*<(?:!doctype|html)\b", re.IGNORECASE)


def is_pinned(content_type: bytes, body: bytes) -> bool:
    """Return whether a body can be shown in no other way than its Content-Type says.

    It can not where it is plain text, and nothing else, or where it begins and ends with the
    delimiters of its multipart boundary (RFC 2046 section 5.1.1), so that no other boundary fits.

    Args:
        content_type: The field's value; `text/plain` where there is no such field.
        body: The signed body.
    """
    kind, _, subtype = content_type.partition(b";")[0].strip().lower().partition(b"/")
    if kind == b"text" and subtype == b"plain":
        return parameter(content_type, "charset").lower() in _PLAIN_CHARSETS and _is_text(body)
    boundary = parameter(content_type, "boundary").encode("utf-8", "replace")
    if kind != b"multipart" or subtype.decode("latin-1") not in _KINDS or not boundary:
        return False
    first = body.lstrip(b"\r\n").partition(b"\n")[0].rstrip()
    return first == b"--" + boundary and body.rstrip().endswith(b"--" + boundary + b"--")


def _is_text(body: bytes) -> bool:
    """Return whether a body can be nothing but plain text: neither multipart nor HTML.

    Shown as text, the source of either would show what its sender had hidden from readers.
    """
    lines = {line.rstrip() for line in _DELIMITER.findall(body)}
    closed = any(line.endswith(b"--") and line[:-2] in lines for line in lines)
    return not closed and _MARKUP.match(body) is None
