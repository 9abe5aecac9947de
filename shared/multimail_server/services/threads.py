"""Threads: which thread an inbound message belongs to, and how threads merge.

Ids lead to threads, subjects never do: everybody can write a subject. The parent decides, which is
In-Reply-To or else the last reference (RFC 5322 section 3.6.4); then the older references.

A thread whose first message here answers an unknown message waits for it: further answers join the
thread, and so does the original when it comes. If the original itself belongs to another thread,
the waiting one is merged into that.

A message that names an id joins its thread, and anyone can name an id that they have seen or
guessed. So a thread proves nothing about its senders: it gives no standing. And what one message
claims never connects the mail of two other senders:

- A thread waits for its parent and for the beginning of its conversation; once a message has joined
  by one of the two, only for that one. Once a first message is there, it waits for nothing.
- Threads merge only if the waiting message itself names the sender of the missing link, and DMARC
  doesn't contradict that sender. Two threads whose first messages are both here never merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..auth import Principal
from ..mail.message import ParsedMessage
from ..mail.message_ids import get_lookup_keys
from ..store.protocol import Reader, Tx
from ..store.records import Message, MessageReference, ReferenceKind
from .context import AppContext
from .events import EventKind, announce

_WAITING = frozenset({ReferenceKind.PARENT, ReferenceKind.ROOT})


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a message belongs in a mailbox, before it is stored.

    Attributes:
        thread_id: Its thread.
        merged_thread: The thread that waited for it and becomes part of `thread_id`.
        closes: The thread that stops waiting for what it waited for.
        keeps: What that thread waits for nevertheless.
        waits_for: What the thread waits for from now on, by the id: the parent and the root of
            this message.
    """

    thread_id: str
    merged_thread: str | None = None
    closes: str = ""
    keeps: MessageReference | None = None
    waits_for: Mapping[str, ReferenceKind] | None = None


def find_message_by_rfc_id(tx: Reader, mailbox_id: str, message_id: str) -> Message | None:
    """Return the newest message with this Message-ID, as its author or as a relay wrote it."""
    keys = get_lookup_keys(message_id)
    message = tx.find_by_rfc_ids(mailbox_id, keys)
    if message is not None:
        return message
    for reference in tx.message_references(mailbox_id, keys).values():
        if reference.kind is ReferenceKind.ALIAS:
            return tx.message(reference.message_id)
    return None


def find_current_thread(tx: Reader, mailbox_id: str, thread_id: str) -> str:
    """Return the thread into which a thread was merged; the thread itself if it wasn't."""
    merged = tx.message_references(mailbox_id, [thread_id]).get(thread_id)
    return merged.thread_id if merged else thread_id


def find_placement(
    context: AppContext,
    tx: Reader,
    mailbox_id: str,
    message: ParsedMessage,
    evidence: Mapping[str, Any],
) -> Placement:
    """Return where an inbound message belongs.

    Args:
        context: The application's context, for the id of a new thread.
        tx: The transaction that stores the message.
        mailbox_id: The mailbox.
        message: The message.
        evidence: Its authentication results.
    """
    return _Search(context, tx, mailbox_id, message, evidence).run()


class _Search:
    """One message, and everything that is known of the ids that it names."""

    def __init__(
        self,
        context: AppContext,
        tx: Reader,
        mailbox_id: str,
        message: ParsedMessage,
        evidence: Mapping[str, Any],
    ) -> None:
        self._context, self._tx, self._message = context, tx, message
        self._mailbox_id = mailbox_id
        self._is_forged = (evidence.get("dmarc") or {}).get("result") == "fail"
        last = message.references[-1:]
        # Of several parents, the last reference is the one that the author answered.
        self._parents = tuple(
            dict.fromkeys((*(id_ for id_ in last if id_ in message.in_reply_to),
                           *message.in_reply_to, *last))
        )  # fmt: skip
        self._older = message.references[-2::-1]
        named = filter(None, (message.message_id, *self._parents, *message.references[:1],
                              *self._older))  # fmt: skip
        keys = tuple(dict.fromkeys(key for id_ in named for key in get_lookup_keys(id_)))
        self._threads = tx.threads_by_rfc_ids(mailbox_id, keys)
        self._references = tx.message_references(mailbox_id, keys)

    def run(self) -> Placement:
        copied = self._find_copied()
        if copied is not None:
            return Placement(copied)
        waiting = self._find_waiting()
        parent, by = self._find_first(self._parents)
        if waiting is not None and by is not None and by.thread_id == waiting.thread_id:
            parent = None  # The waiting thread names it too; it isn't here.
        if waiting is not None and parent not in (None, waiting.thread_id):
            if not self._may_extend(waiting):
                return Placement(parent or "", closes=waiting.thread_id)
            return Placement(parent or "", waiting.thread_id, waiting.thread_id)
        if waiting is not None:
            further = self._list_waits() if parent is None and self._may_extend(waiting) else None
            return Placement(waiting.thread_id, closes=waiting.thread_id, waits_for=further)
        thread, by = self._find_first((*self._parents, *self._older))
        if thread is None:
            return Placement(self._context.ids.new("thr"), waits_for=self._list_waits())
        return Placement(thread, closes=thread if by else "", keeps=by)

    def _find_copied(self) -> str | None:
        """Return the thread of the same message that came before, by another route."""
        own = self._message.message_id
        if own is None or self._find_here(own) is None:
            return None
        before = find_message_by_rfc_id(self._tx, self._mailbox_id, own)
        if before is None or before.from_address.lower() != self._message.from_address.lower():
            return None
        return before.thread_id

    def _find_here(self, message_id: str) -> str | None:
        """Return the thread of a message that is here."""
        keys = get_lookup_keys(message_id)
        for key in keys:
            if key in self._threads:
                return self._threads[key]
        aliases = (self._get_reference(key, ReferenceKind.ALIAS) for key in keys)
        return next((alias.thread_id for alias in aliases if alias), None)

    def _find_first(self, message_ids: Iterable[str]) -> tuple[str | None, MessageReference | None]:
        """Return the first thread that one of these ids leads to, and how if none is here."""
        for message_id in message_ids:
            thread = self._find_here(message_id)
            if thread is not None:
                return thread, None
            reference = self._get_reference(message_id, *_WAITING)
            if reference is not None and self._may_join(reference):
                return reference.thread_id, reference
        return None, None

    def _get_reference(self, message_id: str, *kinds: ReferenceKind) -> MessageReference | None:
        references = (self._references.get(key) for key in get_lookup_keys(message_id))
        return next((row for row in references if row is not None and row.kind in kinds), None)

    def _may_join(self, reference: MessageReference) -> bool:
        if reference.kind is ReferenceKind.ROOT:
            return self._names_author_of(reference)
        return True

    def _find_waiting(self) -> MessageReference | None:
        """Return the reference of the thread that waits for this message."""
        reference = self._get_reference(self._message.message_id or "", *_WAITING)
        if reference is None or reference.kind is ReferenceKind.PARENT:
            return reference
        is_first = not self._parents
        return reference if is_first and self._names_author_of(reference) else None

    def _names_author_of(self, reference: MessageReference) -> bool:
        """Return whether this message is of or to the author of the one that named the id."""
        first = self._tx.message(reference.message_id)
        message = self._message
        return first is not None and first.from_address.lower() in _lower(
            message.from_address, *message.to, *message.cc, *message.reply_to
        )

    def _may_extend(self, reference: MessageReference) -> bool:
        """Return whether the one who answered this message names its sender."""
        answer = self._tx.message(reference.message_id)
        if answer is None or self._is_forged:
            return False
        named = _lower(answer.from_address, *answer.to, *answer.cc, *answer.reply_to)
        return self._message.from_address.lower() in named

    def _list_waits(self) -> dict[str, ReferenceKind]:
        """Return the ids under which the thread that begins here can be found."""
        root = (id_ for id_ in self._message.references[:1] if id_ not in self._references)
        waits = dict.fromkeys(root, ReferenceKind.ROOT)
        waits |= dict.fromkeys(self._parents[:1], ReferenceKind.PARENT)
        waits.pop(self._message.message_id or "", None)
        return waits


def _lower(*addresses: str) -> set[str]:
    return {address.lower() for address in addresses if address}


def apply_placement(context: AppContext, tx: Tx, message: Message, placement: Placement) -> None:
    """Record what a stored inbound message changes about threads, and merge the waiting one.

    Args:
        context: The application's context.
        tx: The transaction that stored the message.
        message: The message, in `placement.thread_id`.
        placement: Of `find_placement`.
    """
    own = message.rfc_message_id or ""
    if placement.closes or own:
        tx.remove_message_references(message.mailbox_id, placement.closes, own)
    if placement.merged_thread is not None:
        _merge(context, tx, message, placement.merged_thread)
    if placement.keeps is not None:
        tx.put(placement.keeps)
    for rfc_id, kind in (placement.waits_for or {}).items():
        _put(tx, message, rfc_id, kind)
    joined = own.replace(" ", "")
    if joined != own and not tx.message_references(message.mailbox_id, [joined]):
        add_alias(tx, message, joined)


def _merge(context: AppContext, tx: Tx, message: Message, merged: str) -> None:
    mailbox_id, thread_id = message.mailbox_id, message.thread_id
    count = tx.merge_thread(mailbox_id, merged, thread_id)
    _put(tx, message, merged, ReferenceKind.MERGED)
    facts = {"merged_thread": merged, "messages": count}
    context.audit(
        tx,
        Principal.system(message.account_id),
        "thread.merge",
        ("thread", thread_id),
        mailbox_id=mailbox_id,
        link=message.id,
        **facts,
    )
    announce(
        tx, EventKind.MERGED, message, context.now(), merged_thread_id=merged, message_count=count
    )


def add_alias(tx: Tx, message: Message, rfc_id: str) -> None:
    """Record another id under which answers and reports name a message.

    Args:
        tx: A transaction.
        message: The message.
        rfc_id: As `mail.message_ids.get_lookup_keys` returns it.
    """
    if rfc_id != message.rfc_message_id:
        _put(tx, message, rfc_id, ReferenceKind.ALIAS)


def _put(tx: Tx, message: Message, rfc_id: str, kind: ReferenceKind) -> None:
    tx.put(MessageReference(message.mailbox_id, rfc_id, kind, message.thread_id, message.id))
