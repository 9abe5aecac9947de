"""Mail that was read from a connected mailbox: stored once, whatever was cut off or is read again.

A message and how far its folder was read are one transaction. So neither a crash nor a second
server stores a message twice or leaves one out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from ..auth import Principal
from ..mail.auth.imap_evidence import ResultForm, soften_evidence
from ..mail.envelope import SmtpEnvelope
from ..mail.headers import HeaderBlock, read_headers, unfold
from ..mail.message import ParsedMessage, parse_message
from ..oversight import HELD, Direction, Event, State
from ..store.protocol import Reader, Scope, Tx
from ..store.records import ConnectedFolder, Content, Mailbox, Message, TaskKind
from .context import AppContext
from .messages import describe_answered
from .receiving import InboundMail, InboundService
from .threads import add_alias, apply_placement, find_message_by_rfc_id, find_placement
from .transitions import apply_event, forwards

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TASKS = 1000
"""How many things to do at the provider are looked at together."""
_ORIGINAL_ID = "x-microsoft-original-message-id"


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message as it was read from a folder.

    Attributes:
        uid: Its UID.
        raw: Its bytes.
        received_at: When the provider got it (INTERNALDATE).
        is_whole: Whether `raw` is all of it; else it is the header alone.
        size: The bytes of all of it.
    """

    uid: int
    raw: bytes
    received_at: datetime
    is_whole: bool = True
    size: int = 0


Store = Callable[[Tx, Mailbox], Message | None]


class ImportService:
    """Stores what the worker of a connected account reads."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._receiving = InboundService(context)

    def knows(self, mailbox_id: str, message_id: str, size: int) -> bool:
        """Return whether a message with this Message-ID and this size is here."""

        def work(tx: Reader) -> bool:
            rows = tx.messages_by_rfc_id(mailbox_id, message_id, 10) if message_id else []
            return any(row.size == size for row in rows)

        return self._context.store.read(work)

    def receive(
        self, mailbox: Mailbox, folder: ConnectedFolder, read: ReadMessage, form: ResultForm | None
    ) -> Message | None:
        """Store a message of the folder for new mail; None if it is here already."""
        headers = read_headers(read.raw)
        envelope = SmtpEnvelope(_get_return_path(headers), (mailbox.address,), "", "")
        mail = self._receiving.prepare(envelope, read.raw, partial(soften_evidence, form=form))
        if not read.is_whole:
            mail = _note_missing_body(mail, read)
        history = read.received_at if read.uid <= folder.history_uid else None

        def store(tx: Tx, box: Mailbox) -> Message | None:
            before = tx.find_by_raw(box.id, mail.digest, _EVER) if mail.has_identity else None
            return None if before else self._receiving.store(tx, box, mail, history)

        stored = self._commit(mailbox, folder, read, store)
        if stored is not None and history is None and forwards(mailbox):
            self._context.wakeups.notify()
        return stored

    def receive_own(
        self, mailbox: Mailbox, folder: ConnectedFolder, read: ReadMessage
    ) -> Message | None:
        """Store a message of the Sent folder as the mailbox's own; None if it is here already.

        Its folder makes it own, and never its From. The copy of what this server sent is not a
        second message, also where the provider gave it another Message-ID.
        """
        headers = read_headers(read.raw)
        parsed = parse_message(read.raw, headers)
        original_id = unfold(headers.first(_ORIGINAL_ID)).strip()

        def store(tx: Tx, box: Mailbox) -> Message | None:
            if settle_drafts(self._context, tx, box, parsed):
                return None
            for rfc_id in filter(None, (parsed.message_id, original_id)):
                before = find_message_by_rfc_id(tx, box.id, rfc_id)
                if before is not None and before.direction is Direction.OUTBOUND:
                    if parsed.message_id and before.rfc_message_id != parsed.message_id:
                        add_alias(tx, before, parsed.message_id)
                    return None
            return self._store_own(tx, box, parsed, read)

        return self._commit(mailbox, folder, read, store)

    def skip(self, mailbox: Mailbox, folder: ConnectedFolder, uid: int) -> None:
        """Note that a message needs no import: it is here, or gone."""
        self._commit(mailbox, folder, ReadMessage(uid, b"", _EVER), lambda _tx, _box: None)

    def _commit(
        self, mailbox: Mailbox, folder: ConnectedFolder, read: ReadMessage, store: Store
    ) -> Message | None:
        def work(tx: Tx) -> Message | None:
            row = tx.connected_folder(mailbox.id, folder.name)
            box = tx.mailbox(mailbox.id)
            if row is None or box is None or box.deleted_at:
                return None  # It was disconnected meanwhile.
            if row.uid_validity != folder.uid_validity or row.last_uid >= read.uid:
                return None  # Another server has read it.
            stored = store(tx, box)
            tx.put(replace(row, last_uid=read.uid))
            return stored

        return self._context.write(work, Scope.of_part(mailbox.account_id, mailbox.id))

    def open_folder(
        self, mailbox: Mailbox, name: str, uid_validity: int, uid_next: int
    ) -> ConnectedFolder:
        """Return how far a folder was read.

        In a folder that is new, what is there now is history. Where UIDVALIDITY changed, the folder
        is read again from the start: what is not here yet came meanwhile.
        """

        def work(tx: Tx) -> ConnectedFolder:
            row = tx.connected_folder(mailbox.id, name)
            if row is not None and row.uid_validity == uid_validity:
                return row
            history = uid_next - 1 if row is None else 0
            fresh = ConnectedFolder(mailbox.id, name, uid_validity, 0, history)
            if tx.connected_account(mailbox.id) is not None:
                tx.put(fresh)
            return fresh

        known = self._context.store.read(lambda tx: tx.connected_folder(mailbox.id, name))
        if known is not None and known.uid_validity == uid_validity:
            return known
        return self._context.write(work, Scope.of_part(mailbox.account_id, mailbox.id))

    def _store_own(self, tx: Tx, box: Mailbox, parsed: ParsedMessage, read: ReadMessage) -> Message:
        context = self._context
        newest = tx.ask_newest_message_id(box.id)
        placement = find_placement(context, tx, box.id, parsed, {})
        original = next(
            (found for id_ in parsed.in_reply_to
             if (found := find_message_by_rfc_id(tx, box.id, id_)) is not None),
            None,
        )  # fmt: skip
        message = Message(
            id=context.ids.new("msg", above=newest()),
            account_id=box.account_id,
            mailbox_id=box.id,
            thread_id=placement.thread_id,
            direction=Direction.OUTBOUND,
            status=State.SENT,
            mode=box.oversight_mode,
            created_at=read.received_at,
            from_address=parsed.from_address or box.address,
            from_name=parsed.from_name,
            to=parsed.to,
            cc=parsed.cc,
            bcc=(),
            reply_to=parsed.reply_to,
            subject=parsed.subject,
            has_attachments=bool(parsed.attachments),
            mail_from=box.address,
            recipients=(*parsed.to, *parsed.cc),
            size=len(read.raw),
            raw_sha256=hashlib.sha256(read.raw).hexdigest(),
            rfc_message_id=parsed.message_id,
            in_reply_to=parsed.in_reply_to[0] if parsed.in_reply_to else None,
            refs=parsed.references,
            live=True,
            replies_to_id=original.id if original else None,
            answers=describe_answered(original) if original else {},
            delivered_at=read.received_at,
        )
        content = Content(message.id, parsed.markdown, read.raw, parsed.removed, parsed.notes)
        tx.insert_message(message, content)
        self._receiving.insert_files(tx, message, parsed.attachments)
        apply_placement(context, tx, message, placement)
        principal = Principal.system(box.account_id)
        context.audit_message(tx, principal, "email.import", message)
        return message


def settle_drafts(context: AppContext, tx: Tx, box: Mailbox, sent: ParsedMessage) -> bool:
    """Decide on held replies in Drafts by what the account's person sent as an answer.

    A mail program gives a draft another Message-ID, so what counts is which message it answers.

    Returns:
        Whether `sent` is one of the held replies, unchanged.
    """
    for task in tx.connected_tasks(box.id, MAX_TASKS):
        held = tx.message(task.message_id)
        if task.kind is not TaskKind.WATCH or held is None or held.status not in HELD:
            continue
        if held.in_reply_to not in sent.in_reply_to and held.rfc_message_id != sent.message_id:
            continue
        tx.remove_connected_task(held.id, task.kind.value)
        content = tx.content(held.id)
        if content is not None and _says_same(parse_message(content.raw), sent):
            _settle_as_sent(context, tx, held, sent)
            return True
        decide_in_drafts(context, tx, held, Event.REJECTED, "its person sent another answer")
    return False


def _says_same(one: ParsedMessage, other: ParsedMessage) -> bool:
    """Return whether two messages say the same to the same people; the form may differ."""

    def get_parts(message: ParsedMessage) -> tuple[object, ...]:
        people = {address.lower() for address in (*message.to, *message.cc)}
        files = sorted(file.sha256 for file in message.attachments)
        return people, files, message.subject, message.markdown.split()

    return get_parts(one) == get_parts(other)


def _settle_as_sent(context: AppContext, tx: Tx, held: Message, sent: ParsedMessage) -> None:
    now = context.now()
    moved = decide_in_drafts(context, tx, held, Event.APPROVED, "its person sent it") or held
    details = {"accepted": True, "code": None, "detail": "sent by the account's person"}
    delivery = dict.fromkeys((*sent.to, *sent.cc), details)
    # The same transaction withdraws what the approval put into the outbox.
    apply_event(
        tx, moved, Event.DELIVERED, now, context.pending_ttl, delivered_at=now, delivery=delivery
    )
    if sent.message_id and sent.message_id != held.rfc_message_id:
        add_alias(tx, moved, sent.message_id)


def decide_in_drafts(
    context: AppContext, tx: Tx, held: Message, event: Event, reason: str
) -> Message | None:
    """Record what the account's person decided in a mail program."""
    verb = "approve" if event is Event.APPROVED else "reject"
    now = context.now()
    moved = apply_event(
        tx, held, event, now, context.pending_ttl, decision=verb, decided_at=now,
        decision_reason=f"In the account's Drafts: {reason}",
    )  # fmt: skip
    principal = Principal.system(held.account_id)
    context.audit_message(tx, principal, f"oversight.{verb}", held, by="the account's person")
    return moved


def list_new(folder: ConnectedFolder, uids: Sequence[int]) -> list[int]:
    """Return the UIDs that were not read yet, ascending."""
    return sorted(uid for uid in uids if uid > folder.last_uid)


def _get_return_path(headers: HeaderBlock) -> str:
    """Return the envelope's sender: Return-Path, which the last server writes (RFC 5321, 4.4)."""
    if headers.all("return-path"):
        return unfold(headers.first("return-path")).strip().strip("<>")
    return unfold(headers.first("from"))[:320] or "unknown"


def _note_missing_body(mail: InboundMail, read: ReadMessage) -> InboundMail:
    words = f"only its header was read: it has {read.size} bytes, which is more than the limit"
    return replace(mail, evidence={**mail.evidence, "flags": [*mail.evidence["flags"], words]})
