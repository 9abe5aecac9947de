"""Reading: listings, messages, threads, attachments and tags, as far as a key may see them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..oversight import Event, State, hides_content
from ..refusals import Refusal, conflict, not_found
from ..store.protocol import Reader, Tx
from ..store.records import (
    Attachment,
    Content,
    Mailbox,
    Message,
    MessageFilter,
    TestDelivery,
)
from .desk import Desk, Principal, find_mailbox, find_message, the_server
from .steps import advance

MOST_TAGS = 50
_LONGEST_THREAD = 500


@dataclass(frozen=True, slots=True)
class Opened:
    """A message with its content."""

    message: Message
    markdown: str
    attachments: list[Attachment] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread, oldest message first; `bodies` by message id, where they were asked for."""

    thread_id: str
    mailbox: Mailbox
    messages: list[Message]
    bodies: dict[str, Opened]


def may_see(who: Principal, message: Message) -> bool:
    """Return whether the key may know what the message says, and who wrote it."""
    return who.is_reviewer or not hides_content(message.direction, message.status)


class Reading:
    """API: GET …/emails, …/emails/{id} and what hangs below, …/threads/{thread}."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def listing(self, who: Principal, mailbox_id: str, where: MessageFilter) -> list[Message]:
        """Return one message more than `where.limit`, if there is one, newest first."""

        def work(tx: Reader) -> list[Message]:
            mailbox = find_mailbox(tx, who, mailbox_id)
            if where.since_id is not None:
                find_message(tx, who, where.since_id, mailbox.id)
            return tx.list_messages(
                replace(
                    where,
                    mailbox_id=mailbox.id,
                    limit=where.limit + 1,
                    reviewer=who.is_reviewer,
                )
            )

        return self._desk.store.read(work)

    def read(self, who: Principal, mailbox_id: str, email_id: str, *, peek: bool) -> Opened:
        """Return a message with its body; mark it as read and say so in the audit log.

        Args:
            who: The reader.
            mailbox_id: Id or address.
            email_id: The message.
            peek: Change nothing (HEAD).
        """
        desk = self._desk

        def look(tx: Reader) -> Opened:
            return self._open(tx, self._find(tx, who, mailbox_id, email_id))

        def open_(tx: Tx) -> Opened:
            message = self._find(tx, who, mailbox_id, email_id)
            if may_see(who, message):
                moved = advance(tx, message, Event.OPENED, desk.now(), desk.pending_ttl)
                message = moved or message
            desk.audit(tx, who, "email.read", ("email", message.id), mailbox_id=message.mailbox_id)
            return self._open(tx, message)

        return desk.store.read(look) if peek else desk.write(open_)

    def thread(
        self, who: Principal, mailbox_id: str, thread_id: str, *, bodies: bool
    ) -> Conversation:
        """Return a thread, oldest message first: the newest 500 of it.

        Args:
            who: The reader.
            mailbox_id: Id or address.
            thread_id: The thread.
            bodies: Read every body too; the audit log then says so.
        """
        desk = self._desk

        def look(tx: Reader) -> Conversation:
            mailbox = find_mailbox(tx, who, mailbox_id)
            messages = tx.thread(mailbox.id, thread_id, _LONGEST_THREAD)
            if not messages:
                raise not_found("thread", thread_id)
            opened = [self._open(tx, m) for m in messages if bodies and may_see(who, m)]
            by_id = {item.message.id: item for item in opened}
            return Conversation(thread_id, mailbox, messages, by_id)

        def note(tx: Tx) -> Conversation:
            found = look(tx)
            mailbox = found.mailbox.id
            desk.audit(tx, who, "thread.read", ("thread", thread_id), mailbox_id=mailbox)
            return found

        return desk.write(note) if bodies else desk.store.read(look)

    def attachment(
        self, who: Principal, mailbox_id: str, email_id: str, name: str
    ) -> tuple[Attachment, bytes]:
        """Return an attachment by its name, or by its id where names repeat."""
        desk = self._desk

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = self._visible(tx, who, mailbox_id, email_id)
            files = tx.attachments(message.id)
            found = next((file for file in files if name in (file.name, file.id)), None)
            if found is None:
                raise not_found(f"attachment of message {email_id} called", name)
            desk.audit(
                tx,
                who,
                "attachment.read",
                ("attachment", found.id),
                mailbox_id=message.mailbox_id,
            )
            return found, tx.attachment_content(found.id)

        return desk.write(work)

    def attachment_by_link(self, attachment_id: str) -> tuple[Attachment, bytes]:
        """Return what a signed link names; the signature has been checked."""

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            found = tx.attachment(attachment_id)
            message = tx.message(found.message_id) if found else None
            if found is None or message is None:
                raise not_found("attachment", attachment_id)
            self._desk.audit(
                tx,
                the_server(message.account_id),
                "attachment.read_by_link",
                ("attachment", found.id),
                mailbox_id=message.mailbox_id,
            )
            return found, tx.attachment_content(found.id)

        return self._desk.write(work)

    def raw(self, who: Principal, mailbox_id: str, email_id: str) -> bytes:
        """Return the exact RFC 5322 bytes that were received, or that are transmitted."""
        desk = self._desk

        def work(tx: Tx) -> bytes:
            message = self._visible(tx, who, mailbox_id, email_id)
            desk.audit(
                tx, who, "email.read_raw", ("email", message.id), mailbox_id=message.mailbox_id
            )
            return _transmitted(tx, message)

        return desk.write(work)

    def tags(self, who: Principal, mailbox_id: str, email_id: str) -> dict[str, str]:
        """Return the labels of a message."""
        return self._desk.store.read(
            lambda tx: tx.tags(self._find(tx, who, mailbox_id, email_id).id)
        )

    def set_tags(
        self, who: Principal, mailbox_id: str, email_id: str, tags: dict[str, str]
    ) -> dict[str, str]:
        """Replace all labels of a message."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, who, mailbox_id, email_id)
            self._put_tags(tx, who, message, tags)
            return tags

        return self._desk.write(work)

    def add_tag(
        self, who: Principal, mailbox_id: str, email_id: str, name: str, value: str
    ) -> dict[str, str]:
        """Give a message one label more, or the one that it has another value; return all."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, who, mailbox_id, email_id)
            tags = {**tx.tags(message.id), name: value}
            if len(tags) > MOST_TAGS:
                raise conflict(
                    "too_many_tags",
                    f"Message {email_id} has {MOST_TAGS} tags already. Remove one first.",
                )
            self._put_tags(tx, who, message, tags)
            return tags

        return self._desk.write(work)

    def remove_tag(
        self, who: Principal, mailbox_id: str, email_id: str, name: str
    ) -> dict[str, str]:
        """Remove one label, whether it is there or not; return those that are left."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, who, mailbox_id, email_id)
            left = {key: value for key, value in tx.tags(message.id).items() if key != name}
            self._put_tags(tx, who, message, left)
            return left

        return self._desk.write(work)

    def test_deliveries(self, who: Principal, limit: int) -> list[tuple[TestDelivery, Message]]:
        """Return what test keys "delivered", newest first."""

        def work(tx: Reader) -> list[tuple[TestDelivery, Message]]:
            rows = tx.test_deliveries(who.account_id, who.mailbox_id, limit)
            found = [(row, tx.message(row.message_id)) for row in rows]
            return [(row, message) for row, message in found if message is not None]

        return self._desk.store.read(work)

    def test_delivery_raw(self, who: Principal, email_id: str) -> bytes:
        """Return the bytes that a test key "delivered"."""

        def work(tx: Reader) -> bytes:
            message = find_message(tx, who, email_id)
            if tx.test_delivery(message.id) is None:
                raise not_found("test delivery", email_id)
            return _transmitted(tx, message)

        return self._desk.store.read(work)

    def _find(self, tx: Reader, who: Principal, mailbox_id: str, email_id: str) -> Message:
        return find_message(tx, who, email_id, find_mailbox(tx, who, mailbox_id).id)

    def _visible(self, tx: Reader, who: Principal, mailbox_id: str, email_id: str) -> Message:
        message = self._find(tx, who, mailbox_id, email_id)
        if message.status is State.DELETED:
            raise Refusal(410, "erased", f"The content of message {email_id} was erased.")
        if not may_see(who, message):
            raise conflict(
                "pending_approval",
                f"What message {email_id} holds is shown after a reviewer has approved it.",
            )
        return message

    def _put_tags(self, tx: Tx, who: Principal, message: Message, tags: dict[str, str]) -> None:
        tx.set_tags(message.id, tags)
        self._desk.audit(
            tx,
            who,
            "email.tag",
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            tags=sorted(tags),
        )

    @staticmethod
    def _open(tx: Reader, message: Message) -> Opened:
        content: Content | None = tx.content(message.id)
        return Opened(
            message,
            content.markdown if content else "",
            tx.attachments(message.id),
            tx.tags(message.id),
            content.removed if content else (),
        )


def _transmitted(tx: Reader, message: Message) -> bytes:
    """Return a message's bytes, under the fields that it got on its way out, if it left."""
    content, stamp = tx.content(message.id), tx.signed_headers(message.id)
    return (stamp.head if stamp else b"") + (content.raw if content else b"")
