"""Search and marks: how an agent finds mail, and takes it out of the way."""

from __future__ import annotations

from collections.abc import Sequence

from .. import endpoints as api
from ..endpoints._search import check_mark
from ..models import FoundEmail, Page
from ..trust import Action
from ..trust.text import one_line
from . import schemas
from ._context import ToolContext
from ._reading import list_page
from ._spec import Steps, ToolResult, ToolRun
from ._writing import build_refusal


def search_email(args: schemas.SearchEmail, context: ToolContext) -> ToolRun:
    """Search mail by its words, newest first; rows follow the rules of `check_inbox`."""
    mailbox = yield from context.mailbox(args.mailbox)

    def fetch(limit: int) -> Steps[Page[FoundEmail]]:
        return (
            yield from api.search_email(
                args.query or "",
                mailbox=mailbox.id,
                limit=limit,
                cursor=args.cursor,
            )
        )

    return (yield from list_page(fetch, args.limit or 20, mailbox, context, " found"))


def mark_email(args: schemas.MarkEmail, context: ToolContext) -> ToolRun:
    """Mark messages, mailbox by mailbox: those of each all or none."""
    email_ids = list(dict.fromkeys(args.email_ids))
    check_mark(email_ids, args.mark)
    decision = context.guard.on_mark(email_ids)
    if decision.action is not Action.ALLOW:
        return build_refusal("Nothing was marked", decision)
    by_mailbox = yield from _group_by_mailbox(email_ids, context)
    marked = []
    for mailbox_id, ids in by_mailbox.items():
        marked += yield from api.mark_email(ids, args.mark, mailbox=mailbox_id)
    facts = [{"id": message.id, "status": message.status} for message in marked]
    names = one_line(", ".join(message.id for message in marked), 2000)
    return ToolResult(f"Marked {args.mark}: {names}.", {"emails": facts}, decision)


def _group_by_mailbox(
    email_ids: Sequence[str], context: ToolContext
) -> Steps[dict[str, list[str]]]:
    """Return the ids by mailbox: where each was seen, else the mailbox that is the default."""
    groups: dict[str, list[str]] = {}
    for email_id in email_ids:
        seen_in = None if context.pinned else context.mailbox_cache.get_mailbox_id(email_id)
        mailbox_id = seen_in or (yield from context.mailbox(None)).id
        groups.setdefault(mailbox_id, []).append(email_id)
    return groups
