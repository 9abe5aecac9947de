"""Reviewing: everything that a human has to see before deciding, in one consistent look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import forbidden, not_found
from ..oversight import Direction
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Key, Mailbox, Message, Revision
from .approval_links import HELD
from .context import AppContext, Principal, find_message
from .drafts import auto_copies
from .messages import OpenedMessage
from .revisions import fixed_recipients

_THREAD_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class ReviewRecipient:
    """Somebody who gets the message.

    Attributes:
        address: As it stands in the envelope.
        field: `To`, `Cc`, `Bcc`, or `Auto-Cc` and `Auto-Bcc` for the mailbox's own copies.
        is_new: Whether the mailbox has never written to it with approval.
        is_fixed: Whether the mailbox's owner has set it up, so that an edit cannot drop it.
    """

    address: str
    field: str
    is_new: bool
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One row of the queue."""

    message: Message
    markdown: str
    attachments: int
    new_recipients: int


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One message with all that a decision on it needs.

    Attributes:
        message: The message.
        mailbox: Whose it is.
        content: Its text and its exact bytes.
        attachments: Its files.
        addressees: Everyone who gets it; empty for mail that came in.
        thread: The rest of its conversation, oldest first, at most 50 messages.
        revisions: What it was before it was edited, oldest first.
        names: The account's keys by id, so that a person reads who composed and decided.
    """

    message: Message
    mailbox: Mailbox
    content: Content
    attachments: list[Attachment]
    addressees: list[ReviewRecipient]
    thread: list[OpenedMessage]
    revisions: list[Revision]
    names: dict[str, str]

    @property
    def is_held(self) -> bool:
        """Whether it awaits a decision."""
        return self.message.status in HELD


class ReviewService:
    """What the human's page shows."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def key(self, key_id: str) -> Key | None:
        """Return a key as it is now."""
        return self._context.store.read(lambda tx: tx.key(key_id))

    def key_by_sha256(self, sha256: str) -> Key | None:
        """Return the key with this digest, as it is now."""
        return self._context.store.read(lambda tx: tx.key_by_sha256(sha256))

    def key_names(self, principal: Principal) -> dict[str, str]:
        """Return the names of the account's keys by their ids."""
        return self._context.store.read(lambda tx: _names(tx, principal.account_id))

    def note_session(self, principal: Principal, action: str) -> None:
        """Say in the audit log that somebody signed in to the pages, or out."""
        context = self._context
        context.write(
            lambda tx: context.audit(
                tx,
                principal,
                action,
                ("api_key", principal.key_id),
                mailbox_id=principal.mailbox_id,
            )
        )

    def queue(self, principal: Principal, after_id: str, limit: int) -> list[QueueRow]:
        """Return what awaits a decision, oldest first, after the item `after_id`."""

        def work(tx: Reader) -> list[QueueRow]:
            now = self._context.now()
            rows = tx.pending_messages(
                principal.account_id, principal.mailbox_id, now, after_id, limit
            )
            return [_waiting(tx, message) for message in rows]

        return self._context.store.read(work)

    def peek(self, principal: Principal, email_id: str) -> Message:
        """Return a message without its content; no audit line, for a page that asks often."""
        return self._context.store.read(lambda tx: _reviewable(tx, principal, email_id))

    def item(self, principal: Principal, email_id: str, via: str) -> ReviewItem:
        """Return one message with all that belongs to it; the audit log says who looked.

        It marks nothing as read: what an agent has not read stays unread for it.

        Args:
            principal: The reviewer.
            email_id: The message.
            via: How they look, `page` or `approval_link`, for the audit log.
        """
        context = self._context

        def work(tx: Tx) -> ReviewItem:
            message = _reviewable(tx, principal, email_id)
            about = ("email", message.id)
            context.audit(
                tx, principal, "email.read", about, mailbox_id=message.mailbox_id, via=via
            )
            return _item(tx, message)

        return context.write(work)

    def attachment(
        self, principal: Principal, email_id: str, attachment_id: str
    ) -> tuple[Attachment, bytes]:
        """Return a file of a message that the reviewer may see; the audit log says so."""
        context = self._context

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = _reviewable(tx, principal, email_id)
            found = tx.attachment(attachment_id)
            if found is None or found.message_id != message.id:
                raise not_found(f"attachment of message {email_id} called", attachment_id)
            about = ("attachment", found.id)
            context.audit(tx, principal, "attachment.read", about, mailbox_id=message.mailbox_id)
            return found, tx.attachment_content(found.id)

        return context.write(work)

    def raw(self, principal: Principal, email_id: str) -> bytes:
        """Return the exact bytes of a message; no audit line, since `item` has written one."""

        def work(tx: Reader) -> bytes:
            content = tx.content(_reviewable(tx, principal, email_id).id)
            return content.raw if content else b""

        return self._context.store.read(work)


def addressees(tx: Reader, message: Message, mailbox: Mailbox) -> list[ReviewRecipient]:
    """Return everyone in the envelope, with the field that names them."""
    auto_cc, auto_bcc = auto_copies(mailbox, "auto_cc"), auto_copies(mailbox, "auto_bcc")
    fixed = fixed_recipients(message, (*auto_cc, *auto_bcc))
    known = tx.approved_recipients(mailbox.id, message.recipients)
    fields = {
        **dict.fromkeys(_lower(message.recipients), "Auto-Bcc"),
        **dict.fromkeys(_lower(message.bcc), "Bcc"),
        **dict.fromkeys(_lower(message.cc), "Cc"),
        **dict.fromkeys(set(_lower(message.cc)) & set(_lower(auto_cc)), "Auto-Cc"),
        **dict.fromkeys(_lower(message.to), "To"),
    }
    return [
        ReviewRecipient(
            address,
            fields[address.lower()],
            address.lower() not in known,
            address.lower() in fixed,
        )
        for address in message.recipients
    ]


def _lower(addresses: Sequence[str]) -> list[str]:
    return [address.lower() for address in addresses]


def _waiting(tx: Reader, message: Message) -> QueueRow:
    content = tx.content(message.id)
    new = 0
    if message.direction is Direction.OUTBOUND:
        unique = set(_lower(message.recipients))
        new = len(unique - tx.approved_recipients(message.mailbox_id, message.recipients))
    files = len(tx.attachments(message.id))
    return QueueRow(message, content.markdown[:500] if content else "", files, new)


def _reviewable(tx: Reader, principal: Principal, email_id: str) -> Message:
    message = find_message(tx, principal, email_id)
    if message.status not in HELD and "read" not in principal.scopes:
        raise forbidden(
            "missing_scope",
            f"Message {email_id} awaits no decision, and this key has no read scope to look at "
            "other mail.",
        )
    return message


def _item(tx: Reader, message: Message) -> ReviewItem:
    mailbox = tx.mailbox(message.mailbox_id)
    content = tx.content(message.id)
    if mailbox is None or content is None:
        raise not_found("message", message.id)
    outbound = message.direction is Direction.OUTBOUND
    others = tx.thread(mailbox.id, message.thread_id, _THREAD_MESSAGES + 1)
    return ReviewItem(
        message=message,
        mailbox=mailbox,
        content=content,
        attachments=tx.attachments(message.id),
        addressees=addressees(tx, message, mailbox) if outbound else [],
        thread=[_opened(tx, other) for other in others if other.id != message.id],
        revisions=tx.revisions(message.id),
        names=_names(tx, message.account_id),
    )


def _opened(tx: Reader, message: Message) -> OpenedMessage:
    content = tx.content(message.id)
    text = content.markdown if content else ""
    return OpenedMessage(message, text, tx.attachments(message.id))


def _names(tx: Reader, account_id: str) -> dict[str, str]:
    return {key.id: key.name for key in tx.keys(account_id)}
