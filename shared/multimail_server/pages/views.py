"""The pages of one message: what an approver sees, the decision and the edit; and the sign-in."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from ..api.routing import ApiRequest, ApiResponse, query_bool, query_str
from ..api.schemas.base import MAX_MARKDOWN, Markdown, RequestModel, Subject, ensure_model_built
from ..api.schemas.oversight import MAX_REASON
from ..auth import digest_token, require_approver
from ..errors import ApiError, conflict, invalid
from ..mail.quoting import MAX_SUBJECT
from ..oversight import Direction, State
from ..services.decisions import get_content_digest
from ..services.review import QueueFilter, ReviewItem, Risk, require_harmless
from ..services.revisions import ReviewerEdit
from ..store.protocol import Tx
from ..store.records import Message
from .app import (
    HTML,
    SECURITY_HEADERS,
    PageRequest,
    Pages,
    build_cookie,
    get_session_token,
    list_undoable,
    parse_form,
    redirect,
    render_session_page,
    render_sign_in,
)
from .formatting import find_invisible, list_reasons

pages = Pages()

_MAX_KEY = 200
_MAX_SOURCE = 20_000
_MAX_EDIT_BODY = 4 * 1024 * 1024
_SIGN_IN_TARGET = re.compile(r"/(?:review/[A-Za-z0-9_]{1,60}(?:/edit)?|outbox|inbox|audit)?")
_GUARD_TITLES = {
    "action": "Decision",
    "label": "Label of the mail it had read",
    "standing": "Standing of the sender",
    "code": "Code",
    "reasons": "Reasons",
    "policy": "Policy",
}
_BLANK = query_bool("blank")
_MAILBOX = query_str("mailbox")
_WORDS = query_str("q")
_RISK = query_str("risk", max_length=20)
_RISKS = {
    "": frozenset(Risk),
    "risky": frozenset(Risk) - {Risk.ROUTINE},
    "routine": frozenset({Risk.ROUTINE}),
}


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


def read_filters(request: ApiRequest) -> QueueFilter:
    """Return which messages of the queue the person works on."""
    risk = request.query(_RISK) or ""
    if risk not in _RISKS:
        raise invalid("`risk` is neither `risky` nor `routine`.")
    mailbox_id = request.query(_MAILBOX) or ""
    return QueueFilter(mailbox_id, _RISKS[risk], (request.query(_WORDS) or "").strip())


def build_filter_query(request: ApiRequest, **more: str) -> str:
    """Return the filter of the queue as the query of a URL, with its `?`; empty for all."""
    names = ("mailbox", "risk", "q")
    fields = {name: request.query_params.get(name, "") for name in names} | more
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"?{query}" if query else ""


@pages("GET", "/review/{email}")
def show_item(page: PageRequest) -> ApiResponse:
    """One message with everything that a decision needs. It decides nothing."""
    return _render_item(page, 200, "")


def _render_item(page: PageRequest, status: int, error: str) -> ApiResponse:
    email_id = page.request.path_params["email"]
    item = page.request.services.review.item(page.principal, email_id, "page")
    context = build_item_context(item)
    filters = build_filter_query(page.request)
    return render_session_page(
        page, "item.html", status, error=error, link=None, filter_query=filters,
        can_take_back=bool(list_undoable(page, [email_id])), **context,
    )  # fmt: skip


def build_item_context(item: ReviewItem) -> dict[str, object]:
    """Return what the template of an item shows."""
    # Imported late, with the first item: it needs the parsers of HTML and markdown.
    from ..mail.body import find_html, parse_tree

    message, content = item.message, item.content
    texts = [message.subject, message.from_name, content.markdown]
    texts += [item.quotation, *message.recipients, *(file.name for file in item.attachments)]
    texts += [item.question.message.from_name] if item.question else []
    guard = {name: message.metadata.get(f"guard_{name}") for name in _GUARD_TITLES}
    has_html = find_html(parse_tree(content.raw)) is not None
    return {
        "item": item,
        "message": message,
        "mark": get_content_digest(message),
        "invisible": find_invisible(texts),
        "reasons": list_reasons(item) if item.is_held else [],
        "guard": guard if any(guard.values()) else None,
        "guard_titles": tuple(_GUARD_TITLES.items()),
        "metadata": {
            name: value for name, value in message.metadata.items() if not name.startswith("guard_")
        },
        "source": content.raw[:_MAX_SOURCE].decode("utf-8", "replace"),
        "source_is_cut": len(content.raw) > _MAX_SOURCE,
        "has_html": has_html,
        "is_plain": message.direction is Direction.INBOUND and not has_html,
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
    """Approve or reject what the form showed, and nothing else; then show the next message."""
    action = parse_action(page.form.get("action"))
    email_id = page.request.path_params["email"]
    try:
        message = decide_as_shown(
            page, email_id, page.form.get("mark"), approve=action == "approve",
            reason=parse_reason(page.form.get("reason")),
        )  # fmt: skip
    except ApiError as error:
        if error.status not in (400, 409):
            raise
        return _render_item(page, error.status, error.message)
    approved = action == "approve"
    page.request.sessions.set_flash(page.session, describe_decision(message, approved=approved))
    filters = read_filters(page.request)
    following = page.request.services.review.get_next(page.principal, filters, message)
    query = build_filter_query(page.request, **({"undo": message.id} if approved else {}))
    return redirect(f"/review/{following.id}{query}" if following else f"/{query}")


@pages("POST", "/undo")
def undo(page: PageRequest) -> ApiResponse:
    """Take approvals back while their messages have not left."""
    decisions, failures, undone = page.request.services.decisions, [], []
    for email_id in page.form.get_all("email"):
        try:
            undone.append(decisions.undo(page.principal, email_id))
        except ApiError as error:
            failures.append(error.message)
    plural = "" if len(undone) == 1 else "s"
    words = [f"Taken back: {len(undone)} approval{plural}."] if undone else []
    page.request.sessions.set_flash(page.session, " ".join([*words, *failures]))
    return redirect(f"/review/{undone[0].id}" if len(undone) == 1 else "/")


def decide_as_shown(
    page: PageRequest, email_id: str, mark: str, *, approve: bool, reason: str | None = None,
    only_harmless: bool = False,
) -> Message:  # fmt: skip
    """Decide on a message if its content still is the one that the page showed.

    Args:
        page: The request.
        email_id: The message.
        mark: The digest of the content that the page showed.
        approve: False rejects it.
        reason: Kept with the message.
        only_harmless: Decide only if a row of the queue shows all of the message.
    Raises:
        ApiError: It changed, expired or was decided (409), or this key cannot approve it (403).
    """

    def require_unchanged(tx: Tx) -> None:
        message = tx.message(email_id)
        if message is not None and get_content_digest(message) != mark:
            raise conflict(
                "content_changed",
                "The message changed after this page was loaded, so nothing was decided. This is "
                "the message now.",
            )
        if message is not None and only_harmless:
            require_harmless(tx, message)

    return page.request.services.decisions.decide(
        page.principal, email_id, approve=approve, reason=reason, seen_hash=None,
        check=require_unchanged, can_undo=True, waits=not only_harmless,
    )  # fmt: skip


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
        when = "will be sent at its time" if message.send_at else "leaves in a few seconds"
        return f"Approved: {subject} {when}."
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
    page.request.sessions.set_flash(page.session, "Saved. It still needs a decision.")
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
    is_blank = page.request.query(_BLANK) is True
    markdown = "" if is_blank else item.content.markdown
    texts = texts or {"subject": message.subject, "markdown": markdown}
    return render_session_page(
        page, "edit.html", status, error=error, item=item, message=message, is_blank=is_blank,
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
