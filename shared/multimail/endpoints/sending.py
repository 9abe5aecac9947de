"""Sending endpoints: new mail, replies, changes to what has not left yet."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..call import Call
from ..errors import ValidationError
from ..models import Cancellation, SendResult
from .checks import (
    Attachables,
    Recipients,
    addresses,
    attachments,
    given,
    message_body,
    moment,
    one_of,
    recipients,
    segment,
    subject_line,
)


def send_email(
    to: Recipients,
    subject: str,
    body: str | None = None,
    *,
    markdown: str | None = None,
    from_address: str | None = None,
    mailbox: str | None = None,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    attachments: Attachables | None = None,
    send_at: datetime | str | None = None,
    gate_timing: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    oversight_mode: str | None = None,
    idempotency_key: str | None = None,
) -> Call[SendResult]:
    """Send a new message. In a gated mailbox it waits for a human first.

    Args:
        to: One address, or several; at most 50.
        subject: One line of at most 998 characters.
        body: Markdown, at most 262,144 characters; `markdown` is another name for it.
        markdown: See `body`.
        from_address: The mailbox to send from, address or id; `mailbox` is another name for it.
        mailbox: See `from_address`; default the client's mailbox.
        cc: Copies.
        bcc: Blind copies.
        attachments: One or several of: a path, `(name, bytes)`, a `File`.
        send_at: When to send it, with a time zone; default at once.
        gate_timing: `gate_first` (decide, then wait for `send_at`) or `schedule_first`.
        metadata: Facts to keep with the message and show in the audit log.
        oversight_mode: A mode for this message, stricter than the mailbox's.
        idempotency_key: A send with the same key within 24 hours is done once; default a new one.

    Returns:
        The message's id and what became of it.

    Raises:
        ValidationError: An argument is not acceptable; nothing was sent.
        PermissionDeniedError: The key or the mailbox's mode does not allow sends.
        OutcomeUnknownError: No answer came, even to repeats with the same key.

    API: POST /v1/mailboxes/{mailbox}/send.
    """
    key = idempotency_key or uuid.uuid4().hex
    fields = given(
        cc=addresses(cc, "cc") or None,
        bcc=addresses(bcc, "bcc") or None,
        send_at=moment(send_at, "send_at"),
        gate_timing=gate_timing,
    )
    return Call(
        "send_email",
        "POST",
        "/v1/mailboxes/{mailbox}/send",
        SendResult.model_validate,
        json={
            "to": recipients(to),
            "subject": subject_line(subject),
            "markdown": message_body(body, markdown),
            **fields,
            **_common(attachments, metadata, oversight_mode, key),
        },
        mailbox=_sender(from_address, mailbox),
        idempotency_key=key,
    )


def reply_email(
    email_id: str | None = None,
    body: str | None = None,
    *,
    message_id: str | None = None,
    markdown: str | None = None,
    from_address: str | None = None,
    mailbox: str | None = None,
    reply_all: bool = False,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    attachments: Attachables | None = None,
    metadata: Mapping[str, Any] | None = None,
    oversight_mode: str | None = None,
    idempotency_key: str | None = None,
) -> Call[SendResult]:
    """Reply to a message, in its thread. In a gated mailbox it waits for a human first.

    Args:
        email_id: The message to answer; `message_id` is another name for it.
        body: Markdown, at most 262,144 characters; `markdown` is another name for it.
        message_id: See `email_id`.
        markdown: See `body`.
        from_address: The mailbox to send from; `mailbox` is another name for it.
        mailbox: See `from_address`; default where the message was last seen.
        reply_all: Answer its other recipients too; an API that does not know this ignores it.
        cc: More copies.
        bcc: Blind copies.
        attachments: One or several of: a path, `(name, bytes)`, a `File`.
        metadata: Facts to keep with the message and show in the audit log.
        oversight_mode: A mode for this message, stricter than the mailbox's.
        idempotency_key: A reply with the same key within 24 hours is done once; default a new one.

    Returns:
        The reply's id and what became of it.

    Raises:
        ValidationError: An argument is not acceptable; nothing was sent.
        NotFoundError: No such message.
        ConflictError: The same reply was sent within the last 60 seconds.
        OutcomeUnknownError: No answer came, even to repeats with the same key.

    API: POST /v1/mailboxes/{mailbox}/reply/{email}.
    """
    one = one_of("email_id", email_id, message_id)
    key = idempotency_key or uuid.uuid4().hex
    fields = given(
        cc=addresses(cc, "cc") or None,
        bcc=addresses(bcc, "bcc") or None,
        reply_all=reply_all or None,
    )
    return Call(
        "reply_email",
        "POST",
        f"/v1/mailboxes/{{mailbox}}/reply/{segment(one, 'email_id')}",
        SendResult.model_validate,
        json={
            "markdown": message_body(body, markdown),
            **fields,
            **_common(attachments, metadata, oversight_mode, key),
        },
        mailbox=_sender(from_address, mailbox),
        about=one,
        idempotency_key=key,
    )


def cancel_message(
    message_id: str | None = None, *, email_id: str | None = None, mailbox: str | None = None
) -> Call[Cancellation]:
    """Withdraw a message that awaits a human or its time.

    Args:
        message_id: The message's id; `email_id` is another name for it.
        email_id: See `message_id`.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message's status now. Repeating it is no error.

    Raises:
        ConflictError: It has been approved or sent.

    API: POST /v1/mailboxes/{mailbox}/emails/{email}/cancel.
    """
    one = one_of("message_id", message_id, email_id)
    return Call(
        "cancel_message",
        "POST",
        f"/v1/mailboxes/{{mailbox}}/emails/{segment(one, 'message_id')}/cancel",
        Cancellation.model_validate,
        json={},
        mailbox=mailbox,
        about=one,
        repeatable=True,
    )


def reschedule_email(
    email_id: str,
    send_at: datetime | str | None = None,
    *,
    to: Recipients | None = None,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    subject: str | None = None,
    body: str | None = None,
    markdown: str | None = None,
    attachments: Attachables | None = None,
    content_hash: str | None = None,
    mailbox: str | None = None,
) -> Call[SendResult]:
    """Change when a scheduled message leaves, or what it says. What is not given stays.

    Other content is a new revision with a content hash of its own, which a human decides on anew.

    Args:
        email_id: The scheduled message.
        send_at: When to send it, with a time zone.
        to: One address, or several; at most 50.
        cc: Copies; an empty list for none.
        bcc: Blind copies; an empty list for none.
        subject: One line of at most 998 characters.
        body: Markdown, at most 262,144 characters; `markdown` is another name for it.
        markdown: See `body`.
        attachments: All of its files from now on; an empty list for none.
        content_hash: Of the content that was edited; the change is refused if it is another now.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message's status and content hash now.

    Raises:
        ValidationError: An argument is not acceptable, or nothing is named that could change.
        ConflictError: It is not scheduled any more, its content was approved, or it changed since.

    API: PATCH /v1/mailboxes/{mailbox}/emails/{email}/schedule.
    """
    changes = given(
        send_at=moment(send_at, "send_at"),
        to=None if to is None else recipients(to),
        cc=None if cc is None else addresses(cc, "cc"),
        bcc=None if bcc is None else addresses(bcc, "bcc"),
        subject=None if subject is None else subject_line(subject),
        markdown=None if body is None and markdown is None else message_body(body, markdown),
        attachments=_all_files(attachments),
    )
    if not changes:
        raise ValidationError(
            "reschedule_email: give send_at, or what the message is to say.",
            code="nothing_to_change",
        )
    return Call(
        "reschedule_email",
        "PATCH",
        f"/v1/mailboxes/{{mailbox}}/emails/{segment(email_id, 'email_id')}/schedule",
        SendResult.model_validate,
        json={**changes, **given(content_hash=content_hash)},
        mailbox=mailbox,
        about=email_id,
        repeatable=True,
    )


def _sender(from_address: str | None, mailbox: str | None) -> str | None:
    return one_of("from_address", from_address, mailbox) if from_address or mailbox else None


def _all_files(files: Attachables | None) -> list[dict[str, str]] | None:
    return None if files is None else attachments(files) or []


def _common(
    files: Attachables | None, metadata: Mapping[str, Any] | None, mode: str | None, key: str
) -> dict[str, Any]:
    if not key.isprintable() or len(key) > 255:
        raise ValidationError(
            "idempotency_key: at most 255 printable characters.", code="invalid_idempotency_key"
        )
    return given(
        attachments=attachments(files),
        metadata=dict(metadata) if metadata else None,
        oversight_mode=mode,
        idempotency_key=key,
    )
