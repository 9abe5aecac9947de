"""Sending endpoints: send, reply, forward, revise, reschedule and cancel messages."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .._call import Call
from ..errors import ValidationError
from ..models import Cancellation, SendResult
from ._arguments import (
    Attachables,
    Recipients,
    check_body,
    check_idempotency_key,
    check_subject,
    drop_none,
    encode_attachments,
    format_datetime,
    parse_addresses,
    parse_recipients,
    path_segment,
)
from ._messages import email_path


def send_email(
    to: Recipients,
    subject: str,
    body: str,
    *,
    mailbox: str | None = None,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    attachments: Attachables | None = None,
    send_at: datetime | str | None = None,
    gate_timing: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    oversight_mode: str | None = None,
    daily_caps: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[SendResult]:
    """Send a new message. In a gated mailbox it is held until a human approves it.

    Args:
        to: One or several addresses; at most 50.
        subject: One line of at most 998 characters.
        body: Markdown, at most 262,144 characters.
        mailbox: The mailbox to send from, address or id; default the client's mailbox.
        cc: Carbon copies.
        bcc: Blind carbon copies.
        attachments: One or several of: a path, `(name, bytes)`, a `File`, or an `Attachment` of a
            message of the same mailbox, which the server copies.
        send_at: When to send it, with a time zone; default now.
        gate_timing: `gate_first` (decide, then wait for `send_at`) or `schedule_first`.
        metadata: Values to store with the message and show in the audit log.
        oversight_mode: A mode for this message, stricter than the mailbox's.
        daily_caps: Hold it if its recipients got as much today: `per_address` and
            `per_organisation`, as numbers; `exempt` and `public_providers`, as lists. For an API
            whose mailboxes have `counts_free_sends`.
        idempotency_key: Within 24 hours a second send with the same key sends nothing; default a
            new key.

    Returns:
        The message's id and status.

    Raises:
        ValidationError: An argument is invalid; nothing was sent.
        PermissionDeniedError: The key or the mailbox's mode does not allow sends.
        OutcomeUnknownError: No response came, not even to repeats with the same key.

    API: POST /v1/mailboxes/{mailbox}/send.
    """
    key = idempotency_key or uuid.uuid4().hex
    return Call(
        "send_email",
        "POST",
        "/v1/mailboxes/{mailbox}/send",
        SendResult.model_validate,
        json={
            "to": parse_recipients(to),
            "subject": check_subject(subject),
            "markdown": check_body(body),
            **drop_none(
                cc=parse_addresses(cc, "cc") or None,
                bcc=parse_addresses(bcc, "bcc") or None,
                send_at=format_datetime(send_at, "send_at"),
                gate_timing=gate_timing,
            ),
            **_common_fields(attachments, metadata, oversight_mode, daily_caps, key),
        },
        mailbox=mailbox,
        idempotency_key=key,
    )


def reply_email(
    email_id: str,
    body: str,
    *,
    mailbox: str | None = None,
    reply_all: bool = False,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    attachments: Attachables | None = None,
    send_at: datetime | str | None = None,
    gate_timing: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    oversight_mode: str | None = None,
    daily_caps: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[SendResult]:
    """Reply to a message, in its thread. In a gated mailbox it is held until a human approves it.

    Args:
        email_id: The message to reply to.
        body: Markdown, at most 262,144 characters.
        mailbox: The mailbox to send from; default where the message was last seen.
        reply_all: Reply to all recipients; an API that doesn't support it ignores it.
        cc: Additional carbon copies.
        bcc: Blind carbon copies.
        attachments: One or several of: a path, `(name, bytes)`, a `File`, or an `Attachment` of a
            message of the same mailbox, which the server copies.
        send_at: When to send it, with a time zone; default now.
        gate_timing: `gate_first` (decide, then wait for `send_at`) or `schedule_first`.
        metadata: Values to store with the message and show in the audit log.
        oversight_mode: A mode for this message, stricter than the mailbox's.
        daily_caps: Hold it if its recipients got as much today: `per_address` and
            `per_organisation`, as numbers; `exempt` and `public_providers`, as lists. For an API
            whose mailboxes have `counts_free_sends`.
        idempotency_key: Within 24 hours a second reply with the same key sends nothing; default a
            new key.

    Returns:
        The reply's id and status.

    Raises:
        ValidationError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such message.
        ConflictError: The same reply was sent within the last 60 seconds.
        OutcomeUnknownError: No response came, not even to repeats with the same key.

    API: POST /v1/mailboxes/{mailbox}/reply/{email}.
    """
    key = idempotency_key or uuid.uuid4().hex
    return Call(
        "reply_email",
        "POST",
        f"/v1/mailboxes/{{mailbox}}/reply/{path_segment(email_id, 'email_id')}",
        SendResult.model_validate,
        json={
            "markdown": check_body(body),
            **drop_none(
                cc=parse_addresses(cc, "cc") or None,
                bcc=parse_addresses(bcc, "bcc") or None,
                reply_all=reply_all or None,
                send_at=format_datetime(send_at, "send_at"),
                gate_timing=gate_timing,
            ),
            **_common_fields(attachments, metadata, oversight_mode, daily_caps, key),
        },
        mailbox=mailbox,
        resource_id=email_id,
        idempotency_key=key,
    )


def forward_email(
    email_id: str,
    to: Recipients,
    note: str = "",
    *,
    mailbox: str | None = None,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    include_attachments: bool = True,
    attachments: Attachables | None = None,
    send_at: datetime | str | None = None,
    gate_timing: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    oversight_mode: str | None = None,
    daily_caps: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[SendResult]:
    """Send a message on to others: a note, then its header and its text, with its files.

    It stays in the thread of the message, and its subject begins with `Fwd:`. The text of HTML
    mail goes on as a reader sees it.

    Args:
        email_id: The message to forward.
        to: One or several addresses; at most 50.
        note: Markdown that stands above it.
        mailbox: The mailbox to send from; default where the message was last seen.
        cc: Carbon copies.
        bcc: Blind carbon copies.
        include_attachments: Whether its files go with it.
        attachments: More files, as for `send_email`.
        send_at: When to send it, with a time zone; default now.
        gate_timing: `gate_first` (decide, then wait for `send_at`) or `schedule_first`.
        metadata: Values to store with the message and show in the audit log.
        oversight_mode: A mode for this message, stricter than the mailbox's.
        daily_caps: As for `send_email`.
        idempotency_key: As for `send_email`.

    Returns:
        The forward's id and status.

    Raises:
        ValidationError: An argument is invalid; nothing was sent.
        NotFoundError: There is no such message, or the API has no forwards.

    API: POST /v1/mailboxes/{mailbox}/forward/{email}, of the embedded server.
    """
    key = idempotency_key or uuid.uuid4().hex
    return Call(
        "forward_email",
        "POST",
        f"/v1/mailboxes/{{mailbox}}/forward/{path_segment(email_id, 'email_id')}",
        SendResult.model_validate,
        json={
            "to": parse_recipients(to),
            "markdown": check_body(note) if note.strip() else "",
            **drop_none(
                cc=parse_addresses(cc, "cc") or None,
                bcc=parse_addresses(bcc, "bcc") or None,
                send_at=format_datetime(send_at, "send_at"),
                gate_timing=gate_timing,
                include_attachments=None if include_attachments else False,
            ),
            **_common_fields(attachments, metadata, oversight_mode, daily_caps, key),
        },
        mailbox=mailbox,
        resource_id=email_id,
        idempotency_key=key,
    )


def _common_fields(
    attachments: Attachables | None,
    metadata: Mapping[str, Any] | None,
    oversight_mode: str | None,
    daily_caps: Mapping[str, Any] | None,
    idempotency_key: str,
) -> dict[str, Any]:
    return drop_none(
        attachments=encode_attachments(attachments),
        metadata=dict(metadata) if metadata else None,
        oversight_mode=oversight_mode,
        daily_caps=dict(daily_caps) if daily_caps else None,
        idempotency_key=check_idempotency_key(idempotency_key),
    )


def cancel_message(message_id: str, *, mailbox: str | None = None) -> Call[Cancellation]:
    """Cancel a message that awaits a human or its scheduled time.

    Args:
        message_id: The message's id.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message's status now. Cancelling it again is not an error.

    Raises:
        ConflictError: It was approved or sent.

    API: POST /v1/mailboxes/{mailbox}/emails/{email}/cancel.
    """
    return Call(
        "cancel_message",
        "POST",
        email_path(message_id, "message_id") + "/cancel",
        Cancellation.model_validate,
        json={},
        mailbox=mailbox,
        resource_id=message_id,
        idempotent=True,
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
    attachments: Attachables | None = None,
    content_hash: str | None = None,
    mailbox: str | None = None,
) -> Call[SendResult]:
    """Change the time or the content of a scheduled message. What is not given stays.

    Changed content is a new revision with its own content hash, which a human has to approve.

    Args:
        email_id: The scheduled message.
        send_at: When to send it, with a time zone.
        to: One or several addresses; at most 50.
        cc: Carbon copies; an empty list removes them.
        bcc: Blind carbon copies; an empty list removes them.
        subject: One line of at most 998 characters.
        body: Markdown, at most 262,144 characters.
        attachments: Replaces all of its files; an empty list removes them.
        content_hash: The hash of the content that was edited; if the content has changed since,
            the API rejects the change.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message's status and content hash now.

    Raises:
        ValidationError: An argument is invalid, or nothing is given to change.
        ConflictError: It is no longer scheduled, its content was approved, or it has changed.

    API: PATCH /v1/mailboxes/{mailbox}/emails/{email}/schedule.
    """
    changes = drop_none(
        send_at=format_datetime(send_at, "send_at"),
        to=None if to is None else parse_recipients(to),
        cc=None if cc is None else parse_addresses(cc, "cc"),
        bcc=None if bcc is None else parse_addresses(bcc, "bcc"),
        subject=None if subject is None else check_subject(subject),
        markdown=None if body is None else check_body(body),
        attachments=None if attachments is None else encode_attachments(attachments) or [],
    )
    if not changes:
        raise ValidationError(
            "reschedule_email: give send_at or new content.", code="nothing_to_change"
        )
    return Call(
        "reschedule_email",
        "PATCH",
        email_path(email_id) + "/schedule",
        SendResult.model_validate,
        json={**changes, **drop_none(content_hash=content_hash)},
        mailbox=mailbox,
        resource_id=email_id,
        idempotent=True,
    )


def revise_message(
    email_id: str,
    *,
    to: Recipients | None = None,
    cc: Recipients | None = None,
    bcc: Recipients | None = None,
    subject: str | None = None,
    body: str | None = None,
    attachments: Attachables | None = None,
    send_at: datetime | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    content_hash: str | None = None,
    mailbox: str | None = None,
) -> Call[SendResult]:
    """Change a message of this key's own that awaits a human. What is not given stays.

    It is a new revision with its own content hash: an approval of the earlier one is refused.

    Args:
        email_id: The message.
        to: One or several addresses; at most 50.
        cc: Carbon copies; an empty list removes them.
        bcc: Blind carbon copies; an empty list removes them.
        subject: One line of at most 998 characters.
        body: Markdown, at most 262,144 characters.
        attachments: Replaces all of its files; an empty list removes them.
        send_at: When to send it, with a time zone.
        metadata: More values to store with it; what a guard said of it before stays.
        content_hash: The hash of the content that was edited; if the content has changed since,
            the API rejects the change.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message's status and content hash now.

    Raises:
        ValidationError: An argument is invalid, or nothing is given to change.
        PermissionDeniedError: Another key composed it.
        ConflictError: It was decided, has expired or has changed.

    API: POST /v1/mailboxes/{mailbox}/emails/{email}/revise, of the embedded server.
    """
    changes = drop_none(
        to=None if to is None else parse_recipients(to),
        cc=None if cc is None else parse_addresses(cc, "cc"),
        bcc=None if bcc is None else parse_addresses(bcc, "bcc"),
        subject=None if subject is None else check_subject(subject),
        markdown=None if body is None else check_body(body),
        attachments=None if attachments is None else encode_attachments(attachments) or [],
        send_at=format_datetime(send_at, "send_at"),
    )
    if not changes:
        raise ValidationError("revise_message: give new content.", code="nothing_to_change")
    return Call(
        "revise_message",
        "POST",
        email_path(email_id) + "/revise",
        SendResult.model_validate,
        json={
            **changes,
            **drop_none(metadata=dict(metadata) if metadata else None, content_hash=content_hash),
        },
        mailbox=mailbox,
        resource_id=email_id,
        idempotent=True,
    )
