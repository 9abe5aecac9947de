"""Bounces in words: of mail systems that write no part for programs (RFC 3464).

Exim names the recipients in X-Failed-Recipients, qmail and older Exchange servers only in their
text; most quote the header of the message that came back. What counts is a recipient with a reason
beside it: a code of 5xx or 5.x.x, or words that say that there is no such address. A warning about
a delay is no bounce.
"""

from __future__ import annotations

import re

from .bounces import FailedRecipient, Report, find_status, get_text, parse_report_address
from .mime import Part

_MAX_RECIPIENTS = 100
_MAX_REASON = 1500
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:=]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_QUOTED = re.compile(
    r"^[ \t>]*(?:[-=*_]{2,}[^\n]*(?:copy of|original message|returned message|header of)"
    r"|original message headers?:|(?:return-path|received|message-id|mime-version):)",
    re.IGNORECASE | re.MULTILINE,
)
# The codes of SMTP alone: other numbers from 500 on are sizes and ports.
_REPLY_CODE = re.compile(r"(?<![\d.])(5(?:0[0-4]|2[1347]|3[0458]|4[12]|5\d|7\d))(?=[ :-])")
_DELAY = re.compile(
    r"warning message only|delivery[\w ]{0,20} delayed|has not (?:yet )?been delivered"
    r"|delayed \d|will (?:keep|continue|be retried|retry)|attempts will continue|no action is req",
    re.IGNORECASE,
)
_NO_SUCH_ADDRESS = re.compile(
    r"user unknown|unknown (?:user|recipient|local.part|address|mailbox)|unrouteable address"
    r"|no such (?:user|mailbox|address|recipient|account|person)|no mailbox (?:here )?by that name"
    r"|(?:address|mailbox|recipient|account|user|inbox)\b[^\n]{0,60}?"
    r"(?:not found|does(?: not|n.t) exist|(?:could not|couldn.t) be found|is unknown)"
    r"|recip(?:ient)?notfound|invalid (?:recipient|mailbox|address)",
    re.IGNORECASE,
)


def parse_text_bounce(tree: Part, named_ids: tuple[str, ...]) -> Report | None:
    """Return the bounce in the text of a message; None if it names no failed recipient.

    Args:
        tree: The message.
        named_ids: The Message-IDs that its parts and its header name.
    """
    whole = get_text(tree)
    text = whole[: match.start()] if (match := _QUOTED.search(whole)) else whole
    if _DELAY.search(f"{text}\n{tree.headers.first('subject')[:500].decode('latin-1')}"):
        return None
    listed = [
        parse_report_address(value)
        for field in tree.headers.all("x-failed-recipients")[:_MAX_RECIPIENTS]
        for value in field[:4000].split(b",")[:_MAX_RECIPIENTS]
    ]
    failed = _list_failed(text, [address for address in listed if address])
    return Report(False, named_ids, failed) if failed else None


def _list_failed(text: str, listed: list[str]) -> tuple[FailedRecipient, ...]:
    """Return the recipients with a reason beside them, and those in X-Failed-Recipients."""
    reasons = _find_reasons(text)
    failed = {
        address: failure
        for address, reason in reasons.items()
        if (failure := _read_reason(address, reason)) is not None
    }
    if not failed:  # One reason, before the recipients or after all of them.
        whole = {address: _read_reason(address, text) for address in (*reasons, *listed)}
        failed = {address: failure for address, failure in whole.items() if failure is not None}
    for address in listed:
        failed.setdefault(address, FailedRecipient((address,), "", None, ""))
    return tuple(failed.values())[:_MAX_RECIPIENTS]


def _find_reasons(text: str) -> dict[str, str]:
    """Return the text behind each address, up to the next other address."""
    matches = list(_ADDRESS.finditer(text))[: 4 * _MAX_RECIPIENTS]
    reasons: dict[str, str] = {}
    for number, match in enumerate(matches):
        address = match[0].lower().strip(".")
        others = (
            later.start() for later in matches[number + 1 :] if later[0].lower() != match[0].lower()
        )
        end = next(others, len(text))
        reason = text[match.end() : min(end, match.end() + _MAX_REASON)]
        reasons[address] = f"{reasons.get(address, '')}\n{reason}".strip()[: 2 * _MAX_REASON]
    return reasons


def _read_reason(address: str, text: str) -> FailedRecipient | None:
    """Return the failure that a text describes; None if it describes none that is final."""
    status, code = find_status(text), _REPLY_CODE.search(text)
    if status[:1] != "5" and code is None:
        if not _NO_SUCH_ADDRESS.search(text):
            return None
        status = "5.1.1"
    diagnostic = " ".join(text.split())[:500]
    return FailedRecipient((address,), status, int(code[1]) if code else None, diagnostic)
