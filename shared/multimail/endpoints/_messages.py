"""Message endpoints: list, read and wait for messages, and read threads."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any

from .._call import Call, Pause
from ..errors import InvalidResponseError, NotFoundError, WaitTimeoutError
from ..models import (
    Email,
    EmailSummary,
    Page,
    Thread,
    page_parser,
)
from ._arguments import (
    format_datetime,
    invalid,
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


def email_path(email_id: str, argument: str = "email_id") -> str:
    """Return the path of a message in its mailbox."""
    return f"/v1/mailboxes/{{mailbox}}/emails/{path_segment(email_id, argument)}"
