"""Full-text search and marks: what the embedded server has beyond version 1 of the API."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from .._call import Call, Pause
from ..errors import APIError, MultiMailError, UnsupportedError
from ..models import FoundEmail, MarkedEmail, Page, list_parser, page_parser
from ._account import get_health
from ._arguments import check_id, format_datetime, invalid

T = TypeVar("T")

Mark: TypeAlias = Literal["read", "unread", "archived", "unarchived", "spam"]
MARKS: tuple[str, ...] = get_args(Mark)
MAX_MARKED = 100
"""Messages that one call marks."""
_MAX_PAGE = 100
_MAX_QUERY = 5000
"""Bytes of a text that are sent: of four texts, three times as long in a URL, less than 64 KB."""
_UNKNOWN_ROUTE = frozenset({404, 405, 501})


def search_email(
    query: str = "",
    *,
    mailbox: str | None = None,
    sender: str | None = None,
    recipient: str | None = None,
    subject: str | None = None,
    date_after: datetime | str | None = None,
    date_before: datetime | str | None = None,
    has_attachments: bool | None = None,
    unread_only: bool = False,
    direction: str | None = None,
    tag: str | None = None,
    label: str | None = None,
    thread_id: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Generator[Call[Any] | Pause, Any, Page[FoundEmail]]:
    """Search a mailbox's subjects, addresses, texts and names of files, newest first.

    Every text is a query: all words must occur, in any form of case and accents; `"two words"` is a
    phrase, `-word` must not occur, `begin*` is a beginning; `from:ann`, `to:`, `subject:`, `tag:`,
    `label:`, `thread:`, `after:2026-01-31`, `before:`, `has:attachment`, `is:unread` and `in:sent`
    do what the arguments do. Archived mail is searched too.

    Args:
        query: What to search for; empty for what the other arguments leave.
        mailbox: Address or id; default the client's mailbox.
        sender: Only from this address, domain or name; whole words, the last may be a beginning.
        recipient: The same of To, Cc and Bcc.
        subject: The same of the subject.
        date_after: Only messages received at this time or later.
        date_before: Only messages received before this time.
        has_attachments: Only messages with, or without, attachments.
        unread_only: Only unread messages.
        direction: `inbound` or `outbound`.
        tag: Only messages with this tag: its name, or `name=value`.
        label: Only messages with this trust label, by their evidence alone.
        thread_id: Only messages of this thread.
        limit: Rows per page, 1 to 100.
        cursor: The cursor of the previous page.

    Returns:
        A page of rows with snippets, and the cursor of the next page.

    Raises:
        ValidationError: `limit` or a date is out of range.
        UnsupportedError: The server has no full-text search.

    API: GET /v1/mailboxes/{mailbox}/search, of the embedded server.
    """
    if not 1 <= limit <= _MAX_PAGE:
        raise invalid("limit", f"{limit} is not between 1 and {_MAX_PAGE}")
    call = Call(
        "search_email",
        "GET",
        "/v1/mailboxes/{mailbox}/search",
        page_parser(FoundEmail),
        params={
            "q": _cut(query),
            "limit": limit,
            "sender": _cut(sender),
            "recipient": _cut(recipient),
            "subject": _cut(subject),
            "date_after": format_datetime(date_after, "date_after"),
            "date_before": format_datetime(date_before, "date_before"),
            "has_attachments": has_attachments,
            "unread": True if unread_only else None,
            "direction": direction,
            "tag": tag,
            "label": label,
            "thread_id": thread_id,
            "cursor": cursor,
        },
        mailbox=mailbox,
    )
    return (yield from _require_extension(call, "search_email", "full-text search"))


def _cut(text: str | None) -> str | None:
    """Return what is sent of a text: a lone surrogate is a character that no mail has."""
    sent = (text or "")[:_MAX_QUERY].encode(errors="replace")[:_MAX_QUERY]
    return sent.decode(errors="ignore") or None


def mark_email(
    email_ids: str | Sequence[str], mark: Mark, *, mailbox: str | None = None
) -> Generator[Call[Any] | Pause, Any, list[MarkedEmail]]:
    """Mark received messages of one mailbox, all or none. A repeat changes nothing.

    `archived` takes a message out of the listing of `check_inbox`; `unarchived` puts it back, read,
    and `unread` unread. `spam` reports it as spam.

    Args:
        email_ids: One id, or up to 100.
        mark: `read`, `unread`, `archived`, `unarchived` or `spam`.
        mailbox: Address or id; default where the first message was last seen, else the client's.

    Returns:
        Each message's status now.

    Raises:
        ValidationError: There is no id, or too many, or `mark` is another word.
        NotFoundError: One of the messages isn't in this mailbox.
        ConflictError: One of them was sent, is not shown yet, or is flagged as spam.
        UnsupportedError: The server can't mark messages.

    API: PATCH /v1/mailboxes/{mailbox}/emails, of the embedded server.
    """
    ids = [email_ids] if isinstance(email_ids, str) else list(email_ids)
    check_mark(ids, mark)
    call = Call(
        "mark_email",
        "PATCH",
        "/v1/mailboxes/{mailbox}/emails",
        list_parser(MarkedEmail, "emails"),
        json={"ids": [check_id(email_id, "email_ids") for email_id in ids], "mark": mark},
        mailbox=mailbox,
        resource_id=ids[0],
        idempotent=True,
    )
    return (yield from _require_extension(call, "mark_email", "way to mark messages"))


def check_mark(email_ids: Sequence[str], mark: str) -> None:
    """Raise an error for no id, for too many, or for a mark that there is none of."""
    if not 1 <= len(email_ids) <= MAX_MARKED:
        raise invalid("email_ids", f"{len(email_ids)} ids are given; 1 to {MAX_MARKED} can be")
    if mark not in MARKS:
        raise invalid("mark", f"{mark!r:.40} is not one of {', '.join(MARKS)}")


def _require_extension(
    call: Call[T], operation: str, what: str
) -> Generator[Call[Any] | Pause, Any, T]:
    """Make a call; if it fails because the server lacks the route, say so."""
    try:
        return (yield from call)
    except APIError as error:
        if error.status_code not in _UNKNOWN_ROUTE or (yield from _has(operation)):
            raise
        raise UnsupportedError(
            f"This server has no {what}.", status_code=error.status_code, operation=operation
        ) from None


def _has(operation: str) -> Generator[Call[Any] | Pause, Any, bool]:
    try:
        health = yield from get_health()
    except MultiMailError:
        return True  # unknown: the first error stands
    return operation in (health.extensions or ())
