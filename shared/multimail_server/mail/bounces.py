"""Bounces: what delivery reports say (RFC 3464), complaints too (RFC 5965). Parsed, not believed.

Whoever knows our address can write such a report: what one may cause is decided in the mailroom.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .headers import HeaderBlock, read_headers, unfold
from .mime import Part, get_parameter, parse_message, parse_parts

BounceType: TypeAlias = Literal["hard", "soft"]

_MAX_RECIPIENTS = 100
_MAX_REPORT = 256 * 1024
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<!\d)(?<!\d\.)([2-5]\d\d)(?=[ -]|\Z)")
# Permanent for this message and not for the address: the sender's address, a full box, size,
# the system, loops and time that ran out, the protocol, the content, policy (RFC 3463).
_NOT_THE_ADDRESS = re.compile(r"5\.(?:1\.[789]|2\.[23]|3\.\d+|4\.[0235678]|5\.\d+|6\.\d+|7\.\d+)")
_BLANK_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """One recipient that a report names as failed.

    Attributes:
        addresses: Its final and its original address, as far as they are named.
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
        """Hard: the address is no good. Soft: another message may get through."""
        return classify_failure(self.code, self.status)


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        complaint: Whether a recipient called the message spam; else delivery failed.
        message_id: The Message-ID of the message that it is about; None if it does not say.
        failed: The recipients concerned, at most 100.
    """

    complaint: bool
    message_id: str | None
    failed: tuple[FailedRecipient, ...]


def classify_failure(code: int | None, status: str) -> BounceType:
    """Return how lasting a failure is, by its SMTP code and its enhanced status code."""
    if status:
        lasting = status.startswith("5.") and _NOT_THE_ADDRESS.fullmatch(status) is None
        return "hard" if lasting else "soft"
    return "hard" if code is not None and 500 <= code < 600 else "soft"


def parse_status(text: str) -> str:
    """Return the enhanced status code at the start of a reply's text, or nothing."""
    found = _STATUS.match(text)
    return found[1] if found else ""


def parse_report(raw: bytes) -> Report | None:
    """Return the report that a message is; None if it is none. It never raises.

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
    said = unfold(group.first("diagnostic-code")[:4000]).partition(";")[2].strip()[:500]
    status, code = _STATUS.search(_get_word(group, "status")), _REPLY_CODE.search(said)
    return FailedRecipient(
        addresses=_parse_addresses(group, "final-recipient", "original-recipient"),
        status=status[1] if status else "",
        code=int(code[1]) if code else None,
        text=said or (status[1] if status else ""),
    )


def _parse_complaint(tree: Part) -> Report | None:
    part = _find_child(tree, "message/feedback-report")
    if part is None:
        return None
    group = read_headers(part.content()[:_MAX_REPORT].strip() + b"\r\n\r\n")
    if _get_word(group, "feedback-type") != "abuse":
        return None
    named = [_parse_address(value) for value in group.all("original-rcpt-to")[:_MAX_RECIPIENTS]]
    who = tuple(FailedRecipient((one,), "", None, "complaint") for one in named if one)
    return Report(True, _get_original_id(tree), who)


def _get_original_id(tree: Part) -> str | None:
    for kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
        part = _find_child(tree, kind)
        if part is not None:
            return parse_message(part.content()[:_MAX_REPORT]).message_id
    return None


def _find_child(tree: Part, kind: str) -> Part | None:
    return next((part for part in tree.children if part.content_type == kind), None)


def _parse_addresses(group: HeaderBlock, *names: str) -> tuple[str, ...]:
    found = (_parse_address(unfold(group.first(name)[:1000]).partition(";")[2]) for name in names)
    return tuple(dict.fromkeys(one for one in found if one))


def _parse_address(value: str | bytes) -> str:
    text = unfold(value[:1000]) if isinstance(value, bytes) else value
    return text.strip().strip("<>").lower()


def _get_word(group: HeaderBlock, name: str) -> str:
    return unfold(group.first(name)[:200]).partition(" ")[0].strip().lower()
