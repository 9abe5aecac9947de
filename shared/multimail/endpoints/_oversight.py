"""Oversight endpoints: pending messages, decisions and approval links."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .._call import Call, Pause
from ..errors import PermissionDeniedError
from ..models import Ack, Decision, Page, PendingEmail, page_parser
from ._arguments import check_id, drop_none, invalid, path_segment
from ._mailboxes import resolve_mailbox

_DECISIONS = {"approve": "approve", "approved": "approve", "reject": "reject", "rejected": "reject"}
_HELD_STATUS = "pending_send_approval"


def list_pending(
    mailbox: str | None = None, *, limit: int | None = None
) -> Generator[Call[Any] | Pause, Any, Page[PendingEmail]]:
    """List the messages that await a human, oldest first.

    A key with the `oversight` scope sees the whole queue of the account. Any other key sees the
    held sends of its mailbox, without bodies.

    Args:
        mailbox: Only this mailbox, by address or id.
        limit: The most messages to return.

    Returns:
        The pending messages.

    API: GET /v1/oversight/pending; GET /v1/mailboxes/{mailbox}/emails with `status`.
    """
    try:
        page = yield from _list_queue(None)
    except PermissionDeniedError:
        return (yield from list_held_sends(mailbox, limit))
    only = (yield from resolve_mailbox(mailbox)) if mailbox is not None else None
    pending: dict[str, PendingEmail] = {}
    cursors: set[str] = set()
    while True:
        rows = (row for row in page.items if only is None or row.mailbox_id == only.id)
        pending |= {row.id: row for row in rows}
        is_full = limit is not None and len(pending) >= limit
        # A server that repeats a cursor would make this loop endless.
        if is_full or not page.cursor or page.cursor in cursors:
            return Page(list(pending.values())[:limit])
        cursors.add(page.cursor)
        page = yield from _list_queue(page.cursor)


def _list_queue(cursor: str | None) -> Call[Page[PendingEmail]]:
    return Call(
        "list_pending",
        "GET",
        "/v1/oversight/pending",
        page_parser(PendingEmail),
        params={"cursor": cursor},
    )


def list_held_sends(
    mailbox: str | None = None, limit: int | None = None
) -> Call[Page[PendingEmail]]:
    """List a mailbox's sends that await a human, oldest first, without bodies.

    Args:
        mailbox: Address or id; default the client's mailbox.
        limit: The most messages to return, of the 100 newest.

    API: GET /v1/mailboxes/{mailbox}/emails with `status`.
    """
    parse_page = page_parser(PendingEmail)
    return Call(
        "list_pending",
        "GET",
        "/v1/mailboxes/{mailbox}/emails",
        lambda response: Page(parse_page(response).items[::-1][:limit]),
        params={"status": _HELD_STATUS, "limit": 100},
        mailbox=mailbox,
    )


def decide_email(
    message_id: str,
    decision: str,
    *,
    reason: str | None = None,
    content_hash: str | None = None,
) -> Call[Decision]:
    """Approve or reject a pending message.

    Args:
        message_id: The message's id.
        decision: `approve` or `reject`.
        reason: A reason, shown to the sender and in the audit log.
        content_hash: The hash of the content that was reviewed; if the content has changed
            since, the API rejects the decision.

    Returns:
        The result. Repeating the same decision is not an error.

    Raises:
        PermissionDeniedError: The key lacks the `oversight` scope.
        ConflictError: It was decided otherwise, cancelled, changed or has expired.

    API: POST /v1/oversight/decide.
    """
    normalized = check_id(decision, "decision").lower()
    if normalized not in _DECISIONS:
        raise invalid("decision", f"{normalized!r:.40} is neither approve nor reject")
    return Call(
        "decide_email",
        "POST",
        "/v1/oversight/decide",
        Decision.model_validate,
        json={
            "email_id": check_id(message_id, "message_id"),
            "action": _DECISIONS[normalized],
            **drop_none(reason=reason, content_hash=content_hash),
        },
    )


def get_approval(token: str) -> Call[PendingEmail]:
    """Return the message of an approval link; decides nothing. API: GET /v1/approve/{token}."""
    return Call("get_approval", "GET", _approval_path(token), PendingEmail.model_validate)


def approve_by_token(
    token: str, action: str = "approve", *, reason: str | None = None
) -> Call[Ack]:
    """Decide with an approval link, which works once. API: POST /v1/approve/{token}."""
    return Call(
        "approve_by_token",
        "POST",
        _approval_path(token),
        Ack.model_validate,
        json={"action": check_id(action, "action"), **drop_none(reason=reason)},
    )


def _approval_path(token: str) -> str:
    return f"/v1/approve/{path_segment(token, 'token')}"
