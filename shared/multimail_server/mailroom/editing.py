"""Editing: a sender changes what a scheduled message says, before anybody has let it through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..mail.compose import OutgoingAttachment
from ..oversight import Direction, Event, Mode
from ..refusals import conflict, forbidden, invalid
from ..store.protocol import Reader, Tx
from ..store.records import Content, Mailbox, Message
from .desk import Desk, Principal, find_mailbox, find_message
from .draft import Draft, copies, text_of
from .freezing import Frozen, as_frozen, content_changed, frozen_anew, put_revision
from .sending import MOST_RECIPIENTS
from .suppression import refuse_if_all, suppressed_of


@dataclass(frozen=True, slots=True)
class Rewrite:
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


class Editing:
    """API: PATCH …/emails/{id}/schedule, where it changes more than the moment."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def edit(
        self,
        who: Principal,
        mailbox_id: str,
        email_id: str,
        rewrite: Rewrite,
        seen_hash: str | None = None,
    ) -> Message:
        """Freeze a scheduled message anew; what it was is kept as a revision.

        It is under the stricter of its own mode and the mailbox's of now, and belongs to the key
        that edited it last. A repeat changes nothing.

        Args:
            who: A key that sends.
            mailbox_id: Whose message it is.
            email_id: A message with `send_at` that nobody has let through yet.
            rewrite: What is to change.
            seen_hash: The `content_hash` that was edited, if the caller wants to be sure.
        Raises:
            Refusal: It was let through or has left, it changed since (409), the mailbox sends
                nothing (403), or the moment has passed (400).
        """
        desk = self._desk
        if rewrite.send_at is not None and rewrite.send_at <= desk.now():
            raise invalid("`send_at` lies in the past; give a moment that is still to come.")
        before = desk.store.read(lambda tx: _before(tx, who, mailbox_id, email_id))
        wanted, markdown = _wanted(before, rewrite)
        files = before.files if rewrite.files is None else rewrite.files
        if (wanted, markdown, files) == (before.message, before.content.markdown, before.files):
            return before.message
        if seen_hash is not None and seen_hash != before.message.content_hash:
            raise content_changed(email_id)
        _check(who, before, wanted)
        wanted = replace(wanted, mode=_stricter(before), composer_key_id=who.key_id)
        after = frozen_anew(desk, wanted, before.mailbox, markdown, files)

        def work(tx: Tx) -> Message:
            mailbox = find_mailbox(tx, who, before.mailbox.id)
            if (mailbox, find_message(tx, who, email_id)) != (before.mailbox, before.message):
                raise content_changed(email_id)
            on_list = suppressed_of(tx, who.account_id, wanted.recipients)
            refuse_if_all(on_list, (*wanted.to, *wanted.cc, *wanted.bcc))
            return put_revision(desk, tx, who, Event.EDITED, "email.edit", before, after)

        edited = desk.write(work)
        desk.alarms.ring()
        return edited


def _before(tx: Reader, who: Principal, mailbox_id: str, email_id: str) -> Frozen:
    mailbox = find_mailbox(tx, who, mailbox_id)
    message = find_message(tx, who, email_id, mailbox.id)
    if message.direction is Direction.INBOUND:
        raise conflict("not_outbound", f"Message {email_id} was received, not sent.")
    if message.send_at is None:
        raise conflict("not_scheduled", f"Message {email_id} was not sent with `send_at`.")
    return as_frozen(tx, message, tx.content(message.id) or Content(message.id, "", b""))


def _wanted(before: Frozen, rewrite: Rewrite) -> tuple[Message, str]:
    """Return the message as it is to be, but for its digests, and its text."""
    message, mailbox = before.message, before.mailbox
    wanted = _addressed(message, mailbox, rewrite)
    if rewrite.subject is not None:
        wanted = replace(wanted, subject=rewrite.subject)
    if rewrite.send_at is not None:
        wanted = replace(wanted, send_at=rewrite.send_at)
    if rewrite.markdown is None:
        return wanted, before.content.markdown
    return wanted, text_of(Draft((), "", rewrite.markdown), mailbox)


def _addressed(message: Message, mailbox: Mailbox, rewrite: Rewrite) -> Message:
    """Return the message with its new recipients; nobody whom the owner added gets lost."""
    if rewrite.to is None and rewrite.cc is None and rewrite.bcc is None:
        return message
    to = message.to if rewrite.to is None else rewrite.to
    auto_cc = copies(mailbox, "auto_cc")
    cc = message.cc if rewrite.cc is None else (*rewrite.cc, *auto_cc)
    bcc = message.bcc if rewrite.bcc is None else rewrite.bcc
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    unnamed = (address for address in message.recipients if address.lower() not in named)
    everyone = (*to, *cc, *bcc, *auto_cc, *copies(mailbox, "auto_bcc"), *unnamed)
    unique = {address.lower(): address for address in everyone}
    return replace(message, to=to, cc=cc, bcc=bcc, recipients=tuple(unique.values()))


def _check(who: Principal, before: Frozen, wanted: Message) -> None:
    if before.mailbox.oversight_mode is Mode.READ_ONLY:
        raise forbidden(
            "read_only",
            f"Mailbox {before.mailbox.address} is read_only: nothing new can be sent from it.",
        )
    if who.live is not wanted.live:
        kind = "live" if wanted.live else "test"
        raise forbidden(
            "other_kind_of_key",
            f"Message {wanted.id} was sent with a {kind} key; edit it with a {kind} key.",
        )
    if len(wanted.recipients) > 3 * MOST_RECIPIENTS:
        raise invalid("There are more than 150 recipients in all; send several messages.")


def _stricter(before: Frozen) -> Mode:
    own, now = before.message.mode, before.mailbox.oversight_mode
    return now if own.is_looser_than(now) else own
