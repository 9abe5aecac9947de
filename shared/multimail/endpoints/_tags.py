"""Tag and spam endpoints: how messages are sorted after delivery."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from .._call import Call, Pause
from ..models import Ack, Email, Page, Tags, page_parser
from ._arguments import drop_none, invalid, last_path_segment, path_segment
from ._messages import email_path


def get_tags(email_id: str, *, mailbox: str | None = None) -> Call[Tags]:
    """Return a message's tags. API: GET /v1/mailboxes/{mailbox}/emails/{email}/tags."""
    return Call(
        "get_tags",
        "GET",
        email_path(email_id) + "/tags",
        Tags.model_validate,
        mailbox=mailbox,
        resource_id=email_id,
    )


def set_tags(
    email_id: str,
    tags: Mapping[str, str],
    *,
    label: str | None = None,
    mailbox: str | None = None,
) -> Call[Tags]:
    """Replace all of a message's tags.

    Args:
        email_id: The message's id.
        tags: Name to value.
        label: The worst trust label that their writer had read; default none. A tag that stays as
            it is keeps its label.
        mailbox: Address or id; default where the message was last seen, else the client's.

    API: PUT /v1/mailboxes/{mailbox}/emails/{email}/tags.
    """
    return Call(
        "set_tags",
        "PUT",
        email_path(email_id) + "/tags",
        Tags.model_validate,
        json=drop_none(tags={str(name): str(value) for name, value in tags.items()}, label=label),
        mailbox=mailbox,
        resource_id=email_id,
        idempotent=True,
    )


def tag_email(
    email_id: str,
    tag: str | None = None,
    *,
    value: str = "true",
    tags: Mapping[str, str] | None = None,
    label: str | None = None,
    mailbox: str | None = None,
) -> Generator[Call[Any] | Pause, Any, Tags]:
    """Add tags to a message and keep the existing ones.

    Reads the tags and writes them back, because the API can only replace them all: of two
    concurrent callers the later one wins.

    Args:
        email_id: The message's id.
        tag: The name of a tag to add.
        value: The value of `tag`.
        tags: Several tags to add, name to value.
        label: The worst trust label that their writer had read; default none.
        mailbox: Address or id; default where the message was last seen, else the client's.

    Returns:
        All tags of the message now.

    Raises:
        ValidationError: No tag is given.

    API: GET, PUT /v1/mailboxes/{mailbox}/emails/{email}/tags.
    """
    new = dict(tags or {}) | ({tag: value} if tag else {})
    if not new:
        raise invalid("tag", "is missing")
    current = yield from get_tags(email_id, mailbox=mailbox)
    return (yield from set_tags(email_id, {**current.tags, **new}, label=label, mailbox=mailbox))


def delete_tag(email_id: str, key: str, *, mailbox: str | None = None) -> Call[Ack]:
    """Remove one tag. API: DELETE /v1/mailboxes/{mailbox}/emails/{email}/tags/{key}."""
    return Call(
        "delete_tag",
        "DELETE",
        f"{email_path(email_id)}/tags/{last_path_segment(key, 'key')}",
        Ack.model_validate,
        mailbox=mailbox,
        resource_id=email_id,
        idempotent=True,
    )


def list_spam(status: str = "spam_flagged", *, cursor: str | None = None) -> Call[Page[Email]]:
    """List the messages that the spam filter set aside.

    Args:
        status: `spam_flagged` or `spam_quarantined`.
        cursor: The cursor of the previous page.

    API: GET /v1/emails.
    """
    return Call(
        "list_spam",
        "GET",
        "/v1/emails",
        page_parser(Email),
        params={"status": status, "cursor": cursor},
    )


def report_spam(email_id: str) -> Call[Ack]:
    """Report a message as spam. API: POST /v1/emails/{email}/report-spam."""
    return _report("report_spam", email_id, "report-spam")


def report_not_spam(email_id: str) -> Call[Ack]:
    """Report a message as not spam. API: POST /v1/emails/{email}/not-spam."""
    return _report("report_not_spam", email_id, "not-spam")


def _report(operation: str, email_id: str, action: str) -> Call[Ack]:
    path = f"/v1/emails/{path_segment(email_id, 'email_id')}/{action}"
    return Call(operation, "POST", path, Ack.model_validate, idempotent=True)
