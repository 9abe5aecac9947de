"""The lists: the queue and the approval of several messages at once, inbox, outbox, audit log.

Lists use keyset pagination, so nothing is skipped or shown twice while mail comes in. The address
of a page holds the cursors of the pages before it, for the link back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ..api.routing import CURSOR, ApiRequest, ApiResponse, build_cursor, query_bool, query_str
from ..errors import ApiError, forbidden, invalid
from ..oversight import Direction, State
from ..services.review import QueueFilter
from ..store.query_language import narrow, parse_query
from ..store.records import IN_TROUBLE, Mailbox, Message, MessageFilter, SearchFilter
from .app import STATIC_ROUTE, PageRequest, redirect, render_session_page
from .views import build_filter_query, decide_as_shown, pages, read_filters

_QUEUE_LIMIT = 100
_LIST_LIMIT = 50
_MAX_TRAIL = 20
"""Pages; the link back from further away leads to the first page."""
_CURSOR_TEXT = re.compile(r"[A-Za-z0-9_-]{1,60}")
_TRAIL = query_str("trail", max_length=(_MAX_TRAIL + 1) * 61)
_MAILBOX = query_str("mailbox")
_WORDS = query_str("q")
_STATUS = query_str("status", max_length=20)
_ALL = query_bool("all")
_FILTERS: dict[Direction, dict[str, tuple[str, tuple[State, ...]]]] = {
    Direction.INBOUND: {
        "": ("All", ()),
        "unread": ("Unread", (State.UNREAD,)),
        "archived": ("Archived", (State.ARCHIVED,)),
        "spam": ("Spam", (State.SPAM_FLAGGED, State.SPAM_QUARANTINED)),
    },
    Direction.OUTBOUND: {
        "": ("All", ()),
        "sent": ("Delivered", (State.SENT,)),
        "failed": ("Failed", (State.SEND_FAILED,)),
        "waiting": ("Waiting", (State.PENDING_SEND_APPROVAL, State.SCHEDULED, State.SENDING)),
        "stopped": ("Stopped", (State.REJECTED, State.CANCELLED, State.EXPIRED)),
    },
}
_READS = (
    "account.read", "api_key.list", "usage.read", "audit_log.read", "event.list", "mailbox.list",
    "mailbox.read", "contact.search", "email.list", "email.search", "email.peek", "email.read",
    "email.read_raw", "email.read_tags", "attachment.find", "attachment.read", "thread.list",
    "thread.read", "oversight.list", "oversight.pending", "upgrade.list", "code.list",
    "notice.list", "request.read",
)  # fmt: skip
"""Actions that change nothing."""


@pages("GET", "/")
def show_queue(page: PageRequest) -> ApiResponse:
    """The queue: what awaits a decision, the riskiest first; without a session, the sign-in."""
    request, services = page.request, page.request.services
    filters, risk = read_filters(request), request.query_params.get("risk", "")
    queue = services.review.queue(
        page.principal, filters, request.query(CURSOR) or "", _QUEUE_LIMIT
    )
    mailboxes = services.review.mailboxes(page.principal)
    links = build_page_links(
        request, queue.next_after, mailbox=filters.mailbox_id, risk=risk, q=filters.words
    )
    return render_session_page(
        page, "queue.html", queue=queue, links=links, filters=filters, risk=risk,
        is_filtered=filters != QueueFilter(), filter_query=build_filter_query(request),
        mailboxes=mailboxes, troubles=_list_troubles(page, mailboxes),
        harmless=[row for row in queue.rows if row.is_harmless],
    )  # fmt: skip


def _list_troubles(page: PageRequest, mailboxes: Sequence[Mailbox]) -> list[tuple[str, str]]:
    """Return the connected mailboxes that their provider does not serve now, and why."""
    accounts = page.request.services.connections.get_accounts(page.principal.account_id)
    return [
        (box.address, accounts[box.id].detail)
        for box in mailboxes
        if box.id in accounts and accounts[box.id].state in IN_TROUBLE
    ]


@pages("POST", "/approve-selected")
def approve_selected(page: PageRequest) -> ApiResponse:
    """Approve the messages that were selected in the queue, each as its row showed it."""
    approved: list[str] = []
    failures: list[str] = []
    is_pressed = page.form.get("action") == "approve"
    for picked in page.form.get_all("pick") if is_pressed else []:
        email_id, _, mark = picked.partition(":")
        try:
            decide_as_shown(page, email_id, mark, approve=True, only_harmless=True)
            approved.append(email_id)
        except ApiError as error:
            failures.append(error.message)
    plural = "" if len(approved) == 1 else "s"
    words = [f"Approved {len(approved)} message{plural}."] if approved else []
    words += [f"Not approved: {message}" for message in failures]
    flash = " ".join(words) or "Nothing was approved: select messages, then press the button."
    page.request.sessions.set_flash(page.session, flash)
    return redirect(f"/?undo={'.'.join(approved)}" if approved else "/")


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
    query, status = request.query(_WORDS) or "", request.query(_STATUS) or ""
    filters = _FILTERS[direction]
    if status not in filters:
        raise invalid(f"`status` is none of {', '.join(filter(None, filters))}.")
    messages = _find_messages(page, mailbox_id, direction, status) if mailboxes else []
    last_id = messages[_LIST_LIMIT - 1].id if len(messages) > _LIST_LIMIT else None
    return render_session_page(
        page, "mail.html", rows=services.review.open(messages[:_LIST_LIMIT]), mailboxes=mailboxes,
        mailbox_id=mailbox_id, outbound=direction is Direction.OUTBOUND, query=query,
        filter=status, filters={name: words for name, (words, _) in filters.items()},
        links=build_page_links(request, last_id, mailbox=mailbox_id, q=query, status=status),
    )  # fmt: skip


def _find_messages(
    page: PageRequest, mailbox_id: str, direction: Direction, status: str
) -> list[Message]:
    """Return a page's messages and one more: the newest, or those that the words find."""
    request, services = page.request, page.request.services
    words, before_id = request.query(_WORDS), request.query(CURSOR)
    _, statuses = _FILTERS[direction][status]
    if not words:
        where = MessageFilter("", _LIST_LIMIT, statuses, direction=direction, before_id=before_id)
        return services.messages.list_messages(page.principal, mailbox_id, where)
    query = narrow(parse_query(words), direction=direction, statuses=statuses)
    found = SearchFilter("", _LIST_LIMIT, query, before_id=before_id)
    results = services.search.search(page.principal, mailbox_id, found)
    return [result.message for result in results]


@pages("GET", "/audit")
def show_audit_log(page: PageRequest) -> ApiResponse:
    """The audit log: who did what, newest first; without reads unless `all` is true."""
    _require_read(page)
    request, services = page.request, page.request.services
    shows_all = request.query(_ALL) is True
    entries = services.accounts.audit_log(
        page.principal, request.query(CURSOR), _LIST_LIMIT, () if shows_all else _READS
    )
    last_id = entries[_LIST_LIMIT - 1].id if len(entries) > _LIST_LIMIT else None
    more = {"all": "true"} if shows_all else {}
    return render_session_page(
        page, "audit.html", rows=entries[:_LIST_LIMIT], shows_all=shows_all,
        links=build_page_links(request, last_id, **more),
        names=services.review.key_names(page.principal),
        subjects=services.review.subjects(page.principal, entries),
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
