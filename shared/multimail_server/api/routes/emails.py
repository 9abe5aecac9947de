"""Routes: what is in a mailbox - listings, messages, threads, attachments, tags."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from ...oversight import Direction, State
from ...refusals import invalid
from ...store.records import Attachment, MessageFilter
from .. import render
from ..request import Answer, Ask, cursor_of
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
def list_emails(ask: Ask) -> Answer:
    """API: GET /v1/mailboxes/{mailbox}/emails."""
    limit = ask.number("limit", 20, 1, 100)
    statuses = _statuses(ask.text("status"))
    where = MessageFilter(
        mailbox_id="",
        limit=limit,
        statuses=statuses or (),
        direction=_direction(ask.text("direction")),
        sender=ask.text("sender"),
        subject_contains=ask.text("subject_contains", 998),
        date_after=ask.moment("date_after"),
        date_before=ask.moment("date_before"),
        has_attachments=ask.flag("has_attachments"),
        before_id=ask.cursor(),
        since_id=ask.text("since_id"),
        offset=ask.number("offset", 0, 0, 100_000_000),
    )
    found = ask.room.reading.listing(ask.who, ask.path["mailbox"], where)
    rows = [render.summary(message, ask.who) for message in found[:limit]]
    cursor = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return Answer({"emails": rows, "messages": rows, "cursor": cursor})


@routes("GET", _MESSAGE, "read")
def read_email(ask: Ask) -> Answer:
    """API: GET /v1/mailboxes/{mailbox}/emails/{id}. HEAD looks without marking it as read."""
    peek = ask.method == "HEAD"
    opened = ask.room.reading.read(ask.who, *_where(ask), peek=peek)
    return Answer(render.email(opened, ask.who))


@routes("GET", f"{_MESSAGE}/raw", "read")
def raw_email(ask: Ask) -> Answer:
    """The exact RFC 5322 bytes. Ours: the published API has no such operation."""
    raw = ask.room.reading.raw(ask.who, *_where(ask))
    return _download(raw, "message/rfc822", f"{ask.path['email']}.eml")


@routes("GET", f"{_MESSAGE}/attachments/{{filename:path}}/url", "read")
def attachment_url(ask: Ask) -> Answer:
    """API: GET …/attachments/{filename}/url."""
    file, _ = ask.room.reading.attachment(ask.who, *_where(ask), ask.path["filename"])
    return Answer(render.attachment(file) | _link(ask, file))


@routes("GET", f"{_MESSAGE}/attachments/{{filename:path}}", "read")
def get_attachment(ask: Ask) -> Answer:
    """API: GET …/attachments/{filename}: inline below 50 KB, else a link."""
    file, content = ask.room.reading.attachment(ask.who, *_where(ask), ask.path["filename"])
    answer = render.attachment(file)
    if file.size < INLINE_BYTES:
        answer["content_base64"] = base64.b64encode(content).decode()
        return Answer(answer)
    return Answer(answer | _link(ask, file))


@routes("GET", "/v1/attachments/{attachment}")
def linked_attachment(ask: Ask) -> Answer:
    """The bytes behind a signed link; the link is the permission."""
    which = ask.path["attachment"]
    expires, signature = ask.query.get("expires", ""), ask.query.get("signature", "")
    ask.links.check(which, expires, signature, ask.room.desk.now())
    file, content = ask.room.reading.attachment_by_link(which)
    return _download(content, "application/octet-stream", file.name)


@routes("GET", f"{_MESSAGE}/tags", "read")
def get_tags(ask: Ask) -> Answer:
    """API: GET …/emails/{id}/tags."""
    return Answer({"tags": ask.room.reading.tags(ask.who, *_where(ask))})


@routes("PUT", f"{_MESSAGE}/tags", "send")
def set_tags(ask: Ask) -> Answer:
    """API: PUT …/emails/{id}/tags: replaces them all."""
    tags = ask.read(TagsBody).tags
    return Answer({"tags": ask.room.reading.set_tags(ask.who, *_where(ask), tags)})


@routes("DELETE", f"{_MESSAGE}/tags/{{key:path}}", "send")
def remove_tag(ask: Ask) -> Answer:
    """API: DELETE …/emails/{id}/tags/{key}."""
    left = ask.room.reading.remove_tag(ask.who, *_where(ask), ask.path["key"])
    return Answer({"tags": left})


@routes("GET", "/v1/mailboxes/{mailbox}/threads/{thread}", "read")
def get_thread(ask: Ask) -> Answer:
    """API: GET …/threads/{thread}; `?include=bodies` adds each message's body."""
    include = ask.text("include")
    if include not in (None, "bodies"):
        raise invalid("`include` can only be `bodies`.")
    found = ask.room.reading.thread(
        ask.who, ask.path["mailbox"], ask.path["thread"], bodies=include == "bodies"
    )
    return Answer(render.thread(found, ask.who))


def _where(ask: Ask) -> tuple[str, str]:
    return ask.path["mailbox"], ask.path["email"]


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


def _link(ask: Ask, file: Attachment) -> dict[str, Any]:
    path, expires = ask.links.sign(file.id, ask.room.desk.now())
    return {"url": f"{ask.base_url}{path}", "expires_at": render.moment(expires)}


def _download(content: bytes, media_type: str, name: str) -> Answer:
    """Return bytes that a browser saves and never runs: they come from strangers."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Answer(content=content, media_type=media_type, headers=headers)
