"""Changes to a message that has not left: edits, a new time, cancellation.

An edited message is composed again, and its earlier content is kept as a revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..auth import Principal, require_approver
from ..errors import conflict, forbidden, invalid
from ..mail.compose import OutgoingAttachment
from ..oversight import Direction, Event, Mode, State
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Content, Mailbox, Message, Revision
from .changes import merge_metadata
from .context import AppContext, find_mailbox, find_message, scope_of_message
from .daily_caps import recount_free_send
from .drafts import (
    ComposedMessage,
    Draft,
    add_signature,
    auto_copies,
    content_changed_error,
    content_hash,
    fixed_recipients,
    insert_files,
    load_draft,
    recompose,
    require_recipient_limit,
)
from .enclosures import load_enclosed
from .suppression import get_suppressed, require_any_deliverable
from .transitions import apply_event, require_not_expired

_EDITED_FIELDS = (
    "subject",
    "to",
    "cc",
    "bcc",
    "recipients",
    "has_attachments",
    "size",
    "raw_sha256",
    "content_hash",
    "mode",
    "send_at",
    "composer_key_id",
    "metadata",
)


def put_revision(
    context: AppContext,
    tx: Tx,
    principal: Principal,
    event: Event,
    action: str,
    before: ComposedMessage,
    after: ComposedMessage,
) -> Message:
    """Replace the content of a message and keep the earlier content, if the table allows it.

    Args:
        context: The application's context.
        tx: The transaction in which `before` was found unchanged.
        principal: Who edits.
        event: `REVISED` or `EDITED`.
        action: The action of the audit entry.
        before: The present content, kept as a revision.
        after: The new content.
    """
    message = before.message
    require_not_expired(message, context.now())
    number = len(tx.revisions(message.id)) + 1
    changes: dict[str, Any] = {name: getattr(after.message, name) for name in _EDITED_FIELDS}
    # The new, possibly stricter mode decides.
    current = replace(message, mode=after.message.mode)
    moved = apply_event(tx, current, event, context.now(), context.pending_ttl, **changes)
    tx.insert(_build_revision(before, number, context.now(), principal))
    tx.put(after.content)
    if after.files != before.files:
        tx.remove_attachments(message.id)
        insert_files(context, tx, message.id, after.files)
    context.audit_message(
        tx,
        principal,
        action,
        message,
        revision=number + 1,
        content_hash=after.message.content_hash,
        content_hash_before=message.content_hash,
        recipients=len(after.message.recipients),
    )
    return moved or message


def _build_revision(
    before: ComposedMessage, number: int, now: datetime, principal: Principal
) -> Revision:
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
        replaced_by=principal.key_id,
    )


@dataclass(frozen=True, slots=True)
class ReviewerEdit:
    """A reviewer's edit.

    Attributes:
        subject: One line; None keeps it.
        markdown: The whole text with the mailbox's signature; None keeps it.
        dropped: Recipients to remove. A reviewer cannot add recipients.
    """

    subject: str | None = None
    markdown: str | None = None
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DraftEdit:
    """A sender's edit of a scheduled message. None keeps a field.

    Attributes:
        to: Recipients.
        cc: Copies; `auto_cc` is added as for a send.
        bcc: Blind copies.
        subject: One line.
        markdown: The text; the signature is added as for a send.
        files: All attachments that were uploaded; those of `enclosed` come after them.
        enclosed: Ids of stored files.
        send_at: The new time.
    """

    to: tuple[str, ...] | None = None
    cc: tuple[str, ...] | None = None
    bcc: tuple[str, ...] | None = None
    subject: str | None = None
    markdown: str | None = None
    files: tuple[OutgoingAttachment, ...] | None = None
    enclosed: tuple[str, ...] = ()
    send_at: datetime | None = None


class RevisionService:
    """API: PATCH …/emails/{id}/schedule with new content, POST …/emails/{id}/revise, and
    POST /v1/oversight/revise; the last two exist in the embedded server only.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def revise(
        self, principal: Principal, email_id: str, edit: ReviewerEdit, seen_hash: str
    ) -> Message:
        """Apply a reviewer's edit; the new revision awaits its own decision.

        Args:
            principal: The reviewer.
            email_id: A message that awaits a decision.
            edit: The changes.
            seen_hash: The `content_hash` that was edited; a mismatch is refused.
        Raises:
            ApiError: It no longer awaits a decision or was changed (409), or no recipient is left
                (400).
        """
        context = self._context
        before = context.store.read(lambda tx: self._load_held(tx, principal, email_id))
        if before.message.content_hash != seen_hash:
            raise content_changed_error(email_id)
        _check_edit(edit, before)
        after = _edited(context, before, edit)

        def work(tx: Tx) -> Message:
            require_approver(tx.key(principal.key_id))
            if find_message(tx, principal, email_id) != before.message:
                raise content_changed_error(email_id)
            return put_revision(
                context, tx, principal, Event.REVISED, "oversight.revise", before, after
            )

        revised = context.write(work, Scope.of_message(before.message))
        context.wakeups.notify()
        return revised

    def edit(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        changes: DraftEdit,
        seen_hash: str | None = None,
    ) -> Message:
        """Apply a sender's edit to a scheduled message.

        The stricter of the message's mode and the mailbox's present mode applies, and the editing
        key becomes its composer. A repeat changes nothing.

        Args:
            principal: A key that sends.
            mailbox_id: The mailbox of the message.
            email_id: A message with `send_at` that was not approved yet.
            changes: The changes.
            seen_hash: The `content_hash` that was edited; a mismatch is a 409.

        Raises:
            ApiError: It was approved, has left or was changed (409), the mailbox is read_only
                (403), or the time has passed (400).
        """
        context = self._context
        changes = self._resolve_changes(principal, mailbox_id, changes)
        before = context.store.read(
            lambda tx: _require_scheduled(tx, principal, mailbox_id, email_id)
        )
        return self._apply(principal, before, changes, seen_hash)

    def revise_own(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        changes: DraftEdit,
        metadata: Mapping[str, str],
        seen_hash: str | None = None,
    ) -> Message:
        """Apply its author's edit to a message that awaits a decision; a repeat changes nothing.

        What the guard said of earlier revisions stays in the metadata, and its new reasons are
        added.

        Args:
            principal: The key that composed the message.
            mailbox_id: The mailbox of the message.
            email_id: A message that awaits a decision, now or at its `send_at`.
            changes: The changes.
            metadata: More metadata of the message.
            seen_hash: The `content_hash` that was edited; a mismatch is a 409.

        Raises:
            ApiError: Another key composed it (403), or it was decided, has expired or was changed
                (409).
        """
        changes = self._resolve_changes(principal, mailbox_id, changes)
        before = self._context.store.read(
            lambda tx: _require_own_held(tx, principal, mailbox_id, email_id)
        )
        require_not_expired(before.message, self._context.now())
        return self._apply(principal, before, changes, seen_hash, metadata)

    def _apply(
        self,
        principal: Principal,
        before: ComposedMessage,
        changes: DraftEdit,
        seen_hash: str | None,
        metadata: Mapping[str, str] | None = None,
    ) -> Message:
        """Apply a sender's edit as a new revision; return the message as it is then."""
        context, email_id = self._context, before.message.id
        edited, markdown = _apply_changes(before, changes)
        files = before.files if changes.files is None else changes.files
        if (edited, markdown, files) == (before.message, before.content.markdown, before.files):
            return before.message
        if seen_hash is not None and seen_hash != before.message.content_hash:
            raise content_changed_error(email_id)
        _check_changes(principal, before, edited)
        edited = replace(
            edited,
            mode=_get_stricter_mode(before),
            composer_key_id=principal.key_id,
            metadata=merge_metadata(before.message.metadata, metadata or {}),
        )
        after = recompose(context, edited, before, markdown, files)

        def work(tx: Tx) -> Message:
            mailbox = find_mailbox(tx, principal, before.mailbox.id)
            if (mailbox, find_message(tx, principal, email_id)) != (before.mailbox, before.message):
                raise content_changed_error(email_id)
            suppressed = get_suppressed(tx, principal.account_id, edited.recipients)
            require_any_deliverable(suppressed, (*edited.to, *edited.cc, *edited.bcc))
            edit = (Event.EDITED, "email.edit", before, after)
            message = put_revision(context, tx, principal, *edit)
            recount_free_send(tx, before.message, message, context.now())
            return message

        message = context.write(work, Scope.of_message(before.message))
        context.wakeups.notify()
        return message

    def _resolve_changes(
        self, principal: Principal, mailbox_id: str, changes: DraftEdit
    ) -> DraftEdit:
        """Return the changes with the bytes and origins of the files that they name."""
        if changes.send_at is not None and changes.send_at <= self._context.now():
            raise invalid("`send_at` lies in the past. Give a time in the future.")
        if not changes.files and not changes.enclosed:
            return changes
        uploaded = changes.files or ()

        def work(tx: Reader) -> tuple[OutgoingAttachment, ...]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            return load_enclosed(tx, principal, mailbox.id, uploaded, changes.enclosed)

        return replace(changes, files=self._context.store.read(work), enclosed=())

    def _load_held(self, tx: Reader, principal: Principal, email_id: str) -> ComposedMessage:
        require_approver(tx.key(principal.key_id))
        message = find_message(tx, principal, email_id)
        content = tx.content(message.id)
        if message.direction is Direction.INBOUND or content is None:
            raise conflict(
                "not_outbound", f"Message {email_id} was received, not sent. It cannot be edited."
            )
        require_not_expired(message, self._context.now())
        return load_draft(tx, message, content)


def _edited(context: AppContext, before: ComposedMessage, edit: ReviewerEdit) -> ComposedMessage:
    message = before.message
    wanted = replace(
        message,
        subject=message.subject if edit.subject is None else edit.subject,
        to=_without(message.to, edit.dropped),
        cc=_without(message.cc, edit.dropped),
        bcc=_without(message.bcc, edit.dropped),
        recipients=_without(message.recipients, edit.dropped),
    )
    markdown = before.content.markdown if edit.markdown is None else edit.markdown
    return recompose(context, wanted, before, markdown, before.files)


def _check_edit(edit: ReviewerEdit, before: ComposedMessage) -> None:
    message, mailbox = before.message, before.mailbox
    own = (*auto_copies(mailbox, "auto_cc"), *auto_copies(mailbox, "auto_bcc"))
    if edit.dropped & fixed_recipients(message, own):
        raise invalid(
            "The mailbox's copies (auto_cc, auto_bcc) cannot be dropped here.", "fixed_copy"
        )
    if not _without((*message.to, *message.cc, *message.bcc), edit.dropped):
        raise invalid("No recipient would be left. Keep one, or reject the message.")
    same = edit.subject in (None, message.subject) and edit.markdown in (
        None,
        before.content.markdown,
    )
    recipients = {address.lower() for address in message.recipients}
    if same and not edit.dropped & recipients:
        raise invalid("The edit changes nothing, so there is no new revision.", "nothing_changed")


def _without(addresses: Sequence[str], dropped: frozenset[str]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address.lower() not in dropped)


def _find_outbound(tx: Reader, principal: Principal, mailbox_id: str, email_id: str) -> Message:
    mailbox = find_mailbox(tx, principal, mailbox_id)
    message = find_message(tx, principal, email_id, mailbox.id)
    if message.direction is Direction.INBOUND:
        raise conflict("not_outbound", f"Message {email_id} was received, not sent.")
    return message


def _require_scheduled(
    tx: Reader, principal: Principal, mailbox_id: str, email_id: str
) -> ComposedMessage:
    message = _find_outbound(tx, principal, mailbox_id, email_id)
    if message.send_at is None:
        raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
    return load_draft(tx, message, tx.content(message.id) or Content(message.id, "", b""))


def _require_own_held(
    tx: Reader, principal: Principal, mailbox_id: str, email_id: str
) -> ComposedMessage:
    message = _find_outbound(tx, principal, mailbox_id, email_id)
    if message.composer_key_id != principal.key_id:
        raise forbidden(
            "not_author", f"Another key composed message {email_id}. Send one of your own instead."
        )
    if message.status not in (State.PENDING_SEND_APPROVAL, State.SCHEDULED_FIRST):
        raise conflict(
            "not_held",
            f"Message {email_id} awaits no decision; its status is {message.status.wire}. Nothing "
            "was changed.",
        )
    return load_draft(tx, message, tx.content(message.id) or Content(message.id, "", b""))


def _apply_changes(before: ComposedMessage, changes: DraftEdit) -> tuple[Message, str]:
    """Return the edited message, with its old digests, and its text."""
    message, mailbox = before.message, before.mailbox
    edited = _change_recipients(message, mailbox, changes)
    if changes.subject is not None:
        edited = replace(edited, subject=changes.subject)
    if changes.send_at is not None:
        edited = replace(edited, send_at=changes.send_at)
    if changes.markdown is None:
        return edited, before.content.markdown
    return edited, add_signature(Draft((), "", changes.markdown), mailbox)


def _change_recipients(message: Message, mailbox: Mailbox, changes: DraftEdit) -> Message:
    """Return the message with its new recipients and all copies that the owner set up."""
    if changes.to is None and changes.cc is None and changes.bcc is None:
        return message
    to = message.to if changes.to is None else changes.to
    auto_cc = auto_copies(mailbox, "auto_cc")
    cc = message.cc if changes.cc is None else (*changes.cc, *auto_cc)
    bcc = message.bcc if changes.bcc is None else changes.bcc
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    unnamed = (address for address in message.recipients if address.lower() not in named)
    everyone = (*to, *cc, *bcc, *auto_cc, *auto_copies(mailbox, "auto_bcc"), *unnamed)
    unique = {address.lower(): address for address in everyone}
    return replace(message, to=to, cc=cc, bcc=bcc, recipients=tuple(unique.values()))


def _check_changes(principal: Principal, before: ComposedMessage, edited: Message) -> None:
    if before.mailbox.oversight_mode is Mode.READ_ONLY:
        raise forbidden(
            "read_only",
            f"Mailbox {before.mailbox.address} is read_only: it cannot send.",
        )
    if principal.live is not edited.live:
        kind = "live" if edited.live else "test"
        raise forbidden(
            "other_kind_of_key",
            f"Message {edited.id} was sent with a {kind} key. Edit it with a {kind} key.",
        )
    require_recipient_limit(edited.recipients)


def _get_stricter_mode(before: ComposedMessage) -> Mode:
    own, now = before.message.mode, before.mailbox.oversight_mode
    return now if own.is_looser_than(now) else own


class CancellationService:
    """API: POST …/emails/{id}/cancel and PATCH …/emails/{id}/schedule."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def cancel(self, principal: Principal, mailbox_id: str, email_id: str) -> Message:
        """Cancel a pending or scheduled message; a repeat changes nothing.

        Raises:
            ApiError: It is being sent, was sent, decided or expired (409), or is unknown (404).
        """
        context = self._context

        def work(tx: Tx) -> Message:
            message = _find_outbound(tx, principal, mailbox_id, email_id)
            moved = apply_event(tx, message, Event.CANCELLED, context.now(), context.pending_ttl)
            if moved is None:
                return message
            context.audit_message(tx, principal, "email.cancel", message)
            return moved

        return context.write(work, scope_of_message(email_id))

    def reschedule(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        send_at: datetime,
        seen_hash: str | None = None,
    ) -> Message:
        """Change when a scheduled message leaves; an approved one then awaits a new decision.

        Args:
            principal: A key that sends.
            mailbox_id: The mailbox of the message.
            email_id: A message with `send_at`.
            send_at: The new time.
            seen_hash: The `content_hash` that the caller read; a mismatch is a 409.

        Raises:
            ApiError: The time has passed (400), or the message expired or is no longer scheduled
                (409).
        """
        context = self._context
        if send_at <= context.now():
            raise invalid("`send_at` lies in the past. Give a time in the future.")

        def work(tx: Tx) -> Message:
            message = _find_outbound(tx, principal, mailbox_id, email_id)
            if message.send_at is None:
                raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
            require_not_expired(message, context.now())
            if seen_hash is not None and seen_hash != message.content_hash:
                raise content_changed_error(email_id)
            content = tx.content(message.id)
            files = [file.sha256 for file in tx.attachments(message.id)]
            rescheduled = replace(message, send_at=send_at)
            digest = content_hash(rescheduled, content.markdown if content else "", files)
            moved = apply_event(
                tx,
                message,
                Event.RESCHEDULED,
                context.now(),
                context.pending_ttl,
                send_at=send_at,
                content_hash=digest,
                decision=None,
                decided_at=None,
                decided_by=None,
            )
            context.audit_message(
                tx,
                principal,
                "email.reschedule",
                message,
                send_at=send_at.isoformat(),
                content_hash=digest,
            )
            return moved or message

        moved = context.write(work, scope_of_message(email_id))
        context.wakeups.notify()
        return moved
