"""Operations: what each route takes and answers, beside the table of routes, for the description.

A route that has no entry here is described by its scopes, its path and the errors that any route
can give; a test names such routes.
"""

from __future__ import annotations

from ..testing.openapi import REHEARSAL
from .authority_operations import AUTHORITY
from .compat import bodies as fb
from .compat import schemas as fa
from .operation_shapes import (
    CONFLICT,
    CURSOR,
    MISSING,
    PAGE,
    Operation,
    Parameter,
    flag,
    text,
    time,
    whole,
)
from .outbound_operations import OUTBOUND
from .schemas import account as aa
from .schemas import messages as a
from .schemas import requests as b
from .schemas.oversight import CodeFirstAnswer

_MAILBOX = text("mailbox", "Id or address; needed where the key sees several.")
_EMAIL = "/v1/mailboxes/{mailbox}/emails/{email}"
_LISTED = (
    whole("limit", 20, 1, 100),
    CURSOR,
    text("status", "One status, or several with commas between them."),
    Parameter("direction", {"type": "string", "enum": ["inbound", "outbound"]}),
    text("sender", "A part of the sender's address or name."),
    text("subject_contains", longest=998),
    time("date_after", "From this moment on."),
    time("date_before", "Before this moment."),
    flag("has_attachments"),
    text("since_id", "Only what is newer than this message."),
    whole("offset", 0, 0, 100_000_000),
)
_INCLUDE = Parameter("include", {"type": "string", "enum": ["bodies"]}, "Add each body.")
_CODE = {202: CodeFirstAnswer}
_REPLAYED = {202: a.SentAnswer, 200: a.SentAnswer}

_VERSION_1: dict[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation({200: aa.HealthAnswer}),
    ("GET", "/openapi.json"): Operation({200: "application/json"}),
    ("GET", "/v1/mailboxes"): Operation({200: aa.MailboxesAnswer}),
    ("POST", "/v1/mailboxes"): Operation(
        {201: aa.MailboxAnswer, **_CODE}, b.MailboxBody, errors=CONFLICT
    ),
    ("GET", "/v1/mailboxes/{mailbox}"): Operation({200: aa.MailboxAnswer}),
    ("PATCH", "/v1/mailboxes/{mailbox}"): Operation(
        {200: aa.MailboxAnswer, **_CODE}, b.MailboxChangeBody
    ),
    ("PATCH", "/v1/mailboxes/{mailbox}/configure"): Operation(
        {200: aa.MailboxAnswer, **_CODE}, b.MailboxChangeBody
    ),
    ("DELETE", "/v1/mailboxes/{mailbox}"): Operation({200: a.GoneAnswer}, errors=CONFLICT),
    ("GET", "/v1/mailboxes/{mailbox}/emails"): Operation({200: a.PageAnswer}, query=_LISTED),
    ("GET", _EMAIL): Operation({200: a.EmailAnswer}, errors=CONFLICT),
    ("GET", f"{_EMAIL}/raw"): Operation({200: "message/rfc822"}, errors=CONFLICT),
    ("GET", f"{_EMAIL}/attachments/{{filename}}/url"): Operation(
        {200: a.FileAnswer}, errors=CONFLICT
    ),
    ("GET", f"{_EMAIL}/attachments/{{filename}}"): Operation({200: a.FileAnswer}, errors=CONFLICT),
    ("GET", "/v1/attachments/{attachment}"): Operation(
        {200: "application/octet-stream"},
        query=(text("expires", "Of the link."), text("signature", "Of the link.")),
        errors=(403,),
    ),
    ("GET", f"{_EMAIL}/tags"): Operation({200: a.TagsAnswer}),
    ("PUT", f"{_EMAIL}/tags"): Operation({200: a.TagsAnswer}, b.TagsBody),
    ("DELETE", f"{_EMAIL}/tags/{{key}}"): Operation({200: a.TagsAnswer}),
    ("GET", "/v1/mailboxes/{mailbox}/threads/{thread}"): Operation(
        {200: a.ThreadAnswer}, query=(_INCLUDE,)
    ),
    ("POST", "/v1/mailboxes/{mailbox}/send"): Operation(_REPLAYED, b.SendBody, errors=CONFLICT),
    ("POST", "/v1/mailboxes/{mailbox}/reply/{email}"): Operation(
        _REPLAYED, b.ReplyBody, errors=CONFLICT
    ),
    ("POST", f"{_EMAIL}/cancel"): Operation({200: a.FateAnswer}, errors=CONFLICT),
    ("PATCH", f"{_EMAIL}/schedule"): Operation(
        {200: a.FateAnswer}, b.ScheduleBody, errors=CONFLICT
    ),
    ("GET", "/v1/contacts"): Operation(
        {200: aa.ContactsAnswer}, query=(text("q", "A part of the name or address."),)
    ),
    ("POST", "/v1/contacts"): Operation({201: aa.ContactAnswer}, b.ContactBody),
    ("DELETE", "/v1/contacts/{contact}"): Operation({200: a.GoneAnswer}),
    ("GET", "/v1/oversight/pending"): Operation({200: a.QueueAnswer}, query=PAGE),
    ("POST", "/v1/oversight/decide"): Operation(
        {200: a.DecisionAnswer}, b.DecideBody, errors=MISSING + CONFLICT
    ),
    ("POST", "/v1/oversight/revise"): Operation(
        {200: a.FateAnswer}, b.ReviseBody, errors=MISSING + CONFLICT
    ),
    ("GET", "/v1/account"): Operation({200: aa.AccountAnswer}, errors=MISSING),
    ("PATCH", "/v1/account"): Operation({200: aa.AccountAnswer}, b.AccountBody, errors=MISSING),
    ("DELETE", "/v1/account"): Operation({200: a.GoneAnswer}, errors=MISSING),
    ("GET", "/v1/api-keys"): Operation({200: aa.KeysAnswer}),
    ("POST", "/v1/api-keys"): Operation({201: aa.NewKeyAnswer, **_CODE}, b.KeyBody, errors=MISSING),
    ("PATCH", "/v1/api-keys/{key}"): Operation(
        {200: aa.KeyAnswer, **_CODE}, b.KeyChangeBody, errors=CONFLICT
    ),
    ("DELETE", "/v1/api-keys/{key}"): Operation({200: aa.RevokedKeyAnswer}, errors=CONFLICT),
    ("GET", "/v1/usage"): Operation({200: aa.UsageAnswer}),
    ("GET", "/v1/audit-log"): Operation({200: aa.AuditAnswer}, query=PAGE),
    ("POST", "/v1/test/inbound"): Operation(
        {201: a.ReceivedAnswer},
        "message/rfc822",
        query=(_MAILBOX, text("mail_from", "The envelope's sender; empty for a bounce.")),
        errors=MISSING,
    ),
    ("GET", "/v1/test/outbox"): Operation(
        {200: a.OutboxAnswer}, query=(whole("limit", 100, 1, 100),)
    ),
    ("GET", "/v1/test/outbox/{email}/raw"): Operation({200: "text/plain"}),
}

_ACCEPTED = {202: fa.FlatSentAnswer, 200: fa.FlatSentAnswer}
_ID = (text("email_id", "`message_id` is another name for it."), text("message_id"))

_FLAT: dict[tuple[str, str], Operation] = {
    ("GET", "/check_inbox"): Operation(
        {200: fa.FlatInboxAnswer},
        query=(_MAILBOX, whole("limit", 20, 1, 100), CURSOR, flag("unread"),
               flag("unread_only")),
        errors=MISSING,
    ),
    ("GET", "/read_email"): Operation(
        {200: fa.FlatEmailAnswer}, query=_ID, errors=MISSING + CONFLICT
    ),
    ("GET", "/read_email/{email}"): Operation({200: fa.FlatEmailAnswer}, errors=CONFLICT),
    ("GET", "/get_thread"): Operation(
        {200: fa.FlatThreadAnswer}, query=(text("thread_id"),), errors=MISSING
    ),
    ("GET", "/get_thread/{thread}"): Operation({200: fa.FlatThreadAnswer}),
    ("POST", "/send_email"): Operation(_ACCEPTED, fb.FlatSendBody, errors=MISSING + CONFLICT),
    ("POST", "/reply_email"): Operation(_ACCEPTED, fb.FlatReplyBody, errors=MISSING + CONFLICT),
    ("POST", "/tag_email"): Operation(
        {200: fa.FlatTagAnswer}, fb.FlatTagBody, errors=MISSING + CONFLICT
    ),
    ("GET", "/list_pending"): Operation(
        {200: fa.FlatQueueAnswer},
        query=(_MAILBOX, whole("limit", 100, 1, 100), CURSOR),
        errors=MISSING,
    ),
    ("POST", "/decide_email"): Operation(
        {200: fa.FlatDecisionAnswer}, b.DecideBody, errors=MISSING + CONFLICT
    ),
    ("POST", "/cancel_message"): Operation(
        {200: a.FateAnswer}, fb.FlatCancelBody, errors=MISSING + CONFLICT
    ),
    ("GET", "/search_contacts"): Operation(
        {200: aa.ContactsAnswer},
        query=(text("query", "A part of the name or address."), text("q"),
               whole("limit", 100, 1, 500)),
    ),
    ("POST", "/create_mailbox"): Operation(
        {201: aa.MailboxAnswer, **_CODE}, b.MailboxBody, errors=CONFLICT
    ),
}  # fmt: skip

OPERATIONS: dict[tuple[str, str], Operation] = {
    **_VERSION_1,
    **AUTHORITY,
    **OUTBOUND,
    **REHEARSAL,
    **_FLAT,
    **{(method, f"/v1{path}"): operation for (method, path), operation in _FLAT.items()},
}
