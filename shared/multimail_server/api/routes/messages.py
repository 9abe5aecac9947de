"""Routes of mail: listings, messages, threads, attachments, tags, spam, and sends."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from urllib.parse import quote

from ...errors import invalid
from ...mail.body import Version
from ...mail.quoting import MAX_SUBJECT
from ...oversight import Direction, State
from ...services.messages import may_see
from ...services.revisions import DraftEdit
from ...services.sending import Sent
from ...store.query_language import (
    LABELS,
    Query,
    invert_statuses,
    narrow,
    parse_part,
    parse_query,
    parse_tag,
)
from ...store.records import Attachment, MessageFilter, SearchFilter
from ..routing import (
    CURSOR,
    LARGE_BODY,
    ApiRequest,
    ApiResponse,
    Router,
    next_cursor,
    query_bool,
    query_datetime,
    query_enum,
    query_int,
    query_str,
)
from ..schemas.base import to_wire_time
from ..schemas.messages import (
    EmailOut,
    EnclosureOut,
    FileOut,
    FoundPageOut,
    MarkIn,
    MarksOut,
    PageOut,
    SpamReportOut,
    StatusOut,
    TagsIn,
    TagsOut,
    ThreadOut,
    render_email,
    render_enclosure,
    render_file,
    render_found,
    render_marks,
    render_page,
    render_spam_report,
    render_status,
    render_tags,
    render_thread,
)
from ..schemas.sending import (
    ForwardIn,
    ReplyIn,
    ReviseDraftIn,
    ScheduleIn,
    SendIn,
    SentOut,
    render_sent,
)

route = Router("Mail")

MAX_INLINE_BYTES = 50 * 1024
_MAX_DELAY = timedelta(days=366)
EMAIL = "/v1/mailboxes/{mailbox}/emails/{email}"
_STATUS_ALIASES: dict[str, tuple[State, ...]] = {
    "pending": (State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL),
    "pending_approval": (State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL),
    "delivered": (State.SENT,),
    "scheduled": (State.SCHEDULED, State.SCHEDULED_FIRST),
}
_STATUSES: dict[str, tuple[State, ...]] = {
    **{state.value: (state,) for state in State},
    **_STATUS_ALIASES,
}
_SPAM_STATUSES: dict[str, tuple[State, ...]] = {
    "spam_flagged": (State.SPAM_FLAGGED,),
    "spam_quarantined": (State.SPAM_QUARANTINED,),
    "spam": (State.SPAM_FLAGGED, State.SPAM_QUARANTINED),
}

LIMIT = query_int("limit", 20, 1, 100)
_STATUS = query_str("status", "A status, or several with commas between them.")
_DIRECTION = query_enum("direction", tuple(Direction)[::-1])
_SENDER = query_str("sender", "A part of the sender's address or name.")
_SUBJECT = query_str("subject_contains", max_length=MAX_SUBJECT)
_AFTER = query_datetime("date_after", "From this time on.")
_BEFORE = query_datetime("date_before", "Before this time.")
_HAS_ATTACHMENTS = query_bool("has_attachments")
_SINCE = query_str("since_id", "Only messages newer than this one.")
_OFFSET = query_int("offset", 0, 0, 100_000_000)
_INCLUDE = query_enum("include", ("bodies",), "Add each message's body.")
_INCLUDE_TEXT = query_enum("include", ("text",), "Add what can be read of the file.")
_EXPIRES = query_str("expires", "Of the link.")
_SIGNATURE = query_str("signature", "Of the link.")
_VERSION = query_enum(
    "version", tuple(Version), "The version of a received body, where there are two."
)
_SPAM_STATUS = query_enum("status", tuple(_SPAM_STATUSES))
_MAX_WORDS = 10_240
"""The server reads 64 KB of a URL."""
_WORDS = query_str(
    "q",
    'Words that must all occur, "phrases", -unwanted, beginnings*. Any text is one.',
    _MAX_WORDS,
)
_FROM = query_str("sender", "Words of the sender; the last may be a beginning.", _MAX_WORDS)
_TO = query_str("recipient", "The same of To, Cc and Bcc.", _MAX_WORDS)
_TITLE = query_str("subject", "The same of the subject.", _MAX_WORDS)
_UNREAD = query_bool("unread")
_TAG = query_str("tag", "A tag's name, or `name=value`.")
_LABEL = query_enum("label", LABELS, "The trust label that its evidence gives.")
_THREAD = query_str("thread_id")


@route(
    "GET", "/v1/mailboxes/{mailbox}/emails", scopes=("read",), responses={200: PageOut},
    query=(LIMIT, CURSOR, _STATUS, _DIRECTION, _SENDER, _SUBJECT, _AFTER, _BEFORE,
           _HAS_ATTACHMENTS, _SINCE, _OFFSET),
    audit="email.list", client=("check_inbox", "iter_inbox", "wait_for_email"), source="S",
    note="K pages by `offset`, which is served too; `wait_for_email` polls with `since_id`",
)  # fmt: skip
def list_emails(request: ApiRequest) -> ApiResponse:
    """List a mailbox's messages, newest first."""
    limit = request.query(LIMIT)
    direction = request.query(_DIRECTION)
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=_parse_statuses(request.query(_STATUS)),
        direction=Direction(direction) if direction else None,
        sender=request.query(_SENDER),
        subject_contains=request.query(_SUBJECT),
        date_after=request.query(_AFTER),
        date_before=request.query(_BEFORE),
        has_attachments=request.query(_HAS_ATTACHMENTS),
        before_id=request.query(CURSOR),
        since_id=request.query(_SINCE),
        offset=request.query(_OFFSET),
    )
    messages = request.services.messages.list_messages(
        request.principal, request.path_params["mailbox"], where
    )
    cursor = next_cursor(messages, limit)
    return ApiResponse(render_page(messages, request.principal, limit, cursor))


@route(
    "GET", "/v1/mailboxes/{mailbox}/search", scopes=("read",), responses={200: FoundPageOut},
    query=(_WORDS, LIMIT, CURSOR, _FROM, _TO, _TITLE, _AFTER, _BEFORE, _HAS_ATTACHMENTS, _UNREAD,
           _DIRECTION, _TAG, _LABEL, _THREAD),
    audit="email.search", client=("search_email", "iter_search"),
)  # fmt: skip
def search_email(request: ApiRequest) -> ApiResponse:
    """Search a mailbox's messages by their words, archived ones too, newest first."""
    limit = request.query(LIMIT)
    where = SearchFilter("", limit, _build_query(request), before_id=request.query(CURSOR))
    results = request.services.search.search(
        request.principal, request.path_params["mailbox"], where
    )
    cursor = next_cursor([result.message for result in results], limit)
    misread = where.query.misread
    return ApiResponse(render_found(results, request.principal, limit, cursor, misread))


def _build_query(request: ApiRequest) -> Query:
    """Return the query of a request: its words, narrowed by its other parameters."""
    direction, tag = request.query(_DIRECTION), request.query(_TAG)
    unread = request.query(_UNREAD)
    statuses = (State.UNREAD,) if unread else invert_statuses((State.UNREAD,))
    return narrow(
        parse_query(request.query(_WORDS)),
        *parse_part(request.query(_FROM), "sender"),
        *parse_part(request.query(_TO), "receivers"),
        *parse_part(request.query(_TITLE), "title"),
        statuses=None if unread is None else statuses,
        direction=Direction(direction) if direction else None,
        label=request.query(_LABEL),
        tag=parse_tag(tag) if tag else None,
        thread_id=request.query(_THREAD),
        date_after=request.query(_AFTER),
        date_before=request.query(_BEFORE),
        has_attachments=request.query(_HAS_ATTACHMENTS),
    )


@route(
    "PATCH", "/v1/mailboxes/{mailbox}/emails", scopes=("send",), body=MarkIn,
    responses={200: MarksOut}, errors=(409, 410), client=("mark_email",),
)  # fmt: skip
def mark_emails(request: ApiRequest, body: MarkIn) -> ApiResponse:
    """Mark received messages as read, unread, archived, unarchived or spam, all or none."""
    marked = request.services.marks.mark(
        request.principal, request.path_params["mailbox"], body.ids, body.mark
    )
    return ApiResponse(render_marks(marked))


def _parse_statuses(text: str | None) -> tuple[State, ...]:
    """Return the states that a status filter names; none for no filter."""
    states: list[State] = []
    for word in text.split(",") if text else ():
        if word not in _STATUSES:
            known = ", ".join(sorted(_STATUSES))
            raise invalid(f"`status` {word[:40]!r} is unknown; it can be {known}.")
        states.extend(_STATUSES[word])
    return tuple(states)


@route(
    "GET", EMAIL, scopes=("read",), query=(_VERSION,), responses={200: EmailOut}, errors=(409,),
    audit="email.peek", service_audits=True, client=("read_email",), source="S",
    note="authentication results: P says that they are there, S names no field; `authentication` "
    "is answered (DKIM, SPF, DMARC, ARC, `structure`, `flags`), every spelling is read",
)  # fmt: skip
def read_email(request: ApiRequest) -> ApiResponse:
    """Return a message with its body and mark it as read; HEAD does not mark it."""
    peek = request.method == "HEAD"
    version = request.query(_VERSION)
    opened = request.services.messages.read(
        request.principal,
        *_get_ids(request),
        peek=peek,
        version=Version(version) if version else None,
    )
    return ApiResponse(render_email(opened, shown=may_see(request.principal, opened.message)))


def _get_ids(request: ApiRequest) -> tuple[str, str]:
    return request.path_params["mailbox"], request.path_params["email"]


@route(
    "GET", f"{EMAIL}/raw", scopes=("read",), responses={200: "message/rfc822"}, errors=(409,),
    service_audits=True, client=("read_raw",),
)  # fmt: skip
def read_raw(request: ApiRequest) -> ApiResponse:
    """Return the exact RFC 5322 bytes."""
    raw = request.services.messages.raw(request.principal, *_get_ids(request))
    return build_download(raw, "message/rfc822", f"{request.path_params['email']}.eml")


@route(
    "GET", f"{EMAIL}/attachments/{{filename:path}}/url", scopes=("read",),
    responses={200: FileOut}, errors=(409,), service_audits=True, source="M",
    note="a link to the bytes, whatever their size",
)  # fmt: skip
def get_attachment_url(request: ApiRequest) -> ApiResponse:
    """Return a signed link to an attachment."""
    file, _ = request.services.messages.attachment(
        request.principal, *_get_ids(request), request.path_params["filename"]
    )
    return ApiResponse(_render_link(request, file))


@route(
    "GET", f"{EMAIL}/attachments/{{filename:path}}", scopes=("read",), query=(_INCLUDE_TEXT,),
    responses={200: FileOut}, errors=(409,), service_audits=True,
    client=("download_attachment",), source="S",
    note="inline below 50 KB, else a URL; M's `…/url` is served too",
)  # fmt: skip
def download_attachment(request: ApiRequest) -> ApiResponse:
    """Return an attachment: inline below 50 KB, else a signed link."""
    file, content = request.services.messages.attachment(
        request.principal, *_get_ids(request), request.path_params["filename"]
    )
    if file.size >= MAX_INLINE_BYTES:
        rendered = _render_link(request, file)
    else:
        rendered = render_file(file, {"content_base64": base64.b64encode(content).decode()})
    if request.query(_INCLUDE_TEXT):
        text = request.services.messages.attachment_text(file, content)
        rendered |= {"text": text.text, "notes": [*text.notes], "removed": [*text.removed]}
    return ApiResponse(rendered)


def _render_link(request: ApiRequest, file: Attachment) -> FileOut:
    path, expires_at = request.links.sign(file.id, request.services.context.now())
    url = f"{request.reached_url}{path}"
    return render_file(file, {"url": url, "expires_at": to_wire_time(expires_at)})


@route(
    "GET", "/v1/mailboxes/{mailbox}/attachments/{attachment}", scopes=("read",),
    responses={200: EnclosureOut}, errors=(409,), audit="attachment.find",
    client=("get_attachment",),
)  # fmt: skip
def get_attachment(request: ApiRequest) -> ApiResponse:
    """Return a stored file without its bytes, and the message that it belongs to."""
    enclosure = request.services.enclosures.find(
        request.principal, request.path_params["mailbox"], request.path_params["attachment"]
    )
    return ApiResponse(render_enclosure(enclosure, request.principal))


@route(
    "GET", "/v1/attachments/{attachment}", query=(_EXPIRES, _SIGNATURE),
    responses={200: "application/octet-stream"}, errors=(403,),
)  # fmt: skip
def get_linked_attachment(request: ApiRequest) -> ApiResponse:
    """Return the bytes behind a signed link, which needs no key."""
    attachment_id = request.path_params["attachment"]
    expires = request.query_params.get(_EXPIRES.name, "")
    signature = request.query_params.get(_SIGNATURE.name, "")
    request.links.check(attachment_id, expires, signature, request.services.context.now())
    file, content = request.services.messages.attachment_by_link(attachment_id)
    return build_download(content, "application/octet-stream", file.name)


def build_download(content: bytes, media_type: str, name: str) -> ApiResponse:
    """Return a third party's bytes for a browser to save and never to run."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return ApiResponse(content=content, media_type=media_type, headers=headers)


@route(
    "GET", f"{EMAIL}/tags", scopes=("read",), responses={200: TagsOut}, audit="email.read_tags",
    client=("get_tags",), source="S",
)  # fmt: skip
def get_tags(request: ApiRequest) -> ApiResponse:
    """Return a message's tags."""
    return ApiResponse(
        render_tags(request.services.messages.tags(request.principal, *_get_ids(request)))
    )


@route(
    "PUT", f"{EMAIL}/tags", scopes=("send",), body=TagsIn, responses={200: TagsOut},
    client=("set_tags", "tag_email"), source="S, P",
    note="P adds one tag, S replaces all: `tag_email` reads, then writes",
)  # fmt: skip
def set_tags(request: ApiRequest, body: TagsIn) -> ApiResponse:
    """Replace a message's tags."""
    tags = request.services.messages.set_tags(
        request.principal, *_get_ids(request), body.tags, body.label
    )
    return ApiResponse(render_tags(tags))


@route(
    "DELETE", f"{EMAIL}/tags/{{key:path}}", scopes=("send",), responses={200: TagsOut},
    client=("delete_tag",), source="S",
)  # fmt: skip
def delete_tag(request: ApiRequest) -> ApiResponse:
    """Delete one of a message's tags."""
    key = request.path_params["key"]
    tags = request.services.messages.remove_tag(request.principal, *_get_ids(request), key)
    return ApiResponse(render_tags(tags))


@route(
    "GET", "/v1/mailboxes/{mailbox}/threads/{thread}", scopes=("read",), query=(_INCLUDE,),
    responses={200: ThreadOut}, audit="thread.list", client=("get_thread",), source="S",
    note="S has no bodies, P has; `?include=bodies` (E) asks for them",
)  # fmt: skip
def get_thread(request: ApiRequest) -> ApiResponse:
    """Return a thread, oldest message first."""
    thread = request.services.messages.thread(
        request.principal,
        request.path_params["mailbox"],
        request.path_params["thread"],
        bodies=request.query(_INCLUDE) == "bodies",
    )
    return ApiResponse(render_thread(thread, request.principal))


@route(
    "GET", "/v1/emails", scopes=("read",), query=(LIMIT, CURSOR, _SPAM_STATUS),
    responses={200: PageOut}, audit="email.list", client=("list_spam",), source="S",
    note="only `spam_flagged` and `spam_quarantined`, and `spam` (E) for both; the score is E's",
)  # fmt: skip
def list_spam(request: ApiRequest) -> ApiResponse:
    """List messages that are flagged or quarantined as spam, in all mailboxes, newest first."""
    limit = request.query(LIMIT)
    states = _SPAM_STATUSES[request.query(_SPAM_STATUS) or "spam_flagged"]
    messages = request.services.spam_filter.list_messages(
        request.principal, states, request.query(CURSOR), limit
    )
    cursor = next_cursor(messages, limit)
    return ApiResponse(render_page(messages, request.principal, limit, cursor))


@route(
    "POST", "/v1/emails/{email}/report-spam", scopes=("send", "oversight"),
    responses={200: SpamReportOut}, errors=(409,), client=("report_spam",), source="S",
)  # fmt: skip
def report_spam(request: ApiRequest) -> ApiResponse:
    """Report a message as spam."""
    return _report(request, spam=True)


@route(
    "POST", "/v1/emails/{email}/not-spam", scopes=("send", "oversight"),
    responses={200: SpamReportOut}, errors=(409,), client=("report_not_spam",), source="S",
    note="what is quarantined needs `oversight` (E)",
)  # fmt: skip
def report_not_spam(request: ApiRequest) -> ApiResponse:
    """Report a message as not spam; a quarantined one needs the oversight scope."""
    return _report(request, spam=False)


def _report(request: ApiRequest, *, spam: bool) -> ApiResponse:
    message = request.services.spam_filter.report(
        request.principal, request.path_params["email"], spam=spam
    )
    return ApiResponse(render_spam_report(message))


@route(
    "POST", "/v1/mailboxes/{mailbox}/send", scopes=("send",), body=SendIn,
    responses={202: SentOut, 200: SentOut}, errors=(409,), max_body=LARGE_BODY,
    client=("send_email",), source="S",
    note="`approval_url` (P) names the item's page, which asks for a sign-in; status: S "
    "`pending_scan`, P `pending`; the client shows `pending` and keeps S's word in `wire_status`; "
    "`suppressed` is E",
)  # fmt: skip
def send(request: ApiRequest, body: SendIn) -> ApiResponse:
    """Send a message; 200 for a repeated request that was sent before."""
    check_send_time(request, body.send_at)
    draft = body.build_draft(tuple(body.to), body.subject)
    mailbox_id = request.path_params["mailbox"]
    return _respond(request, request.services.sending.send(request.principal, mailbox_id, draft))


@route(
    "POST", "/v1/mailboxes/{mailbox}/reply/{email}", scopes=("send",), body=ReplyIn,
    responses={202: SentOut, 200: SentOut}, errors=(409,), max_body=LARGE_BODY,
    client=("reply_email",), source="S", note="`reply_all` is E",
)  # fmt: skip
def reply(request: ApiRequest, body: ReplyIn) -> ApiResponse:
    """Reply to a message; 200 for a repeated request that was sent before."""
    check_send_time(request, body.send_at)
    result = request.services.sending.reply(
        request.principal,
        request.path_params["mailbox"],
        request.path_params["email"],
        body.build_draft(),
        reply_all=body.reply_all,
    )
    return _respond(request, result)


@route(
    "POST", "/v1/mailboxes/{mailbox}/forward/{email}", scopes=("send",), body=ForwardIn,
    responses={202: SentOut, 200: SentOut}, errors=(409,), max_body=LARGE_BODY,
    client=("forward_email",),
)  # fmt: skip
def forward(request: ApiRequest, body: ForwardIn) -> ApiResponse:
    """Send a message on to others with its files; 200 for a repeated request."""
    check_send_time(request, body.send_at)
    result = request.services.sending.forward(
        request.principal,
        request.path_params["mailbox"],
        request.path_params["email"],
        body.build_draft(tuple(body.to)),
        with_files=body.include_attachments,
    )
    return _respond(request, result)


def _respond(request: ApiRequest, result: Sent) -> ApiResponse:
    return ApiResponse(render_sent(result, request.public_url), 200 if result.replayed else 202)


@route(
    "POST", f"{EMAIL}/cancel", scopes=("send",), responses={200: StatusOut}, errors=(409,),
    client=("cancel_message",), source="S",
)  # fmt: skip
def cancel(request: ApiRequest) -> ApiResponse:
    """Cancel a message that has not left."""
    cancelled = request.services.cancellation.cancel(
        request.principal, request.path_params["mailbox"], request.path_params["email"]
    )
    return ApiResponse(render_status(cancelled))


@route(
    "PATCH", f"{EMAIL}/schedule", scopes=("send",), body=ScheduleIn, responses={200: StatusOut},
    errors=(409,), max_body=LARGE_BODY, client=("reschedule_email",), source="M",
    note="an edit of what was approved is a 409, as in M; `content_hash`, of the edited content, "
    "is E",
)  # fmt: skip
def reschedule(request: ApiRequest, body: ScheduleIn) -> ApiResponse:
    """Change the `send_at` or the content of a message that has not left."""
    edit = body.build_edit()
    check_send_time(request, body.send_at)
    target = (request.principal, request.path_params["mailbox"], request.path_params["email"])
    services = request.services
    if edit != DraftEdit(send_at=body.send_at):
        return ApiResponse(render_status(services.revisions.edit(*target, edit, body.content_hash)))
    if body.send_at is None:
        raise invalid("The body changes nothing; name `send_at` or content such as `markdown`.")
    moved = services.cancellation.reschedule(*target, body.send_at, body.content_hash)
    return ApiResponse(render_status(moved))


@route(
    "POST", f"{EMAIL}/revise", scopes=("send",), body=ReviseDraftIn, responses={200: StatusOut},
    errors=(409,), max_body=LARGE_BODY, client=("revise_message",),
)  # fmt: skip
def revise_draft(request: ApiRequest, body: ReviseDraftIn) -> ApiResponse:
    """Change a message of one's own that awaits a decision: a new revision, to be decided anew."""
    check_send_time(request, body.send_at)
    edit = body.build_edit()
    if edit == DraftEdit():
        raise invalid("The body changes nothing; name `markdown`, `subject`, `to` or another.")
    revised = request.services.revisions.revise_own(
        request.principal, *_get_ids(request), edit, body.metadata or {}, body.content_hash
    )
    return ApiResponse(render_status(revised))


def check_send_time(request: ApiRequest, send_at: datetime | None) -> None:
    """Raise a 400 for a time more than a year ahead."""
    if send_at is not None and send_at > request.services.context.now() + _MAX_DELAY:
        raise invalid("`send_at` is more than a year ahead.")
