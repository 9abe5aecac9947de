"""Operations: what each route takes and answers, beside the table of routes, for the description.

A route that has no entry here is described by its scopes, its path and the errors that any route
can give; a test names such routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from . import account_answers as aa
from . import answers as a
from . import bodies as b
from . import flat_answers as fa
from . import flat_bodies as fb

Shape = type[BaseModel] | str
"""A model for JSON, or a media type for bytes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the query: its name, its JSON schema, and what it means."""

    name: str
    schema: Mapping[str, Any]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    Attributes:
        answers: By status, the shape of each success.
        body: The shape of the request's body, if it reads one.
        query: The parameters that it reads.
        errors: Statuses beyond those that its scopes and its path bring with them.
    """

    answers: Mapping[int, Shape]
    body: Shape | None = None
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = field(default=())


def _text(name: str, meaning: str = "", longest: int = 500) -> Parameter:
    return Parameter(name, {"type": "string", "maxLength": longest}, meaning)


def _whole(name: str, default: int, least: int, most: int) -> Parameter:
    limits = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name, limits)


def _flag(name: str, meaning: str = "") -> Parameter:
    return Parameter(name, {"type": "boolean"}, meaning)


def _time(name: str, meaning: str) -> Parameter:
    return Parameter(name, {"type": "string", "format": "date-time"}, meaning)


_CURSOR = _text("cursor", "As the page before this one gave it.")
_MAILBOX = _text("mailbox", "Id or address; needed where the key sees several.")
_EMAIL = "/v1/mailboxes/{mailbox}/emails/{email}"
_LISTED = (
    _whole("limit", 20, 1, 100),
    _CURSOR,
    _text("status", "One status, or several with commas between them."),
    Parameter("direction", {"type": "string", "enum": ["inbound", "outbound"]}),
    _text("sender", "A part of the sender's address or name."),
    _text("subject_contains", longest=998),
    _time("date_after", "From this moment on."),
    _time("date_before", "Before this moment."),
    _flag("has_attachments"),
    _text("since_id", "Only what is newer than this message."),
    _whole("offset", 0, 0, 100_000_000),
)
_INCLUDE = Parameter("include", {"type": "string", "enum": ["bodies"]}, "Add each body.")
_CONFLICT, _MISSING = (409,), (404,)
_REPLAYED = {202: a.SentAnswer, 200: a.SentAnswer}

_VERSION_1: dict[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation({200: aa.HealthAnswer}),
    ("GET", "/openapi.json"): Operation({200: "application/json"}),
    ("GET", "/v1/mailboxes"): Operation({200: aa.MailboxesAnswer}),
    ("POST", "/v1/mailboxes"): Operation({201: aa.MailboxAnswer}, b.MailboxBody, errors=_CONFLICT),
    ("GET", "/v1/mailboxes/{mailbox}"): Operation({200: aa.MailboxAnswer}),
    ("PATCH", "/v1/mailboxes/{mailbox}"): Operation({200: aa.MailboxAnswer}, b.MailboxChangeBody),
    ("PATCH", "/v1/mailboxes/{mailbox}/configure"): Operation(
        {200: aa.MailboxAnswer}, b.MailboxChangeBody
    ),
    ("DELETE", "/v1/mailboxes/{mailbox}"): Operation({200: a.GoneAnswer}, errors=_CONFLICT),
    ("GET", "/v1/mailboxes/{mailbox}/emails"): Operation({200: a.PageAnswer}, query=_LISTED),
    ("GET", _EMAIL): Operation({200: a.EmailAnswer}, errors=_CONFLICT),
    ("GET", f"{_EMAIL}/raw"): Operation({200: "message/rfc822"}, errors=_CONFLICT),
    ("GET", f"{_EMAIL}/attachments/{{filename}}/url"): Operation(
        {200: a.FileAnswer}, errors=_CONFLICT
    ),
    ("GET", f"{_EMAIL}/attachments/{{filename}}"): Operation({200: a.FileAnswer}, errors=_CONFLICT),
    ("GET", "/v1/attachments/{attachment}"): Operation(
        {200: "application/octet-stream"},
        query=(_text("expires", "Of the link."), _text("signature", "Of the link.")),
        errors=(403,),
    ),
    ("GET", f"{_EMAIL}/tags"): Operation({200: a.TagsAnswer}),
    ("PUT", f"{_EMAIL}/tags"): Operation({200: a.TagsAnswer}, b.TagsBody),
    ("DELETE", f"{_EMAIL}/tags/{{key}}"): Operation({200: a.TagsAnswer}),
    ("GET", "/v1/mailboxes/{mailbox}/threads/{thread}"): Operation(
        {200: a.ThreadAnswer}, query=(_INCLUDE,)
    ),
    ("POST", "/v1/mailboxes/{mailbox}/send"): Operation(_REPLAYED, b.SendBody, errors=_CONFLICT),
    ("POST", "/v1/mailboxes/{mailbox}/reply/{email}"): Operation(
        _REPLAYED, b.ReplyBody, errors=_CONFLICT
    ),
    ("POST", f"{_EMAIL}/cancel"): Operation({200: a.FateAnswer}, errors=_CONFLICT),
    ("PATCH", f"{_EMAIL}/schedule"): Operation(
        {200: a.FateAnswer}, b.ScheduleBody, errors=_CONFLICT
    ),
    ("GET", "/v1/contacts"): Operation(
        {200: aa.ContactsAnswer}, query=(_text("q", "A part of the name or address."),)
    ),
    ("POST", "/v1/contacts"): Operation({201: aa.ContactAnswer}, b.ContactBody),
    ("DELETE", "/v1/contacts/{contact}"): Operation({200: a.GoneAnswer}),
    ("GET", "/v1/oversight/pending"): Operation(
        {200: a.QueueAnswer}, query=(_whole("limit", 100, 1, 100), _CURSOR)
    ),
    ("POST", "/v1/oversight/decide"): Operation(
        {200: a.DecisionAnswer}, b.DecideBody, errors=_MISSING + _CONFLICT
    ),
    ("GET", "/v1/account"): Operation({200: aa.AccountAnswer}, errors=_MISSING),
    ("PATCH", "/v1/account"): Operation({200: aa.AccountAnswer}, b.AccountBody, errors=_MISSING),
    ("DELETE", "/v1/account"): Operation({200: a.GoneAnswer}, errors=_MISSING),
    ("GET", "/v1/api-keys"): Operation({200: aa.KeysAnswer}),
    ("POST", "/v1/api-keys"): Operation({201: aa.NewKeyAnswer}, b.KeyBody, errors=_MISSING),
    ("PATCH", "/v1/api-keys/{key}"): Operation(
        {200: aa.KeyAnswer}, b.KeyChangeBody, errors=_CONFLICT
    ),
    ("DELETE", "/v1/api-keys/{key}"): Operation({200: aa.RevokedKeyAnswer}, errors=_CONFLICT),
    ("GET", "/v1/usage"): Operation({200: aa.UsageAnswer}),
    ("GET", "/v1/audit-log"): Operation(
        {200: aa.AuditAnswer}, query=(_whole("limit", 100, 1, 100), _CURSOR)
    ),
    ("POST", "/v1/test/inbound"): Operation(
        {201: a.ReceivedAnswer},
        "message/rfc822",
        query=(_MAILBOX, _text("mail_from", "The envelope's sender; empty for a bounce.")),
        errors=_MISSING,
    ),
    ("GET", "/v1/test/outbox"): Operation(
        {200: a.OutboxAnswer}, query=(_whole("limit", 100, 1, 100),)
    ),
    ("GET", "/v1/test/outbox/{email}/raw"): Operation({200: "text/plain"}),
}

_ACCEPTED = {202: fa.FlatSentAnswer, 200: fa.FlatSentAnswer}
_ID = (_text("email_id", "`message_id` is another name for it."), _text("message_id"))

_FLAT: dict[tuple[str, str], Operation] = {
    ("GET", "/check_inbox"): Operation(
        {200: fa.FlatInboxAnswer},
        query=(_MAILBOX, _whole("limit", 20, 1, 100), _CURSOR, _flag("unread"),
               _flag("unread_only")),
        errors=_MISSING,
    ),
    ("GET", "/read_email"): Operation(
        {200: fa.FlatEmailAnswer}, query=_ID, errors=_MISSING + _CONFLICT
    ),
    ("GET", "/read_email/{email}"): Operation({200: fa.FlatEmailAnswer}, errors=_CONFLICT),
    ("GET", "/get_thread"): Operation(
        {200: fa.FlatThreadAnswer}, query=(_text("thread_id"),), errors=_MISSING
    ),
    ("GET", "/get_thread/{thread}"): Operation({200: fa.FlatThreadAnswer}),
    ("POST", "/send_email"): Operation(_ACCEPTED, fb.FlatSendBody, errors=_MISSING + _CONFLICT),
    ("POST", "/reply_email"): Operation(_ACCEPTED, fb.FlatReplyBody, errors=_MISSING + _CONFLICT),
    ("POST", "/tag_email"): Operation(
        {200: fa.FlatTagAnswer}, fb.FlatTagBody, errors=_MISSING + _CONFLICT
    ),
    ("GET", "/list_pending"): Operation(
        {200: fa.FlatQueueAnswer},
        query=(_MAILBOX, _whole("limit", 100, 1, 100), _CURSOR),
        errors=_MISSING,
    ),
    ("POST", "/decide_email"): Operation(
        {200: fa.FlatDecisionAnswer}, b.DecideBody, errors=_MISSING + _CONFLICT
    ),
    ("POST", "/cancel_message"): Operation(
        {200: a.FateAnswer}, fb.FlatCancelBody, errors=_MISSING + _CONFLICT
    ),
    ("GET", "/search_contacts"): Operation(
        {200: aa.ContactsAnswer},
        query=(_text("query", "A part of the name or address."), _text("q"),
               _whole("limit", 100, 1, 500)),
    ),
    ("POST", "/create_mailbox"): Operation(
        {201: aa.MailboxAnswer}, b.MailboxBody, errors=_CONFLICT
    ),
}  # fmt: skip

OPERATIONS: dict[tuple[str, str], Operation] = {
    **_VERSION_1,
    **_FLAT,
    **{(method, f"/v1{path}"): operation for (method, path), operation in _FLAT.items()},
}
