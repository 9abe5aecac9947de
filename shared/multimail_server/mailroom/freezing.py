"""Freezing anew: a message that has not left gets other content, and what it was is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..mail.compose import OutgoingAttachment, OutgoingMessage, compose
from ..oversight import Event
from ..refusals import Refusal, conflict
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Mailbox, Message, Revision
from .desk import Desk, Principal
from .draft import content_hash
from .steps import advance, refuse_late

_CHANGED = ("subject", "to", "cc", "bcc", "recipients", "has_attachments", "size", "raw_sha256",
            "content_hash", "mode", "send_at", "composer_key_id")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frozen:
    """A message that has not left, with all that it is composed from."""

    message: Message
    mailbox: Mailbox
    content: Content
    files: tuple[OutgoingAttachment, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        """The SHA-256 of each file, in order."""
        return tuple(hashlib.sha256(file.content).hexdigest() for file in self.files)


def as_frozen(tx: Reader, message: Message, content: Content) -> Frozen:
    """Return a message as it was frozen last."""
    mailbox = tx.mailbox(message.mailbox_id)
    if mailbox is None:
        raise conflict("no_mailbox", f"The mailbox of message {message.id} is gone.")
    files = tuple(
        OutgoingAttachment(file.name, file.content_type, tx.attachment_content(file.id))
        for file in tx.attachments(message.id)
    )
    return Frozen(message, mailbox, content, files)


def frozen_anew(
    desk: Desk,
    wanted: Message,
    mailbox: Mailbox,
    markdown: str,
    files: tuple[OutgoingAttachment, ...],
) -> Frozen:
    """Return a message composed again, with its new bytes and their digests.

    Args:
        desk: The mailroom's desk.
        wanted: The message with the envelope and the subject that it is to have.
        mailbox: Whose it is.
        markdown: The whole text, the mailbox's signature included.
        files: Its files, in order.
    """
    head = desk.letterhead.fields(mailbox, wanted.id, len(wanted.recipients))
    raw = head + compose(_outgoing(wanted, markdown, files, desk.now()))
    digest = hashlib.sha256(raw).hexdigest()
    sized = replace(wanted, size=len(raw), raw_sha256=digest, has_attachments=bool(files))
    made = Frozen(sized, mailbox, Content(wanted.id, markdown, raw), files)
    hashed = replace(sized, content_hash=content_hash(sized, markdown, made.digests))
    return replace(made, message=hashed)


def put_revision(
    desk: Desk, tx: Tx, who: Principal, event: Event, action: str, before: Frozen, after: Frozen
) -> Message:
    """Put one frozen form in the place of another, if the oversight table lets `event` happen.

    Args:
        desk: The mailroom's desk.
        tx: The transaction in which `before` was found to be still so.
        who: Whose edit it is.
        event: `REVISED` or `EDITED`.
        action: Of the audit line.
        before: What is replaced, and kept as a revision.
        after: What it is from now on.
    """
    message = before.message
    refuse_late(message, desk.now())
    number = len(tx.revisions(message.id)) + 1
    changes: dict[str, Any] = {name: getattr(after.message, name) for name in _CHANGED}
    # The table is asked under the mode that holds from now on.
    asked = replace(message, mode=after.message.mode)
    moved = advance(tx, asked, event, desk.now(), desk.pending_ttl, **changes)
    tx.insert_revision(_kept(before, number, desk.now(), who))
    tx.replace_content(after.content)
    if after.files != before.files:
        tx.remove_attachments(message.id)
        insert_files(desk, tx, message.id, after.files)
    desk.audit(
        tx,
        who,
        action,
        ("email", message.id),
        mailbox_id=message.mailbox_id,
        revision=number + 1,
        content_hash=after.message.content_hash,
        content_hash_before=message.content_hash,
        recipients=len(after.message.recipients),
    )
    return moved or message


def insert_files(
    desk: Desk, tx: Tx, message_id: str, files: tuple[OutgoingAttachment, ...]
) -> None:
    """Keep the files of a message."""
    for position, file in enumerate(files):
        row = Attachment(
            id=desk.ids.new("att"),
            message_id=message_id,
            position=position,
            name=file.name,
            content_type=file.content_type,
            size=len(file.content),
            sha256=hashlib.sha256(file.content).hexdigest(),
        )
        tx.insert_attachment(row, file.content)


def content_changed(email_id: str) -> Refusal:
    """Return the refusal of an edit that was made of something else than what is there."""
    return conflict(
        "content_changed",
        f"Message {email_id} changed while it was edited. Nothing was saved; read it again.",
    )


def _kept(before: Frozen, number: int, now: datetime, who: Principal) -> Revision:
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
    message: Message, markdown: str, files: tuple[OutgoingAttachment, ...], now: datetime
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
        attachments=files,
    )
