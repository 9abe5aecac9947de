"""Routes: the flat paths of the product's pages, at the root and below /v1.

Each is a translation: it finds the mailbox that version 1 has in its path, calls the same operation
of the mailroom, and adds the field names that the pages read. POST /webhooks stands with webhooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import invalid, not_found
from ...oversight import Direction, State
from ...services import Principal
from ...services.context import find_mailbox, find_message
from ...services.sending import Sent
from ...store.protocol import Reader
from ...store.records import Mailbox, Message, MessageFilter
from .. import render
from ..render_webhooks import shown_once
from ..request import ApiRequest, ApiResponse, Handler, cursor_of
from ..routes.sending import check_time
from ..routing import LARGE_BODY, SMALL_BODY, Routes
from ..schemas.requests import DecideBody, MailboxBody
from .bodies import FlatCancelBody, FlatReplyBody, FlatSendBody, FlatTagBody

routes = Routes()
Json = dict[str, Any]


def flat(
    method: str, path: str, *scopes: str, longest_body: int = SMALL_BODY
) -> Callable[[Handler], Handler]:
    """Declare a route at `path` and at /v1 + `path`."""

    def declare(handler: Handler) -> Handler:
        for full in (path, f"/v1{path}"):
            routes(method, full, *scopes, longest_body=longest_body)(handler)
        return handler

    return declare


@flat("GET", "/check_inbox", "read")
def check_inbox(request: ApiRequest) -> ApiResponse:
    """Pages: GET /check_inbox: what came in, newest first, without bodies."""
    limit = request.query_int("limit", 20, 1, 100)
    unread = request.query_bool("unread") or request.query_bool("unread_only")
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=(State.UNREAD,) if unread else (),
        direction=Direction.INBOUND,
        before_id=request.cursor(),
    )
    found = request.services.messages.list_messages(
        request.principal, _mailbox(request, request.query_str("mailbox")).id, where
    )
    rows = [_named(render.summary(message, request.principal)) for message in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"messages": rows, "emails": rows, "cursor": cursor})


@flat("GET", "/read_email/{email}", "read")
@flat("GET", "/read_email", "read")
def read_email(request: ApiRequest) -> ApiResponse:
    """Pages: GET /read_email: one message with its body, which marks it as read."""
    which = _asked(request, "email", "email_id", "message_id")
    message = _message(request, which)
    peek = request.method == "HEAD"
    opened = request.services.messages.read(
        request.principal, message.mailbox_id, message.id, peek=peek
    )
    return ApiResponse(_named(render.email(opened, request.principal)))


@flat("GET", "/get_thread/{thread}", "read")
@flat("GET", "/get_thread", "read")
def get_thread(request: ApiRequest) -> ApiResponse:
    """Pages: GET /get_thread: a conversation with bodies, oldest first, held replies included."""
    which = _asked(request, "thread", "thread_id")
    mailbox = request.services.context.store.read(
        lambda tx: _mailbox_of_thread(tx, request.principal, which)
    )
    found = request.services.messages.thread(request.principal, mailbox.id, which, bodies=True)
    answer = render.thread(found, request.principal)
    rows = [_named(row) for row in answer["messages"]]
    return ApiResponse({**answer, "messages": rows, "emails": rows})


@flat("POST", "/send_email", "send", longest_body=LARGE_BODY)
def send_email(request: ApiRequest) -> ApiResponse:
    """Pages: POST /send_email."""
    body = request.parse_body(FlatSendBody)
    check_time(request, body)
    mailbox = _mailbox(request, body.from_address)
    draft = body.draft(tuple(body.to), body.subject)
    return _sent(request, request.services.sending.send(request.principal, mailbox.id, draft))


@flat("POST", "/reply_email", "send", longest_body=LARGE_BODY)
def reply_email(request: ApiRequest) -> ApiResponse:
    """Pages: POST /reply_email; `from`, if given, must be the mailbox that has the message."""
    body = request.parse_body(FlatReplyBody)
    check_time(request, body)
    message = _message(request, body.email_id)
    mailbox = _mailbox(request, body.from_address or message.mailbox_id)
    return _sent(
        request,
        request.services.sending.reply(
            request.principal, mailbox.id, message.id, body.draft(), reply_all=body.reply_all
        ),
    )


@flat("POST", "/tag_email", "send")
def tag_email(request: ApiRequest) -> ApiResponse:
    """Pages: POST /tag_email: one label more; those that are there stay."""
    body = request.parse_body(FlatTagBody)
    message = _message(request, body.email_id)
    tags = request.services.messages.add_tag(
        request.principal, message.mailbox_id, message.id, body.tag, body.value
    )
    return ApiResponse({"id": message.id, "email_id": message.id, "message_id": message.id,
                   "tag": body.tag, "tags": tags})  # fmt: skip


@flat("GET", "/list_pending", "read", "oversight")
def list_pending(request: ApiRequest) -> ApiResponse:
    """Pages: GET /list_pending, oldest first; bodies and held inbound mail for reviewers only."""
    limit = request.query_int("limit", 100, 1, 100)
    which = request.query_str("mailbox")
    principal = request.principal
    if which is not None:
        principal = replace(principal, mailbox_id=_mailbox(request, which).id)
    found = request.services.decisions.pending(principal, request.cursor() or "", limit + 1)
    rows = [
        _pending(
            render.pending(item, principal)
            if principal.is_reviewer
            else render.summary(item.message, principal)
        )
        for item in found[:limit]
        if principal.is_reviewer or item.message.direction is Direction.OUTBOUND
    ]
    cursor = cursor_of(found[limit - 1].message.id) if len(found) > limit else None
    return ApiResponse({"items": rows, "messages": rows, "cursor": cursor})


@flat("POST", "/decide_email", "oversight")
def decide_email(request: ApiRequest) -> ApiResponse:
    """Pages: POST /decide_email; `status` is sent as soon as the message has left."""
    body = request.parse_body(DecideBody)
    approve = body.action == "approve"
    decided = request.services.decisions.decide(
        request.principal,
        body.email_id,
        approve=approve,
        reason=body.reason,
        seen_hash=body.content_hash,
    )
    answer = render.decision(decided, approve=approve)
    if decided.status is State.SENT:
        answer["status"] = "sent"
    return ApiResponse({**answer, "email_id": decided.id})


@flat("POST", "/cancel_message", "send")
def cancel_message(request: ApiRequest) -> ApiResponse:
    """Pages: POST /cancel_message."""
    message = _message(request, request.parse_body(FlatCancelBody).email_id)
    done = request.services.cancellation.cancel(request.principal, message.mailbox_id, message.id)
    return ApiResponse(render.fate(done))


@flat("GET", "/search_contacts", "read")
def search_contacts(request: ApiRequest) -> ApiResponse:
    """Pages: GET /search_contacts."""
    limit = request.query_int("limit", 100, 1, 500)
    found = request.services.contacts.search(
        request.principal, request.query_str("query") or request.query_str("q") or ""
    )
    return ApiResponse({"contacts": [render.contact(entry) for entry in found[:limit]]})


@flat("POST", "/create_mailbox", "admin")
def create_mailbox(request: ApiRequest) -> ApiResponse:
    """Pages: POST /create_mailbox."""
    body = request.parse_body(MailboxBody)
    changes = body.changes()
    made = request.services.mailboxes.create(request.principal, body.address, changes)
    return ApiResponse({**render.mailbox(made), **shown_once(changes)}, 201)


def _asked(request: ApiRequest, in_path: str, *in_query: str) -> str:
    """Return the id that the path names, or else the query."""
    for found in (request.path.get(in_path), *(request.query_str(name) for name in in_query)):
        if found:
            return found
    raise invalid(f"`{in_query[0]}` is missing.")


def _mailbox(request: ApiRequest, which: str | None) -> Mailbox:
    """Return the mailbox by id or address; the only one that the key sees where none is named."""
    if which is not None:
        return request.services.mailboxes.get(request.principal, which)
    seen = request.services.mailboxes.list_mailboxes(request.principal)
    if len(seen) != 1:
        raise invalid(
            f"This key sees {len(seen)} mailboxes; name one, by its address: `from` in a send, "
            "`mailbox` in a query."
        )
    return seen[0]


def _message(request: ApiRequest, which: str) -> Message:
    return request.services.context.store.read(
        lambda tx: find_message(tx, request.principal, which)
    )


def _mailbox_of_thread(tx: Reader, principal: Principal, thread_id: str) -> Mailbox:
    for mailbox in tx.mailboxes(principal.account_id):
        if principal.sees(mailbox.id) and tx.thread(mailbox.id, thread_id, 1):
            return find_mailbox(tx, principal, mailbox.id)
    raise not_found("thread", thread_id)


def _named(row: Json) -> Json:
    """Return a message with the pages' names for its sender and its text."""
    more: Json = {"sender": row["from"]}
    if "markdown" in row:
        more["body_text"] = row["markdown"]
    return {**row, **more}


def _pending(row: Json) -> Json:
    return {**_named(row), "pending_id": row["id"]}


def _sent(request: ApiRequest, result: Sent) -> ApiResponse:
    held = result.message.status is State.PENDING_SEND_APPROVAL
    answer = render.sent(result, request.door.base_url(request.base_url))
    status = "pending_approval" if held else result.message.status.wire
    more = {"email_id": result.message.id, "status": status}
    if held:
        more["pending_id"] = result.message.id
    return ApiResponse({**answer, **more}, 200 if result.replayed else 202)
