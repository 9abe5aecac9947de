"""Content-Type outside of a signature: whether the signed body leaves it any choice.

Large senders do not sign Content-Type. Whoever passes such a message on can then put another one
before the same body, so that something else is shown. Where the body itself shows what its type
must be, there is nothing to gain, and the signature may count.
"""

from __future__ import annotations

from .parts import parameter

_KINDS = frozenset({"mixed", "alternative", "related", "report", "signed"})
_PLAIN_CHARSETS = frozenset({"", "us-ascii", "utf-8"})


def is_pinned(content_type: bytes, body: bytes) -> bool:
    """Return whether a body can be shown in no other way than its Content-Type says.

    It can not where it is plain text, shown as it stands, or where it begins and ends with the
    delimiters of its multipart boundary (RFC 2046 section 5.1.1), so that no other boundary fits.

    Args:
        content_type: The field's value.
        body: The signed body.
    """
    kind, _, subtype = content_type.partition(b";")[0].strip().lower().partition(b"/")
    if kind == b"text" and subtype == b"plain":
        return parameter(content_type, "charset").lower() in _PLAIN_CHARSETS
    boundary = parameter(content_type, "boundary").encode("utf-8", "replace")
    if kind != b"multipart" or subtype.decode("latin-1") not in _KINDS or not boundary:
        return False
    first = body.lstrip(b"\r\n").partition(b"\n")[0].rstrip()
    return first == b"--" + boundary and body.rstrip().endswith(b"--" + boundary + b"--")
