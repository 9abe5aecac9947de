"""Replies and forwards: recipients, subject, references and quotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from multimail.trust.addresses import normalize_addresses
from multimail.trust.evidence import Authentication
from multimail.trust.labels import assess

from ..auth import Principal
from ..errors import ApiError, conflict, invalid
from ..mail.addresses import is_address, to_mailbox_address
from ..mail.compose import OutgoingAttachment
from ..mail.headers import read_headers
from ..mail.message_ids import is_writable_id, parse_message_ids
from ..mail.quoting import (
    build_forward,
    build_forward_subject,
    build_quotation,
    build_reply_subject,
)
from ..oversight import Direction, State, hides_content
from ..store.protocol import Reader
from ..store.records import Content, Mailbox, Message
from .context import find_mailbox, find_message
from .drafts import MAX_RECIPIENTS, Draft
from .enclosures import load_file

_MAX_REFERENCES = 20
_MAX_THREAD = 500
_MAX_COPIES = 20
_NEVER_LEAVES = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED, State.SEND_FAILED})


def get_references(original: Message, content: Content | None) -> tuple[str, ...]:
    """Return the References of a reply: the first one and the last twenty (RFC 5322 3.6.4).

    A message without References passes on its In-Reply-To, if that names exactly one message.

    Args:
        original: The message that is replied to.
        content: Its content, which has the whole In-Reply-To; None once it is gone.
    """
    parent = original.rfc_message_id
    if parent is None:
        return ()
    before = original.refs
    if not before and content is not None:
        named = parse_message_ids(read_headers(content.raw).all("in-reply-to"))
        before = named if len(named) == 1 else ()
    known = tuple(filter(is_writable_id, dict.fromkeys((*before, parent))))
    return known[:1] + known[1:][-_MAX_REFERENCES:]


def require_not_answered(tx: Reader, original: Message | None) -> None:
    """Require that the message came once, or that no other copy of it was answered.

    Copies come by aliases and lists, with the same Message-ID and author; one answer is enough.

    Args:
        tx: A transaction.
        original: The message to reply to; None for a new message.

    Raises:
        ApiError: Another copy was answered (409).
    """
    if original is None or original.rfc_message_id is None:
        return
    if original.direction is not Direction.INBOUND:
        return
    same_id = tx.messages_by_rfc_id(original.mailbox_id, original.rfc_message_id, _MAX_COPIES)
    author = original.from_address.lower()
    copies = [row.id for row in same_id if row.from_address.lower() == author]
    if len(copies) < 2:
        return
    thread = tx.thread(original.mailbox_id, original.thread_id, _MAX_THREAD)
    answers = {row.replies_to_id: row.id for row in thread if row.status not in _NEVER_LEAVES}
    answered = next((copy for copy in copies if copy in answers), None)
    if answered is None or original.id in answers:
        return
    raise conflict(
        "duplicate_reply",
        f"Message {original.id} is another copy of {answered}, which {answers[answered]} answers. "
        f"Nothing was sent; reply to {answered} to write again.",
    )


def quote_original(
    draft: Draft, original: Message, content: Content | None, mailbox: Mailbox
) -> str:
    """Return the quotation below a reply, where the mailbox's `quote_replies` asks for one.

    A message is quoted only to its author and its recipients, and only if its author is
    authenticated: else a forger could have the mailbox send text to the author that it claims.

    Args:
        draft: The reply, with its recipients.
        original: The message that it replies to.
        content: Its content; None once it is gone.
        mailbox: The mailbox that replies.
    """
    if mailbox.settings.get("quote_replies") is not True or content is None:
        return ""
    is_ours = original.direction is Direction.OUTBOUND
    if not is_ours and not assess(_get_evidence(original)).is_certain:
        return ""
    readers = normalize_addresses((original.from_address, *original.to, *original.cc))
    if not normalize_addresses((*draft.to, *draft.cc, *draft.bcc)) <= readers:
        return ""
    return build_quotation(
        content.markdown, original.created_at, original.from_name, original.from_address
    )


def _get_evidence(message: Message) -> Authentication | None:
    return Authentication.model_validate(message.authentication) if message.authentication else None


def address_reply(draft: Draft, original: Message, mailbox: Mailbox, *, reply_all: bool) -> Draft:
    """Return `draft` as a reply to `original`, with its recipients, subject and thread."""
    to = original.to
    if original.direction is Direction.INBOUND:
        to = tuple(filter(is_address, original.reply_to)) or (original.from_address,)
    to = tuple(filter(is_address, to))[:MAX_RECIPIENTS]
    others = (*original.to, *original.cc) if reply_all else ()
    taken = {mailbox.address, *(address.lower() for address in (*to, *draft.cc, *draft.bcc))}
    usable = (a for a in others if is_address(a) and to_mailbox_address(a) not in taken)
    more = tuple({a.lower(): a for a in usable if a.lower() not in taken}.values())
    if not to:
        raise invalid(
            f"Message {original.id} names no address that mail can be sent to. Nothing was sent; "
            "ask its author for one.",
            "no_reply_address",
        )
    subject = build_reply_subject(original.subject)
    return replace(draft, to=to, cc=(*draft.cc, *more), subject=subject, answers=original)


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
