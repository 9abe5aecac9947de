"""The flat paths of the product's pages, at the root and below /v1.

Each translates to version 1: it finds the mailbox that version 1 has in its path, calls the same
service, and adds the field names that the pages read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar, Unpack, overload

from pydantic import AliasChoices, BaseModel, Field
from typing_extensions import TypedDict

from ...errors import invalid, not_found
from ...oversight import Direction, State
from ...services import Principal
from ...services.context import find_mailbox, find_message
from ...services.messages import may_see
from ...services.sending import Sent
from ...services.threads import find_current_thread
from ...store.protocol import Reader
from ...store.records import Mailbox, Message, MessageFilter
from ..routing import (
    CURSOR,
    LARGE_BODY,
    LIMIT,
    ApiRequest,
    ApiResponse,
    BodyHandler,
    Handler,
    RouteOptions,
    Router,
    Schema,
    build_cursor,
    next_cursor,
    query_bool,
    query_int,
    query_str,
)
from ..schemas.account import ContactsOut, MailboxIn, MailboxOut, render_contacts
from ..schemas.base import Line, Markdown, RequestModel, StateName, TrustLabel
from ..schemas.messages import (
    EmailOut,
    StatusOut,
    SummaryOut,
    TagsOut,
    ThreadInfoOut,
    render_email,
    render_status,
    render_summary,
    render_tags,
    render_thread_info,
)
from ..schemas.oversight import (
    DecidedOut,
    DecideIn,
    PendingItemOut,
    render_decided,
    render_decision,
    render_pending,
)
from ..schemas.sending import AcceptedOut, ReplyIn, SendIn, render_accepted
from ..schemas.webhooks import NewWebhookOut, WebhookIn
from . import mailboxes, messages, oversight, webhooks

B = TypeVar("B", bound=BaseModel)
route = Router("Flat paths")

_TEXT = AliasChoices("body", "markdown", "body_markdown", "body_text", "text_body")
_EMAIL = AliasChoices("email_id", "message_id", "id", "pending_id")
_FROM = AliasChoices("from", "from_address", "sender", "mailbox", "mailbox_id")
_MAILBOX = query_str("mailbox", "Id or address; needed where the key sees several.")
_UNREAD, _UNREAD_ONLY = query_bool("unread"), query_bool("unread_only")
_EMAIL_ID = query_str("email_id", "`message_id` is another name for it.")
_MESSAGE_ID, _THREAD_ID = query_str("message_id"), query_str("thread_id")
_QUERY = query_str("query", "A part of the name or address.")
_Q = query_str("q")
_CONTACT_LIMIT = query_int("limit", 100, 1, 500)

EmailId = Annotated[Line, Field(min_length=1, max_length=100, validation_alias=_EMAIL)]
Sender = Annotated[Line | None, Field(max_length=254, validation_alias=_FROM)]


class FlatSendIn(SendIn):
    """A new message in the pages' spellings."""

    markdown: Annotated[Markdown, Field(validation_alias=_TEXT)]
    from_address: Sender = None


class FlatReplyIn(ReplyIn):
    """A reply in the pages' spellings."""

    email_id: EmailId
    markdown: Annotated[Markdown, Field(validation_alias=_TEXT)]
    from_address: Sender = None


class FlatTagIn(RequestModel):
    """One more tag."""

    email_id: EmailId
    tag: Annotated[Line, Field(min_length=1, max_length=64)]
    value: Annotated[Line, Field(max_length=256)] = "true"
    label: TrustLabel = None


class FlatCancelIn(RequestModel):
    """The message to cancel."""

    email_id: EmailId


class FlatSummaryOut(SummaryOut):
    """A row of the inbox."""

    sender: str | None


class FlatInboxOut(TypedDict):
    """A page of the inbox; `emails` holds the same rows as `messages`."""

    messages: list[FlatSummaryOut]
    emails: list[FlatSummaryOut]
    cursor: str | None


class FlatEmailOut(EmailOut):
    """A message with its body in `body`, `markdown` and `body_text` alike."""

    sender: str | None
    body_text: str


class FlatThreadOut(ThreadInfoOut):
    """A thread with bodies, oldest message first; held mail has no body."""

    emails: Sequence[FlatEmailOut | FlatSummaryOut]
    messages: Sequence[FlatEmailOut | FlatSummaryOut]


class PendingIdOut(TypedDict, total=False):
    """The id of a message that awaits a decision."""

    pending_id: str


class FlatSentOut(AcceptedOut, PendingIdOut):
    """A message that was accepted: `pending_approval` where a person decides first."""

    email_id: str
    status: Literal["pending_approval"] | StateName


class FlatTagOut(TagsOut):
    """A message's tags after one was added."""

    id: str
    email_id: str
    message_id: str
    tag: str


class FlatHeldOut(FlatSummaryOut):
    """A message that awaits a decision, as its sender sees it."""

    pending_id: str


class FlatItemOut(PendingItemOut):
    """A message that awaits a decision, as a reviewer sees it."""

    sender: str | None
    body_text: str
    pending_id: str


class FlatQueueOut(TypedDict):
    """What awaits a decision, oldest first; `messages` holds the same rows as `items`."""

    items: Sequence[FlatItemOut | FlatHeldOut]
    messages: Sequence[FlatItemOut | FlatHeldOut]
    cursor: str | None


class FlatDecisionOut(DecidedOut):
    """A decision that was taken; `sent` once the message has left."""

    status: Literal["approved", "approved_and_sent", "sent", "rejected"]
    email_id: str


@overload
def flat(
    method: str, path: str, *, responses: Mapping[int, Schema], **options: Unpack[RouteOptions]
) -> Callable[[Handler], Handler]: ...


@overload
def flat(
    method: str,
    path: str,
    *,
    responses: Mapping[int, Schema],
    body: type[B],
    **options: Unpack[RouteOptions],
) -> Callable[[BodyHandler[B]], BodyHandler[B]]: ...


def flat(method: str, path: str, **options: Any) -> Callable[[Any], Any]:
    """Declare a route at `path` and at /v1 + `path`."""

    def declare(handler: Any) -> Any:
        for full_path in (path, f"/v1{path}"):
            route.add(method, full_path, handler, source="P", **{"body": None, **options})
        return handler

    return declare


@flat(
    "GET", "/check_inbox", scopes=("read",), responses={200: FlatInboxOut},
    query=(_MAILBOX, messages.LIMIT, CURSOR, _UNREAD, _UNREAD_ONLY), errors=(404,),
    note="inbound mail alone; one page says `unread`, another `unread_only`: both; `messages` and "
    "`emails` hold the same rows",
)  # fmt: skip
def check_inbox(request: ApiRequest) -> ApiResponse:
    """List inbound messages, newest first, without bodies."""
    limit, principal = request.query(messages.LIMIT), request.principal
    unread = request.query(_UNREAD) or request.query(_UNREAD_ONLY)
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=(State.UNREAD,) if unread else (),
        direction=Direction.INBOUND,
        before_id=request.query(CURSOR),
    )
    mailbox = _get_mailbox(request, request.query(_MAILBOX))
    listed = request.services.messages.list_messages(principal, mailbox.id, where)
    rows = [
        _name_sender(render_summary(message, shown=may_see(principal, message)))
        for message in listed[:limit]
    ]
    response: FlatInboxOut = {
        "messages": rows,
        "emails": rows,
        "cursor": next_cursor(listed, limit),
    }
    return ApiResponse(response)


@flat(
    "GET", "/read_email/{email}", scopes=("read",), responses={200: FlatEmailOut}, errors=(409,),
    note="the same with the id in the path",
)  # fmt: skip
@flat(
    "GET", "/read_email", scopes=("read",), responses={200: FlatEmailOut},
    query=(_EMAIL_ID, _MESSAGE_ID), errors=(404, 409), note="`email_id` in the query",
)  # fmt: skip
def read_email(request: ApiRequest) -> ApiResponse:
    """Return a message with its body and mark it as read; HEAD does not mark it."""
    email_id = _require_id(
        request.path_params.get("email"), request.query(_EMAIL_ID), request.query(_MESSAGE_ID)
    )
    message = _get_message(request, email_id)
    peek = request.method == "HEAD"
    opened = request.services.messages.read(
        request.principal, message.mailbox_id, message.id, peek=peek
    )
    return ApiResponse(
        _name_text(render_email(opened, shown=may_see(request.principal, opened.message)))
    )


@flat(
    "GET", "/get_thread/{thread}", scopes=("read",), responses={200: FlatThreadOut},
    note="the same with the id in the path",
)  # fmt: skip
@flat(
    "GET", "/get_thread", scopes=("read",), responses={200: FlatThreadOut}, query=(_THREAD_ID,),
    errors=(404,), note="`thread_id` in the query; bodies are always there",
)  # fmt: skip
def get_thread(request: ApiRequest) -> ApiResponse:
    """Return a thread with bodies, oldest message first, held replies included."""
    principal = request.principal
    thread_id = _require_id(
        request.path_params.get("thread"), request.query(_THREAD_ID), name="thread_id"
    )
    mailbox = request.services.context.store.read(
        lambda tx: _find_mailbox_of_thread(tx, principal, thread_id)
    )
    thread = request.services.messages.thread(principal, mailbox.id, thread_id, bodies=True)
    rows: list[FlatEmailOut | FlatSummaryOut] = [
        _name_text(render_email(thread.bodies[message.id], shown=may_see(principal, message)))
        if message.id in thread.bodies
        else _name_sender(render_summary(message, shown=may_see(principal, message)))
        for message in thread.messages
    ]
    response: FlatThreadOut = {
        **render_thread_info(thread, principal),
        "messages": rows,
        "emails": rows,
    }
    return ApiResponse(response)


@flat(
    "POST", "/send_email", scopes=("send",), body=FlatSendIn,
    responses={202: FlatSentOut, 200: FlatSentOut}, errors=(404, 409), max_body=LARGE_BODY,
    note="`status` of a held send: two pages say `pending`, two `pending_approval`: the latter; "
    "`pending_id` is the message's id",
)  # fmt: skip
def send_email(request: ApiRequest, body: FlatSendIn) -> ApiResponse:
    """Send a message."""
    messages.check_send_time(request, body.send_at)
    mailbox = _get_mailbox(request, body.from_address)
    draft = body.build_draft(tuple(body.to), body.subject)
    return _render_sent(
        request, request.services.sending.send(request.principal, mailbox.id, draft)
    )


@flat(
    "POST", "/reply_email", scopes=("send",), body=FlatReplyIn,
    responses={202: FlatSentOut, 200: FlatSentOut}, errors=(404, 409), max_body=LARGE_BODY,
    note="`email_id` or `message_id`; `from`, if given, must be the mailbox that has the message",
)  # fmt: skip
def reply_email(request: ApiRequest, body: FlatReplyIn) -> ApiResponse:
    """Reply to a message; `from`, if given, must be the mailbox that has the message."""
    messages.check_send_time(request, body.send_at)
    message = _get_message(request, body.email_id)
    mailbox = _get_mailbox(request, body.from_address or message.mailbox_id)
    result = request.services.sending.reply(
        request.principal, mailbox.id, message.id, body.build_draft(), reply_all=body.reply_all
    )
    return _render_sent(request, result)


@flat(
    "POST", "/tag_email", scopes=("send",), body=FlatTagIn, responses={200: FlatTagOut},
    errors=(404, 409),
    note="adds one tag in one step, where the client reads and writes; `value` (E) is `true` when "
    "not given",
)  # fmt: skip
def tag_email(request: ApiRequest, body: FlatTagIn) -> ApiResponse:
    """Add one tag to a message and keep its others."""
    message = _get_message(request, body.email_id)
    tags = request.services.messages.add_tag(
        request.principal, message.mailbox_id, message.id, body.tag, body.value, body.label
    )
    response: FlatTagOut = {
        "id": message.id,
        "email_id": message.id,
        "message_id": message.id,
        "tag": body.tag,
        **render_tags(tags),
    }
    return ApiResponse(response)


@flat(
    "GET", "/list_pending", scopes=("read", "oversight"), responses={200: FlatQueueOut},
    query=(_MAILBOX, LIMIT, CURSOR), errors=(404,),
    note="the pages ask with the agent's key: it sees its own held sends without their bodies; "
    "only `oversight` sees all",
)  # fmt: skip
def list_pending(request: ApiRequest) -> ApiResponse:
    """List what awaits a decision, oldest first; only reviewers see bodies and inbound mail."""
    limit, mailbox_id, principal = request.query(LIMIT), request.query(_MAILBOX), request.principal
    if mailbox_id is not None:
        principal = replace(principal, mailbox_id=_get_mailbox(request, mailbox_id).id)
    items = request.services.decisions.pending(principal, request.query(CURSOR) or "", limit + 1)
    rows: list[FlatItemOut | FlatHeldOut] = []
    for item in items[:limit]:
        if principal.is_reviewer:
            rows.append(_name_item(render_pending(item, principal)))
        elif item.message.direction is Direction.OUTBOUND:
            summary = _name_sender(
                render_summary(item.message, shown=may_see(principal, item.message))
            )
            rows.append({**summary, "pending_id": item.message.id})
    cursor = build_cursor(items[limit - 1].message.id) if len(items) > limit else None
    response: FlatQueueOut = {"items": rows, "messages": rows, "cursor": cursor}
    return ApiResponse(response)


@flat(
    "POST", "/decide_email", scopes=("oversight",), body=DecideIn,
    responses={200: FlatDecisionOut}, errors=(404, 409),
    note="one page decides with the agent's key: refused here, as S wants `oversight`; `status` is "
    "`sent` once the message has left",
)  # fmt: skip
def decide_email(request: ApiRequest, body: DecideIn) -> ApiResponse:
    """Approve or reject a held message; `status` is `sent` once it has left."""
    message = oversight.apply_decision(request, body)
    decision = render_decision(message, approve=body.action == "approve")
    response: FlatDecisionOut = {
        **render_decided(message),
        "status": "sent" if message.status is State.SENT else decision["status"],
        "email_id": message.id,
    }
    return ApiResponse(response)


@flat(
    "POST", "/cancel_message", scopes=("send",), body=FlatCancelIn, responses={200: StatusOut},
    errors=(404, 409),
)  # fmt: skip
def cancel_message(request: ApiRequest, body: FlatCancelIn) -> ApiResponse:
    """Cancel a message that has not left."""
    message = _get_message(request, body.email_id)
    cancelled = request.services.cancellation.cancel(
        request.principal, message.mailbox_id, message.id
    )
    return ApiResponse(render_status(cancelled))


@flat(
    "GET", "/search_contacts", scopes=("read",), responses={200: ContactsOut},
    query=(_QUERY, _Q, _CONTACT_LIMIT), note="`query`, and S's `q`",
)  # fmt: skip
def search_contacts(request: ApiRequest) -> ApiResponse:
    """Search the address book."""
    text = request.query(_QUERY) or request.query(_Q) or ""
    contacts = request.services.contacts.search(request.principal, text)
    return ApiResponse(render_contacts(contacts[: request.query(_CONTACT_LIMIT)]))


flat(
    "POST", "/create_mailbox", scopes=("admin",), body=MailboxIn, responses={201: MailboxOut},
    errors=(409,), approval_code=True,
)(mailboxes.create_mailbox)  # fmt: skip
route(
    "POST", "/webhooks", scopes=("admin",), body=WebhookIn, responses={201: NewWebhookOut},
    errors=(404, 409), approval_code=True, source="P",
)(webhooks.create_webhook)  # fmt: skip


def _require_id(*ids: str | None, name: str = "email_id") -> str:
    """Return the first id that the path or the query names."""
    for value in ids:
        if value:
            return value
    raise invalid(f"`{name}` is missing.")


def _get_mailbox(request: ApiRequest, mailbox_id: str | None) -> Mailbox:
    """Return a mailbox by id or address; without one, the only one that the key sees."""
    if mailbox_id is not None:
        return request.services.mailboxes.get(request.principal, mailbox_id)
    visible = request.services.mailboxes.list_mailboxes(request.principal)
    if len(visible) != 1:
        raise invalid(
            f"This key sees {len(visible)} mailboxes; name one, by its address: `from` in a send, "
            "`mailbox` in a query."
        )
    return visible[0]


def _get_message(request: ApiRequest, email_id: str) -> Message:
    return request.services.context.store.read(
        lambda tx: find_message(tx, request.principal, email_id)
    )


def _find_mailbox_of_thread(tx: Reader, principal: Principal, thread_id: str) -> Mailbox:
    for mailbox in tx.mailboxes(principal.account_id):
        if principal.sees(mailbox.id) and tx.thread(
            mailbox.id, find_current_thread(tx, mailbox.id, thread_id), 1
        ):
            return find_mailbox(tx, principal, mailbox.id)
    raise not_found("thread", thread_id)


def _name_sender(row: SummaryOut) -> FlatSummaryOut:
    return {**row, "sender": row["from"]}


def _name_text(row: EmailOut) -> FlatEmailOut:
    return {**row, "sender": row["from"], "body_text": row["markdown"]}


def _name_item(row: PendingItemOut) -> FlatItemOut:
    return {
        **row,
        "sender": row["from"],
        "body_text": row["markdown"],
        "pending_id": row["id"],
    }


def _render_sent(request: ApiRequest, result: Sent) -> ApiResponse:
    message = result.message
    held = message.status is State.PENDING_SEND_APPROVAL
    pending_id: PendingIdOut = {"pending_id": message.id} if held else {}
    response: FlatSentOut = {
        **render_accepted(result, request.public_url),
        **pending_id,
        "email_id": message.id,
        "status": "pending_approval" if held else message.status.wire,
    }
    return ApiResponse(response, 200 if result.replayed else 202)
