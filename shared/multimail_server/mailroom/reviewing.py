"""Reviewing: everything that a human has to see before deciding, in one consistent look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..oversight import Direction
from ..refusals import forbidden, not_found
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Key, Mailbox, Message, Revision
from .approval_links import HELD
from .desk import Desk, Principal, find_message
from .draft import copies
from .reading import Opened
from .revising import fixed_recipients

_THREAD_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Addressee:
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
class Waiting:
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
    addressees: list[Addressee]
    thread: list[Opened]
    revisions: list[Revision]
    names: dict[str, str]

    @property
    def is_held(self) -> bool:
        """Whether it awaits a decision."""
        return self.message.status in HELD


class Reviewing:
    """What the human's page shows."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def key(self, key_id: str) -> Key | None:
        """Return a key as it is now."""
        return self._desk.store.read(lambda tx: tx.key(key_id))

    def key_by_sha256(self, sha256: str) -> Key | None:
        """Return the key with this digest, as it is now."""
        return self._desk.store.read(lambda tx: tx.key_by_sha256(sha256))

    def key_names(self, who: Principal) -> dict[str, str]:
        """Return the names of the account's keys by their ids."""
        return self._desk.store.read(lambda tx: _names(tx, who.account_id))

    def note_session(self, who: Principal, action: str) -> None:
        """Say in the audit log that somebody signed in to the pages, or out."""
        desk = self._desk
        desk.write(
            lambda tx: desk.audit(
                tx, who, action, ("api_key", who.key_id), mailbox_id=who.mailbox_id
            )
        )

    def queue(self, who: Principal, after_id: str, limit: int) -> list[Waiting]:
        """Return what awaits a decision, oldest first, after the item `after_id`."""

        def work(tx: Reader) -> list[Waiting]:
            now = self._desk.now()
            rows = tx.pending_messages(who.account_id, who.mailbox_id, now, after_id, limit)
            return [_waiting(tx, message) for message in rows]

        return self._desk.store.read(work)

    def peek(self, who: Principal, email_id: str) -> Message:
        """Return a message without its content; no audit line, for a page that asks often."""
        return self._desk.store.read(lambda tx: _reviewable(tx, who, email_id))

    def item(self, who: Principal, email_id: str, via: str) -> ReviewItem:
        """Return one message with all that belongs to it; the audit log says who looked.

        It marks nothing as read: what an agent has not read stays unread for it.

        Args:
            who: The reviewer.
            email_id: The message.
            via: How they look, `page` or `approval_link`, for the audit log.
        """
        desk = self._desk

        def work(tx: Tx) -> ReviewItem:
            message = _reviewable(tx, who, email_id)
            about = ("email", message.id)
            desk.audit(tx, who, "email.read", about, mailbox_id=message.mailbox_id, via=via)
            return _item(tx, message)

        return desk.write(work)

    def attachment(
        self, who: Principal, email_id: str, attachment_id: str
    ) -> tuple[Attachment, bytes]:
        """Return a file of a message that the reviewer may see; the audit log says so."""
        desk = self._desk

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = _reviewable(tx, who, email_id)
            found = tx.attachment(attachment_id)
            if found is None or found.message_id != message.id:
                raise not_found(f"attachment of message {email_id} called", attachment_id)
            about = ("attachment", found.id)
            desk.audit(tx, who, "attachment.read", about, mailbox_id=message.mailbox_id)
            return found, tx.attachment_content(found.id)

        return desk.write(work)

    def raw(self, who: Principal, email_id: str) -> bytes:
        """Return the exact bytes of a message; no audit line, since `item` has written one."""

        def work(tx: Reader) -> bytes:
            content = tx.content(_reviewable(tx, who, email_id).id)
            return content.raw if content else b""

        return self._desk.store.read(work)


def addressees(tx: Reader, message: Message, mailbox: Mailbox) -> list[Addressee]:
    """Return everyone in the envelope, with the field that names them."""
    auto_cc, auto_bcc = copies(mailbox, "auto_cc"), copies(mailbox, "auto_bcc")
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
        Addressee(
            address,
            fields[address.lower()],
            address.lower() not in known,
            address.lower() in fixed,
        )
        for address in message.recipients
    ]


def _lower(addresses: Sequence[str]) -> list[str]:
    return [address.lower() for address in addresses]


def _waiting(tx: Reader, message: Message) -> Waiting:
    content = tx.content(message.id)
    new = 0
    if message.direction is Direction.OUTBOUND:
        unique = set(_lower(message.recipients))
        new = len(unique - tx.approved_recipients(message.mailbox_id, message.recipients))
    files = len(tx.attachments(message.id))
    return Waiting(message, content.markdown[:500] if content else "", files, new)


def _reviewable(tx: Reader, who: Principal, email_id: str) -> Message:
    message = find_message(tx, who, email_id)
    if message.status not in HELD and "read" not in who.scopes:
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


def _opened(tx: Reader, message: Message) -> Opened:
    content = tx.content(message.id)
    text = content.markdown if content else ""
    return Opened(message, text, tx.attachments(message.id))


def _names(tx: Reader, account_id: str) -> dict[str, str]:
    return {key.id: key.name for key in tx.keys(account_id)}
