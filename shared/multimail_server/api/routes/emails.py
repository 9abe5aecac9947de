"""Routes: what is in a mailbox - listings, messages, threads, attachments, tags."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from ...errors import invalid
from ...oversight import Direction, State
from ...store.records import Attachment, MessageFilter
from .. import render
from ..request import ApiRequest, ApiResponse, cursor_of
from ..routing import Routes
from ..schemas.requests import TagsBody

routes = Routes()

INLINE_BYTES = 50 * 1024
_MESSAGE = "/v1/mailboxes/{mailbox}/emails/{email}"
_ALIASES: dict[str, tuple[State, ...]] = {
    "pending": (State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL),
    "pending_approval": (State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL),
    "delivered": (State.SENT,),
    "scheduled": (State.SCHEDULED, State.SCHEDULED_FIRST),
}

_STATES = frozenset(state.value for state in State)


@routes("GET", "/v1/mailboxes/{mailbox}/emails", "read")
def list_emails(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/mailboxes/{mailbox}/emails."""
    limit = request.query_int("limit", 20, 1, 100)
    statuses = _statuses(request.query_str("status"))
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=statuses or (),
        direction=_direction(request.query_str("direction")),
        sender=request.query_str("sender"),
        subject_contains=request.query_str("subject_contains", 998),
        date_after=request.query_datetime("date_after"),
        date_before=request.query_datetime("date_before"),
        has_attachments=request.query_bool("has_attachments"),
        before_id=request.cursor(),
        since_id=request.query_str("since_id"),
        offset=request.query_int("offset", 0, 0, 100_000_000),
    )
    found = request.services.messages.list_messages(
        request.principal, request.path["mailbox"], where
    )
    rows = [render.summary(message, request.principal) for message in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return ApiResponse({"emails": rows, "messages": rows, "cursor": cursor})


@routes("GET", _MESSAGE, "read")
def read_email(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/mailboxes/{mailbox}/emails/{id}. HEAD looks without marking it as read."""
    peek = request.method == "HEAD"
    opened = request.services.messages.read(request.principal, *_where(request), peek=peek)
    return ApiResponse(render.email(opened, request.principal))


@routes("GET", f"{_MESSAGE}/raw", "read")
def raw_email(request: ApiRequest) -> ApiResponse:
    """The exact RFC 5322 bytes. Ours: the published API has no such operation."""
    raw = request.services.messages.raw(request.principal, *_where(request))
    return _download(raw, "message/rfc822", f"{request.path['email']}.eml")


@routes("GET", f"{_MESSAGE}/attachments/{{filename:path}}/url", "read")
def attachment_url(request: ApiRequest) -> ApiResponse:
    """API: GET …/attachments/{filename}/url."""
    file, _ = request.services.messages.attachment(
        request.principal, *_where(request), request.path["filename"]
    )
    return ApiResponse(render.attachment(file) | _link(request, file))


@routes("GET", f"{_MESSAGE}/attachments/{{filename:path}}", "read")
def get_attachment(request: ApiRequest) -> ApiResponse:
    """API: GET …/attachments/{filename}: inline below 50 KB, else a link."""
    file, content = request.services.messages.attachment(
        request.principal, *_where(request), request.path["filename"]
    )
    answer = render.attachment(file)
    if file.size < INLINE_BYTES:
        answer["content_base64"] = base64.b64encode(content).decode()
        return ApiResponse(answer)
    return ApiResponse(answer | _link(request, file))


@routes("GET", "/v1/attachments/{attachment}")
def linked_attachment(request: ApiRequest) -> ApiResponse:
    """The bytes behind a signed link; the link is the permission."""
    which = request.path["attachment"]
    expires, signature = request.query.get("expires", ""), request.query.get("signature", "")
    request.links.check(which, expires, signature, request.services.context.now())
    file, content = request.services.messages.attachment_by_link(which)
    return _download(content, "application/octet-stream", file.name)


@routes("GET", f"{_MESSAGE}/tags", "read")
def get_tags(request: ApiRequest) -> ApiResponse:
    """API: GET …/emails/{id}/tags."""
    return ApiResponse(
        {"tags": request.services.messages.tags(request.principal, *_where(request))}
    )


@routes("PUT", f"{_MESSAGE}/tags", "send")
def set_tags(request: ApiRequest) -> ApiResponse:
    """API: PUT …/emails/{id}/tags: replaces them all."""
    tags = request.parse_body(TagsBody).tags
    return ApiResponse(
        {"tags": request.services.messages.set_tags(request.principal, *_where(request), tags)}
    )


@routes("DELETE", f"{_MESSAGE}/tags/{{key:path}}", "send")
def remove_tag(request: ApiRequest) -> ApiResponse:
    """API: DELETE …/emails/{id}/tags/{key}."""
    left = request.services.messages.remove_tag(
        request.principal, *_where(request), request.path["key"]
    )
    return ApiResponse({"tags": left})


@routes("GET", "/v1/mailboxes/{mailbox}/threads/{thread}", "read")
def get_thread(request: ApiRequest) -> ApiResponse:
    """API: GET …/threads/{thread}; `?include=bodies` adds each message's body."""
    include = request.query_str("include")
    if include not in (None, "bodies"):
        raise invalid("`include` can only be `bodies`.")
    found = request.services.messages.thread(
        request.principal,
        request.path["mailbox"],
        request.path["thread"],
        bodies=include == "bodies",
    )
    return ApiResponse(render.thread(found, request.principal))


def _where(request: ApiRequest) -> tuple[str, str]:
    return request.path["mailbox"], request.path["email"]


def _statuses(text: str | None) -> tuple[State, ...] | None:
    """Return the states that a status filter names; None for no filter."""
    if text is None:
        return None
    found: list[State] = []
    for word in text.split(","):
        if word in _ALIASES:
            found.extend(_ALIASES[word])
        elif word in _STATES:
            found.append(State(word))
        else:
            known = ", ".join(sorted({*_STATES, *_ALIASES}))
            raise invalid(f"`status` {word[:40]!r} is unknown; it can be {known}.")
    return tuple(found)


def _direction(text: str | None) -> Direction | None:
    if text is None:
        return None
    if text not in ("inbound", "outbound"):
        raise invalid("`direction` must be inbound or outbound.")
    return Direction(text)


def _link(request: ApiRequest, file: Attachment) -> dict[str, Any]:
    path, expires = request.links.sign(file.id, request.services.context.now())
    return {"url": f"{request.base_url}{path}", "expires_at": render.moment(expires)}


def _download(content: bytes, media_type: str, name: str) -> ApiResponse:
    """Return bytes that a browser saves and never runs: they come from strangers."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return ApiResponse(content=content, media_type=media_type, headers=headers)
