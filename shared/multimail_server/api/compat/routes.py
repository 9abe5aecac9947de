"""Routes: the flat paths of the product's pages, at the root and below /v1.

Each is a translation: it finds the mailbox that version 1 has in its path, calls the same operation
of the mailroom, and adds the field names that the pages read. POST /webhooks stands with webhooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...mailroom import Principal
from ...mailroom.desk import find_mailbox, find_message
from ...mailroom.sending import Sent
from ...oversight import Direction, State
from ...refusals import invalid, not_found
from ...store.protocol import Reader
from ...store.records import Mailbox, Message, MessageFilter
from .. import render
from ..render_webhooks import shown_once
from ..request import Answer, Ask, Handler, cursor_of
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
def check_inbox(ask: Ask) -> Answer:
    """Pages: GET /check_inbox: what came in, newest first, without bodies."""
    limit = ask.number("limit", 20, 1, 100)
    unread = ask.flag("unread") or ask.flag("unread_only")
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=(State.UNREAD,) if unread else (),
        direction=Direction.INBOUND,
        before_id=ask.cursor(),
    )
    found = ask.room.reading.listing(ask.who, _mailbox(ask, ask.text("mailbox")).id, where)
    rows = [_named(render.summary(message, ask.who)) for message in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"messages": rows, "emails": rows, "cursor": cursor})


@flat("GET", "/read_email/{email}", "read")
@flat("GET", "/read_email", "read")
def read_email(ask: Ask) -> Answer:
    """Pages: GET /read_email: one message with its body, which marks it as read."""
    which = _asked(ask, "email", "email_id", "message_id")
    message = _message(ask, which)
    peek = ask.method == "HEAD"
    opened = ask.room.reading.read(ask.who, message.mailbox_id, message.id, peek=peek)
    return Answer(_named(render.email(opened, ask.who)))


@flat("GET", "/get_thread/{thread}", "read")
@flat("GET", "/get_thread", "read")
def get_thread(ask: Ask) -> Answer:
    """Pages: GET /get_thread: a conversation with bodies, oldest first, held replies included."""
    which = _asked(ask, "thread", "thread_id")
    mailbox = ask.room.desk.store.read(lambda tx: _mailbox_of_thread(tx, ask.who, which))
    found = ask.room.reading.thread(ask.who, mailbox.id, which, bodies=True)
    answer = render.thread(found, ask.who)
    rows = [_named(row) for row in answer["messages"]]
    return Answer({**answer, "messages": rows, "emails": rows})


@flat("POST", "/send_email", "send", longest_body=LARGE_BODY)
def send_email(ask: Ask) -> Answer:
    """Pages: POST /send_email."""
    body = ask.read(FlatSendBody)
    check_time(ask, body)
    mailbox = _mailbox(ask, body.from_address)
    draft = body.draft(tuple(body.to), body.subject)
    return _sent(ask, ask.room.sending.send(ask.who, mailbox.id, draft))


@flat("POST", "/reply_email", "send", longest_body=LARGE_BODY)
def reply_email(ask: Ask) -> Answer:
    """Pages: POST /reply_email; `from`, if given, must be the mailbox that has the message."""
    body = ask.read(FlatReplyBody)
    check_time(ask, body)
    message = _message(ask, body.email_id)
    mailbox = _mailbox(ask, body.from_address or message.mailbox_id)
    return _sent(
        ask,
        ask.room.sending.reply(
            ask.who, mailbox.id, message.id, body.draft(), reply_all=body.reply_all
        ),
    )


@flat("POST", "/tag_email", "send")
def tag_email(ask: Ask) -> Answer:
    """Pages: POST /tag_email: one label more; those that are there stay."""
    body = ask.read(FlatTagBody)
    message = _message(ask, body.email_id)
    tags = ask.room.reading.add_tag(ask.who, message.mailbox_id, message.id, body.tag, body.value)
    return Answer({"id": message.id, "email_id": message.id, "message_id": message.id,
                   "tag": body.tag, "tags": tags})  # fmt: skip


@flat("GET", "/list_pending", "read", "oversight")
def list_pending(ask: Ask) -> Answer:
    """Pages: GET /list_pending, oldest first; bodies and held inbound mail for reviewers only."""
    limit = ask.number("limit", 100, 1, 100)
    which = ask.text("mailbox")
    who = ask.who
    if which is not None:
        who = replace(who, mailbox_id=_mailbox(ask, which).id)
    found = ask.room.deciding.pending(who, ask.cursor() or "", limit + 1)
    rows = [
        _pending(
            render.pending(item, who) if who.is_reviewer else render.summary(item.message, who)
        )
        for item in found[:limit]
        if who.is_reviewer or item.message.direction is Direction.OUTBOUND
    ]
    cursor = cursor_of(found[limit - 1].message.id) if len(found) > limit else None
    return Answer({"items": rows, "messages": rows, "cursor": cursor})


@flat("POST", "/decide_email", "oversight")
def decide_email(ask: Ask) -> Answer:
    """Pages: POST /decide_email; `status` is sent as soon as the message has left."""
    body = ask.read(DecideBody)
    approve = body.action == "approve"
    decided = ask.room.deciding.decide(
        ask.who,
        body.email_id,
        approve=approve,
        reason=body.reason,
        seen_hash=body.content_hash,
    )
    answer = render.decision(decided, approve=approve)
    if decided.status is State.SENT:
        answer["status"] = "sent"
    return Answer({**answer, "email_id": decided.id})


@flat("POST", "/cancel_message", "send")
def cancel_message(ask: Ask) -> Answer:
    """Pages: POST /cancel_message."""
    message = _message(ask, ask.read(FlatCancelBody).email_id)
    done = ask.room.withdrawing.cancel(ask.who, message.mailbox_id, message.id)
    return Answer(render.fate(done))


@flat("GET", "/search_contacts", "read")
def search_contacts(ask: Ask) -> Answer:
    """Pages: GET /search_contacts."""
    limit = ask.number("limit", 100, 1, 500)
    found = ask.room.contacts.search(ask.who, ask.text("query") or ask.text("q") or "")
    return Answer({"contacts": [render.contact(entry) for entry in found[:limit]]})


@flat("POST", "/create_mailbox", "admin")
def create_mailbox(ask: Ask) -> Answer:
    """Pages: POST /create_mailbox."""
    body = ask.read(MailboxBody)
    changes = body.changes()
    made = ask.room.mailboxes.create(ask.who, body.address, changes)
    return Answer({**render.mailbox(made), **shown_once(changes)}, 201)


def _asked(ask: Ask, in_path: str, *in_query: str) -> str:
    """Return the id that the path names, or else the query."""
    for found in (ask.path.get(in_path), *(ask.text(name) for name in in_query)):
        if found:
            return found
    raise invalid(f"`{in_query[0]}` is missing.")


def _mailbox(ask: Ask, which: str | None) -> Mailbox:
    """Return the mailbox by id or address; the only one that the key sees where none is named."""
    if which is not None:
        return ask.room.mailboxes.get(ask.who, which)
    seen = ask.room.mailboxes.all(ask.who)
    if len(seen) != 1:
        raise invalid(
            f"This key sees {len(seen)} mailboxes; name one, by its address: `from` in a send, "
            "`mailbox` in a query."
        )
    return seen[0]


def _message(ask: Ask, which: str) -> Message:
    return ask.room.desk.store.read(lambda tx: find_message(tx, ask.who, which))


def _mailbox_of_thread(tx: Reader, who: Principal, thread_id: str) -> Mailbox:
    for mailbox in tx.mailboxes(who.account_id):
        if who.sees(mailbox.id) and tx.thread(mailbox.id, thread_id, 1):
            return find_mailbox(tx, who, mailbox.id)
    raise not_found("thread", thread_id)


def _named(row: Json) -> Json:
    """Return a message with the pages' names for its sender and its text."""
    more: Json = {"sender": row["from"]}
    if "markdown" in row:
        more["body_text"] = row["markdown"]
    return {**row, **more}


def _pending(row: Json) -> Json:
    return {**_named(row), "pending_id": row["id"]}


def _sent(ask: Ask, result: Sent) -> Answer:
    held = result.message.status is State.PENDING_SEND_APPROVAL
    answer = render.sent(result, ask.door.base_url(ask.base_url))
    status = "pending_approval" if held else result.message.status.wire
    more = {"email_id": result.message.id, "status": status}
    if held:
        more["pending_id"] = result.message.id
    return Answer({**answer, **more}, 200 if result.replayed else 202)
