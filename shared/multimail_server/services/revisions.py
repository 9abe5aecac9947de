"""Freezing anew: a message that has not left gets other content, and what it was is kept.

Revising: a reviewer edits what waits for a decision. The edit is a new revision, undecided.
Editing: a sender changes what a scheduled message says, before anybody has let it through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..errors import conflict, forbidden, invalid
from ..mail.compose import OutgoingAttachment
from ..oversight import Direction, Event, Mode
from ..store.protocol import Reader, Tx
from ..store.records import Content, Mailbox, Message, Revision
from .auth import require_approver
from .context import AppContext, Principal, find_mailbox, find_message
from .drafts import (
    MAX_RECIPIENTS,
    ComposedMessage,
    Draft,
    add_signature,
    auto_copies,
    content_changed_error,
    insert_files,
    load_draft,
    recompose,
)
from .suppression import get_suppressed, require_any_deliverable
from .transitions import apply_event, require_not_expired

_CHANGED = ("subject", "to", "cc", "bcc", "recipients", "has_attachments", "size", "raw_sha256",
            "content_hash", "mode", "send_at", "composer_key_id")  # fmt: skip


def put_revision(
    context: AppContext,
    tx: Tx,
    principal: Principal,
    event: Event,
    action: str,
    before: ComposedMessage,
    after: ComposedMessage,
) -> Message:
    """Put one frozen form in the place of another, if the oversight table lets `event` happen.

    Args:
        context: The application's context.
        tx: The transaction in which `before` was found to be still so.
        principal: Whose edit it is.
        event: `REVISED` or `EDITED`.
        action: Of the audit line.
        before: What is replaced, and kept as a revision.
        after: What it is from now on.
    """
    message = before.message
    require_not_expired(message, context.now())
    number = len(tx.revisions(message.id)) + 1
    changes: dict[str, Any] = {name: getattr(after.message, name) for name in _CHANGED}
    # The table is asked under the mode that holds from now on.
    asked = replace(message, mode=after.message.mode)
    moved = apply_event(tx, asked, event, context.now(), context.pending_ttl, **changes)
    tx.insert_revision(_kept(before, number, context.now(), principal))
    tx.replace_content(after.content)
    if after.files != before.files:
        tx.remove_attachments(message.id)
        insert_files(context, tx, message.id, after.files)
    context.audit(
        tx,
        principal,
        action,
        ("email", message.id),
        mailbox_id=message.mailbox_id,
        revision=number + 1,
        content_hash=after.message.content_hash,
        content_hash_before=message.content_hash,
        recipients=len(after.message.recipients),
    )
    return moved or message


def _kept(before: ComposedMessage, number: int, now: datetime, principal: Principal) -> Revision:
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
    """What a message is to say instead.

    Attributes:
        subject: One line; None to leave it.
        markdown: The whole text, the mailbox's signature included; None to leave it.
        dropped: Addresses that are not to get it any more. None can be added: a reviewer decides
            on what an agent wrote to somebody, and never writes to somebody else.
    """

    subject: str | None = None
    markdown: str | None = None
    dropped: frozenset[str] = frozenset()


def fixed_recipients(message: Message, mailbox_copies: Sequence[str]) -> frozenset[str]:
    """Return, in lower case, who gets a copy because the mailbox's owner set it up so."""
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    own = {address.lower() for address in mailbox_copies}
    return frozenset(a.lower() for a in message.recipients if a.lower() not in named) | own


class RevisionService:
    """POST /v1/oversight/revise and the page's form. The published API has no such operation."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def revise(
        self, principal: Principal, email_id: str, edit: ReviewerEdit, seen_hash: str
    ) -> Message:
        """Freeze the message anew, keep what it was, and let it wait for its own decision.

        Args:
            principal: The reviewer.
            email_id: A send that awaits its decision.
            edit: What it says from now on.
            seen_hash: The `content_hash` that was edited; a mismatch is refused.
        Raises:
            ApiError: It does not wait any more, it changed meanwhile (409), or nobody is left
                to get it (400).
        """
        context = self._context
        before = context.store.read(lambda tx: self._before(tx, principal, email_id))
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

        revised = context.write(work)
        context.wakeups.notify()
        return revised

    def _before(self, tx: Reader, principal: Principal, email_id: str) -> ComposedMessage:
        require_approver(tx.key(principal.key_id))
        message = find_message(tx, principal, email_id)
        content = tx.content(message.id)
        if message.direction is Direction.INBOUND or content is None:
            raise conflict("not_outbound", f"Message {email_id} was received; it cannot be edited.")
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
    return recompose(context, wanted, before.mailbox, markdown, before.files)


def _check_edit(edit: ReviewerEdit, before: ComposedMessage) -> None:
    message, mailbox = before.message, before.mailbox
    own = (*auto_copies(mailbox, "auto_cc"), *auto_copies(mailbox, "auto_bcc"))
    if edit.dropped & fixed_recipients(message, own):
        raise invalid(
            "The mailbox's own copies (auto_cc, auto_bcc) cannot be dropped here.", "fixed_copy"
        )
    if not _without((*message.to, *message.cc, *message.bcc), edit.dropped):
        raise invalid("Nobody would get this any more. Leave a recipient, or reject it.")
    same = edit.subject in (None, message.subject) and edit.markdown in (
        None,
        before.content.markdown,
    )
    everyone = {address.lower() for address in message.recipients}
    if same and not edit.dropped & everyone:
        raise invalid("Nothing was changed, so there is no new revision.", "nothing_changed")


def _without(addresses: Sequence[str], dropped: frozenset[str]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address.lower() not in dropped)


@dataclass(frozen=True, slots=True)
class DraftEdit:
    """What a scheduled message is to be instead. What is None stays as it is.

    Attributes:
        to: Recipients.
        cc: Copies; the mailbox's own are added as for a send.
        bcc: Blind copies.
        subject: One line.
        markdown: The text; the mailbox's signature is added as for a send.
        files: All of its files.
        send_at: When it leaves.
    """

    to: tuple[str, ...] | None = None
    cc: tuple[str, ...] | None = None
    bcc: tuple[str, ...] | None = None
    subject: str | None = None
    markdown: str | None = None
    files: tuple[OutgoingAttachment, ...] | None = None
    send_at: datetime | None = None


class EditService:
    """API: PATCH …/emails/{id}/schedule, where it changes more than the moment."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def edit(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        rewrite: DraftEdit,
        seen_hash: str | None = None,
    ) -> Message:
        """Freeze a scheduled message anew; what it was is kept as a revision.

        It is under the stricter of its own mode and the mailbox's of now, and belongs to the key
        that edited it last. A repeat changes nothing.

        Args:
            principal: A key that sends.
            mailbox_id: Whose message it is.
            email_id: A message with `send_at` that nobody has let through yet.
            rewrite: What is to change.
            seen_hash: The `content_hash` that was edited, if the caller wants to be sure.
        Raises:
            ApiError: It was let through or has left, it changed since (409), the mailbox sends
                nothing (403), or the moment has passed (400).
        """
        context = self._context
        if rewrite.send_at is not None and rewrite.send_at <= context.now():
            raise invalid("`send_at` lies in the past; give a moment that is still to come.")
        before = context.store.read(
            lambda tx: _require_scheduled(tx, principal, mailbox_id, email_id)
        )
        wanted, markdown = _wanted(before, rewrite)
        files = before.files if rewrite.files is None else rewrite.files
        if (wanted, markdown, files) == (before.message, before.content.markdown, before.files):
            return before.message
        if seen_hash is not None and seen_hash != before.message.content_hash:
            raise content_changed_error(email_id)
        _check_rewrite(principal, before, wanted)
        wanted = replace(wanted, mode=_stricter(before), composer_key_id=principal.key_id)
        after = recompose(context, wanted, before.mailbox, markdown, files)

        def work(tx: Tx) -> Message:
            mailbox = find_mailbox(tx, principal, before.mailbox.id)
            if (mailbox, find_message(tx, principal, email_id)) != (before.mailbox, before.message):
                raise content_changed_error(email_id)
            on_list = get_suppressed(tx, principal.account_id, wanted.recipients)
            require_any_deliverable(on_list, (*wanted.to, *wanted.cc, *wanted.bcc))
            return put_revision(context, tx, principal, Event.EDITED, "email.edit", before, after)

        edited = context.write(work)
        context.wakeups.notify()
        return edited


def _require_scheduled(
    tx: Reader, principal: Principal, mailbox_id: str, email_id: str
) -> ComposedMessage:
    mailbox = find_mailbox(tx, principal, mailbox_id)
    message = find_message(tx, principal, email_id, mailbox.id)
    if message.direction is Direction.INBOUND:
        raise conflict("not_outbound", f"Message {email_id} was received, not sent.")
    if message.send_at is None:
        raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
    return load_draft(tx, message, tx.content(message.id) or Content(message.id, "", b""))


def _wanted(before: ComposedMessage, rewrite: DraftEdit) -> tuple[Message, str]:
    """Return the message as it is to be, but for its digests, and its text."""
    message, mailbox = before.message, before.mailbox
    wanted = _addressed(message, mailbox, rewrite)
    if rewrite.subject is not None:
        wanted = replace(wanted, subject=rewrite.subject)
    if rewrite.send_at is not None:
        wanted = replace(wanted, send_at=rewrite.send_at)
    if rewrite.markdown is None:
        return wanted, before.content.markdown
    return wanted, add_signature(Draft((), "", rewrite.markdown), mailbox)


def _addressed(message: Message, mailbox: Mailbox, rewrite: DraftEdit) -> Message:
    """Return the message with its new recipients; nobody whom the owner added gets lost."""
    if rewrite.to is None and rewrite.cc is None and rewrite.bcc is None:
        return message
    to = message.to if rewrite.to is None else rewrite.to
    auto_cc = auto_copies(mailbox, "auto_cc")
    cc = message.cc if rewrite.cc is None else (*rewrite.cc, *auto_cc)
    bcc = message.bcc if rewrite.bcc is None else rewrite.bcc
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    unnamed = (address for address in message.recipients if address.lower() not in named)
    everyone = (*to, *cc, *bcc, *auto_cc, *auto_copies(mailbox, "auto_bcc"), *unnamed)
    unique = {address.lower(): address for address in everyone}
    return replace(message, to=to, cc=cc, bcc=bcc, recipients=tuple(unique.values()))


def _check_rewrite(principal: Principal, before: ComposedMessage, wanted: Message) -> None:
    if before.mailbox.oversight_mode is Mode.READ_ONLY:
        raise forbidden(
            "read_only",
            f"Mailbox {before.mailbox.address} is read_only: nothing new can be sent from it.",
        )
    if principal.live is not wanted.live:
        kind = "live" if wanted.live else "test"
        raise forbidden(
            "other_kind_of_key",
            f"Message {wanted.id} was sent with a {kind} key; edit it with a {kind} key.",
        )
    if len(wanted.recipients) > 3 * MAX_RECIPIENTS:
        raise invalid("There are more than 150 recipients in all; send several messages.")


def _stricter(before: ComposedMessage) -> Mode:
    own, now = before.message.mode, before.mailbox.oversight_mode
    return now if own.is_looser_than(now) else own
