"""Message endpoints: list, read, wait for, send, reply to, cancel and reschedule messages."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from .._call import Call, Pause
from .._proxies import is_loopback
from ..errors import InvalidResponseError, NotFoundError, ValidationError, WaitTimeoutError
from ..models import (
    AttachmentContent,
    Cancellation,
    Email,
    EmailSummary,
    Enclosure,
    File,
    Page,
    SendResult,
    Thread,
    page_parser,
)
from ._arguments import (
    Attachables,
    Recipients,
    check_body,
    check_idempotency_key,
    check_subject,
    drop_none,
    encode_attachments,
    format_datetime,
    invalid,
    last_path_segment,
    parse_addresses,
    parse_recipients,
    path_segment,
)

_MAX_PAGE = 100


def check_inbox(
    mailbox: str | None = None,
    *,
    limit: int = 20,
    unread_only: bool = False,
    status: str | None = None,
    sender: str | None = None,
    subject_contains: str | None = None,
    date_after: datetime | str | None = None,
    date_before: datetime | str | None = None,
    direction: str | None = None,
    has_attachments: bool | None = None,
    since_id: str | None = None,
    cursor: str | None = None,
) -> Call[Page[EmailSummary]]:
    """List a mailbox, newest first, without bodies.

    Args:
        mailbox: Address or id; default the client's mailbox.
        limit: Rows per page, 1 to 100.
        unread_only: Only unread messages.
        status: Only messages with this status, such as `pending_send_approval`.
        sender: Only messages from this address.
        subject_contains: Only messages whose subject contains this text.
        date_after: Only messages received after this time.
        date_before: Only messages received before this time.
        direction: `inbound` or `outbound`.
        has_attachments: Only messages with, or without, attachments.
        since_id: Only messages newer than this one.
        cursor: The cursor of the previous page.

    Returns:
        A page of rows and the cursor of the next page.

    Raises:
        ValidationError: `limit` or a date is out of range, or `unread_only` is combined with
            another `status`.

    API: GET /v1/mailboxes/{mailbox}/emails.
    """
    if not 1 <= limit <= _MAX_PAGE:
        raise invalid("limit", f"{limit} is not between 1 and {_MAX_PAGE}")
    if unread_only and status not in (None, "", "unread"):
        raise invalid("status", "unread_only can't be combined with another status")
    return Call(
        "check_inbox",
        "GET",
        "/v1/mailboxes/{mailbox}/emails",
        page_parser(EmailSummary),
        params={
            "limit": limit,
            "status": "unread" if unread_only else status,
            "sender": sender,
            "subject_contains": subject_contains,
            "date_after": format_datetime(date_after, "date_after"),
            "date_before": format_datetime(date_before, "date_before"),
            "direction": direction,
            "has_attachments": has_attachments,
            "since_id": since_id,
            "cursor": cursor,
        },
        mailbox=mailbox,
    )


def _require_message(message: Email, email_id: str) -> Email:
    """Return a message if it is the one that was asked for.

    Raises:
        InvalidResponseError: It is another: a proxy or a shared connection mixed up responses.
    """
    if message.id != email_id:
        raise InvalidResponseError(
            "The response is about another message than the request.", code="other_message"
        )
    return message


def read_email(
    email_id: str, *, mailbox: str | None = None, version: str | None = None
) -> Call[Email]:
    """Return a message with its body; an inbound message is marked as read.

    Args:
        email_id: The message's id.
        mailbox: Address or id; default where the message was last seen, else the client's.
        version: `html` or `text`: which version of a body in two to return, of the embedded
            server. Default: what most people see.

    Returns:
        The message.

    Raises:
        NotFoundError: There is no such message in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}.
    """
    return Call(
        "read_email",
        "GET",
        email_path(email_id),
        lambda response: _require_message(Email.model_validate(response), email_id),
        params={"version": version},
        mailbox=mailbox,
        resource_id=email_id,
    )


def read_raw(email_id: str, *, mailbox: str | None = None) -> Call[bytes]:
    """Return a message as it was received or sent, byte for byte (RFC 5322).

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/raw, of the embedded server.
    """
    return Call(
        "read_raw",
        "GET",
        email_path(email_id) + "/raw",
        bytes,
        mailbox=mailbox,
        resource_id=email_id,
        raw=True,
    )


def get_thread(thread_id: str, *, mailbox: str | None = None) -> Call[Thread]:
    """Return a conversation, oldest message first, including drafts that await a human.

    Requests the bodies; an API that lists threads without them leaves `markdown` empty.

    Args:
        thread_id: The thread's id, from any of its messages.
        mailbox: Address or id; default where the thread was last seen, else the client's.

    Returns:
        The thread.

    Raises:
        NotFoundError: There is no such thread in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/threads/{thread}.
    """
    return Call(
        "get_thread",
        "GET",
        f"/v1/mailboxes/{{mailbox}}/threads/{path_segment(thread_id, 'thread_id')}",
        Thread.model_validate,
        params={"include": "bodies"},
        mailbox=mailbox,
        resource_id=thread_id,
    )


def get_thread_containing(
    resource_id: str, *, mailbox: str | None = None
) -> Generator[Call[Any] | Pause, Any, Thread]:
    """Return a conversation by its own id or by that of an email in it.

    An email id costs two more requests, and the email is marked as read.

    Args:
        resource_id: The id of a thread or of an email.
        mailbox: Address or id; default where it was last seen, else the client's.

    Raises:
        NotFoundError: There is neither in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/threads/{thread}, GET /v1/mailboxes/{mailbox}/emails/{email}.
    """
    try:
        return (yield from get_thread(resource_id, mailbox=mailbox))
    except NotFoundError as no_thread:
        try:
            email = yield from read_email(resource_id, mailbox=mailbox)
        except NotFoundError:
            raise no_thread from None
        if not email.thread_id:
            raise
    return (yield from get_thread(email.thread_id, mailbox=mailbox))


def wait_for_email(
    mailbox: str | None = None,
    *,
    timeout: float = 60.0,
    poll_interval: float = 1.0,
    since_id: str | None = None,
    sender: str | None = None,
    subject_contains: str | None = None,
    has_attachments: bool | None = None,
    thread: str | None = None,
) -> Generator[Call[Any] | Pause, Any, EmailSummary]:
    """Wait for a new inbound message that matches.

    Args:
        mailbox: Address or id; default the client's mailbox.
        timeout: The most seconds to wait.
        poll_interval: Seconds between two requests.
        since_id: Only messages newer than this one; default the newest at the start.
        sender: Only messages from this address.
        subject_contains: Only messages whose subject contains this text.
        has_attachments: Only messages with, or without, attachments.
        thread: Only messages of this thread, by its id or that of a message in it. Without
            `since_id`, also one that came since the mailbox's own last message in it.

    Returns:
        The oldest message that matches.

    Raises:
        WaitTimeoutError: No such message arrived in time.

    API: GET /v1/mailboxes/{mailbox}/emails with `since_id`.
    """
    deadline = time.monotonic() + timeout
    thread_id = None
    if thread is not None:
        known = yield from get_thread_containing(thread, mailbox=mailbox)
        thread_id = known.thread_id
        since_id = since_id or _get_last_own(known)
    if since_id is None:
        since_id = yield from get_newest_id(mailbox)
    filters: dict[str, Any] = {
        "sender": sender, "subject_contains": subject_contains, "has_attachments": has_attachments
    }  # fmt: skip
    while True:
        rows = yield from _list_newer(mailbox, since_id, filters)
        matching = [row for row in rows if thread_id in (None, row.thread_id)]
        if matching:
            return matching[-1]
        since_id = rows[0].id if rows else since_id
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise WaitTimeoutError(
                f"No matching message came within {timeout:g} s.", operation="wait_for_email"
            )
        yield from Pause(min(poll_interval, remaining))


def _list_newer(
    mailbox: str | None, since_id: str | None, filters: Mapping[str, Any]
) -> Generator[Call[Any] | Pause, Any, list[EmailSummary]]:
    """Return all inbound messages newer than one, newest first; more than a page may have come."""
    rows: list[EmailSummary] = []
    cursor: str | None = None
    while True:
        page = yield from check_inbox(
            mailbox,
            limit=_MAX_PAGE,
            direction="inbound",
            since_id=since_id,
            cursor=cursor,
            **filters,
        )
        rows += page.items
        cursor = page.cursor if page.cursor != cursor else None
        if cursor is None:
            return rows


def get_newest_id(
    mailbox: str | None = None,
) -> Generator[Call[Any] | Pause, Any, str | None]:
    """Return the id of the newest inbound message; None if there is none.

    API: GET /v1/mailboxes/{mailbox}/emails.
    """
    newest = yield from check_inbox(mailbox, limit=1, direction="inbound")
    return newest.items[0].id if newest.items else None


def _get_last_own(thread: Thread) -> str | None:
    """Return the id of the mailbox's own last message in a thread; None if it wrote none."""
    own = [message.id for message in thread.messages if message.direction == "outbound"]
    return own[-1] if own else None


def get_attachment(attachment_id: str, *, mailbox: str | None = None) -> Call[Enclosure]:
    """Return a stored file without its bytes, and the message that it belongs to.

    Args:
        attachment_id: Its id, from `attachments` of a message.
        mailbox: The mailbox of the message, address or id; default the client's.

    Raises:
        NotFoundError: The mailbox has no such file that this key can read.

    API: GET /v1/mailboxes/{mailbox}/attachments/{attachment}.
    """
    return Call(
        "get_attachment",
        "GET",
        f"/v1/mailboxes/{{mailbox}}/attachments/{path_segment(attachment_id, 'attachment_id')}",
        Enclosure.model_validate,
        mailbox=mailbox,
    )


def download_attachment(
    email_id: str, filename: str, *, mailbox: str | None = None, include_text: bool = False
) -> Generator[Call[Any] | Pause, Any, File]:
    """Download an attachment, inline or from the URL that the API returns.

    Args:
        email_id: The id of the message that it belongs to.
        filename: Its name in the message's `attachments`.
        mailbox: Address or id; default where the message was last seen, else the client's.
        include_text: Also return what can be read of it, of the embedded server.

    Returns:
        The file.

    Raises:
        NotFoundError: The message has no attachment with this name.
        InvalidResponseError: The API returned neither content nor a safe URL.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/attachments/{filename}.
    """
    attachment = yield from Call(
        "download_attachment",
        "GET",
        f"{email_path(email_id)}/attachments/{last_path_segment(filename, 'filename')}",
        AttachmentContent.model_validate,
        params={"include": "text" if include_text else None},
        mailbox=mailbox,
        resource_id=email_id,
    )
    if attachment.content_base64 is None:
        content = yield from _download(attachment.url or "")
    else:
        content = _decode_base64(attachment.content_base64)
    return File(
        name=attachment.name or filename,
        content_type=attachment.content_type,
        content=content,
        text=attachment.text,
        notes=attachment.notes,
        removed=attachment.removed,
    )


def _decode_base64(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise InvalidResponseError(
            "The attachment's content is not base64.", operation="download_attachment"
        ) from None


def _download(url: str) -> Call[bytes]:
    if not (url.startswith("/") or _is_safe_url(url)):
        raise InvalidResponseError(
            "The API returned neither the content nor an https URL.",
            operation="download_attachment",
        )
    return Call("download_attachment", "GET", url, bytes, raw=True)


def _is_safe_url(url: str) -> bool:
    """Whether it is an absolute https URL without user name (http on loopback only)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number is a ValueError
    except ValueError:
        return False
    if not host or parts.username is not None or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


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


def email_path(email_id: str, argument: str = "email_id") -> str:
    """Return the path of a message in its mailbox."""
    return f"/v1/mailboxes/{{mailbox}}/emails/{path_segment(email_id, argument)}"
