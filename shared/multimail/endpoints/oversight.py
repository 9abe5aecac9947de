"""Oversight endpoints: what awaits a human, and the decision."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..call import Call, Pause
from ..errors import PermissionDeniedError, ValidationError
from ..models import Decision, Page, PendingEmail, page_of
from .checks import given, one_of
from .mailboxes import resolve_mailbox

_ACTIONS = {"approve": "approve", "approved": "approve", "reject": "reject", "rejected": "reject"}
_HELD = "pending_send_approval"


def list_pending(
    mailbox: str | None = None, *, limit: int | None = None
) -> Generator[Call[Any] | Pause, Any, Page[PendingEmail]]:
    """List what awaits a human, oldest first.

    A key with the `oversight` scope sees the account's whole queue. Any other key sees the held
    sends of its mailbox, without bodies, from that mailbox's listing.

    Args:
        mailbox: Only this mailbox, by address or id.
        limit: At most this many.

    Returns:
        The pending messages.

    API: GET /v1/oversight/pending; GET /v1/mailboxes/{mailbox}/emails with `status`.
    """
    try:
        page = yield from _queue(None)
    except PermissionDeniedError:
        return (yield from held_sends(mailbox, limit))
    wanted = (yield from resolve_mailbox(mailbox)) if mailbox is not None else None
    rows: dict[str, PendingEmail] = {}
    seen: set[str] = set()
    while True:
        some = (one for one in page.items if wanted is None or one.mailbox_id == wanted.id)
        rows |= {one.id: one for one in some}
        enough = limit is not None and len(rows) >= limit
        # A server that gives a cursor twice would never come to an end.
        if enough or not page.cursor or page.cursor in seen:
            return Page(list(rows.values())[:limit])
        seen.add(page.cursor)
        page = yield from _queue(page.cursor)


def _queue(cursor: str | None) -> Call[Page[PendingEmail]]:
    return Call(
        "list_pending",
        "GET",
        "/v1/oversight/pending",
        page_of(PendingEmail),
        params={"cursor": cursor},
    )


def held_sends(mailbox: str | None = None, limit: int | None = None) -> Call[Page[PendingEmail]]:
    """List a mailbox's sends that await a human, oldest first, without bodies.

    Args:
        mailbox: Address or id; default the client's mailbox.
        limit: At most this many of the 100 newest.

    API: GET /v1/mailboxes/{mailbox}/emails with `status`.
    """
    read = page_of(PendingEmail)
    return Call(
        "list_pending",
        "GET",
        "/v1/mailboxes/{mailbox}/emails",
        lambda reply: Page(read(reply).items[::-1][:limit]),
        params={"status": _HELD, "limit": 100},
        mailbox=mailbox,
    )


def decide_email(
    message_id: str | None = None,
    decision: str | None = None,
    *,
    email_id: str | None = None,
    action: str | None = None,
    reason: str | None = None,
    content_hash: str | None = None,
) -> Call[Decision]:
    """Approve or reject a pending message.

    Args:
        message_id: The message's id; `email_id` is another name for it.
        decision: `approve` or `reject`; `action` is another name for it.
        email_id: See `message_id`.
        action: See `decision`.
        reason: Why, for whoever wrote it and for the audit log.
        content_hash: What was looked at; the API refuses if the message is another by now.

    Returns:
        What the decision led to. The same decision again is no error.

    Raises:
        PermissionDeniedError: The key lacks the `oversight` scope.
        ConflictError: It was decided otherwise, cancelled, expired or changed.

    API: POST /v1/oversight/decide.
    """
    chosen = one_of("decision", decision, action).strip().lower()
    if chosen not in _ACTIONS:
        raise ValidationError(
            f"decision: {chosen!r:.40} is neither approve nor reject.", code="invalid_decision"
        )
    return Call(
        "decide_email",
        "POST",
        "/v1/oversight/decide",
        Decision.model_validate,
        json={
            "email_id": one_of("message_id", message_id, email_id),
            "action": _ACTIONS[chosen],
            **given(reason=reason, content_hash=content_hash),
        },
    )
