"""Revising: a reviewer edits what waits for a decision. The edit is a new revision, undecided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..mail.compose import OutgoingAttachment, OutgoingMessage, compose
from ..oversight import Direction, Event
from ..refusals import conflict, invalid
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Mailbox, Message, Revision
from .approvers import approver
from .desk import Desk, Principal, find_message
from .draft import content_hash, copies
from .steps import advance, refuse_late


@dataclass(frozen=True, slots=True)
class Edit:
    """What a message is to say instead.

    Attributes:
        subject: One line.
        markdown: The whole text, the mailbox's signature included.
        dropped: Addresses that are not to get it any more. None can be added: a reviewer decides
            on what an agent wrote to somebody, and never writes to somebody else.
    """

    subject: str
    markdown: str
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Before:
    """A held message with all that it is composed from."""

    message: Message
    mailbox: Mailbox
    content: Content
    files: list[tuple[Attachment, bytes]]
    fixed: frozenset[str]


def fixed_recipients(message: Message, mailbox_copies: Sequence[str]) -> frozenset[str]:
    """Return, in lower case, who gets a copy because the mailbox's owner set it up so."""
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    own = {address.lower() for address in mailbox_copies}
    return frozenset(a.lower() for a in message.recipients if a.lower() not in named) | own


class Revising:
    """Ours: the published API has no such operation."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def revise(self, who: Principal, email_id: str, edit: Edit, seen_hash: str) -> Message:
        """Freeze the message anew, keep what it was, and let it wait for its own decision.

        Args:
            who: The reviewer.
            email_id: A send that awaits its decision.
            edit: What it says from now on.
            seen_hash: The `content_hash` that was edited; a mismatch is refused.
        Raises:
            Refusal: It does not wait any more, it changed meanwhile (409), or nobody is left
                to get it (400).
        """
        desk = self._desk
        before = desk.store.read(lambda tx: self._before(tx, who, email_id))
        if before.message.content_hash != seen_hash:
            raise _changed(email_id)
        _check(edit, before)
        now = desk.now()
        after, raw = self._frozen(before, edit, now)

        def work(tx: Tx) -> Message:
            approver(tx.key(who.key_id))
            message = find_message(tx, who, email_id)
            if message != before.message:
                raise _changed(email_id)
            refuse_late(message, desk.now())
            return self._store(tx, who, before, after, Content(message.id, edit.markdown, raw))

        revised = desk.write(work)
        desk.alarms.ring()
        return revised

    def _before(self, tx: Reader, who: Principal, email_id: str) -> _Before:
        approver(tx.key(who.key_id))
        message = find_message(tx, who, email_id)
        content = tx.content(message.id)
        if message.direction is Direction.INBOUND or content is None:
            raise conflict("not_outbound", f"Message {email_id} was received; it cannot be edited.")
        refuse_late(message, self._desk.now())
        mailbox = tx.mailbox(message.mailbox_id)
        if mailbox is None:
            raise conflict("no_mailbox", f"The mailbox of message {email_id} is gone.")
        own = (*copies(mailbox, "auto_cc"), *copies(mailbox, "auto_bcc"))
        files = [(file, tx.attachment_content(file.id)) for file in tx.attachments(message.id)]
        return _Before(message, mailbox, content, files, fixed_recipients(message, own))

    def _frozen(self, before: _Before, edit: Edit, now: datetime) -> tuple[Message, bytes]:
        message = before.message
        kept = replace(
            message,
            subject=edit.subject,
            to=_without(message.to, edit.dropped),
            cc=_without(message.cc, edit.dropped),
            bcc=_without(message.bcc, edit.dropped),
            recipients=_without(message.recipients, edit.dropped),
        )
        head = self._desk.letterhead.fields(before.mailbox, kept.id, len(kept.recipients))
        raw = head + compose(_outgoing(kept, edit.markdown, before.files, now))
        sized = replace(kept, size=len(raw), raw_sha256=hashlib.sha256(raw).hexdigest())
        digests = [file.sha256 for file, _ in before.files]
        return replace(sized, content_hash=content_hash(sized, edit.markdown, digests)), raw

    def _store(
        self, tx: Tx, who: Principal, before: _Before, after: Message, content: Content
    ) -> Message:
        desk, message = self._desk, before.message
        number = len(tx.revisions(message.id)) + 1
        moved = advance(
            tx,
            message,
            Event.REVISED,
            desk.now(),
            desk.pending_ttl,
            subject=after.subject,
            to=after.to,
            cc=after.cc,
            bcc=after.bcc,
            recipients=after.recipients,
            size=after.size,
            raw_sha256=after.raw_sha256,
            content_hash=after.content_hash,
        )
        tx.insert_revision(_kept(before, number, desk.now(), who))
        tx.replace_content(content)
        desk.audit(
            tx,
            who,
            "oversight.revise",
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            revision=number + 1,
            content_hash=after.content_hash,
            content_hash_before=message.content_hash,
            recipients=len(after.recipients),
        )
        return moved or message


def _kept(before: _Before, number: int, now: datetime, who: Principal) -> Revision:
    message = before.message
    return Revision(
        message_id=message.id,
        number=number,
        content_hash=message.content_hash or "",
        to=message.to,
        cc=message.cc,
        recipients=message.recipients,
        subject=message.subject,
        markdown=before.content.markdown,
        raw=before.content.raw,
        replaced_at=now,
        replaced_by=who.key_id,
    )


def _outgoing(
    message: Message, markdown: str, files: list[tuple[Attachment, bytes]], now: datetime
) -> OutgoingMessage:
    return OutgoingMessage(
        message_id=message.rfc_message_id or "",
        date=now,
        from_address=message.from_address,
        from_name=message.from_name,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to[0] if message.reply_to else None,
        subject=message.subject,
        markdown=markdown,
        in_reply_to=message.in_reply_to,
        references=message.refs,
        attachments=tuple(
            OutgoingAttachment(file.name, file.content_type, content) for file, content in files
        ),
    )


def _check(edit: Edit, before: _Before) -> None:
    message = before.message
    if edit.dropped & before.fixed:
        raise invalid(
            "The mailbox's own copies (auto_cc, auto_bcc) cannot be dropped here.", "fixed_copy"
        )
    if not _without((*message.to, *message.cc, *message.bcc), edit.dropped):
        raise invalid("Nobody would get this any more. Leave a recipient, or reject it.")
    same = edit.subject == message.subject and edit.markdown == before.content.markdown
    if same and not edit.dropped:
        raise invalid("Nothing was changed, so there is no new revision.", "nothing_changed")


def _without(addresses: Sequence[str], dropped: frozenset[str]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address.lower() not in dropped)


def _changed(email_id: str) -> Exception:
    return conflict(
        "content_changed",
        f"Message {email_id} changed while it was edited. Nothing was saved; read it again.",
    )
