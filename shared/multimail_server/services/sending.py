"""Sends and replies: from a draft to a composed message that is held, scheduled or sent.

The daily quota is counted in the transaction that accepts a send.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from ..auth import Principal
from ..errors import ApiError, conflict, forbidden, invalid
from ..mail.compose import OutgoingMessage, compose
from ..oversight import Direction, Event, Mode, State, hides_content
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Content, IdempotencyRow, Mailbox, Message
from .connecting import is_connected
from .context import AppContext, find_mailbox, find_message
from .daily_caps import apply_daily_caps, record_free_send
from .drafts import (
    Draft,
    add_signature,
    auto_copies,
    content_hash,
    fingerprint,
    get_envelope_recipients,
    insert_files,
    require_recipient_limit,
)
from .enclosures import resolve_files
from .messages import describe_answered
from .replies import (
    address_reply,
    get_references,
    load_forward,
    quote_original,
    require_not_answered,
)
from .suppression import get_suppressed, require_any_deliverable
from .transitions import create_message

IDEMPOTENCY_TTL = timedelta(hours=24)
REPLY_WINDOW = timedelta(seconds=60)
_ATTEMPTS = 3
_CLOCK_SKEW = timedelta(minutes=1)
"""How far a caller's clock may be behind."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of a send; `replayed` if the message had been accepted before."""

    message: Message
    replayed: bool = False
    suppressed: tuple[str, ...] = ()
    """Recipients on the suppression list, who get nothing."""


@dataclass(frozen=True, slots=True)
class _OutboundMessage:
    """A composed message, not stored yet."""

    mailbox: Mailbox
    message: Message
    content: Content


class SendService:
    """Accepts drafts. API: POST /v1/mailboxes/{mailbox}/send and …/reply/{email}."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def send(self, principal: Principal, mailbox_id: str, draft: Draft) -> Sent:
        """Accept a new message; a repeat with the same idempotency key returns the first one.

        Raises:
            ApiError: The mailbox is read_only (403), the idempotency key was used for other
                content, or a live key has no relay (409).
        """
        draft = resolve_files(self._context, principal, mailbox_id, draft)
        for _ in range(_ATTEMPTS):
            sent = self._try(principal, mailbox_id, draft)
            if sent is not None:
                self._context.wakeups.notify(_due(sent.message))
                return sent
        raise conflict(
            "changed_meanwhile",
            "The settings of the mailbox were changed at the same time. Try again.",
        )

    def reply(
        self, principal: Principal, mailbox_id: str, email_id: str, draft: Draft, *, reply_all: bool
    ) -> Sent:
        """Accept a reply to `email_id` in its thread; `draft.to` and the subject are ignored."""

        def original(tx: Reader) -> tuple[Mailbox, Message, Content | None]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            message = find_message(tx, principal, email_id, mailbox.id)
            return mailbox, message, tx.content(message.id)

        mailbox, message, content = self._context.store.read(original)
        if hides_content(message.direction, message.status):
            raise conflict(
                "pending_approval",
                f"Message {email_id} awaits approval. Reply once a reviewer approves it.",
            )
        addressed = address_reply(draft, message, mailbox, reply_all=reply_all)
        answering = replace(
            addressed,
            references=get_references(message, content),
            quotation=quote_original(addressed, message, content, mailbox),
        )
        return self.send(principal, mailbox.id, answering)

    def forward(
        self,
        principal: Principal,
        mailbox_id: str,
        email_id: str,
        draft: Draft,
        *,
        with_files: bool,
    ) -> Sent:
        """Accept a forward of `email_id`; the subject of the draft is ignored."""

        def load(tx: Reader) -> Draft:
            return load_forward(tx, principal, mailbox_id, email_id, draft, with_files=with_files)

        return self.send(principal, mailbox_id, self._context.store.read(load))

    def _try(self, principal: Principal, mailbox_id: str, draft: Draft) -> Sent | None:
        """Accept the draft; None if the mailbox changed between composing and committing."""
        digest = fingerprint(draft)

        def load(tx: Reader) -> tuple[Mailbox, Sent | None]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            return mailbox, self._find_earlier(tx, mailbox, draft, digest)

        mailbox, earlier = self._context.store.read(load)
        if earlier is not None:
            return earlier
        self._check(principal, mailbox, draft)
        new = self._compose(principal, mailbox, draft, digest)

        def commit(tx: Tx) -> Sent | None:
            newest = tx.ask_newest_message_id(mailbox.id)
            if find_mailbox(tx, principal, mailbox.id) != new.mailbox:
                return None
            return self._find_earlier(tx, mailbox, draft, digest) or self._store(
                tx, principal, self._put_above(newest(), new, draft), draft
            )

        sent: Sent | None = self._context.write(
            commit, Scope.of_part(mailbox.account_id, mailbox.id)
        )
        return sent

    def _find_earlier(self, tx: Reader, mailbox: Mailbox, draft: Draft, digest: str) -> Sent | None:
        """Return the send that this one repeats, if any."""
        now = self._context.now()
        if draft.idempotency_key is None:
            if draft.answers and tx.find_by_fingerprint(mailbox.id, digest, now - REPLY_WINDOW):
                raise conflict(
                    "duplicate_reply",
                    f"The same reply to {draft.answers.id} was accepted less than 60 seconds ago. "
                    "It was not sent again.",
                )
            require_not_answered(tx, draft.answers)
            return None
        row = tx.idempotency(mailbox.id, draft.idempotency_key)
        if row is None or row.created_at <= now - IDEMPOTENCY_TTL:
            require_not_answered(tx, draft.answers)
            return None
        if row.fingerprint != digest:
            raise conflict(
                "idempotency_mismatch",
                "This idempotency key was used for other content within the last 24 hours. Nothing "
                f"was sent. Use a new key, or read message {row.message_id}.",
            )
        message = tx.message(row.message_id)
        return None if message is None else Sent(message, replayed=True)

    def _check(self, principal: Principal, mailbox: Mailbox, draft: Draft) -> None:
        if mailbox.oversight_mode is Mode.READ_ONLY:
            raise forbidden(
                "read_only",
                f"Mailbox {mailbox.address} is read_only: it cannot send. Use another mailbox.",
            )
        if draft.mode is not None and draft.mode.is_looser_than(mailbox.oversight_mode):
            raise invalid(
                f"`oversight_mode` {draft.mode.value} is looser than the mailbox's "
                f"{mailbox.oversight_mode.value}. A message can only request a stricter mode.",
                "looser_oversight_mode",
            )
        if principal.live and not (self._context.has_relay or is_connected(mailbox)):
            raise conflict(
                "no_relay",
                "Nothing was sent: a live key needs an SMTP relay, and this server has none. Start "
                "it with --relay smtp://…, or use a test key.",
            )
        if draft.send_at is not None and mailbox.settings.get("scheduling_enabled") is False:
            raise forbidden(
                "scheduling_disabled",
                f"Mailbox {mailbox.address} has `scheduling_enabled` set to false. Send without "
                "`send_at`, or change the setting with an admin key.",
            )
        if draft.send_at is not None and draft.send_at < self._context.now() - _CLOCK_SKEW:
            raise invalid(
                "`send_at` lies in the past. Give a time in the future, or none to send it now."
            )
        require_recipient_limit(get_envelope_recipients(draft, mailbox))

    def _compose(
        self, principal: Principal, mailbox: Mailbox, draft: Draft, digest: str
    ) -> _OutboundMessage:
        now, related = self._context.now(), draft.answers or draft.forwards
        markdown = add_signature(draft, mailbox)
        mail = self._outgoing(mailbox, draft, markdown, now)
        message_id = self._context.ids.new("msg")
        recipients = get_envelope_recipients(draft, mailbox)
        message = Message(
            id=message_id,
            account_id=mailbox.account_id,
            mailbox_id=mailbox.id,
            thread_id=related.thread_id if related else self._context.ids.new("thr"),
            direction=Direction.OUTBOUND,
            status=State.PENDING_SCAN,
            mode=draft.mode or mailbox.oversight_mode,
            created_at=now,
            from_address=mailbox.address,
            from_name=mailbox.display_name,
            to=mail.to,
            cc=mail.cc,
            bcc=draft.bcc,
            reply_to=(),
            subject=mail.subject,
            has_attachments=bool(draft.attachments),
            mail_from=mailbox.address,
            recipients=recipients,
            size=0,
            raw_sha256="",
            rfc_message_id=mail.message_id,
            in_reply_to=mail.in_reply_to,
            refs=mail.references,
            live=principal.live,
            composer_key_id=principal.key_id,
            fingerprint=digest,
            replies_to_id=draft.answers.id if draft.answers else None,
            forwards_id=draft.forwards.id if draft.forwards else None,
            answers=describe_answered(related) if related else {},
            send_at=draft.send_at,
            metadata=draft.metadata,
        )
        raw = self._context.outbound_headers.draft_headers(mailbox, message) + compose(mail)
        return _add_hashes(mailbox, message, Content(message_id, markdown, raw), draft)

    def _put_above(
        self, newest: str | None, new: _OutboundMessage, draft: Draft
    ) -> _OutboundMessage:
        """Return the message, with another id if one that was composed later is stored already."""
        if newest is None or new.message.id > newest:
            return new
        message = replace(new.message, id=self._context.ids.new("msg", above=newest))
        headers, before = self._context.outbound_headers, new.content
        body = before.raw[len(headers.draft_headers(new.mailbox, new.message)) :]
        raw = headers.draft_headers(new.mailbox, message) + body
        return _add_hashes(new.mailbox, message, Content(message.id, before.markdown, raw), draft)

    def _outgoing(
        self, mailbox: Mailbox, draft: Draft, markdown: str, now: datetime
    ) -> OutgoingMessage:
        parent = draft.answers.rfc_message_id if draft.answers else None
        return OutgoingMessage(
            message_id=f"<{self._context.ids.new('rfc')}@{mailbox.address.rpartition('@')[2]}>",
            date=now,
            from_address=mailbox.address,
            from_name=mailbox.display_name,
            to=draft.to,
            cc=(*draft.cc, *auto_copies(mailbox, "auto_cc")),
            reply_to=None,
            subject=draft.subject,
            markdown=markdown,
            in_reply_to=parent if parent in draft.references else None,
            references=draft.references,
            attachments=draft.attachments,
            quotation=draft.quotation,
        )

    def _store(self, tx: Tx, principal: Principal, new: _OutboundMessage, draft: Draft) -> Sent:
        context, message = self._context, new.message
        related = draft.answers or draft.forwards
        original = tx.message(related.id) if related else None
        if original is not None:  # Its thread may have been merged since the draft was composed.
            message = replace(message, thread_id=original.thread_id)
        suppressed = get_suppressed(tx, message.account_id, message.recipients)
        require_any_deliverable(suppressed, (*draft.to, *draft.cc, *draft.bcc))
        consume_daily_quota(tx, context, message.account_id)
        event = _get_scan_event(new.mailbox, draft, context.now())
        if draft.caps is not None:
            message = apply_daily_caps(tx, message, draft.caps)
        moved = create_message(tx, message, new.content, event, context.now(), context.pending_ttl)
        insert_files(context, tx, message.id, draft.attachments)
        if draft.caps is not None:
            record_free_send(tx, moved, draft.caps)
        if draft.idempotency_key is not None:
            tx.purge_idempotency(context.now() - IDEMPOTENCY_TTL)
            tx.put(
                IdempotencyRow(
                    message.mailbox_id,
                    draft.idempotency_key,
                    message.fingerprint or "",
                    message.id,
                    context.now(),
                )
            )
        context.audit_message(
            tx,
            principal,
            _get_action(draft),
            message,
            status=moved.status.value,
            oversight_mode=moved.mode.value,
            recipients=len(moved.recipients),
            content_hash=moved.content_hash,
            metadata=message.metadata or None,
        )
        return Sent(moved, suppressed=tuple(suppressed))


def _add_hashes(
    mailbox: Mailbox, message: Message, content: Content, draft: Draft
) -> _OutboundMessage:
    digest = hashlib.sha256(content.raw).hexdigest()
    message = replace(message, size=len(content.raw), raw_sha256=digest)
    files = [hashlib.sha256(file.content).hexdigest() for file in draft.attachments]
    hashed = replace(message, content_hash=content_hash(message, content.markdown, files))
    return _OutboundMessage(mailbox, hashed, content)


def _get_action(draft: Draft) -> str:
    if draft.forwards is not None:
        return "email.forward"
    return "email.reply" if draft.answers else "email.send"


def _due(message: Message) -> datetime | None:
    """Return when an accepted message needs work next; None for now."""
    if message.status is State.SENDING or message.mode is Mode.MONITORED:
        return None  # The notice of a monitored send is due at once.
    times = (message.send_at, message.expires_at)
    return min((time for time in times if time is not None), default=None)


def _get_scan_event(mailbox: Mailbox, draft: Draft, now: datetime) -> Event:
    if draft.send_at is None or draft.send_at <= now:
        return Event.SCANNED
    timing = draft.gate_timing or mailbox.settings.get("default_gate_timing")
    if timing == "schedule_first":
        return Event.SCANNED_TO_SCHEDULE_FIRST
    return Event.SCANNED_FOR_LATER


def consume_daily_quota(tx: Tx, context: AppContext, account_id: str) -> None:
    """Count a send against the account's daily quota (UTC), in the transaction that accepts it.

    Raises:
        ApiError: The quota is used up (429).
    """
    quota, now = context.sends_per_day, context.now().astimezone(UTC)
    if quota is None:
        return
    name, today = f"sends_of_day:{account_id}", now.date().isoformat()
    day, _, count = (tx.lock_setting(name) or "").partition(" ")
    used = int(count) if day == today else 0
    if used >= quota:
        raise _quota_exceeded(quota, now)
    tx.set_setting(name, f"{today} {used + 1}")


def _quota_exceeded(quota: int, now: datetime) -> ApiError:
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    seconds = math.ceil((midnight - now).total_seconds())
    return ApiError(
        429,
        "quota_exceeded",
        f"Nothing was sent: this account has used its {quota} sends of today. Try again after "
        f"00:00 UTC, in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )
