"""Exporting: all that is kept of an account, in pages (GDPR articles 15 and 20)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..refusals import forbidden
from ..store.protocol import Reader
from ..store.records import Account, AuditEntry, Contact, Key, Mailbox, Message
from .desk import Desk, Principal
from .reading import Opened, may_see

PAGE_BYTES = 8 * 1024 * 1024
PAGE_MESSAGES = 200
_MOST_CONTACTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Exported:
    """One message with everything that is kept of it: `raw` holds its files too."""

    opened: Opened
    raw: bytes = b""
    hidden: bool = False
    """Whether the key may not see what it says."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """One page. The first one also holds the account itself."""

    messages: list[Exported]
    audit: list[AuditEntry]
    last_id: str | None
    """Where the next page begins; None after the last one."""
    account: Account | None = None
    mailboxes: list[Mailbox] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


class Exporting:
    """API: GET /v1/export."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def page(self, who: Principal, after_id: str | None) -> ExportPage:
        """Return a page: the messages oldest first, then the audit log newest first.

        Args:
            who: An account-wide admin key. One that can send sees no more of held mail here than
                it does elsewhere.
            after_id: `last_id` of the page before.
        """
        if who.mailbox_id is not None:
            raise forbidden("bound_key", "This key belongs to one mailbox; it cannot do that.")
        return self._desk.store.read(lambda tx: _page(tx, who, after_id))


def _page(tx: Reader, who: Principal, after_id: str | None) -> ExportPage:
    if after_id is not None and after_id.startswith("aud_"):
        return _audit(tx, who, after_id)
    messages, last_id = _messages(tx, who, after_id or "")
    if last_id is None:
        rest = _audit(tx, who, None)
        page = ExportPage(messages, rest.audit, rest.last_id)
    else:
        page = ExportPage(messages, [], last_id)
    return page if after_id is not None else _with_account(tx, who, page)


def _messages(tx: Reader, who: Principal, after_id: str) -> tuple[list[Exported], str | None]:
    """Return the messages of a page, and the last one's id when there are more."""
    found: list[Exported] = []
    size = 0
    rows = tx.messages_after(who.account_id, after_id, PAGE_MESSAGES + 1)
    for message in rows[:PAGE_MESSAGES]:
        found.append(_whole(tx, who, message))
        size += message.size
        if size >= PAGE_BYTES:
            break
    more = len(found) < len(rows)
    return found, found[-1].opened.message.id if more else None


def _audit(tx: Reader, who: Principal, before_id: str | None) -> ExportPage:
    lines = tx.audit(who.account_id, None, before_id, PAGE_MESSAGES + 1)
    more = len(lines) > PAGE_MESSAGES
    kept = lines[:PAGE_MESSAGES]
    return ExportPage([], kept, kept[-1].id if more else None)


def _whole(tx: Reader, who: Principal, message: Message) -> Exported:
    if "send" in who.scopes and not may_see(who, message):
        return Exported(Opened(message, ""), hidden=True)
    content, files = tx.content(message.id), tx.attachments(message.id)
    opened = Opened(
        message,
        content.markdown if content else "",
        files,
        tx.tags(message.id),
        content.removed if content else (),
    )
    return Exported(opened, content.raw if content else b"")


def _with_account(tx: Reader, who: Principal, page: ExportPage) -> ExportPage:
    return replace(
        page,
        account=tx.account(who.account_id),
        mailboxes=tx.mailboxes(who.account_id),
        keys=tx.keys(who.account_id),
        contacts=tx.contacts(who.account_id, "", _MOST_CONTACTS),
    )
