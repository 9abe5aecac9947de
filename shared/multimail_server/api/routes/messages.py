"""Routes of what is in mailboxes: listings, messages, threads, attachments, tags and spam."""

from __future__ import annotations

import base64
from urllib.parse import quote

from ...errors import invalid
from ...mail.body import Version
from ...oversight import Direction, State
from ...store.records import Attachment, MessageFilter
from ..request import (
    CURSOR,
    ApiRequest,
    ApiResponse,
    next_cursor,
    query_bool,
    query_datetime,
    query_enum,
    query_int,
    query_str,
)
from ..routing import Router
from ..schemas.base import to_wire_time
from ..schemas.messages import (
    EmailOut,
    FileOut,
    PageOut,
    SpamReportOut,
    TagsIn,
    TagsOut,
    ThreadOut,
    render_email,
    render_file,
    render_page,
    render_spam_report,
    render_tags,
    render_thread,
)

route = Router("Mail")

MAX_INLINE_BYTES = 50 * 1024
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
_SUBJECT = query_str("subject_contains", max_length=998)
_AFTER = query_datetime("date_after", "From this time on.")
_BEFORE = query_datetime("date_before", "Before this time.")
_HAS_ATTACHMENTS = query_bool("has_attachments")
_SINCE = query_str("since_id", "Only messages newer than this one.")
_OFFSET = query_int("offset", 0, 0, 100_000_000)
_INCLUDE = query_enum("include", ("bodies",), "Add each message's body.")
_EXPIRES = query_str("expires", "Of the link.")
_SIGNATURE = query_str("signature", "Of the link.")
_VERSION = query_enum(
    "version", tuple(Version), "The version of a received body, where there are two."
)
_SPAM_STATUS = query_enum("status", tuple(_SPAM_STATUSES))


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
    return ApiResponse(render_email(opened, request.principal))


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
    "GET", f"{EMAIL}/attachments/{{filename:path}}", scopes=("read",), responses={200: FileOut},
    errors=(409,), service_audits=True, client=("download_attachment",), source="S",
    note="inline below 50 KB, else a URL; M's `…/url` is served too",
)  # fmt: skip
def download_attachment(request: ApiRequest) -> ApiResponse:
    """Return an attachment: inline below 50 KB, else a signed link."""
    file, content = request.services.messages.attachment(
        request.principal, *_get_ids(request), request.path_params["filename"]
    )
    if file.size >= MAX_INLINE_BYTES:
        return ApiResponse(_render_link(request, file))
    encoded = base64.b64encode(content).decode()
    return ApiResponse(render_file(file, {"content_base64": encoded}))


def _render_link(request: ApiRequest, file: Attachment) -> FileOut:
    path, expires_at = request.links.sign(file.id, request.services.context.now())
    url = f"{request.base_url}{path}"
    return render_file(file, {"url": url, "expires_at": to_wire_time(expires_at)})


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
    tags = request.services.messages.set_tags(request.principal, *_get_ids(request), body.tags)
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
