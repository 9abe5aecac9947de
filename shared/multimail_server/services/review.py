"""The read model of the review pages, loaded in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..auth import Principal
from ..errors import forbidden, not_found
from ..oversight import HELD, Direction
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Attachment, Content, Key, Mailbox, Message, Revision
from .changes import list_changes
from .context import AppContext, find_message, scope_of_message
from .drafts import auto_copies, fixed_recipients, get_quotation
from .messages import OpenedMessage

_THREAD_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class ReviewRecipient:
    """A recipient of a message under review.

    Attributes:
        address: As it stands in the envelope.
        field: `To`, `Cc`, `Bcc`, or `Auto-Cc` and `Auto-Bcc` for the mailbox's own copies.
        is_new: Whether no approved message of this mailbox went to it before.
        is_fixed: Whether it is a copy set up by the mailbox's owner, which an edit cannot drop.
    """

    address: str
    field: str
    is_new: bool
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A row of the approval queue."""

    message: Message
    markdown: str
    attachments: int
    new_recipients: int


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A message with everything that a decision on it needs.

    Attributes:
        message: The message.
        mailbox: The mailbox of the message.
        content: Its text and its exact bytes.
        attachments: Its attachments.
        recipients: Its envelope recipients; empty for inbound mail.
        thread: The other messages of its thread, oldest first, at most 50.
        revisions: Its earlier revisions, oldest first.
        key_names: Names of the account's keys by id, to show who composed and decided.
    """

    message: Message
    mailbox: Mailbox
    content: Content
    attachments: list[Attachment]
    recipients: list[ReviewRecipient]
    thread: list[OpenedMessage]
    revisions: list[Revision]
    key_names: dict[str, str]

    @property
    def changes(self) -> tuple[str, ...]:
        """What the latest revision changed."""
        return list_changes(self.revisions, self.message, self.content, self.attachments)

    @property
    def is_held(self) -> bool:
        """Whether it awaits a decision."""
        return self.message.status in HELD

    @property
    def quotation(self) -> str:
        """What a reply quotes below its text."""
        return get_quotation(self.message, self.content)


class ReviewService:
    """Queries of the review pages."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def key(self, key_id: str) -> Key | None:
        """Return an API key by id."""
        return self._context.store.read(lambda tx: tx.key(key_id))

    def key_by_sha256(self, sha256: str) -> Key | None:
        """Return the API key with this SHA-256."""
        return self._context.store.read(lambda tx: tx.key_by_sha256(sha256))

    def key_names(self, principal: Principal) -> dict[str, str]:
        """Return the names of the account's API keys by id."""
        return self._context.store.read(lambda tx: _get_key_names(tx, principal.account_id))

    def record_session(self, principal: Principal, action: str) -> None:
        """Record a sign-in or sign-out in the audit log."""
        context = self._context
        context.write(
            lambda tx: context.audit(
                tx,
                principal,
                action,
                ("api_key", principal.key_id),
                mailbox_id=principal.mailbox_id,
            ),
            Scope.of_new_rows(principal.account_id),
        )

    def queue(self, principal: Principal, after_id: str, limit: int) -> list[QueueRow]:
        """Return the messages that await a decision, oldest first, after the message `after_id`."""

        def work(tx: Reader) -> list[QueueRow]:
            now = self._context.now()
            rows = tx.pending_messages(
                principal.account_id, principal.mailbox_id, now, after_id, limit
            )
            return [_load_queue_row(tx, message) for message in rows]

        return self._context.store.read(work)

    def peek(self, principal: Principal, email_id: str) -> Message:
        """Return a message without its content and without an audit entry, for polling."""
        return self._context.store.read(lambda tx: _find_reviewable(tx, principal, email_id))

    def item(self, principal: Principal, email_id: str, via: str) -> ReviewItem:
        """Return a message with all that belongs to it, and record the read in the audit log.

        It doesn't mark the message as read: that is the agent's state.

        Args:
            principal: The reviewer.
            email_id: The message.
            via: `page` or `approval_link`, for the audit log.
        """
        context = self._context

        def work(tx: Tx) -> ReviewItem:
            message = _find_reviewable(tx, principal, email_id)
            context.audit_message(tx, principal, "email.read", message, via=via)
            return _load_item(tx, message)

        return context.write(work, scope_of_message(email_id))

    def attachment(
        self, principal: Principal, email_id: str, attachment_id: str
    ) -> tuple[Attachment, bytes]:
        """Return an attachment and record the read in the audit log."""
        context = self._context

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = _find_reviewable(tx, principal, email_id)
            attachment = tx.attachment(attachment_id)
            if attachment is None or attachment.message_id != message.id:
                raise not_found(f"attachment of message {email_id} called", attachment_id)
            resource = ("attachment", attachment.id)
            context.audit(tx, principal, "attachment.read", resource, mailbox_id=message.mailbox_id)
            return attachment, tx.attachment_content(attachment.id)

        return context.write(work, scope_of_message(email_id))

    def raw(self, principal: Principal, email_id: str) -> bytes:
        """Return the raw bytes of a message; `item` has recorded the read."""

        def work(tx: Reader) -> bytes:
            content = tx.content(_find_reviewable(tx, principal, email_id).id)
            return content.raw if content else b""

        return self._context.store.read(work)


def list_recipients(tx: Reader, message: Message, mailbox: Mailbox) -> list[ReviewRecipient]:
    """Return the envelope recipients with the header field that names each."""
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


def _load_queue_row(tx: Reader, message: Message) -> QueueRow:
    content = tx.content(message.id)
    new = 0
    if message.direction is Direction.OUTBOUND:
        unique = set(_lower(message.recipients))
        new = len(unique - tx.approved_recipients(message.mailbox_id, message.recipients))
    files = len(tx.attachments(message.id))
    return QueueRow(message, content.markdown[:500] if content else "", files, new)


def _find_reviewable(tx: Reader, principal: Principal, email_id: str) -> Message:
    message = find_message(tx, principal, email_id)
    if message.status not in HELD and "read" not in principal.scopes:
        raise forbidden(
            "missing_scope",
            f"Message {email_id} awaits no decision. To read other mail, use a key with the read "
            "scope.",
        )
    return message


def _load_item(tx: Reader, message: Message) -> ReviewItem:
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
        recipients=list_recipients(tx, message, mailbox) if outbound else [],
        thread=[_open(tx, other) for other in others if other.id != message.id],
        revisions=tx.revisions(message.id),
        key_names=_get_key_names(tx, message.account_id),
    )


def _open(tx: Reader, message: Message) -> OpenedMessage:
    content = tx.content(message.id)
    text = content.markdown if content else ""
    return OpenedMessage(message, text, tx.attachments(message.id))


def _get_key_names(tx: Reader, account_id: str) -> dict[str, str]:
    return {key.id: key.name for key in tx.keys(account_id)}
