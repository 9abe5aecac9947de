"""Files of outgoing mail: stored ones that a draft names by id, and where each came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..auth import Principal
from ..errors import ApiError, conflict, forbidden, invalid, not_found
from ..mail.compose import OutgoingAttachment
from ..oversight import Direction, State, hides_content
from ..store.protocol import Reader
from ..store.records import Attachment, Message
from .context import AppContext, find_mailbox, find_message
from .drafts import Draft
from .messages import describe_answered, may_see

MAX_ATTACHMENT_BYTES = 20 * 1024 * 1024
"""Of all attachments of a message together."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A stored file, and the message that it belongs to."""

    file: Attachment
    message: Message


class EnclosureService:
    """API: GET /v1/mailboxes/{mailbox}/attachments/{attachment}, and `id` in `attachments`."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def find(self, principal: Principal, mailbox_id: str, attachment_id: str) -> Enclosure:
        """Return a stored file of a mailbox without its bytes.

        Raises:
            ApiError: The key can see no such file in this mailbox (404), it awaits approval (409)
                or was erased (410).
        """

        def work(tx: Reader) -> Enclosure:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            return _find(tx, principal, mailbox.id, attachment_id)

        return self._context.store.read(work)


def load_enclosed(
    tx: Reader,
    principal: Principal,
    mailbox_id: str,
    uploaded: Iterable[OutgoingAttachment],
    enclosed: Iterable[str],
) -> tuple[OutgoingAttachment, ...]:
    """Return the files of a draft with their origins: the uploaded ones, then the stored ones.

    A file that was downloaded and uploaded again is recognised by its digest.

    Args:
        tx: A transaction.
        principal: Who sends.
        mailbox_id: The mailbox that sends: only its files can be named.
        uploaded: Files that came with the request.
        enclosed: Ids of stored files.

    Raises:
        ApiError: The key cannot read a file (403, 404, 409, 410), or they are too large (400).
    """
    files = [replace(file, origin=_find_origin(tx, mailbox_id, file)) for file in uploaded]
    for attachment_id in enclosed:
        enclosure = _find(tx, principal, mailbox_id, attachment_id)
        files.append(load_file(tx, enclosure.file, enclosure.message))
    require_total_size(files)
    return tuple(files)


def load_file(tx: Reader, file: Attachment, message: Message) -> OutgoingAttachment:
    """Return a stored file as one to send, with its origin."""
    inbound = message.direction is Direction.INBOUND
    origin = describe_answered(message) if inbound else file.origin
    content = tx.attachment_content(file.id)
    return OutgoingAttachment(file.name, file.content_type, content, origin)


def require_total_size(files: Iterable[OutgoingAttachment]) -> None:
    """Require that the files of a message are within the limit.

    Raises:
        ApiError: They are larger (400).
    """
    total = sum(len(file.content) for file in files)
    if total > MAX_ATTACHMENT_BYTES:
        raise invalid(
            f"The files have {total / 1024 / 1024:.1f} MB in all, at most 20 MB can be sent. "
            "Leave some out, or send several messages.",
            "attachments_too_large",
        )


def resolve_files(
    context: AppContext, principal: Principal, mailbox_id: str, draft: Draft
) -> Draft:
    """Return the draft with all of its files in `attachments`."""
    if not (draft.attachments or draft.enclosed or draft.forwarded_files):
        return draft

    def work(tx: Reader) -> tuple[OutgoingAttachment, ...]:
        mailbox = find_mailbox(tx, principal, mailbox_id)
        return load_enclosed(tx, principal, mailbox.id, draft.attachments, draft.enclosed)

    files = (*draft.forwarded_files, *context.store.read(work))
    require_total_size(files)
    return replace(draft, attachments=files, enclosed=(), forwarded_files=())


def _find(tx: Reader, principal: Principal, mailbox_id: str, attachment_id: str) -> Enclosure:
    if "read" not in principal.scopes:
        raise forbidden("missing_scope", "To name a stored file, a key needs the read scope.")
    file = tx.attachment(attachment_id)
    if file is None:
        raise _no_such_file(attachment_id)
    try:
        message = find_message(tx, principal, file.message_id, mailbox_id)
    except ApiError:
        raise _no_such_file(attachment_id) from None
    if message.status is State.DELETED:
        raise ApiError(410, "erased", f"File {attachment_id} was erased: its time ended.")
    if not may_see(principal, message):
        raise conflict(
            "pending_approval", f"File {attachment_id} belongs to a message that awaits approval."
        )
    return Enclosure(file, message)


def _no_such_file(attachment_id: str) -> ApiError:
    return not_found("file", attachment_id, "Name the id of an attachment of this mailbox.")


def _find_origin(tx: Reader, mailbox_id: str, file: OutgoingAttachment) -> dict[str, Any]:
    """Return the received message that an uploaded file came with; empty for a new file."""
    if not file.content:
        return {}
    digest = hashlib.sha256(file.content).hexdigest()
    messages = tx.messages_with_file(mailbox_id, digest)
    shown = (m for m in messages if not hides_content(m.direction, m.status))
    message = next(shown, None)
    return describe_answered(message) if message is not None else {}
