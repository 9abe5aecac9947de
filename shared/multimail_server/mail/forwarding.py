"""Resending: a received message sent on as it is, RFC 5322 section 3.6.6, so that its DKIM
signatures still hold; and when it must not be, because it would go round in circles.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime

from .addresses import to_mailbox_address
from .headers import decode_unstructured, fold_addresses, fold_tokens, read_headers

MAX_HOPS = 50
_BARE_LF = re.compile(rb"(?<!\r)\n")


def add_resent_headers(
    raw: bytes, *, by: str, to: tuple[str, ...], message_id: str, moment: datetime
) -> bytes:
    """Return a message with the fields of one more sender on top; below them no byte changes.

    Args:
        raw: As it was received. Line ends that are a bare LF, which SMTP never has, become CRLF.
        by: The mailbox that it came to and that sends it on; `Delivered-To` (RFC 9228) names it,
            so that it is known again if it comes back.
        to: Who gets it.
        message_id: Of the resending, with its angle brackets.
        moment: When.
    """
    lines = [
        f"Delivered-To: {by}",
        f"Resent-Date: {format_datetime(moment)}",
        f"Resent-From: {by}",
        fold_addresses("Resent-To", list(to)),
        fold_tokens("Resent-Message-ID", [message_id]),
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    return head + _BARE_LF.sub(b"\r\n", raw)


def forward_blocked_reason(raw: bytes, mail_from: str, by: str) -> str | None:
    """Return why a message must not be sent on, in one word for programs; None if it may be.

    Args:
        raw: As it was received.
        mail_from: Its return path; empty for a bounce (RFC 5321 section 4.5.5).
        by: The mailbox that it came to.
    """
    if not mail_from:
        return "bounce"
    fields = read_headers(raw)
    if any(
        to_mailbox_address(decode_unstructured(value).strip(" <>")) == by
        for value in fields.all("delivered-to")
    ):
        return "loop"
    if len(fields.all("received")) > MAX_HOPS:
        return "too_many_hops"
    # RFC 3834: an answer that a program gave is for whoever it answers.
    if (
        decode_unstructured(fields.first("auto-submitted"))
        .strip()
        .lower()
        .startswith("auto-replied")
    ):
        return "automatic_reply"
    return None
