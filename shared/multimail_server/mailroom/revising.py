"""Revising: a reviewer edits what waits for a decision. The edit is a new revision, undecided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..oversight import Direction, Event
from ..refusals import conflict, invalid
from ..store.protocol import Reader, Tx
from ..store.records import Message
from .approvers import approver
from .desk import Desk, Principal, find_message
from .draft import copies
from .freezing import Frozen, as_frozen, content_changed, frozen_anew, put_revision
from .steps import refuse_late


@dataclass(frozen=True, slots=True)
class Edit:
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


class Revising:
    """POST /v1/oversight/revise and the page's form. The published API has no such operation."""

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
            raise content_changed(email_id)
        _check(edit, before)
        after = _after(desk, before, edit)

        def work(tx: Tx) -> Message:
            approver(tx.key(who.key_id))
            if find_message(tx, who, email_id) != before.message:
                raise content_changed(email_id)
            return put_revision(desk, tx, who, Event.REVISED, "oversight.revise", before, after)

        revised = desk.write(work)
        desk.alarms.ring()
        return revised

    def _before(self, tx: Reader, who: Principal, email_id: str) -> Frozen:
        approver(tx.key(who.key_id))
        message = find_message(tx, who, email_id)
        content = tx.content(message.id)
        if message.direction is Direction.INBOUND or content is None:
            raise conflict("not_outbound", f"Message {email_id} was received; it cannot be edited.")
        refuse_late(message, self._desk.now())
        return as_frozen(tx, message, content)


def _after(desk: Desk, before: Frozen, edit: Edit) -> Frozen:
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
    return frozen_anew(desk, wanted, before.mailbox, markdown, before.files)


def _check(edit: Edit, before: Frozen) -> None:
    message, mailbox = before.message, before.mailbox
    own = (*copies(mailbox, "auto_cc"), *copies(mailbox, "auto_bcc"))
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
