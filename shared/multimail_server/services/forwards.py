"""Forwards: a message sent on to others, with a note above it and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..auth import Principal
from ..errors import ApiError, conflict
from ..mail.compose import OutgoingAttachment
from ..mail.quoting import build_forward
from ..mail.subjects import build_forward_subject
from ..oversight import State, hides_content
from ..store.protocol import Reader
from ..store.records import Content, Message
from .context import find_mailbox, find_message
from .drafts import Draft
from .enclosures import load_file
from .replies import get_references


def load_forward(
    tx: Reader,
    principal: Principal,
    mailbox_id: str,
    email_id: str,
    draft: Draft,
    *,
    with_files: bool,
) -> Draft:
    """Return the draft as a forward of a message: subject, text, files and thread.

    It refers to the message as a reply does, so that it stands in its thread, but names no message
    that it answers: RFC 5322 section 3.6.4 keeps In-Reply-To for replies.

    Args:
        tx: A transaction.
        principal: Who forwards.
        mailbox_id: The mailbox of the message.
        email_id: The message.
        draft: The note and the recipients.
        with_files: Whether its files go with it.

    Raises:
        ApiError: The message awaits approval (409), was erased (410), or there is none (404).
    """
    mailbox = find_mailbox(tx, principal, mailbox_id)
    message = find_message(tx, principal, email_id, mailbox.id)
    if hides_content(message.direction, message.status) and message.status is not State.DELETED:
        raise conflict(
            "pending_approval",
            f"Message {email_id} awaits approval. Forward it once a reviewer approves it.",
        )
    content = tx.content(message.id)
    if content is None or message.status is State.DELETED:
        raise ApiError(410, "erased", f"The content of message {email_id} was erased.")
    files: Sequence[OutgoingAttachment] = ()
    if with_files:
        files = [load_file(tx, file, message) for file in tx.attachments(message.id)]
    return replace(
        draft,
        subject=build_forward_subject(message.subject),
        forwards=message,
        forwarded_files=tuple(files),
        references=get_references(message, content),
        quotation=_quote(message, content),
    )


def _quote(message: Message, content: Content) -> str:
    header = [
        ("From", [_name(message)]),
        ("Subject", [message.subject]),
        ("To", message.to),
        ("Cc", message.cc),
    ]
    return build_forward(content.markdown, message.created_at, header)


def _name(message: Message) -> str:
    if not message.from_name:
        return message.from_address
    return f"{message.from_name} <{message.from_address}>"
