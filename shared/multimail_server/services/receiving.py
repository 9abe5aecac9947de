"""Inbound mail: stores a message per recipient and applies delivery reports to sent mail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from multimail.trust.addresses import normalize_address
from multimail.trust.evidence import Authentication

from ..auth import Principal, get_inbound_mode
from ..errors import not_found
from ..mail.addresses import to_mailbox_address
from ..mail.automation import is_bulk_mail, list_automation_signs
from ..mail.bounces import FailedRecipient, Report, parse_report
from ..mail.envelope import SmtpEnvelope
from ..mail.headers import HeaderBlock, read_headers
from ..mail.message import ParsedAttachment, ParsedMessage, parse_message
from ..mail.scoring import Arrival, SpamScore, find_flags, score_message
from ..oversight import Direction, State
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Attachment, Content, Mailbox, Message
from .context import AppContext
from .events import EventKind, announce
from .spam_filter import get_spam_event
from .suppression import BOUNCE, COMPLAINT, suppress
from .threads import apply_placement, find_message_by_rfc_id, find_placement
from .transitions import create_message, forwards, insert_history

DUPLICATE_WINDOW = timedelta(days=1)
Judge = Callable[[Authentication, HeaderBlock], Authentication]


@dataclass(frozen=True, slots=True)
class InboundMail:
    """One delivery, parsed and authenticated before the transaction begins."""

    envelope: SmtpEnvelope
    parsed: ParsedMessage
    content: Content
    digest: str
    evidence: dict[str, Any]
    automatic: str | None
    is_bulk: bool
    has_identity: bool
    """Whether it has a Message-ID or a Date, which tell it from another one with its words."""
    report: Report | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message in one mailbox; `is_repeat` if an earlier delivery had stored it."""

    message: Message
    is_repeat: bool


class InboundService:
    """Receives mail from the SMTP listener and from POST /v1/test/inbound."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def has_mailbox(self, recipient: str) -> bool:
        """Return whether `recipient` has a mailbox here."""
        address = to_mailbox_address(recipient)
        return self._context.store.read(lambda tx: tx.mailbox_by_address(address)) is not None

    def receive(self, envelope: SmtpEnvelope, raw: bytes) -> list[Received]:
        """Store a message for every recipient; return when it is durable.

        The same bytes for the same mailbox within a day are stored once, since a sender that got
        no response tries again. Bytes without Message-ID and Date are another matter: a device
        writes the same for each alarm. They are a repeat only if the sender was gone before the
        answer.

        Raises:
            ApiError: A recipient has no mailbox; nothing was stored.
        """
        mail = self.prepare(envelope, raw)
        addresses = dict.fromkeys(map(to_mailbox_address, envelope.recipients))

        def scope(tx: Reader) -> Scope:
            return Scope.of_mailboxes(_find_mailbox(tx, address) for address in addresses)

        def work(tx: Tx) -> tuple[list[Received], bool]:
            boxes = [_find_mailbox(tx, address) for address in addresses]
            return [self._store(tx, box, mail) for box in boxes], any(map(forwards, boxes))

        stored, may_leave = self._context.write(work, scope)
        if may_leave:
            self._context.wakeups.notify()
        return stored

    def prepare(
        self, envelope: SmtpEnvelope, raw: bytes, judge: Judge | None = None
    ) -> InboundMail:
        """Parse and authenticate a delivery, outside of a transaction.

        Args:
            envelope: Of the delivery; without a peer for mail that was read from a mailbox.
            raw: The whole message.
            judge: Weighs the evidence; None takes it as it is.
        """
        headers = read_headers(raw)
        parsed = parse_message(raw, headers)
        evidence = self._evidence(envelope, raw, headers)
        return InboundMail(
            envelope,
            parsed,
            Content("", parsed.markdown, raw, parsed.removed, parsed.notes),
            hashlib.sha256(raw).hexdigest(),
            (judge(evidence, headers) if judge else evidence).model_dump(mode="json"),
            next((sign.code for sign in list_automation_signs(headers, envelope.mail_from)), None),
            is_bulk_mail(headers),
            any(headers.first(name).strip() for name in ("message-id", "date")),
            parse_report(raw, headers),
        )

    def _evidence(self, envelope: SmtpEnvelope, raw: bytes, headers: HeaderBlock) -> Authentication:
        # Imported with the first mail: DKIM, SPF and DNS are a third of the server's start.
        from ..mail.auth.authenticate import authenticate

        return authenticate(raw, self._context.resolver, envelope, self._context.now(), headers)

    def _store(self, tx: Tx, mailbox: Mailbox, mail: InboundMail) -> Received:
        now = self._context.now()
        if mail.has_identity or mail.envelope.repeats_unanswered:
            before = tx.find_by_raw(mailbox.id, mail.digest, now - DUPLICATE_WINDOW)
            if before is not None:
                return Received(before, is_repeat=True)
        return Received(self.store(tx, mailbox, mail), is_repeat=False)

    def store(
        self, tx: Tx, mailbox: Mailbox, mail: InboundMail, history: datetime | None = None
    ) -> Message:
        """Store a delivery in the transaction `tx`.

        Args:
            tx: The transaction.
            mailbox: The mailbox.
            mail: Of `prepare`.
            history: When it came, if that was long ago: it is stored as read, without any event.
        """
        context, now = self._context, history or self._context.now()
        newest = tx.ask_newest_message_id(mailbox.id)
        flags = [*mail.evidence["flags"], *_flags(tx, mailbox, mail, now)]
        evidence = {**mail.evidence, "flags": flags}
        spam = score_message(evidence)
        placement = find_placement(context, tx, mailbox.id, mail.parsed, evidence)
        message_id = context.ids.new("msg", above=newest())
        message = self._message(message_id, mailbox, mail, evidence, spam, now, placement.thread_id)
        if mail.report is not None and history is None:
            apply_delivery_report(context, tx, mailbox, mail.report, mail.envelope, mail.evidence)
        scanned = get_spam_event(mailbox, spam)
        content = replace(mail.content, message_id=message.id)
        if history is None:
            stored = create_message(tx, message, content, scanned, now, context.pending_ttl)
        else:
            stored = insert_history(tx, message, content, scanned)
        self.insert_files(tx, message, mail.parsed.attachments)
        apply_placement(context, tx, stored, placement)
        context.audit(
            tx,
            Principal.system(mailbox.account_id),
            "email.receive",
            ("email", message.id),
            mailbox_id=mailbox.id,
            status=stored.status.value,
            peer=mail.envelope.peer or None,
        )
        return stored

    def _message(
        self,
        message_id: str,
        mailbox: Mailbox,
        mail: InboundMail,
        evidence: dict[str, Any],
        spam: SpamScore,
        now: datetime,
        thread_id: str,
    ) -> Message:
        parsed, envelope = mail.parsed, mail.envelope
        return Message(
            id=message_id,
            account_id=mailbox.account_id,
            mailbox_id=mailbox.id,
            thread_id=thread_id,
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
            recipients=tuple(
                a for a in envelope.recipients if to_mailbox_address(a) == mailbox.address
            ),
            size=len(mail.content.raw),
            raw_sha256=mail.digest,
            rfc_message_id=parsed.message_id,
            in_reply_to=parsed.in_reply_to[0] if parsed.in_reply_to else None,
            refs=parsed.references,
            auto_submitted=parsed.auto_submitted or None,
            list_id=parsed.list_id or None,
            list_post=parsed.list_post,
            precedence=parsed.precedence or None,
            automatic=mail.automatic,
            bulk=mail.is_bulk,
            spam_score=spam.score,
            spam_verdict=spam.verdict,
            authentication=evidence,
        )

    def insert_files(self, tx: Tx, message: Message, files: Sequence[ParsedAttachment]) -> None:
        """Store the files of a message that came from outside."""
        for position, file in enumerate(files):
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


def _find_mailbox(tx: Reader, address: str) -> Mailbox:
    mailbox = tx.mailbox_by_address(address)
    if mailbox is None:  # It was deleted after RCPT TO was accepted.
        raise not_found("mailbox", address)
    return mailbox


def _flags(tx: Tx, mailbox: Mailbox, mail: InboundMail, now: datetime) -> list[str]:
    """Return advisory flags for a reader of this mailbox; they decide nothing."""
    own = mail.parsed.message_id
    known = find_message_by_rfc_id(tx, mailbox.id, own) if own else None
    arrival = Arrival(
        mailbox.address,
        now,
        seen=known is not None and known.direction is Direction.INBOUND,
        ours=known is not None and known.direction is Direction.OUTBOUND,
    )
    return list(find_flags(mail.parsed, arrival))


_RELAYED = (State.SENDING, State.SENT)


def apply_delivery_report(
    context: AppContext,
    tx: Tx,
    mailbox: Mailbox,
    report: Report,
    envelope: SmtpEnvelope,
    evidence: dict[str, Any],
) -> None:
    """Apply a bounce or complaint to the message it reports on, if the report is credible."""
    if not _is_credible(report, envelope, evidence):
        return
    named = (find_message_by_rfc_id(tx, mailbox.id, id_) for id_ in report.message_ids)
    message = next((message for message in named if message and _was_sent(message)), None)
    if message is None:
        return
    for address, failure in _match_recipients(message, report):
        if report.complaint:
            suppress(context, tx, message, address, COMPLAINT)
            announce(tx, EventKind.COMPLAINED, message, context.now(), recipients=[address])
        else:
            message = _record_bounce(context, tx, message, address, failure)


def _was_sent(message: Message) -> bool:
    return message.direction is Direction.OUTBOUND and message.status in _RELAYED


def _is_credible(report: Report, envelope: SmtpEnvelope, evidence: dict[str, Any]) -> bool:
    """Return whether a report may change a message, since anyone can write one.

    A bounce counts only with an empty return path (RFC 5321 section 4.5.5); it must also reach the
    mailbox that sent the message and name its Message-ID, which has 80 random bits, and a recipient
    that the relay accepted. A complaint must be authenticated.
    """
    if report.complaint:
        return (evidence.get("dmarc") or {}).get("result") == "pass"
    return envelope.mail_from == ""


def _match_recipients(message: Message, report: Report) -> Iterator[tuple[str, FailedRecipient]]:
    """Yield the reported recipients that the relay accepted this message for."""
    ours = {normalize_address(address): address for address in message.recipients}
    for failure in report.failed:
        named = map(normalize_address, failure.addresses)
        address = next((ours.pop(a) for a in named if a in ours), None)
        if address is None:
            continue
        result = message.delivery.get(address)
        test = not message.live and message.status is State.SENT and result is None
        if test or (result and (result["accepted"] or result.get("bounced_at"))):
            yield address, failure


def _record_bounce(
    context: AppContext, tx: Tx, message: Message, address: str, failure: FailedRecipient
) -> Message:
    """Record a bounce in the recipient's result; a soft bounce can only become a hard one."""
    before = message.delivery.get(address) or {}
    if before.get("bounced_at") and (before.get("kind") == "hard" or failure.kind == "soft"):
        return message
    now = context.now()
    result = {
        "accepted": False,
        "code": failure.code,
        "detail": failure.text,
        "permanent": True,
        "enhanced": failure.status or None,
        "kind": failure.kind,
        "bounced_at": now.isoformat(),
    }
    hard = failure.kind == "hard" or message.bounce_type == "hard"
    moved = tx.update_message(
        message,
        message.status,
        delivery={**message.delivery, address: result},
        bounced_at=message.bounced_at or now,
        bounce_type="hard" if hard else "soft",
        bounce_code=failure.code,
        bounce_reason=failure.text or failure.status or None,
    )
    context.audit_message(
        tx,
        Principal.system(message.account_id),
        "email.bounce",
        message,
        bounce_type=failure.kind,
        code=failure.code,
        enhanced=failure.status or None,
    )
    if failure.kind == "hard":
        suppress(context, tx, message, address, BOUNCE, code=failure.code, detail=failure.text)
    bounced = moved or message
    announce(tx, EventKind.BOUNCED, bounced, now, recipients=[address])
    return bounced
