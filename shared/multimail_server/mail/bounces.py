"""Bounces: parses delivery reports (RFC 3464, RFC 6533) and complaints about spam (RFC 5965).

A report is known by its parts, whatever its Content-Type says; one that has no part for programs,
by its sender and its words: Exim names the recipients in X-Failed-Recipients, qmail and older
Exchange servers only in their text. There a recipient counts that has a reason beside it: a code of
5xx or 5.x.x, or words that say that there is no such address. A warning about a delay is no bounce.

A report proves nothing, since anybody can send one. `services.receiving` decides what it may cause.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from multimail.trust.automation import is_daemon

from .automation import get_author
from .headers import HeaderBlock, read_headers, unfold
from .message_ids import parse_message_ids
from .mime import Part, parse_parts

BounceType: TypeAlias = Literal["hard", "soft"]

_MAX_RECIPIENTS = 100
_MAX_QUOTED = 5
_MAX_REPORT = 256 * 1024
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<!\d)(?<!\d\.)([2-5]\d\d)(?=[ -]|\Z)")
# Permanent for this message, not for the address: the sender's address, a full mailbox, size, the
# system, loops and expiry, the protocol, the content, policy (RFC 3463).
_NOT_THE_ADDRESS = re.compile(r"5\.(?:1\.[789]|2\.[23]|3\.\d+|4\.[0235678]|5\.\d+|6\.\d+|7\.\d+)")
_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINALS = frozenset(
    {
        "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
        "message/global-headers", "text/rfc822", "message/partial",
    }
)  # fmt: skip
_MARKS = (b"delivery-status", b"feedback-report", b"multipart/report")
# A character of an address, as RFC 6533 section 3 writes it where UTF-8 cannot be sent.
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_MAX_TEXT = 64 * 1024
_TAG = re.compile(r"<[^<>]{0,2000}>")
_QUOTED_ID = re.compile(
    r"^[ \t>]*message-id:[ \t]*(?:\n[ \t>]+)?(<[^<>\n]{1,900}>)", re.IGNORECASE | re.MULTILINE
)
_BLANK_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """A recipient to whom delivery failed, by a report.

    Attributes:
        addresses: Its final and its original address, as far as the report names them.
        status: The enhanced status code of RFC 3463, such as `5.1.1`; empty if there is none. It
            is `5.1.1` too where only the words say that there is no such address.
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
        message_ids: The Message-IDs that may be that of the reported message, the best first.
        failed: The recipients concerned, at most 100.
    """

    complaint: bool
    message_ids: tuple[str, ...]
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


def parse_report(raw: bytes, headers: HeaderBlock | None = None) -> Report | None:
    """Return the report that a message contains; None if it is not a report. It never raises.

    Sources: RFC 3464 section 2, RFC 6533 section 4, RFC 5965 section 3.

    Args:
        raw: The whole message.
        headers: Its header block, if it was already parsed.
    """
    headers = headers or read_headers(raw)
    is_prose = is_daemon(get_author(headers)) or bool(headers.first("x-failed-recipients").strip())
    start = raw[:_MAX_REPORT].lower()
    if not is_prose and not any(mark in start for mark in _MARKS):
        return None
    tree = parse_parts(raw, headers)
    for part in tree.walk():
        if part.content_type in _STATUS_PARTS:
            ids = _list_original_ids(tree, read_headers(part.content()[:_MAX_REPORT].lstrip()))
            return Report(False, ids, _parse_delivery_status(part))
        if part.content_type == "message/feedback-report":
            return _parse_complaint(tree, part)
    if not is_prose:
        return None

    return parse_text_bounce(tree, _list_original_ids(tree))


def _parse_delivery_status(part: Part) -> tuple[FailedRecipient, ...]:
    blocks = _BLANK_LINES.split(part.content()[:_MAX_REPORT].strip())[: 2 * _MAX_RECIPIENTS]
    groups = [read_headers(block + b"\r\n\r\n") for block in blocks]
    recipients = [_parse_recipient(group) for group in groups if _is_failure(group)]
    return tuple(recipient for recipient in recipients if recipient.addresses)[:_MAX_RECIPIENTS]


def _is_failure(group: HeaderBlock) -> bool:
    """Return whether a group of fields says that delivery failed; a delay is no failure."""
    action = _get_word(group, "action")
    return action.startswith("fail") or (not action and _get_word(group, "status")[:1] == "5")


def _parse_recipient(group: HeaderBlock) -> FailedRecipient:
    field = unfold(group.first("diagnostic-code")[:4000])
    kind, mark, rest = field.partition(";")
    diagnostic = (rest if mark and " " not in kind.strip() else field).strip()[:500]
    status = find_status(unfold(group.first("status")[:200]))
    code = _REPLY_CODE.search(diagnostic)
    return FailedRecipient(
        addresses=_parse_addresses(
            group, "final-recipient", "original-recipient", "x-actual-recipient"
        ),
        status=status or find_status(diagnostic),
        code=int(code[1]) if code else None,
        text=diagnostic or status,
    )


def find_status(text: str) -> str:
    """Return the first enhanced status code in a text (RFC 3463), or nothing."""
    match = _STATUS.search(text)
    return match[1] if match else ""


def _parse_complaint(tree: Part, part: Part) -> Report | None:
    group = read_headers(part.content()[:_MAX_REPORT].strip() + b"\r\n\r\n")
    if _get_word(group, "feedback-type") != "abuse":
        return None
    values = group.all("original-rcpt-to")[:_MAX_RECIPIENTS]
    addresses = filter(None, map(parse_report_address, values))
    recipients = tuple(FailedRecipient((to,), "", None, "complaint") for to in addresses)
    return Report(True, _list_original_ids(tree), recipients)


def _list_original_ids(tree: Part, status: HeaderBlock | None = None) -> tuple[str, ...]:
    """Return the Message-ID in the returned message; else what else of the report may name it."""
    for part in tree.walk():
        if part.content_type in _ORIGINALS:
            ids = parse_message_ids(read_headers(part.content()[:_MAX_REPORT]).all("message-id"))
            if ids:
                return ids[:1]
    named = status.all("x-original-message-id") if status else []
    quoted = [id_.encode() for id_ in _QUOTED_ID.findall(get_text(tree))[:_MAX_QUOTED]]
    answered = parse_message_ids(tree.headers.all("in-reply-to"))[:1]
    last = parse_message_ids(tree.headers.all("references"))[-1:]
    return tuple(dict.fromkeys((*parse_message_ids([*named, *quoted]), *answered, *last)))


def get_text(tree: Part) -> str:
    """Return the text of a report, with the HTML parts as plain text; at most 64 KB."""
    texts: list[str] = []
    for part in tree.walk():
        if part.is_text:
            text = part.text()[:_MAX_TEXT]
            texts.append(
                html.unescape(_TAG.sub(" ", text)) if part.content_type == "text/html" else text
            )
    return "\n\n".join(texts)[:_MAX_TEXT]


def _parse_addresses(group: HeaderBlock, *names: str) -> tuple[str, ...]:
    values = (group.first(name) for name in names)
    return tuple(dict.fromkeys(filter(None, map(parse_report_address, values))))


def parse_report_address(value: bytes) -> str:
    """Return the address of a recipient field, in lower case; its type may be missing."""
    kind, mark, rest = unfold(value[:1000]).partition(";")
    text = _ESCAPED.sub(_decode_character, rest if mark and "@" not in kind else kind)
    inner = text.partition("<")[2].partition(">")[0] or text
    words = inner.split()
    return next((word for word in words if "@" in word), words[0] if words else "").lower()


def _decode_character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else match[0]


def _get_word(group: HeaderBlock, name: str) -> str:
    return unfold(group.first(name)[:200]).partition(" ")[0].strip().lower()


_MAX_REASON = 1500
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:=]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_QUOTED = re.compile(
    r"^[ \t>]*(?:[-=*_]{2,}[^\n]*(?:copy of|original message|returned message|header of)"
    r"|original message headers?:|(?:return-path|received|message-id|mime-version):)",
    re.IGNORECASE | re.MULTILINE,
)
# The codes of SMTP alone: other numbers from 500 on are sizes and ports.
_PERMANENT_CODE = re.compile(r"(?<![\d.])(5(?:0[0-4]|2[1347]|3[0458]|4[12]|5\d|7\d))(?=[ :-])")
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
    status, code = find_status(text), _PERMANENT_CODE.search(text)
    if status[:1] != "5" and code is None:
        if not _NO_SUCH_ADDRESS.search(text):
            return None
        status = "5.1.1"
    diagnostic = " ".join(text.split())[:500]
    return FailedRecipient((address,), status, int(code[1]) if code else None, diagnostic)
