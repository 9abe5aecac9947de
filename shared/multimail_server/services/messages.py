"""Listings, messages, threads, attachments, tags and delivery results, as a key can see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..auth import Principal
from ..errors import ApiError, conflict, not_found
from ..mail.body import Version, parse_tree, read_body
from ..mail.file_text import FileText, build_part, read_file_text
from ..mail.message import list_files
from ..mail.mime import find_body_charset
from ..oversight import NOT_SENT, Direction, Event, State, hides_content
from ..store.protocol import Reader, Scope, Tx
from ..store.records import (
    Attachment,
    Content,
    Mailbox,
    Message,
    MessageFilter,
    Tag,
    TestDelivery,
)
from .context import AppContext, find_mailbox, find_message, scope_of_message
from .threads import find_current_thread
from .transitions import apply_event

_FIELDS = ("result", "domain", "aligned", "policy", "sealer")


def shorten_evidence(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence that decides a trust label, without selectors and reasons."""
    short: dict[str, Any] = {"dkim": [_shorten(part) for part in evidence.get("dkim") or []]}
    for method in ("spf", "dmarc", "arc"):
        if evidence.get(method):
            short[method] = _shorten(evidence[method])
    short.update({name: evidence[name] for name in ("structure", "flags") if evidence.get(name)})
    return short


def _shorten(method: dict[str, Any]) -> dict[str, Any]:
    return {name: method[name] for name in _FIELDS if method.get(name) is not None}


def describe_answered(original: Message) -> dict[str, Any]:
    """Return what a reply keeps of the inbound message that its subject and quotes come from.

    Args:
        original: The message that it answers. Of an outbound one, the same as that keeps: its
            subject came from there.
    """
    if original.direction is Direction.OUTBOUND:
        return original.answers
    return {
        "id": original.id,
        "from": original.from_address,
        "authentication": shorten_evidence(original.authentication),
    }


MAX_TAGS = 50
_MAX_THREAD = 500


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """A message with its content."""

    message: Message
    markdown: str
    attachments: list[Attachment] = field(default_factory=list)
    tags: Sequence[Tag] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread, oldest message first; `bodies` by message id, if requested."""

    thread_id: str
    mailbox: Mailbox
    messages: list[Message]
    bodies: dict[str, OpenedMessage]


def may_see(principal: Principal, message: Message) -> bool:
    """Return whether the key can see the content and the sender of the message."""
    return principal.is_reviewer or not hides_content(message.direction, message.status)


class MessageService:
    """API: GET …/emails, …/emails/{id} and its sub-resources, …/threads/{thread}."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_messages(
        self, principal: Principal, mailbox_id: str, where: MessageFilter
    ) -> list[Message]:
        """Return up to `where.limit` + 1 messages, newest first."""

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
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        *,
        peek: bool,
        version: Version | None = None,
    ) -> OpenedMessage:
        """Return a message with its body, mark it as read and record the read in the audit log.

        Args:
            principal: The principal of the request.
            mailbox_id: Id or address.
            email_id: The message.
            peek: Change and record nothing (HEAD).
            version: The version of a received body to return if there are two; default, the one
                that is stored.
        """
        context = self._context

        def peek_at(tx: Reader) -> OpenedMessage:
            return self._open(tx, self._find(tx, principal, mailbox_id, email_id))

        def mark_read(tx: Tx) -> OpenedMessage:
            message = self._find(tx, principal, mailbox_id, email_id)
            if may_see(principal, message):
                moved = apply_event(tx, message, Event.OPENED, context.now(), context.pending_ttl)
                message = moved or message
            context.audit_message(tx, principal, "email.read", message)
            return self._open(tx, message)

        opened = (
            context.store.read(peek_at)
            if peek
            else context.write(mark_read, scope_of_message(email_id))
        )
        is_received = opened.message.direction is Direction.INBOUND
        if version is None or not is_received or not may_see(principal, opened.message):
            return opened
        content = context.store.read(lambda tx: tx.content(opened.message.id))
        body = read_body(parse_tree(content.raw if content else b""), version)
        return replace(opened, markdown=body.text, removed=body.removed)

    def thread(
        self, principal: Principal, mailbox_id: str, thread_id: str, *, bodies: bool
    ) -> ThreadView:
        """Return the newest 500 messages of a thread, oldest first.

        Args:
            principal: The principal of the request.
            mailbox_id: Id or address.
            thread_id: The thread.
            bodies: Include the bodies and record the read in the audit log.
        """
        context = self._context

        def load(tx: Reader) -> ThreadView:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            current = find_current_thread(tx, mailbox.id, thread_id)
            messages = tx.thread(mailbox.id, current, _MAX_THREAD)
            if not messages:
                raise not_found("thread", thread_id)
            opened = [self._open(tx, m) for m in messages if bodies and may_see(principal, m)]
            by_id = {item.message.id: item for item in opened}
            return ThreadView(current, mailbox, messages, by_id)

        def load_and_record(tx: Tx) -> ThreadView:
            thread = load(tx)
            resource, mailbox = ("thread", thread_id), thread.mailbox.id
            context.audit(tx, principal, "thread.read", resource, mailbox_id=mailbox)
            return thread

        if not bodies:
            return context.store.read(load)
        return context.write(load_and_record, Scope.of_new_rows(principal.account_id))

    def attachment(
        self, principal: Principal, mailbox_id: str, email_id: str, name: str
    ) -> tuple[Attachment, bytes]:
        """Return an attachment by its name, or by its id where names repeat."""
        context = self._context

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = self._find_visible(tx, principal, mailbox_id, email_id)
            files = tx.attachments(message.id)
            attachment = next((file for file in files if name in (file.name, file.id)), None)
            if attachment is None:
                raise not_found(
                    f"attachment of message {email_id} called",
                    name,
                    "Check the name; the message lists its attachments.",
                )
            context.audit(
                tx,
                principal,
                "attachment.read",
                ("attachment", attachment.id),
                mailbox_id=message.mailbox_id,
            )
            return attachment, tx.attachment_content(attachment.id)

        return context.write(work, scope_of_message(email_id))

    def attachment_text(self, file: Attachment, content: bytes) -> FileText:
        """Return the text of an attachment, read as its part of the message says."""
        stored = self._context.store.read(lambda tx: tx.content(file.message_id))
        tree = parse_tree(stored.raw) if stored else None
        parts = list_files(tree) if tree else []
        part = parts[file.position] if file.position < len(parts) else None
        if part is None or part.content() != content:
            part = build_part(content, file.content_type)
        return read_file_text(part, file.name, find_body_charset(tree) if tree else "")

    def attachment_by_link(self, attachment_id: str) -> tuple[Attachment, bytes]:
        """Return the attachment of a signed link whose signature was checked."""

        def scope_of_file(tx: Reader) -> Scope | None:
            file = tx.attachment(attachment_id)
            return scope_of_message(file.message_id)(tx) if file else None

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            attachment = tx.attachment(attachment_id)
            message = tx.message(attachment.message_id) if attachment else None
            if attachment is None or message is None:
                raise not_found("attachment", attachment_id)
            self._context.audit(
                tx,
                Principal.system(message.account_id),
                "attachment.read_by_link",
                ("attachment", attachment.id),
                mailbox_id=message.mailbox_id,
            )
            return attachment, tx.attachment_content(attachment.id)

        return self._context.write(work, scope_of_file)

    def raw(self, principal: Principal, mailbox_id: str, email_id: str) -> bytes:
        """Return the RFC 5322 bytes as received or as transmitted."""
        context = self._context

        def work(tx: Tx) -> bytes:
            message = self._find_visible(tx, principal, mailbox_id, email_id)
            context.audit_message(tx, principal, "email.read_raw", message)
            return _transmitted(tx, message)

        return context.write(work, scope_of_message(email_id))

    def tags(self, principal: Principal, mailbox_id: str, email_id: str) -> list[Tag]:
        """Return the tags of a message."""
        return self._context.store.read(
            lambda tx: tx.tags(self._find(tx, principal, mailbox_id, email_id).id)
        )

    def set_tags(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        tags: Mapping[str, str],
        label: str | None = None,
    ) -> list[Tag]:
        """Replace all tags of a message; one that stays as it is keeps its label.

        Args:
            principal: The principal of the request.
            mailbox_id: Id or address.
            email_id: The message.
            tags: Their values by name.
            label: The worst trust label that their writer had read; None for none.
        """
        return self._change_tags(
            principal, mailbox_id, email_id, lambda old: _merge_tags(email_id, old, tags, label)
        )

    def add_tag(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        name: str,
        value: str,
        label: str | None = None,
    ) -> list[Tag]:
        """Add a tag to a message or change its value; return all tags."""

        def add(old: list[Tag]) -> list[Tag]:
            values = {**{tag.name: tag.value for tag in old}, name: value}
            if len(values) > MAX_TAGS:
                raise conflict(
                    "too_many_tags",
                    f"Message {email_id} has {MAX_TAGS} tags already. Remove one first.",
                )
            return _merge_tags(email_id, old, values, label)

        return self._change_tags(principal, mailbox_id, email_id, add)

    def remove_tag(
        self, principal: Principal, mailbox_id: str, email_id: str, name: str
    ) -> list[Tag]:
        """Remove a tag if it is there; return the remaining tags."""
        return self._change_tags(
            principal, mailbox_id, email_id, lambda old: [tag for tag in old if tag.name != name]
        )

    def test_deliveries(
        self, principal: Principal, limit: int
    ) -> list[tuple[TestDelivery, Message]]:
        """Return the messages that test keys delivered to the test outbox, newest first."""

        def work(tx: Reader) -> list[tuple[TestDelivery, Message]]:
            rows = tx.test_deliveries(principal.account_id, principal.mailbox_id, limit)
            pairs = [(row, tx.message(row.message_id)) for row in rows]
            return [(row, message) for row, message in pairs if message is not None]

        return self._context.store.read(work)

    def test_delivery_raw(self, principal: Principal, email_id: str) -> bytes:
        """Return the bytes of a message in the test outbox."""

        def work(tx: Reader) -> bytes:
            message = find_message(tx, principal, email_id)
            if tx.test_delivery(message.id) is None:
                raise not_found("test delivery", email_id)
            return _transmitted(tx, message)

        return self._context.store.read(work)

    def _find(self, tx: Reader, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        return find_message(tx, principal, email_id, find_mailbox(tx, principal, mailbox_id).id)

    def _find_visible(
        self, tx: Reader, principal: Principal, mailbox_id: str, email_id: str
    ) -> Message:
        message = self._find(tx, principal, mailbox_id, email_id)
        if message.status is State.DELETED:
            raise ApiError(
                410,
                "erased",
                f"The content of message {email_id} was erased: its retention time ended.",
            )
        if not may_see(principal, message):
            raise conflict(
                "pending_approval",
                f"Message {email_id} awaits approval. Its content is shown once it is approved.",
            )
        return message

    def _change_tags(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        change: Callable[[list[Tag]], list[Tag]],
    ) -> list[Tag]:
        def work(tx: Tx) -> list[Tag]:
            message = self._find(tx, principal, mailbox_id, email_id)
            tags = change(tx.tags(message.id))
            tx.set_tags(message.id, tags)
            names = sorted(tag.name for tag in tags)
            self._context.audit_message(tx, principal, "email.tag", message, tags=names)
            return tags

        return self._context.write(work, scope_of_message(email_id))

    @staticmethod
    def _open(tx: Reader, message: Message) -> OpenedMessage:
        content: Content | None = tx.content(message.id)
        return OpenedMessage(
            message,
            content.markdown if content else "",
            tx.attachments(message.id),
            tx.tags(message.id),
            content.removed if content else (),
            content.notes if content else (),
        )


def _merge_tags(
    message_id: str, old: Iterable[Tag], values: Mapping[str, str], label: str | None
) -> list[Tag]:
    """Return the tags of these values; a new or changed one gets the label of this request."""
    kept = {(tag.name, tag.value): tag for tag in old}
    return [
        kept.get((name, value)) or Tag(message_id, name, value, label)
        for name, value in values.items()
    ]


def _transmitted(tx: Reader, message: Message) -> bytes:
    """Return the bytes of a message, with its signed headers if it left."""
    content, signed = tx.content(message.id), tx.signed_headers(message.id)
    return (signed.head if signed else b"") + (content.raw if content else b"")


def get_delivery_results(message: Message) -> list[dict[str, Any]]:
    """Return the delivery result of each recipient: address, status, code and text.

    The status is pending, delivered (accepted by the relay), deferred, refused, bounced,
    suppressed, or not_sent for a message that will never leave.
    """
    return [_delivery_result(message, address) for address in message.recipients]


def _delivery_result(message: Message, address: str) -> dict[str, Any]:
    result = message.delivery.get(address) or {}
    return {
        "address": address,
        "status": _recipient_status(message, result),
        "code": result.get("code"),
        "text": result.get("detail"),
        "enhanced_code": result.get("enhanced"),
        "bounce_type": result.get("kind"),
    }


def _recipient_status(message: Message, result: dict[str, Any]) -> str:
    if not result:
        if message.status is State.SENT:
            return "delivered"
        return "not_sent" if message.status in NOT_SENT else "pending"
    if result["accepted"]:
        return "delivered"
    for key, status in (("suppressed", "suppressed"), ("bounced_at", "bounced")):
        if result.get(key):
            return status
    retried = not result.get("permanent") and message.status is State.SENDING
    return "deferred" if retried else "refused"
