"""Reading endpoints: the inbox, messages, threads, attachments, tags."""

from __future__ import annotations

import base64
import time
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any

import httpx

from ..call import Call, Pause
from ..config import LOOPBACK
from ..errors import NotFoundError, ReplyError, ValidationError, WaitTimeoutError
from ..models import (
    Ack,
    AttachmentContent,
    Email,
    EmailSummary,
    File,
    Page,
    Tags,
    Thread,
    page_of,
)
from .checks import last_segment, moment, one_of, segment

_PAGE = 100


def check_inbox(
    mailbox: str | None = None,
    *,
    limit: int = 20,
    unread_only: bool = False,
    unread: bool = False,
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
        limit: Rows a page, 1 to 100.
        unread_only: Only unread mail; `unread` is another name for it.
        unread: See `unread_only`.
        status: Only this status, such as `pending_send_approval`.
        sender: Only mail from this address.
        subject_contains: Only subjects that contain this text.
        date_after: Only mail received after this moment.
        date_before: Only mail received before this moment.
        direction: `inbound` or `outbound`.
        has_attachments: Only mail with, or without, attachments.
        since_id: Only what is newer than this email.
        cursor: Where to go on, from the page before.

    Returns:
        A page of rows and the cursor of the next.

    Raises:
        ValidationError: `limit` or a date is out of range, or `unread_only` meets another status.

    API: GET /v1/mailboxes/{mailbox}/emails.
    """
    if not 1 <= limit <= _PAGE:
        raise ValidationError(f"limit: {limit} is not between 1 and {_PAGE}.", code="invalid_limit")
    if unread_only or unread:
        status = one_of("status", status, "unread")
    return Call(
        "check_inbox",
        "GET",
        "/v1/mailboxes/{mailbox}/emails",
        page_of(EmailSummary),
        params={
            "limit": limit,
            "status": status,
            "sender": sender,
            "subject_contains": subject_contains,
            "date_after": moment(date_after, "date_after"),
            "date_before": moment(date_before, "date_before"),
            "direction": direction,
            "has_attachments": has_attachments,
            "since_id": since_id,
            "cursor": cursor,
        },
        mailbox=mailbox,
    )


def read_email(
    email_id: str | None = None, *, message_id: str | None = None, mailbox: str | None = None
) -> Call[Email]:
    """Read one message with its body; inbound mail is marked as read.

    Args:
        email_id: The message's id; `message_id` is another name for it.
        message_id: See `email_id`.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The message.

    Raises:
        ValidationError: No id.
        NotFoundError: No such message in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}.
    """
    one = one_of("email_id", email_id, message_id)
    return Call("read_email", "GET", _email(one), Email.model_validate, mailbox=mailbox, about=one)


def read_raw(email_id: str, *, mailbox: str | None = None) -> Call[bytes]:
    """Return a message as it came or as it left, byte for byte (RFC 5322).

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/raw, of the embedded server.
    """
    return Call(
        "read_raw",
        "GET",
        _email(email_id) + "/raw",
        bytes,
        mailbox=mailbox,
        about=email_id,
        raw=True,
    )


def get_thread(thread_id: str, *, mailbox: str | None = None) -> Call[Thread]:
    """Return a conversation, oldest message first, drafts that await a human included.

    Bodies are asked for; an API that lists threads without them leaves `markdown` empty.

    Args:
        thread_id: The thread's id, from any of its messages.
        mailbox: Address or id; default where the thread was last seen, else the client's.

    Returns:
        The thread.

    Raises:
        NotFoundError: No such thread in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/threads/{thread}.
    """
    return Call(
        "get_thread",
        "GET",
        f"/v1/mailboxes/{{mailbox}}/threads/{segment(thread_id, 'thread_id')}",
        Thread.model_validate,
        params={"include": "bodies"},
        mailbox=mailbox,
        about=thread_id,
    )


def thread_holding(
    wanted: str, *, mailbox: str | None = None
) -> Generator[Call[Any] | Pause, Any, Thread]:
    """Return a conversation, by its id or by that of an email in it.

    An email's id that is not known as such costs two more requests, and counts as read.

    Args:
        wanted: The id of a thread or of an email.
        mailbox: Address or id; default where it was last seen, else the client's.

    Raises:
        NotFoundError: There is neither in this mailbox.

    API: GET /v1/mailboxes/{mailbox}/threads/{thread}, GET /v1/mailboxes/{mailbox}/emails/{email}.
    """
    try:
        return (yield from get_thread(wanted, mailbox=mailbox))
    except NotFoundError as no_thread:
        try:
            email = yield from read_email(wanted, mailbox=mailbox)
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
) -> Generator[Call[Any] | Pause, Any, EmailSummary]:
    """Wait for a new inbound message that matches.

    Args:
        mailbox: Address or id; default the client's mailbox.
        timeout: Seconds to wait at the most.
        poll_interval: Seconds between two looks.
        since_id: Only what is newer than this email; default what is the newest now.
        sender: Only mail from this address.
        subject_contains: Only subjects that contain this text.
        has_attachments: Only mail with, or without, attachments.

    Returns:
        The oldest message that matches.

    Raises:
        WaitTimeoutError: None came in time.

    API: GET /v1/mailboxes/{mailbox}/emails with `since_id`.
    """
    deadline = time.monotonic() + timeout
    if since_id is None:
        newest = yield from check_inbox(mailbox, limit=1, direction="inbound")
        since_id = newest.items[0].id if newest.items else None
    while True:
        page = yield from check_inbox(
            mailbox,
            limit=_PAGE,
            direction="inbound",
            since_id=since_id,
            sender=sender,
            subject_contains=subject_contains,
            has_attachments=has_attachments,
        )
        if page.items:
            return page.items[-1]
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(
                f"No matching message came within {timeout:g} s.", operation="wait_for_email"
            )
        yield from Pause(min(poll_interval, left))


def download_attachment(
    email_id: str, filename: str, *, mailbox: str | None = None
) -> Generator[Call[Any] | Pause, Any, File]:
    """Fetch an attachment's bytes, wherever the API keeps them.

    Args:
        email_id: The message that carries it.
        filename: Its name, as the message lists it.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        The file.

    Raises:
        NotFoundError: The message has no attachment of that name.
        ReplyError: The API answered neither bytes nor a safe URL.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/attachments/{filename}.
    """
    path = f"{_email(email_id)}/attachments/{last_segment(filename, 'filename')}"
    found = yield from Call(
        "download_attachment",
        "GET",
        path,
        AttachmentContent.model_validate,
        mailbox=mailbox,
        about=email_id,
    )
    if found.content_base64 is None:
        content = yield from _fetch(found.url or "")
    else:
        content = _decoded(found.content_base64)
    return File(name=found.name or filename, content_type=found.content_type, content=content)


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise ReplyError(
            "The attachment's bytes are not base64.", operation="download_attachment"
        ) from None


def _fetch(url: str) -> Call[bytes]:
    if not (url.startswith("/") or _is_safe(url)):
        raise ReplyError(
            "The API answered neither the bytes nor an https URL.", operation="download_attachment"
        )
    return Call("download_attachment", "GET", url, bytes, raw=True)


def _is_safe(url: str) -> bool:
    """Whether it is an absolute URL whose host is the one that it shows."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    if not parts.host or parts.userinfo or (parts.port or 0) > 65535:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.host in LOOPBACK)


def get_tags(email_id: str, *, mailbox: str | None = None) -> Call[Tags]:
    """Return a message's labels. API: GET /v1/mailboxes/{mailbox}/emails/{email}/tags."""
    return Call(
        "get_tags",
        "GET",
        _email(email_id) + "/tags",
        Tags.model_validate,
        mailbox=mailbox,
        about=email_id,
    )


def set_tags(email_id: str, tags: Mapping[str, str], *, mailbox: str | None = None) -> Call[Tags]:
    """Replace all of a message's labels.

    API: PUT /v1/mailboxes/{mailbox}/emails/{email}/tags.
    """
    return Call(
        "set_tags",
        "PUT",
        _email(email_id) + "/tags",
        Tags.model_validate,
        json={"tags": {str(name): str(value) for name, value in tags.items()}},
        mailbox=mailbox,
        about=email_id,
        repeatable=True,
    )


def tag_email(
    email_id: str | None = None,
    tag: str | None = None,
    *,
    value: str = "true",
    tags: Mapping[str, str] | None = None,
    message_id: str | None = None,
    mailbox: str | None = None,
) -> Generator[Call[Any] | Pause, Any, Tags]:
    """Add labels to a message and keep the ones that it has.

    Reads the labels and writes them back, as the API only replaces them all: of two callers at
    the same moment the later one wins.

    Args:
        email_id: The message's id; `message_id` is another name for it.
        tag: One label's name.
        value: That label's value.
        tags: Several labels, name to value.
        message_id: See `email_id`.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        All labels that the message has now.

    Raises:
        ValidationError: No label is given.

    API: GET, PUT /v1/mailboxes/{mailbox}/emails/{email}/tags.
    """
    one = one_of("email_id", email_id, message_id)
    new = dict(tags or {}) | ({tag: value} if tag else {})
    if not new:
        raise ValidationError("tag: is missing.", code="invalid_tag")
    have = yield from get_tags(one, mailbox=mailbox)
    return (yield from set_tags(one, {**have.tags, **new}, mailbox=mailbox))


def delete_tag(email_id: str, key: str, *, mailbox: str | None = None) -> Call[Ack]:
    """Remove one label. API: DELETE /v1/mailboxes/{mailbox}/emails/{email}/tags/{key}."""
    return Call(
        "delete_tag",
        "DELETE",
        f"{_email(email_id)}/tags/{last_segment(key, 'key')}",
        Ack.model_validate,
        mailbox=mailbox,
        about=email_id,
        repeatable=True,
    )


def list_spam(status: str = "spam_flagged", *, cursor: str | None = None) -> Call[Page[Email]]:
    """List what the spam filter set aside.

    Args:
        status: `spam_flagged` or `spam_quarantined`.
        cursor: Where to go on, from the page before.

    API: GET /v1/emails.
    """
    return Call(
        "list_spam",
        "GET",
        "/v1/emails",
        page_of(Email),
        params={"status": status, "cursor": cursor},
    )


def report_spam(email_id: str) -> Call[Ack]:
    """Say that a message is spam. API: POST /v1/emails/{email}/report-spam."""
    return _verdict("report_spam", email_id, "report-spam")


def report_not_spam(email_id: str) -> Call[Ack]:
    """Say that a message is no spam. API: POST /v1/emails/{email}/not-spam."""
    return _verdict("report_not_spam", email_id, "not-spam")


def _verdict(operation: str, email_id: str, last: str) -> Call[Ack]:
    path = f"/v1/emails/{segment(email_id, 'email_id')}/{last}"
    return Call(operation, "POST", path, Ack.model_validate, repeatable=True)


def _email(email_id: str) -> str:
    return f"/v1/mailboxes/{{mailbox}}/emails/{segment(email_id, 'email_id')}"
