"""Pages: the queue, one item, and what a reviewer does with it."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, ValidationError

from ..api.request import ApiResponse
from ..api.schemas.requests import MAX_SUBJECT, Body, Line, Markdown
from ..errors import ApiError, conflict, invalid
from ..lazy_models import ensure_model_built
from ..oversight import Direction, State
from ..services.approval_links import get_content_digest
from ..services.auth import require_approver
from ..services.review import ReviewItem
from ..services.revisions import ReviewerEdit
from ..store.protocol import Tx
from ..store.records import Message
from .app import SECURITY_HEADERS, Pages, Visit, redirect, show
from .paging import turns
from .reveal import hidden_in
from .untrusted_html import POLICY, framed, html_part

pages = Pages()
routes = pages.routes

_SHOWN = 100
_MAX_REASON = 2000
_MAX_SOURCE = 20_000
_EDIT_BODY = 4 * 1024 * 1024
_GUARD = ("action", "code", "label", "standing", "reasons", "policy")


class EditForm(Body):
    """What an edit may hold."""

    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)]
    markdown: Markdown


@pages("GET", "/")
def queue(visit: Visit) -> ApiResponse:
    """What awaits a decision, oldest first."""
    rows = visit.request.services.review.queue(
        visit.principal, visit.request.cursor() or "", _SHOWN + 1
    )
    last = rows[_SHOWN - 1].message.id if len(rows) > _SHOWN else None
    return show(visit, "queue.html", rows=rows[:_SHOWN], leads=turns(visit.request, last))


@pages("GET", "/review/{email}")
def item(visit: Visit) -> ApiResponse:
    """One message with everything that a decision needs. Looking decides nothing."""
    return _show_item(visit, 200, "")


@pages("GET", "/review/{email}/state")
def item_state(visit: Visit) -> ApiResponse:
    """Whether the item is still what is shown, for the script that asks every few seconds."""
    message = visit.request.services.review.peek(visit.principal, visit.request.path["email"])
    facts = {"status": message.status.wire, "mark": get_content_digest(message)}
    return ApiResponse(
        content=json.dumps(facts).encode(),
        media_type="application/json",
        headers=SECURITY_HEADERS,
    )


@pages("POST", "/review/{email}/decide")
def decide(visit: Visit) -> ApiResponse:
    """Approve or reject what the form showed, and nothing else."""
    try:
        done = _decide(visit)
    except ApiError as refusal:
        if refusal.status != 409 and refusal.status != 400:
            raise
        return _show_item(visit, refusal.status, refusal.message)
    visit.session.flash = said(done, approved=visit.form.one("action") == "approve")
    return redirect("/")


def _decide(visit: Visit) -> Message:
    form, services, email_id = visit.form, visit.request.services, visit.request.path["email"]
    action, mark = checked_action(form.one("action")), form.one("mark")

    def same(tx: Tx) -> None:
        require_approver(tx.key(visit.principal.key_id))
        message = tx.message(email_id)
        if message is not None and get_content_digest(message) != mark:
            raise conflict(
                "content_changed",
                "The message changed after this page was made, so nothing was decided. This is "
                "how it is now.",
            )

    return services.decisions.decide(
        visit.principal,
        email_id,
        approve=action == "approve",
        reason=checked_reason(form.one("reason")),
        seen_hash=None,
        check=same,
    )


def checked_action(action: str) -> str:
    """Return the form's decision; a 400 for any other word."""
    if action not in ("approve", "reject"):
        raise invalid("The form says neither approve nor reject, so nothing was decided.")
    return action


def checked_reason(text: str) -> str | None:
    """Return the form's reason, None for an empty one; a 400 for one that is too long."""
    reason = text.strip().replace("\0", "")
    if len(reason) > _MAX_REASON:
        raise invalid(f"The reason is longer than {_MAX_REASON:,} characters; shorten it.")
    return reason or None


def said(message: Message, *, approved: bool) -> str:
    """Return what a decision led to, in a sentence."""
    what = f"“{message.subject or '(no subject)'}”"
    if not approved:
        return f"Rejected: {what}. It goes no further."
    if message.direction is Direction.INBOUND:
        return f"Approved: {what} is in the inbox now."
    if message.status is State.SENT:
        return f"Approved: {what} was sent."
    if message.status is State.SCHEDULED:
        return f"Approved: {what} is sent at its time."
    return f"Approved: {what} is on its way."


@pages("GET", "/review/{email}/edit")
def edit(visit: Visit) -> ApiResponse:
    """The form that changes a held send."""
    return _show_edit(visit, 200, "", {})


@pages("POST", "/review/{email}/edit", longest_body=_EDIT_BODY)
def save(visit: Visit) -> ApiResponse:
    """Freeze a new revision, which then needs its own decision."""
    email_id, form = visit.request.path["email"], visit.form
    texts = {"subject": form.one("subject"), "markdown": form.one("markdown")}
    try:
        wanted = _edit_of(visit, texts)
        visit.request.services.revisions.revise(visit.principal, email_id, wanted, form.one("mark"))
    except ApiError as refusal:
        if refusal.status not in (400, 409):
            raise
        return _show_edit(visit, refusal.status, refusal.message, texts)
    visit.session.flash = "Saved as a new revision. It still needs a decision."
    return redirect(f"/review/{email_id}")


def _edit_of(visit: Visit, texts: dict[str, str]) -> ReviewerEdit:
    try:
        checked = ensure_model_built(EditForm).model_validate(texts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        raise invalid(f"The {first['loc'][0]} is wrong: {reason}.") from None
    kept = {address.lower() for address in visit.form.all("keep")}
    shown = {address.lower() for address in visit.form.all("shown")}
    return ReviewerEdit(checked.subject, checked.markdown, frozenset(shown - kept))


@pages("GET", "/review/{email}/html")
def html_view(visit: Visit) -> ApiResponse:
    """The HTML of the mail, for the sandboxed frame on its page."""
    raw = visit.request.services.review.raw(visit.principal, visit.request.path["email"])
    headers = {
        **SECURITY_HEADERS,
        "Content-Security-Policy": POLICY,
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "no-referrer",
    }
    return ApiResponse(
        content=framed(html_part(raw) or ""),
        media_type="text/html; charset=utf-8",
        headers=headers,
    )


@pages("GET", "/review/{email}/raw")
def raw_view(visit: Visit) -> ApiResponse:
    """The exact bytes, to save."""
    email_id = visit.request.path["email"]
    raw = visit.request.services.review.raw(visit.principal, email_id)
    return _download(raw, "message/rfc822", f"{email_id}.eml")


@pages("GET", "/review/{email}/attachments/{attachment}")
def attachment(visit: Visit) -> ApiResponse:
    """A file of the mail, to save; a browser never opens it here."""
    path = visit.request.path
    file, content = visit.request.services.review.attachment(
        visit.principal, path["email"], path["attachment"]
    )
    return _download(content, "application/octet-stream", file.name)


def _download(content: bytes, media_type: str, name: str) -> ApiResponse:
    headers = {
        **SECURITY_HEADERS,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return ApiResponse(content=content, media_type=media_type, headers=headers)


def facts_of(found: ReviewItem) -> dict[str, object]:
    """Return what the item's template shows, beside the item itself."""
    from .markup import unseen_definitions  # with the first item: it needs the parser

    message, markdown = found.message, found.content.markdown
    texts = [message.subject, message.from_name, markdown]
    texts += [file.name for file in found.attachments]
    guard = {name: message.metadata.get(f"guard_{name}") for name in _GUARD}
    others = {
        name: value for name, value in message.metadata.items() if not name.startswith("guard_")
    }
    raw = found.content.raw
    return {
        "item": found,
        "message": message,
        "mark": get_content_digest(message),
        "hidden": hidden_in(texts),
        "definitions": unseen_definitions(markdown),
        "guard": guard if any(guard.values()) else None,
        "metadata": others,
        "source": raw[:_MAX_SOURCE].decode("utf-8", "replace"),
        "source_is_cut": len(raw) > _MAX_SOURCE,
        "has_html": html_part(raw) is not None,
        "new": [one for one in found.recipients if one.is_new],
    }


def _show_item(visit: Visit, status: int, trouble: str) -> ApiResponse:
    found = visit.request.services.review.item(visit.principal, visit.request.path["email"], "page")
    return show(
        visit, "item.html", status, trouble=trouble, link=None,
        **facts_of(found),
    )  # fmt: skip


def _show_edit(visit: Visit, status: int, trouble: str, texts: dict[str, str]) -> ApiResponse:
    found = visit.request.services.review.item(visit.principal, visit.request.path["email"], "page")
    if not found.is_held or found.message.direction is Direction.INBOUND:
        raise conflict("not_held", "Only a send that awaits its decision can be edited.")
    texts = texts or {"subject": found.message.subject, "markdown": found.content.markdown}
    return show(
        visit, "edit.html", status, trouble=trouble, item=found, message=found.message,
        mark=get_content_digest(found.message), **texts,
    )  # fmt: skip
