"""Pages: the outbox, the inbox and the audit trail, to look at."""

from __future__ import annotations

from ..api.request import ApiResponse
from ..errors import forbidden
from ..oversight import Direction
from ..store.records import MessageFilter
from .app import Pages, Visit, show
from .paging import turns

pages = Pages()
routes = pages.routes

_SHOWN = 50


@pages("GET", "/outbox")
def outbox(visit: Visit) -> ApiResponse:
    """What was sent from a mailbox, and where it stands."""
    return _listing(visit, Direction.OUTBOUND)


@pages("GET", "/inbox")
def inbox(visit: Visit) -> ApiResponse:
    """What came to a mailbox; looking marks nothing as read."""
    return _listing(visit, Direction.INBOUND)


@pages("GET", "/audit")
def audit(visit: Visit) -> ApiResponse:
    """Who did what, newest first."""
    _check_may_read(visit)
    services, request = visit.request.services, visit.request
    found = services.accounts.audit_log(visit.principal, request.cursor(), _SHOWN)
    last = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    names = services.review.key_names(visit.principal)
    return show(visit, "audit.html", rows=found[:_SHOWN], leads=turns(request, last), names=names)


def _listing(visit: Visit, direction: Direction) -> ApiResponse:
    _check_may_read(visit)
    services, request = visit.request.services, visit.request
    mailboxes = services.mailboxes.list_mailboxes(visit.principal)
    wanted = request.query_str("mailbox") or (mailboxes[0].id if mailboxes else "")
    found = []
    if mailboxes:
        where = MessageFilter("", _SHOWN, direction=direction, before_id=request.cursor())
        found = services.messages.list_messages(visit.principal, wanted, where)
    last = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    return show(
        visit, "mail.html", rows=found[:_SHOWN], leads=turns(request, last, mailbox=wanted),
        mailboxes=mailboxes, wanted=wanted, outbound=direction is Direction.OUTBOUND,
    )  # fmt: skip


def _check_may_read(visit: Visit) -> None:
    if "read" not in visit.principal.scopes:
        raise forbidden(
            "missing_scope",
            "This key decides but may not read other mail: it has no read scope. Sign in with a "
            "reviewer's key that has it.",
        )
