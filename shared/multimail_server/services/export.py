"""Export of all data of an account, in pages (GDPR articles 15 and 20)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..store.protocol import Reader
from ..store.records import Account, AuditEntry, Contact, Key, Mailbox, Message
from .auth import require_account_wide
from .context import AppContext, Principal
from .messages import OpenedMessage, may_see

PAGE_BYTES = 8 * 1024 * 1024
PAGE_MESSAGES = 200
_MAX_CONTACTS = 1_000_000


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """A message with everything that is stored of it; `raw` includes its attachments."""

    opened: OpenedMessage
    raw: bytes = b""
    hidden: bool = False
    """Whether the content is hidden from the key."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """A page of an export. The first page also holds the account itself."""

    messages: list[ExportedMessage]
    audit: list[AuditEntry]
    last_id: str | None
    """The cursor of the next page; None on the last page."""
    account: Account | None = None
    mailboxes: list[Mailbox] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


class ExportService:
    """API: GET /v1/export."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def get_page(self, principal: Principal, after_id: str | None) -> ExportPage:
        """Return a page: the messages oldest first, then the audit log newest first.

        Args:
            principal: An account-wide admin key. A key that can send gets no hidden content.
            after_id: `last_id` of the previous page.
        """
        require_account_wide(principal)
        return self._context.store.read(lambda tx: _page(tx, principal, after_id))


def _page(tx: Reader, principal: Principal, after_id: str | None) -> ExportPage:
    if after_id is not None and after_id.startswith("aud_"):
        return _audit(tx, principal, after_id)
    messages, last_id = _messages(tx, principal, after_id or "")
    if last_id is None:
        rest = _audit(tx, principal, None)
        page = ExportPage(messages, rest.audit, rest.last_id)
    else:
        page = ExportPage(messages, [], last_id)
    return page if after_id is not None else _with_account(tx, principal, page)


def _messages(
    tx: Reader, principal: Principal, after_id: str
) -> tuple[list[ExportedMessage], str | None]:
    """Return the messages of a page, and the last id if there are more."""
    exported: list[ExportedMessage] = []
    size = 0
    rows = tx.messages_after(principal.account_id, after_id, PAGE_MESSAGES + 1)
    for message in rows[:PAGE_MESSAGES]:
        exported.append(_export(tx, principal, message))
        size += message.size
        if size >= PAGE_BYTES:
            break
    has_more = len(exported) < len(rows)
    return exported, exported[-1].opened.message.id if has_more else None


def _audit(tx: Reader, principal: Principal, before_id: str | None) -> ExportPage:
    entries = tx.audit(principal.account_id, None, before_id, PAGE_MESSAGES + 1)
    page = entries[:PAGE_MESSAGES]
    return ExportPage([], page, page[-1].id if len(entries) > PAGE_MESSAGES else None)


def _export(tx: Reader, principal: Principal, message: Message) -> ExportedMessage:
    if "send" in principal.scopes and not may_see(principal, message):
        return ExportedMessage(OpenedMessage(message, ""), hidden=True)
    content, files = tx.content(message.id), tx.attachments(message.id)
    opened = OpenedMessage(
        message,
        content.markdown if content else "",
        files,
        tx.tags(message.id),
        content.removed if content else (),
        content.notes if content else (),
    )
    return ExportedMessage(opened, content.raw if content else b"")


def _with_account(tx: Reader, principal: Principal, page: ExportPage) -> ExportPage:
    return replace(
        page,
        account=tx.account(principal.account_id),
        mailboxes=tx.mailboxes(principal.account_id),
        keys=tx.keys(principal.account_id),
        contacts=tx.contacts(principal.account_id, "", _MAX_CONTACTS),
    )
