"""Forwarding: a received message sent on unchanged, so that its DKIM signatures still hold.

Source: RFC 5322 section 3.6.6.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime

from .addresses import format_address, to_mailbox_address
from .automation import list_automation_signs
from .headers import decode_unstructured, fold_addresses, fold_tokens, read_headers

MAX_HOPS = 50
_BARE_LF = re.compile(rb"(?<!\r)\n")


def add_resent_headers(
    raw: bytes, *, by: str, to: tuple[str, ...], message_id: str, moment: datetime
) -> bytes:
    """Return a message with the fields of a forward on top; no byte below them changes.

    Args:
        raw: The message as it was received. A bare LF, which SMTP never has, becomes CRLF.
        by: The mailbox that received it and forwards it. `Delivered-To` (RFC 9228) names it, so
            that the message is recognised if it comes back.
        to: The recipients of the forward.
        message_id: The Message-ID of the forward, with its angle brackets.
        moment: When it is forwarded.
    """
    lines = [
        f"Delivered-To: {by}",
        f"Resent-Date: {format_datetime(moment)}",
        f"Resent-From: {by}",
        fold_addresses("Resent-To", [format_address(address) for address in to]),
        fold_tokens("Resent-Message-ID", [message_id]),
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    return head + _BARE_LF.sub(b"\r\n", raw)


def forward_blocked_reason(raw: bytes, mail_from: str, by: str) -> str | None:
    """Return the code of the reason why a message must not be forwarded; None if it may be.

    Args:
        raw: The message as it was received.
        mail_from: Its return path; empty for a bounce (RFC 5321 section 4.5.5).
        by: The mailbox that received it.
    """
    if not mail_from:
        return "bounce"
    headers = read_headers(raw)
    delivered_to = (decode_unstructured(value) for value in headers.all("delivered-to"))
    if any(to_mailbox_address(address.strip(" <>")) == by for address in delivered_to):
        return "loop"
    if len(headers.all("received")) > MAX_HOPS:
        return "too_many_hops"
    # RFC 3834: an automatic reply is meant only for the sender that it answers.
    signs = list_automation_signs(headers, mail_from)
    return "automatic_reply" if any(sign.is_answer for sign in signs) else None
