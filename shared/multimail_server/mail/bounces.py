"""Bounces: parses delivery reports (RFC 3464) and complaints about spam (RFC 5965).

A report proves nothing, since anybody can send one. `services.receiving` decides what it may cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .headers import HeaderBlock, read_headers, unfold
from .message import parse_message
from .mime import Part, parse_parts
from .parameters import get_parameter

BounceType: TypeAlias = Literal["hard", "soft"]

_MAX_RECIPIENTS = 100
_MAX_REPORT = 256 * 1024
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<!\d)(?<!\d\.)([2-5]\d\d)(?=[ -]|\Z)")
# Permanent for this message, not for the address: the sender's address, a full mailbox, size, the
# system, loops and expiry, the protocol, the content, policy (RFC 3463).
_NOT_THE_ADDRESS = re.compile(r"5\.(?:1\.[789]|2\.[23]|3\.\d+|4\.[0235678]|5\.\d+|6\.\d+|7\.\d+)")
_BLANK_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """A recipient to whom delivery failed, by a report.

    Attributes:
        addresses: Its final and its original address, as far as the report names them.
        status: The enhanced status code of RFC 3463, such as `5.1.1`; empty if there is none.
        code: The SMTP reply code in the diagnostic; None if there is none.
        text: The diagnostic, on one line, at most 500 characters.
    """

    addresses: tuple[str, ...]
    status: str
    code: int | None
    text: str

    @property
    def kind(self) -> BounceType:
        """`hard`: the address does not work. `soft`: another message may be delivered."""
        return classify_failure(self.code, self.status)


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report or a complaint.

    Attributes:
        complaint: Whether a recipient reported the message as spam; else delivery failed.
        message_id: The Message-ID of the reported message; None if the report has none.
        failed: The recipients concerned, at most 100.
    """

    complaint: bool
    message_id: str | None
    failed: tuple[FailedRecipient, ...]


def classify_failure(code: int | None, status: str) -> BounceType:
    """Return whether a failure is permanent for the address, by its SMTP and its enhanced code."""
    if status:
        is_permanent = status.startswith("5.") and _NOT_THE_ADDRESS.fullmatch(status) is None
        return "hard" if is_permanent else "soft"
    return "hard" if code is not None and 500 <= code < 600 else "soft"


def parse_status(text: str) -> str:
    """Return the enhanced status code at the start of a reply's text, or nothing."""
    match = _STATUS.match(text)
    return match[1] if match else ""


def parse_report(raw: bytes) -> Report | None:
    """Return the report that a message contains; None if it is not a report. It never raises.

    Sources: RFC 3462 (multipart/report), RFC 3464 section 2, RFC 5965 section 3.
    """
    if b"report" not in raw[:_MAX_REPORT].lower():
        return None
    tree = parse_parts(raw)
    if tree.content_type != "multipart/report":
        return None
    kind = get_parameter(tree.headers.first("content-type"), "report-type").lower()
    if kind == "delivery-status":
        return _parse_delivery_report(tree)
    return _parse_complaint(tree) if kind == "feedback-report" else None


def _parse_delivery_report(tree: Part) -> Report | None:
    status = _find_child(tree, "message/delivery-status")
    if status is None:
        return None
    blocks = _BLANK_LINES.split(status.content()[:_MAX_REPORT].strip())[1 : _MAX_RECIPIENTS + 1]
    groups = [read_headers(block + b"\r\n\r\n") for block in blocks]
    failed = tuple(
        _parse_recipient(group) for group in groups if _get_word(group, "action") == "failed"
    )
    return Report(False, _get_original_id(tree), failed)


def _parse_recipient(group: HeaderBlock) -> FailedRecipient:
    diagnostic = unfold(group.first("diagnostic-code")[:4000]).partition(";")[2].strip()[:500]
    status, code = _STATUS.search(_get_word(group, "status")), _REPLY_CODE.search(diagnostic)
    return FailedRecipient(
        addresses=_parse_addresses(group, "final-recipient", "original-recipient"),
        status=status[1] if status else "",
        code=int(code[1]) if code else None,
        text=diagnostic or (status[1] if status else ""),
    )


def _parse_complaint(tree: Part) -> Report | None:
    part = _find_child(tree, "message/feedback-report")
    if part is None:
        return None
    group = read_headers(part.content()[:_MAX_REPORT].strip() + b"\r\n\r\n")
    if _get_word(group, "feedback-type") != "abuse":
        return None
    values = group.all("original-rcpt-to")[:_MAX_RECIPIENTS]
    addresses = filter(None, map(_parse_address, values))
    recipients = tuple(FailedRecipient((to,), "", None, "complaint") for to in addresses)
    return Report(True, _get_original_id(tree), recipients)


def _get_original_id(tree: Part) -> str | None:
    for kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
        part = _find_child(tree, kind)
        if part is not None:
            return parse_message(part.content()[:_MAX_REPORT]).message_id
    return None


def _find_child(tree: Part, kind: str) -> Part | None:
    return next((part for part in tree.children if part.content_type == kind), None)


def _parse_addresses(group: HeaderBlock, *names: str) -> tuple[str, ...]:
    values = (group.first(name)[:1000].partition(b";")[2] for name in names)
    return tuple(dict.fromkeys(filter(None, map(_parse_address, values))))


def _parse_address(value: bytes) -> str:
    return unfold(value[:1000]).strip().strip("<>").lower()


def _get_word(group: HeaderBlock, name: str) -> str:
    return unfold(group.first(name)[:200]).partition(" ")[0].strip().lower()
