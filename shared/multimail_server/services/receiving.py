"""Receiving: mail from outside becomes a message in each mailbox that it is addressed to.

Bouncing: what a delivery report may change: results of mail that we sent to that recipient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..errors import not_found
from ..mail.addresses import base_of
from ..mail.bounces import FailedRecipient, Report, read_report
from ..mail.envelope import SmtpEnvelope
from ..mail.headers import HeaderBlock, read_headers
from ..mail.mime import ParsedMessage, parse
from ..mail.scoring import Arrival, flags, score
from ..oversight import Direction, State
from ..store.protocol import Reader, Tx
from ..store.records import Attachment, Content, Mailbox, Message
from .auth import get_inbound_mode
from .context import AppContext, Principal
from .events import EventKind, announce
from .forwarding import forwards
from .spam_filter import get_spam_event
from .suppression import BOUNCE, COMPLAINT, suppress
from .transitions import create_message

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


class InboundService:
    """What the SMTP listener and POST /v1/test/inbound hand in."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def knows(self, recipient: str) -> bool:
        """Return whether some mailbox takes mail for `recipient`."""
        address = base_of(recipient)
        return self._context.store.read(lambda tx: tx.mailbox_by_address(address)) is not None

    def receive(self, envelope: SmtpEnvelope, raw: bytes) -> list[Message]:
        """Store a message for every recipient; return when it is durable.

        The same bytes for the same mailbox within a day are stored once: a sender that heard no
        answer tries again.

        Raises:
            ApiError: A recipient has no mailbox (any more); nothing was stored.
        """
        headers = read_headers(raw)
        parsed = parse(raw, headers)
        letter = _Letter(
            envelope,
            parsed,
            Content("", parsed.markdown, raw, parsed.removed),
            hashlib.sha256(raw).hexdigest(),
            self._evidence(envelope, raw, headers),
            read_report(raw),
        )
        addresses = dict.fromkeys(map(base_of, envelope.recipients))

        def work(tx: Tx) -> tuple[list[Message], bool]:
            boxes = [_mailbox(tx, address) for address in addresses]
            return [self._store(tx, box, letter) for box in boxes], any(map(forwards, boxes))

        stored, may_leave = self._context.write(work)
        if may_leave:
            self._context.wakeups.notify()
        return stored

    def _evidence(self, envelope: SmtpEnvelope, raw: bytes, headers: HeaderBlock) -> dict[str, Any]:
        # Imported with the first mail: DKIM, SPF and DNS are a third of the server's start.
        from ..mail.auth.authenticate import authenticate

        found = authenticate(raw, self._context.resolver, envelope, self._context.now(), headers)
        return found.model_dump(mode="json")

    def _store(self, tx: Tx, mailbox: Mailbox, letter: _Letter) -> Message:
        context, now = self._context, self._context.now()
        twin = tx.find_by_raw(mailbox.id, letter.digest, now - DUPLICATE_WINDOW)
        if twin is not None:
            return twin
        message = self._message(tx, mailbox, letter, now)
        if letter.report is not None:
            apply_delivery_report(
                context, tx, mailbox, letter.report, letter.envelope, letter.evidence
            )
        scanned = get_spam_event(mailbox, score(message.authentication))
        content = replace(letter.content, message_id=message.id)
        moved = create_message(tx, message, content, scanned, now, context.pending_ttl)
        self._insert_files(tx, message, letter)
        context.audit(
            tx,
            Principal.system(mailbox.account_id),
            "email.receive",
            ("email", message.id),
            mailbox_id=mailbox.id,
            status=moved.status.value,
            peer=letter.envelope.peer or None,
        )
        return moved

    def _message(self, tx: Tx, mailbox: Mailbox, letter: _Letter, now: datetime) -> Message:
        context, parsed, envelope = self._context, letter.parsed, letter.envelope
        evidence = {**letter.evidence, "flags": _flags(tx, mailbox, letter, now)}
        spam = score(evidence)
        parent = tx.find_by_rfc_ids(mailbox.id, (*parsed.in_reply_to, *parsed.references[::-1]))
        return Message(
            id=context.ids.new("msg"),
            account_id=mailbox.account_id,
            mailbox_id=mailbox.id,
            thread_id=parent.thread_id if parent else context.ids.new("thr"),
            direction=Direction.INBOUND,
            status=State.PENDING_SCAN,
            mode=get_inbound_mode(mailbox),
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
            recipients=tuple(a for a in envelope.recipients if base_of(a) == mailbox.address),
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
                    id=self._context.ids.new("att"),
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
    return list(flags(letter.parsed, arrival))


_SETTLED = (State.SENDING, State.SENT)


def apply_delivery_report(
    context: AppContext,
    tx: Tx,
    mailbox: Mailbox,
    report: Report,
    envelope: SmtpEnvelope,
    evidence: dict[str, Any],
) -> None:
    """Let a report that came to a mailbox change what it may; most often that is nothing."""
    if report.message_id is None or not _is_credible(report, envelope, evidence):
        return
    message = tx.find_by_rfc_ids(mailbox.id, [report.message_id])
    if message is None or message.direction is not Direction.OUTBOUND:
        return
    if message.status not in _SETTLED:
        return
    for address, told in _concerned(message, report):
        if report.complaint:
            suppress(context, tx, message, address, COMPLAINT)
            announce(tx, EventKind.COMPLAINED, message, context.now(), recipients=[address])
        else:
            message = _record_bounce(context, tx, message, address, told)


def _is_credible(report: Report, envelope: SmtpEnvelope, evidence: dict[str, Any]) -> bool:
    if report.complaint:
        return (evidence.get("dmarc") or {}).get("result") == "pass"
    return envelope.mail_from == ""


def _concerned(message: Message, report: Report) -> Iterator[tuple[str, FailedRecipient]]:
    """Yield the recipients that the report names and that the message was handed over for."""
    ours = {address.lower(): address for address in message.recipients}
    for told in report.failed:
        found = next((ours.pop(one) for one in told.addresses if one in ours), None)
        if found is None:
            continue
        result = message.delivery.get(found)
        test = not message.live and message.status is State.SENT and result is None
        if test or (result and (result["accepted"] or result.get("bounced_at"))):
            yield found, told


def _record_bounce(
    context: AppContext, tx: Tx, message: Message, address: str, told: FailedRecipient
) -> Message:
    """Write a bounce to its recipient's result; a soft one may harden, nothing else changes."""
    before = message.delivery.get(address) or {}
    if before.get("bounced_at") and (before.get("kind") == "hard" or told.kind == "soft"):
        return message
    now = context.now()
    result = {
        "accepted": False,
        "code": told.code,
        "detail": told.text,
        "permanent": True,
        "enhanced": told.status or None,
        "kind": told.kind,
        "bounced_at": now.isoformat(),
    }
    hard = told.kind == "hard" or message.bounce_type == "hard"
    moved = tx.update_message(
        message,
        message.status,
        delivery={**message.delivery, address: result},
        bounced_at=message.bounced_at or now,
        bounce_type="hard" if hard else "soft",
        bounce_code=told.code,
        bounce_reason=told.text or told.status or None,
    )
    context.audit(
        tx,
        Principal.system(message.account_id),
        "email.bounce",
        ("email", message.id),
        mailbox_id=message.mailbox_id,
        bounce_type=told.kind,
        code=told.code,
        enhanced=told.status or None,
    )
    if told.kind == "hard":
        suppress(context, tx, message, address, BOUNCE, code=told.code, detail=told.text)
    bounced = moved or message
    announce(tx, EventKind.BOUNCED, bounced, now, recipients=[address])
    return bounced
