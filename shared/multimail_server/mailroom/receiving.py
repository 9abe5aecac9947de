"""Receiving: mail from outside becomes a message in each mailbox that it is addressed to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..mail.addresses import to_mailbox_address
from ..mail.bounces import Report, parse_report
from ..mail.envelope import SmtpEnvelope
from ..mail.headers import HeaderBlock, read_headers
from ..mail.mime import ParsedMessage, parse_message
from ..mail.scoring import Arrival, find_flags, score_message
from ..oversight import Direction, State
from ..refusals import not_found
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Mailbox, Message
from .authority import inbound_mode
from .bouncing import take_report
from .desk import Desk, the_server
from .forwarding import forwards
from .sorting import event_of
from .steps import begin

DUPLICATE_WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Letter:
    """One delivery, read and checked before the transaction begins."""

    envelope: SmtpEnvelope
    parsed: ParsedMessage
    content: Content
    digest: str
    evidence: dict[str, Any]
    report: Report | None


class Receiving:
    """What the SMTP listener and POST /v1/test/inbound hand in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def knows(self, recipient: str) -> bool:
        """Return whether some mailbox takes mail for `recipient`."""
        address = to_mailbox_address(recipient)
        return self._desk.store.read(lambda tx: tx.mailbox_by_address(address)) is not None

    def receive(self, envelope: SmtpEnvelope, raw: bytes) -> list[Message]:
        """Store a message for every recipient; return when it is durable.

        The same bytes for the same mailbox within a day are stored once: a sender that heard no
        answer tries again.

        Raises:
            Refusal: A recipient has no mailbox (any more); nothing was stored.
        """
        headers = read_headers(raw)
        parsed = parse_message(raw, headers)
        letter = _Letter(
            envelope,
            parsed,
            Content("", parsed.markdown, raw, parsed.removed),
            hashlib.sha256(raw).hexdigest(),
            self._evidence(envelope, raw, headers),
            parse_report(raw),
        )
        addresses = dict.fromkeys(map(to_mailbox_address, envelope.recipients))

        def work(tx: Tx) -> tuple[list[Message], bool]:
            boxes = [_mailbox(tx, address) for address in addresses]
            return [self._store(tx, box, letter) for box in boxes], any(map(forwards, boxes))

        stored, may_leave = self._desk.write(work)
        if may_leave:
            self._desk.alarms.ring()
        return stored

    def _evidence(self, envelope: SmtpEnvelope, raw: bytes, headers: HeaderBlock) -> dict[str, Any]:
        # Imported with the first mail: DKIM, SPF and DNS are a third of the server's start.
        from ..mail.auth.authenticate import authenticate

        found = authenticate(raw, self._desk.resolver, envelope, self._desk.now(), headers)
        return found.model_dump(mode="json")

    def _store(self, tx: Tx, mailbox: Mailbox, letter: _Letter) -> Message:
        desk, now = self._desk, self._desk.now()
        twin = tx.find_by_raw(mailbox.id, letter.digest, now - DUPLICATE_WINDOW)
        if twin is not None:
            return twin
        message = self._message(tx, mailbox, letter, now)
        if letter.report is not None:
            take_report(desk, tx, mailbox, letter.report, letter.envelope, letter.evidence)
        scanned = event_of(mailbox, score_message(message.authentication))
        content = replace(letter.content, message_id=message.id)
        moved = begin(tx, message, content, scanned, now, desk.pending_ttl)
        self._insert_files(tx, message, letter)
        desk.audit(
            tx,
            the_server(mailbox.account_id),
            "email.receive",
            ("email", message.id),
            mailbox_id=mailbox.id,
            status=moved.status.value,
            peer=letter.envelope.peer or None,
        )
        return moved

    def _message(self, tx: Tx, mailbox: Mailbox, letter: _Letter, now: datetime) -> Message:
        desk, parsed, envelope = self._desk, letter.parsed, letter.envelope
        evidence = {**letter.evidence, "flags": _flags(tx, mailbox, letter, now)}
        spam = score_message(evidence)
        parent = tx.find_by_rfc_ids(mailbox.id, (*parsed.in_reply_to, *parsed.references[::-1]))
        return Message(
            id=desk.ids.new("msg"),
            account_id=mailbox.account_id,
            mailbox_id=mailbox.id,
            thread_id=parent.thread_id if parent else desk.ids.new("thr"),
            direction=Direction.INBOUND,
            status=State.PENDING_SCAN,
            mode=inbound_mode(mailbox),
            created_at=now,
            from_address=parsed.from_address,
            from_name=parsed.from_name,
            to=parsed.to,
            cc=parsed.cc,
            bcc=(),
            reply_to=parsed.reply_to,
            subject=parsed.subject,
            has_attachments=bool(parsed.attachments),
            mail_from=envelope.mail_from,
            recipients=tuple(
                a for a in envelope.recipients if to_mailbox_address(a) == mailbox.address
            ),
            size=len(letter.content.raw),
            raw_sha256=letter.digest,
            rfc_message_id=parsed.message_id,
            in_reply_to=parsed.in_reply_to[0] if parsed.in_reply_to else None,
            refs=parsed.references,
            auto_submitted=parsed.auto_submitted or None,
            list_id=parsed.list_id or None,
            precedence=parsed.precedence or None,
            spam_score=spam.score,
            spam_verdict=spam.verdict,
            authentication=evidence,
        )

    def _insert_files(self, tx: Tx, message: Message, letter: _Letter) -> None:
        for position, file in enumerate(letter.parsed.attachments):
            tx.insert_attachment(
                Attachment(
                    id=self._desk.ids.new("att"),
                    message_id=message.id,
                    position=position,
                    name=file.name,
                    content_type=file.content_type,
                    size=len(file.content),
                    sha256=file.sha256,
                    content_id=file.content_id,
                ),
                file.content,
            )


def _mailbox(tx: Reader, address: str) -> Mailbox:
    found = tx.mailbox_by_address(address)
    if found is None:
        # Deleted since its sender was told that it is here: mail for it must not be taken.
        raise not_found("mailbox", address)
    return found


def _flags(tx: Tx, mailbox: Mailbox, letter: _Letter, now: datetime) -> list[str]:
    """Return what a reader of this mailbox should know of a letter; it decides nothing."""
    own = letter.parsed.message_id
    twin = tx.find_by_rfc_ids(mailbox.id, [own]) if own else None
    arrival = Arrival(
        mailbox.address,
        now,
        seen=twin is not None and twin.direction is Direction.INBOUND,
        ours=twin is not None and twin.direction is Direction.OUTBOUND,
    )
    return list(find_flags(letter.parsed, arrival))
