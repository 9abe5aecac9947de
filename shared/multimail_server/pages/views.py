"""The pages: sign-in, the queue, one message with its decision and its edit, and listings.

Listings use keyset pagination, so nothing is skipped or shown twice while mail comes in. The
address of a page holds the cursors of the pages before it, for the link back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from ..api.routing import CURSOR, ApiRequest, ApiResponse, build_cursor, query_str
from ..api.schemas.base import MAX_MARKDOWN, Markdown, RequestModel, Subject, ensure_model_built
from ..api.schemas.oversight import MAX_REASON
from ..auth import digest_token, require_approver
from ..errors import ApiError, conflict, forbidden, invalid
from ..mail.subjects import MAX_SUBJECT
from ..oversight import Direction, State
from ..services.decisions import get_content_digest
from ..services.review import ReviewItem
from ..services.revisions import ReviewerEdit
from ..store.protocol import Tx
from ..store.query_language import narrow, parse_query
from ..store.records import Message, MessageFilter, SearchFilter
from .app import (
    HTML,
    SECURITY_HEADERS,
    STATIC_ROUTE,
    PageRequest,
    Pages,
    build_cookie,
    get_session_token,
    parse_form,
    redirect,
    render_session_page,
    render_sign_in,
)
from .formatting import find_invisible

pages = Pages()

_QUEUE_LIMIT = 100
_LIST_LIMIT = 50
_MAX_KEY = 200
_MAX_SOURCE = 20_000
_MAX_EDIT_BODY = 4 * 1024 * 1024
_MAX_TRAIL = 20
"""Pages; the link back from further away leads to the first page."""
_SIGN_IN_TARGET = re.compile(r"/(?:review/[A-Za-z0-9_]{1,60}(?:/edit)?|outbox|inbox|audit)?")
_CURSOR_TEXT = re.compile(r"[A-Za-z0-9_-]{1,60}")
_GUARD_FIELDS = ("action", "code", "label", "standing", "reasons", "policy")
_TRAIL = query_str("trail", max_length=(_MAX_TRAIL + 1) * 61)
_MAILBOX = query_str("mailbox")
_WORDS = query_str("q")


@pages.public("POST", "/sign-in")
def sign_in(request: ApiRequest) -> ApiResponse:
    """Start a session with the reviewer's key."""
    request.sessions.check_origin(request.headers.get("origin"), request.base_url)
    request.sessions.check_login_rate(request.client_host)
    form = parse_form(request)
    wanted = form.get("wanted")
    target = wanted if _SIGN_IN_TARGET.fullmatch(wanted) else "/"
    secret = form.get("key").strip()[:_MAX_KEY]
    review = request.services.review
    try:
        principal = require_approver(review.key_by_sha256(digest_token(secret)))
    except ApiError as error:
        if error.status == 401:
            request.sessions.record_failure(request.client_host)
        return render_sign_in(request, error.message, error.status, target)
    old_token = get_session_token(request)
    if old_token:
        request.sessions.end(old_token)
    review.record_session(principal, "session.begin")
    token = request.sessions.create(principal.key_id)
    return redirect(target, {"Set-Cookie": build_cookie(request, token)})


@pages("POST", "/sign-out")
def sign_out(page: PageRequest) -> ApiResponse:
    """End the session."""
    page.request.sessions.end(get_session_token(page.request))
    page.request.services.review.record_session(page.principal, "session.end")
    return redirect("/", {"Set-Cookie": build_cookie(page.request, "")})


@pages("GET", "/")
def show_queue(page: PageRequest) -> ApiResponse:
    """The queue: what awaits a decision, oldest first; without a session, the sign-in."""
    after_id = page.request.query(CURSOR) or ""
    rows = page.request.services.review.queue(page.principal, after_id, _QUEUE_LIMIT + 1)
    last_id = rows[_QUEUE_LIMIT - 1].message.id if len(rows) > _QUEUE_LIMIT else None
    links = build_page_links(page.request, last_id)
    return render_session_page(page, "queue.html", rows=rows[:_QUEUE_LIMIT], links=links)


@pages("GET", "/review/{email}")
def show_item(page: PageRequest) -> ApiResponse:
    """One message with everything that a decision needs. It decides nothing."""
    return _render_item(page, 200, "")


def _render_item(page: PageRequest, status: int, error: str) -> ApiResponse:
    email_id = page.request.path_params["email"]
    item = page.request.services.review.item(page.principal, email_id, "page")
    context = build_item_context(item)
    return render_session_page(page, "item.html", status, error=error, link=None, **context)


def build_item_context(item: ReviewItem) -> dict[str, object]:
    """Return what the template of an item shows."""
    # Imported late, with the first item: it needs the parsers of HTML and markdown.
    from ..mail.body import find_html, parse_tree

    message, content = item.message, item.content
    texts = [message.subject, message.from_name, content.markdown]
    texts += [file.name for file in item.attachments]
    guard = {name: message.metadata.get(f"guard_{name}") for name in _GUARD_FIELDS}
    return {
        "item": item,
        "message": message,
        "mark": get_content_digest(message),
        "invisible": find_invisible(texts),
        "guard": guard if any(guard.values()) else None,
        "metadata": {
            name: value for name, value in message.metadata.items() if not name.startswith("guard_")
        },
        "source": content.raw[:_MAX_SOURCE].decode("utf-8", "replace"),
        "source_is_cut": len(content.raw) > _MAX_SOURCE,
        "has_html": find_html(parse_tree(content.raw)) is not None,
        "new": [recipient for recipient in item.recipients if recipient.is_new],
    }


@pages("GET", "/review/{email}/state")
def get_item_state(page: PageRequest) -> ApiResponse:
    """Whether the message has changed; for the page's script."""
    message = page.request.services.review.peek(page.principal, page.request.path_params["email"])
    state = {"status": message.status.wire, "mark": get_content_digest(message)}
    return ApiResponse(
        content=json.dumps(state).encode(),
        media_type="application/json",
        headers=SECURITY_HEADERS,
    )


@pages("POST", "/review/{email}/decide")
def decide(page: PageRequest) -> ApiResponse:
    """Approve or reject what the form showed, and nothing else."""
    try:
        message = _decide(page)
    except ApiError as error:
        if error.status not in (400, 409):
            raise
        return _render_item(page, error.status, error.message)
    approved = page.form.get("action") == "approve"
    page.request.sessions.set_flash(page.session, describe_decision(message, approved=approved))
    return redirect("/")


def _decide(page: PageRequest) -> Message:
    form, email_id = page.form, page.request.path_params["email"]
    action, mark = parse_action(form.get("action")), form.get("mark")

    def require_unchanged(tx: Tx) -> None:
        message = tx.message(email_id)
        if message is not None and get_content_digest(message) != mark:
            raise conflict(
                "content_changed",
                "The message changed after this page was loaded, so nothing was decided. This is "
                "the message now.",
            )

    return page.request.services.decisions.decide(
        page.principal,
        email_id,
        approve=action == "approve",
        reason=parse_reason(form.get("reason")),
        seen_hash=None,
        check=require_unchanged,
    )


def parse_action(action: str) -> str:
    """Return the form's decision; raise a 400 for any other word."""
    if action not in ("approve", "reject"):
        raise invalid("The form says neither approve nor reject, so nothing was decided.")
    return action


def parse_reason(text: str) -> str | None:
    """Return the form's reason, None for an empty one; raise a 400 for one that is too long."""
    reason = text.strip().replace("\0", "")
    if len(reason) > MAX_REASON:
        raise invalid(f"The reason is longer than {MAX_REASON:,} characters; shorten it.")
    return reason or None


def describe_decision(message: Message, *, approved: bool) -> str:
    """Return the result of a decision as a sentence."""
    subject = f"“{message.subject or '(no subject)'}”"
    if not approved:
        return f"Rejected: {subject} goes no further."
    if message.direction is Direction.INBOUND:
        return f"Approved: {subject} is in the inbox now."
    if message.status is State.SENT:
        return f"Approved: {subject} was sent."
    if message.status is State.SCHEDULED:
        return f"Approved: {subject} will be sent at its time."
    return f"Approved: {subject} is being sent."


class EditForm(RequestModel):
    """What an edit may contain."""

    subject: Subject
    markdown: Markdown


@pages("GET", "/review/{email}/edit")
def show_edit(page: PageRequest) -> ApiResponse:
    """The form that edits a held send."""
    return _render_edit(page, 200, "", {})


@pages("POST", "/review/{email}/edit", max_body=_MAX_EDIT_BODY)
def save_edit(page: PageRequest) -> ApiResponse:
    """Save a new revision, which needs its own decision."""
    email_id, form = page.request.path_params["email"], page.form
    texts = {"subject": form.get("subject"), "markdown": form.get("markdown")}
    try:
        edit = _parse_edit(page, texts)
        revisions = page.request.services.revisions
        revisions.revise(page.principal, email_id, edit, form.get("mark"))
    except ApiError as error:
        if error.status not in (400, 409):
            raise
        return _render_edit(page, error.status, error.message, texts)
    saved = "Saved as a new revision. It still needs a decision."
    page.request.sessions.set_flash(page.session, saved)
    return redirect(f"/review/{email_id}")


def _parse_edit(page: PageRequest, texts: dict[str, str]) -> ReviewerEdit:
    try:
        form = ensure_model_built(EditForm).model_validate(texts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        raise invalid(f"The {first['loc'][0]} is wrong: {reason}.") from None
    kept = {address.lower() for address in page.form.get_all("keep")}
    shown = {address.lower() for address in page.form.get_all("shown")}
    return ReviewerEdit(form.subject, form.markdown, frozenset(shown - kept))


def _render_edit(page: PageRequest, status: int, error: str, texts: dict[str, str]) -> ApiResponse:
    email_id = page.request.path_params["email"]
    item = page.request.services.review.item(page.principal, email_id, "page")
    message = item.message
    if not item.is_held or message.direction is Direction.INBOUND:
        raise conflict("not_held", "Only a send that awaits its decision can be edited.")
    texts = texts or {"subject": message.subject, "markdown": item.content.markdown}
    return render_session_page(
        page, "edit.html", status, error=error, item=item, message=message,
        max_subject=MAX_SUBJECT, max_markdown=MAX_MARKDOWN,
        mark=get_content_digest(message), **texts,
    )  # fmt: skip


@pages("GET", "/review/{email}/html")
def show_html(page: PageRequest) -> ApiResponse:
    """The mail's HTML, for the page's sandboxed frame."""
    from ..mail.body import find_html, parse_tree
    from .untrusted_html import SANDBOX_POLICY, sanitize_for_iframe

    raw = page.request.services.review.raw(page.principal, page.request.path_params["email"])
    headers = {
        **SECURITY_HEADERS,
        "Content-Security-Policy": SANDBOX_POLICY,
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "no-referrer",
    }
    content = sanitize_for_iframe(find_html(parse_tree(raw)) or "")
    return ApiResponse(content=content, media_type=HTML, headers=headers)


@pages("GET", "/review/{email}/raw")
def download_raw(page: PageRequest) -> ApiResponse:
    """The exact bytes, as a download."""
    email_id = page.request.path_params["email"]
    raw = page.request.services.review.raw(page.principal, email_id)
    return _build_download(raw, "message/rfc822", f"{email_id}.eml")


@pages("GET", "/review/{email}/attachments/{attachment}")
def download_attachment(page: PageRequest) -> ApiResponse:
    """An attachment, as a download; a browser never opens it here."""
    path_params = page.request.path_params
    file, content = page.request.services.review.attachment(
        page.principal, path_params["email"], path_params["attachment"]
    )
    return _build_download(content, "application/octet-stream", file.name)


def _build_download(content: bytes, media_type: str, name: str) -> ApiResponse:
    headers = {
        **SECURITY_HEADERS,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return ApiResponse(content=content, media_type=media_type, headers=headers)


@pages("GET", "/outbox")
def show_outbox(page: PageRequest) -> ApiResponse:
    """What a mailbox sent, with its status."""
    return _render_mail(page, Direction.OUTBOUND)


@pages("GET", "/inbox")
def show_inbox(page: PageRequest) -> ApiResponse:
    """What a mailbox received; viewing marks nothing as read."""
    return _render_mail(page, Direction.INBOUND)


def _render_mail(page: PageRequest, direction: Direction) -> ApiResponse:
    _require_read(page)
    request, services = page.request, page.request.services
    mailboxes = services.mailboxes.list_mailboxes(page.principal)
    mailbox_id = request.query(_MAILBOX) or (mailboxes[0].id if mailboxes else "")
    messages = _find_messages(page, mailbox_id, direction) if mailboxes else []
    query = request.query(_WORDS) or ""
    last_id = messages[_LIST_LIMIT - 1].id if len(messages) > _LIST_LIMIT else None
    return render_session_page(
        page, "mail.html", rows=messages[:_LIST_LIMIT], mailboxes=mailboxes,
        mailbox_id=mailbox_id, outbound=direction is Direction.OUTBOUND, query=query,
        links=build_page_links(request, last_id, mailbox=mailbox_id, q=query),
    )  # fmt: skip


def _find_messages(page: PageRequest, mailbox_id: str, direction: Direction) -> list[Message]:
    """Return a page's messages and one more: the newest, or those that the words find."""
    request, services = page.request, page.request.services
    words, before_id = request.query(_WORDS), request.query(CURSOR)
    if words is None:
        where = MessageFilter("", _LIST_LIMIT, direction=direction, before_id=before_id)
        return services.messages.list_messages(page.principal, mailbox_id, where)
    query = narrow(parse_query(words), direction=direction)
    found = SearchFilter("", _LIST_LIMIT, query, before_id=before_id)
    results = services.search.search(page.principal, mailbox_id, found)
    return [result.message for result in results]


@pages("GET", "/audit")
def show_audit_log(page: PageRequest) -> ApiResponse:
    """The audit log: who did what, newest first."""
    _require_read(page)
    request, services = page.request, page.request.services
    entries = services.accounts.audit_log(page.principal, request.query(CURSOR), _LIST_LIMIT)
    last_id = entries[_LIST_LIMIT - 1].id if len(entries) > _LIST_LIMIT else None
    return render_session_page(
        page, "audit.html", rows=entries[:_LIST_LIMIT], links=build_page_links(request, last_id),
        names=services.review.key_names(page.principal),
    )  # fmt: skip


def _require_read(page: PageRequest) -> None:
    if "read" not in page.principal.scopes:
        raise forbidden(
            "missing_scope",
            "This key decides but cannot read other mail: it has no read scope. Sign in with a "
            "reviewer's key that has it.",
        )


@dataclass(frozen=True, slots=True)
class PageLinks:
    """The URLs of the pages before and after this one; None where there is none."""

    previous: str | None
    next: str | None


def build_page_links(request: ApiRequest, last_id: str | None, **query: str) -> PageLinks:
    """Return the URLs of the pages beside this page of a listing.

    Args:
        request: The request for the page.
        last_id: The last row of the page, if more follow it.
        query: What else the URL has, such as the mailbox.
    """
    cursor, trail = request.query_params.get("cursor", "").strip(), _parse_trail(request)
    previous = None
    if cursor:
        previous = _build_url(request, query, trail[-1] if trail else "", trail[:-1])
    if last_id is None:
        return PageLinks(previous, None)
    passed = [*trail, cursor][-_MAX_TRAIL:] if cursor else []
    return PageLinks(previous, _build_url(request, query, build_cursor(last_id), passed))


def _parse_trail(request: ApiRequest) -> list[str]:
    text = request.query(_TRAIL)
    trail = text.split(".") if text else []
    if not all(map(_CURSOR_TEXT.fullmatch, trail)):
        raise invalid("`trail` is not one of this page. Start again without it.")
    return trail


def _build_url(request: ApiRequest, query: dict[str, str], cursor: str, trail: list[str]) -> str:
    fields = {**query, "cursor": cursor, "trail": ".".join(trail)}
    text = urlencode({name: value for name, value in fields.items() if value})
    return f"{request.path}?{text}" if text else request.path


PAGE_ROUTES = (*pages.routes, STATIC_ROUTE)
