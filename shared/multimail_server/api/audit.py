"""The audit trail of requests: reads that change nothing, and whatever was refused.

What changes something is told by the mailroom, in the transaction that changes it. Here is told
the rest, after the handler and before the answer, so that nobody learns anything that is not in
the log.
"""

from __future__ import annotations

import json
import re

from ..errors import ApiError
from .request import ApiRequest
from .routing import RouteSpec

_MESSAGE = "/v1/mailboxes/{mailbox}/emails/{email}"
_TOLD_BY_THE_MAILROOM = frozenset(
    {
        _MESSAGE,
        f"{_MESSAGE}/raw",
        f"{_MESSAGE}/attachments/{{filename:path}}/url",
        f"{_MESSAGE}/attachments/{{filename:path}}",
    }
)
_ACTIONS = {
    "/v1/mailboxes": "mailbox.list",
    "/v1/mailboxes/{mailbox}": "mailbox.read",
    "/v1/mailboxes/{mailbox}/emails": "email.list",
    _MESSAGE: "email.peek",
    f"{_MESSAGE}/tags": "email.read_tags",
    "/v1/mailboxes/{mailbox}/threads/{thread}": "thread.list",
    "/v1/contacts": "contact.search",
    "/v1/emails": "email.list",
    "/v1/oversight/pending": "oversight.list",
    "/v1/oversight/upgrade-requests": "upgrade.list",
    "/v1/oversight/approval-codes": "code.list",
    "/v1/notifications": "notice.list",
    "/v1/account": "account.read",
    "/v1/api-keys": "api_key.list",
    "/v1/usage": "usage.read",
    "/v1/audit-log": "audit_log.read",
    "/v1/export": "account.export",
    "/v1/test/outbox": "outbox.list",
    "/v1/test/outbox/{email}/raw": "outbox.read",
}
_SUBJECTS = ("email", "key", "contact", "thread", "attachment", "webhook", "delivery", "domain")
_ID = re.compile(r"[a-z]{2,4}_[0-9A-Z]{26}")
_NAMED_IN_BODIES = ("email_id", "message_id", "id", "pending_id")
_MAX_ID = 100


def note_read(spec: RouteSpec, request: ApiRequest) -> None:
    """Write the line of a read that the mailroom does not tell itself."""
    if spec.method != "GET":
        return
    if spec.path in _TOLD_BY_THE_MAILROOM and request.method != "HEAD":
        return
    action = _ACTIONS.get(spec.path)
    path = None if action else spec.path
    request.services.audit_log.record(
        request.principal,
        action or "request.read",
        _subject(request),
        request.path.get("mailbox"),
        path=path,
    )


def note_refusal(spec: RouteSpec, request: ApiRequest, refusal: ApiError) -> None:
    """Write the line of a request by a known key that was not carried out."""
    request.services.audit_log.record(
        request.principal,
        "request.refused",
        _subject(request, refusal),
        request.path.get("mailbox"),
        outcome="refused",
        request=f"{spec.method} {spec.path}",
        status=refusal.status,
        code=refusal.code,
    )


def _subject(request: ApiRequest, refusal: ApiError | None = None) -> tuple[str, str]:
    """Return the type and the id of what a request is about."""
    for name in _SUBJECTS:
        if name in request.path:
            return ("api_key" if name == "key" else name), request.path[name][:_MAX_ID]
    named = _named_in_body(request) if refusal else None
    if named is not None:
        return "email", named
    if "mailbox" in request.path:
        return "mailbox", request.path["mailbox"][:_MAX_ID]
    return "account", request.principal.account_id


def _named_in_body(request: ApiRequest) -> str | None:
    """Return the message that a body names; only what has the form of an id is repeated."""
    try:
        body = json.loads(request.body) if request.body[:1] == b"{" else {}
    except (ValueError, RecursionError):
        return None
    values = [body.get(name) for name in _NAMED_IN_BODIES]
    return next((one for one in values if isinstance(one, str) and _ID.fullmatch(one)), None)
