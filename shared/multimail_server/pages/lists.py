"""Pages: the outbox, the inbox and the audit trail, to look at."""

from __future__ import annotations

from ..api.request import Answer
from ..oversight import Direction
from ..refusals import forbidden
from ..store.records import MessageFilter
from .app import Pages, Visit, show
from .paging import turns

pages = Pages()
routes = pages.routes

_SHOWN = 50


@pages("GET", "/outbox")
def outbox(visit: Visit) -> Answer:
    """What was sent from a mailbox, and where it stands."""
    return _listing(visit, Direction.OUTBOUND)


@pages("GET", "/inbox")
def inbox(visit: Visit) -> Answer:
    """What came to a mailbox; looking marks nothing as read."""
    return _listing(visit, Direction.INBOUND)


@pages("GET", "/audit")
def audit(visit: Visit) -> Answer:
    """Who did what, newest first."""
    _check_may_read(visit)
    room, ask = visit.ask.room, visit.ask
    found = room.accounts.audit_log(visit.who, ask.cursor(), _SHOWN)
    last = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    names = room.reviewing.key_names(visit.who)
    return show(visit, "audit.html", rows=found[:_SHOWN], leads=turns(ask, last), names=names)


def _listing(visit: Visit, direction: Direction) -> Answer:
    _check_may_read(visit)
    room, ask = visit.ask.room, visit.ask
    mailboxes = room.mailboxes.all(visit.who)
    wanted = ask.text("mailbox") or (mailboxes[0].id if mailboxes else "")
    found = []
    if mailboxes:
        where = MessageFilter("", _SHOWN, direction=direction, before_id=ask.cursor())
        found = room.reading.listing(visit.who, wanted, where)
    last = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    return show(
        visit, "mail.html", rows=found[:_SHOWN], leads=turns(ask, last, mailbox=wanted),
        mailboxes=mailboxes, wanted=wanted, outbound=direction is Direction.OUTBOUND,
    )  # fmt: skip


def _check_may_read(visit: Visit) -> None:
    if "read" not in visit.who.scopes:
        raise forbidden(
            "missing_scope",
            "This key decides but may not read other mail: it has no read scope. Sign in with a "
            "reviewer's key that has it.",
        )
