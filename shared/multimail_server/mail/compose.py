"""Composing: turns an outgoing message into bytes, always the same bytes for the same message."""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from .addresses import find_address_fault, format_address
from .headers import (
    check_header_value,
    fold_addresses,
    fold_text,
    fold_tokens,
    format_filename,
    format_mailbox,
)
from .message_ids import is_writable_id
from .quoting import quotation_to_html
from .rendering import normalize_lines, render_text

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,80}")
_MAX_LINE = 76
_PAGE = '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>\n{}</body></html>\n'


@dataclass(frozen=True, slots=True)
class OutgoingAttachment:
    """A file to send: its name, its media type and its content.

    `origin` is the received message that it came with, if any: `id`, `from`, `authentication`.
    """

    name: str
    content_type: str
    content: bytes
    origin: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to compose. It has no Bcc: blind recipients are in the envelope only.

    Attributes:
        message_id: With its angle brackets.
        date: Aware.
        from_address: One address.
        from_name: The display name; may be empty.
        to: Addresses.
        cc: Addresses.
        reply_to: The address for replies, if they go elsewhere.
        subject: One line.
        markdown: The text, Markdown or HTML; sent as plain text and as HTML.
        in_reply_to: The Message-ID of the message that it replies to.
        references: The Message-IDs of the thread so far, oldest first.
        attachments: Files, in their order.
        quotation: Of the message that it replies to, as `build_quotation` returns it.
    """

    message_id: str
    date: datetime
    from_address: str
    from_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    reply_to: str | None
    subject: str
    markdown: str
    in_reply_to: str | None
    references: tuple[str, ...]
    attachments: tuple[OutgoingAttachment, ...]
    quotation: str = ""


def compose(message: OutgoingMessage) -> bytes:
    """Return a message in RFC 5322 and MIME form, with CRLF line ends.

    It is ASCII, except for local parts of recipients that are not (RFC 6532).

    Raises:
        ValueError: A header value contains CR, LF or NUL, an address or a message id is
            malformed, or the date is naive; the message names the field.
    """
    body = _build_alternative(message.markdown, message.quotation)
    if message.attachments:
        files = [
            _build_attachment(file, number) for number, file in enumerate(message.attachments, 1)
        ]
        body = _build_multipart("mixed", [body, *files])
    headers = "\r\n".join(_format_headers(message)).encode()
    return headers + b"\r\n" + body


def _format_headers(message: OutgoingMessage) -> list[str]:
    if message.date.tzinfo is None:
        raise ValueError("date: needs a time zone")
    sender = (message.from_name, _format_ascii("from_address", message.from_address))
    check_header_value("from_name", message.from_name)
    lines = [
        f"Message-ID: {_require_message_id('message_id', message.message_id)}",
        f"Date: {format_datetime(message.date)}",
        fold_addresses("From", [format_mailbox(*sender)]),
    ]
    for part, name, listed in (("to", "To", message.to), ("cc", "Cc", message.cc)):
        if listed:
            lines.append(fold_addresses(name, [_format_address(part, to) for to in listed]))
    if message.reply_to is not None:
        lines.append(fold_addresses("Reply-To", [_format_ascii("reply_to", message.reply_to)]))
    lines.append(fold_text("Subject", check_header_value("subject", message.subject)))
    if message.in_reply_to is not None:
        lines.append(
            fold_tokens("In-Reply-To", [_require_message_id("in_reply_to", message.in_reply_to)])
        )
    if message.references:
        lines.append(
            fold_tokens(
                "References", [_require_message_id("references", id_) for id_ in message.references]
            )
        )
    return [*lines, "MIME-Version: 1.0"]


def _format_address(field: str, address: str) -> str:
    problem = find_address_fault(check_header_value(field, address))
    if problem:
        raise ValueError(f"{field}: {problem}")
    return format_address(address)


def _format_ascii(field: str, address: str) -> str:
    if not address.isascii():
        raise ValueError(f"{field}: has characters outside ASCII")
    return _format_address(field, address)


def _require_message_id(field: str, value: str) -> str:
    if not is_writable_id(check_header_value(field, value)):
        raise ValueError(f"{field}: is not a message id like <name@example.com>")
    return value


def _build_alternative(markdown: str, quotation: str) -> bytes:
    text = render_text(markdown)
    html, plain = text.html, text.plain
    if quotation:
        html, plain = html + quotation_to_html(quotation), f"{plain}\n\n{quotation}"
    return _build_multipart(
        "alternative", [_build_text("plain", plain), _build_text("html", _PAGE.format(html))]
    )


def _build_multipart(kind: str, parts: list[bytes]) -> bytes:
    """Return parts between delimiters that cannot occur in them (RFC 2046 section 5.1)."""
    # "=_" occurs in neither base64 nor quoted-printable. The digest is that of the content, so that
    # a message is composed to the same bytes every time.
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    boundary = f"=_{kind}_{digest}".encode()
    head = b'Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n' % (kind.encode(), boundary)
    between = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts)
    return head + between + b"--%s--\r\n" % boundary


def _build_text(kind: str, text: str) -> bytes:
    data = normalize_lines(text).replace("\n", "\r\n").encode("utf-8", "replace")
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    encoding = b"7bit"
    if not _is_plain(data):
        encoding, data = b"quoted-printable", binascii.b2a_qp(data, istext=True)
    head = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    return head % (kind.encode(), encoding) + data


def _is_plain(data: bytes) -> bool:
    """Return whether text needs no transfer encoding."""
    if not data.isascii() or b"\0" in data:
        return False
    lines = data.split(b"\r\n")
    return all(
        len(line) <= _MAX_LINE
        and not line.startswith((b"From ", b"--"))
        and not line.endswith((b" ", b"\t"))
        for line in lines
    )


def _build_attachment(file: OutgoingAttachment, number: int) -> bytes:
    check_header_value("attachment content_type", file.content_type)
    name = check_header_value("attachment name", file.name).strip() or f"attachment-{number}"
    kind = file.content_type.partition(";")[0].strip().lower()
    # A message or a multipart may not be base64 (RFC 2045 section 6.4), so it is sent as a file of
    # unknown type.
    if not _TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        kind = "application/octet-stream"
    coded = binascii.b2a_base64(file.content, newline=False)
    lines = [coded[at : at + _MAX_LINE] for at in range(0, len(coded), _MAX_LINE)]
    head = (
        f"Content-Type: {kind}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {format_filename(name)}\r\n\r\n"
    )
    return head.encode("ascii") + b"\r\n".join(lines)
