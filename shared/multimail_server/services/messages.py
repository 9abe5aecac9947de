"""Reading: listings, messages, threads, attachments and tags, as far as a key may see them.

Results: what became of an outbound message, recipient by recipient.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ApiError, conflict, not_found
from ..oversight import Event, State, hides_content
from ..store.protocol import Reader, Tx
from ..store.records import (
    Attachment,
    Content,
    Mailbox,
    Message,
    MessageFilter,
    TestDelivery,
)
from .context import AppContext, Principal, find_mailbox, find_message
from .transitions import apply_event

MAX_TAGS = 50
_MAX_THREAD = 500


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """A message with its content."""

    message: Message
    markdown: str
    attachments: list[Attachment] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread, oldest message first; `bodies` by message id, where they were asked for."""

    thread_id: str
    mailbox: Mailbox
    messages: list[Message]
    bodies: dict[str, OpenedMessage]


def may_see(principal: Principal, message: Message) -> bool:
    """Return whether the key may know what the message says, and who wrote it."""
    return principal.is_reviewer or not hides_content(message.direction, message.status)


class MessageService:
    """API: GET …/emails, …/emails/{id} and what hangs below, …/threads/{thread}."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def listing(self, principal: Principal, mailbox_id: str, where: MessageFilter) -> list[Message]:
        """Return one message more than `where.limit`, if there is one, newest first."""

        def work(tx: Reader) -> list[Message]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            if where.since_id is not None:
                find_message(tx, principal, where.since_id, mailbox.id)
            return tx.list_messages(
                replace(
                    where,
                    mailbox_id=mailbox.id,
                    limit=where.limit + 1,
                    reviewer=principal.is_reviewer,
                )
            )

        return self._context.store.read(work)

    def read(
        self, principal: Principal, mailbox_id: str, email_id: str, *, peek: bool
    ) -> OpenedMessage:
        """Return a message with its body; mark it as read and say so in the audit log.

        Args:
            principal: The reader.
            mailbox_id: Id or address.
            email_id: The message.
            peek: Change nothing (HEAD).
        """
        context = self._context

        def look(tx: Reader) -> OpenedMessage:
            return self._open(tx, self._find(tx, principal, mailbox_id, email_id))

        def open_(tx: Tx) -> OpenedMessage:
            message = self._find(tx, principal, mailbox_id, email_id)
            if may_see(principal, message):
                moved = apply_event(tx, message, Event.OPENED, context.now(), context.pending_ttl)
                message = moved or message
            context.audit(
                tx, principal, "email.read", ("email", message.id), mailbox_id=message.mailbox_id
            )
            return self._open(tx, message)

        return context.store.read(look) if peek else context.write(open_)

    def thread(
        self, principal: Principal, mailbox_id: str, thread_id: str, *, bodies: bool
    ) -> ThreadView:
        """Return a thread, oldest message first: the newest 500 of it.

        Args:
            principal: The reader.
            mailbox_id: Id or address.
            thread_id: The thread.
            bodies: Read every body too; the audit log then says so.
        """
        context = self._context

        def look(tx: Reader) -> ThreadView:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            messages = tx.thread(mailbox.id, thread_id, _MAX_THREAD)
            if not messages:
                raise not_found("thread", thread_id)
            opened = [self._open(tx, m) for m in messages if bodies and may_see(principal, m)]
            by_id = {item.message.id: item for item in opened}
            return ThreadView(thread_id, mailbox, messages, by_id)

        def note(tx: Tx) -> ThreadView:
            found = look(tx)
            mailbox = found.mailbox.id
            context.audit(tx, principal, "thread.read", ("thread", thread_id), mailbox_id=mailbox)
            return found

        return context.write(note) if bodies else context.store.read(look)

    def attachment(
        self, principal: Principal, mailbox_id: str, email_id: str, name: str
    ) -> tuple[Attachment, bytes]:
        """Return an attachment by its name, or by its id where names repeat."""
        context = self._context

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = self._visible(tx, principal, mailbox_id, email_id)
            files = tx.attachments(message.id)
            found = next((file for file in files if name in (file.name, file.id)), None)
            if found is None:
                raise not_found(f"attachment of message {email_id} called", name)
            context.audit(
                tx,
                principal,
                "attachment.read",
                ("attachment", found.id),
                mailbox_id=message.mailbox_id,
            )
            return found, tx.attachment_content(found.id)

        return context.write(work)

    def attachment_by_link(self, attachment_id: str) -> tuple[Attachment, bytes]:
        """Return what a signed link names; the signature has been checked."""

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            found = tx.attachment(attachment_id)
            message = tx.message(found.message_id) if found else None
            if found is None or message is None:
                raise not_found("attachment", attachment_id)
            self._context.audit(
                tx,
                Principal.system(message.account_id),
                "attachment.read_by_link",
                ("attachment", found.id),
                mailbox_id=message.mailbox_id,
            )
            return found, tx.attachment_content(found.id)

        return self._context.write(work)

    def raw(self, principal: Principal, mailbox_id: str, email_id: str) -> bytes:
        """Return the exact RFC 5322 bytes that were received, or that are transmitted."""
        context = self._context

        def work(tx: Tx) -> bytes:
            message = self._visible(tx, principal, mailbox_id, email_id)
            context.audit(
                tx,
                principal,
                "email.read_raw",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
            )
            return _transmitted(tx, message)

        return context.write(work)

    def tags(self, principal: Principal, mailbox_id: str, email_id: str) -> dict[str, str]:
        """Return the labels of a message."""
        return self._context.store.read(
            lambda tx: tx.tags(self._find(tx, principal, mailbox_id, email_id).id)
        )

    def set_tags(
        self, principal: Principal, mailbox_id: str, email_id: str, tags: dict[str, str]
    ) -> dict[str, str]:
        """Replace all labels of a message."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, principal, mailbox_id, email_id)
            self._put_tags(tx, principal, message, tags)
            return tags

        return self._context.write(work)

    def add_tag(
        self, principal: Principal, mailbox_id: str, email_id: str, name: str, value: str
    ) -> dict[str, str]:
        """Give a message one label more, or the one that it has another value; return all."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, principal, mailbox_id, email_id)
            tags = {**tx.tags(message.id), name: value}
            if len(tags) > MAX_TAGS:
                raise conflict(
                    "too_many_tags",
                    f"Message {email_id} has {MAX_TAGS} tags already. Remove one first.",
                )
            self._put_tags(tx, principal, message, tags)
            return tags

        return self._context.write(work)

    def remove_tag(
        self, principal: Principal, mailbox_id: str, email_id: str, name: str
    ) -> dict[str, str]:
        """Remove one label, whether it is there or not; return those that are left."""

        def work(tx: Tx) -> dict[str, str]:
            message = self._find(tx, principal, mailbox_id, email_id)
            left = {key: value for key, value in tx.tags(message.id).items() if key != name}
            self._put_tags(tx, principal, message, left)
            return left

        return self._context.write(work)

    def test_deliveries(
        self, principal: Principal, limit: int
    ) -> list[tuple[TestDelivery, Message]]:
        """Return what test keys "delivered", newest first."""

        def work(tx: Reader) -> list[tuple[TestDelivery, Message]]:
            rows = tx.test_deliveries(principal.account_id, principal.mailbox_id, limit)
            found = [(row, tx.message(row.message_id)) for row in rows]
            return [(row, message) for row, message in found if message is not None]

        return self._context.store.read(work)

    def test_delivery_raw(self, principal: Principal, email_id: str) -> bytes:
        """Return the bytes that a test key "delivered"."""

        def work(tx: Reader) -> bytes:
            message = find_message(tx, principal, email_id)
            if tx.test_delivery(message.id) is None:
                raise not_found("test delivery", email_id)
            return _transmitted(tx, message)

        return self._context.store.read(work)

    def _find(self, tx: Reader, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        return find_message(tx, principal, email_id, find_mailbox(tx, principal, mailbox_id).id)

    def _visible(self, tx: Reader, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        message = self._find(tx, principal, mailbox_id, email_id)
        if message.status is State.DELETED:
            raise ApiError(410, "erased", f"The content of message {email_id} was erased.")
        if not may_see(principal, message):
            raise conflict(
                "pending_approval",
                f"What message {email_id} holds is shown after a reviewer has approved it.",
            )
        return message

    def _put_tags(
        self, tx: Tx, principal: Principal, message: Message, tags: dict[str, str]
    ) -> None:
        tx.set_tags(message.id, tags)
        self._context.audit(
            tx,
            principal,
            "email.tag",
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            tags=sorted(tags),
        )

    @staticmethod
    def _open(tx: Reader, message: Message) -> OpenedMessage:
        content: Content | None = tx.content(message.id)
        return OpenedMessage(
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


_OVER = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED, State.SEND_FAILED})


def get_delivery_results(message: Message) -> list[dict[str, Any]]:
    """Return address, status, code and text of each recipient.

    The status is pending, delivered (the relay took it), deferred, refused, bounced, suppressed,
    or not_sent for a message that will not leave any more.
    """
    return [_delivery_result(message, address) for address in message.recipients]


def _delivery_result(message: Message, address: str) -> dict[str, Any]:
    told = message.delivery.get(address) or {}
    return {
        "address": address,
        "status": _recipient_status(message, told),
        "code": told.get("code"),
        "text": told.get("detail"),
        "enhanced_code": told.get("enhanced"),
        "bounce_type": told.get("kind"),
    }


def _recipient_status(message: Message, told: dict[str, Any]) -> str:
    if not told:
        if message.status is State.SENT:
            return "delivered"
        return "not_sent" if message.status in _OVER else "pending"
    if told["accepted"]:
        return "delivered"
    for mark, status in (("suppressed", "suppressed"), ("bounced_at", "bounced")):
        if told.get(mark):
            return status
    again = not told.get("permanent") and message.status is State.SENDING
    return "deferred" if again else "refused"
