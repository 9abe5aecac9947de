"""The outbox: one thread that hands over what was let through, and lets expire what was not.

Delivery is at least once with a stable Message-ID: a row stays until the result is committed, so
that a crash in between leads to another try and never to a lost message.

Stamping: puts on a message what vouches for it, once it was let through and not before.
Barring: recipients on the suppression list are left out of what is handed over, and told of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from ..mail.bounces import kind_of, status_in
from ..oversight import Event, State
from ..services.context import AppContext, Principal
from ..services.suppression import BOUNCE, get_suppressed, suppress, why
from ..services.transitions import apply_event
from ..store.protocol import Reader, StoreUnavailableError, Tx
from ..store.records import Domain, Message, OutboxRow, SignedHeaders, TestDelivery
from ..testing.fake_relay import FakeRelay
from ..testing.faults import RELAY
from ..wakeups import Wakeup
from .relay import RecipientResult, Relay, RelayOutcomeUnknown, RelayUnavailable
from .scheduler import ScheduledWorker

_log = logging.getLogger(__name__)

RETRY_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
)
"""How long after each failed try the next one comes; after the last one delivery has failed."""

_BATCH = 100
_AFTER_TROUBLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _RelayAttempt:
    """What one try hands to the relay."""

    message: Message
    row: OutboxRow
    raw: bytes


class Outbox(ScheduledWorker):
    """Drains the outbox.

    Args:
        context: The application's context.
        relay: Where live mail goes; None when there is no way out.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(self, context: AppContext, relay: Relay | None, alarm: Wakeup) -> None:
        super().__init__("outbox", context, alarm)
        self._relay = relay

    def work(self) -> None:
        """Expire and deliver all that is due now."""
        self._expire()
        while not self.is_stopping and self._drain():
            pass

    def next_due(self) -> datetime | None:
        """Return when something falls due that waits now; None when nothing waits."""
        read = self._context.store.read
        moments = read(lambda tx: [tx.next_outbox_due(), tx.next_expiry()])
        return min((moment for moment in moments if moment is not None), default=None)

    def _expire(self) -> None:
        now, ttl = self._context.now(), self._context.pending_ttl
        while self._context.store.read(lambda tx: tx.expired_messages(now, 1)):

            def work(tx: Tx) -> None:
                for message in tx.expired_messages(now, _BATCH):
                    apply_event(tx, message, Event.EXPIRED, now, ttl)
                    self._note(tx, message, "email.expire")

            self._context.write(work)

    def _drain(self) -> bool:
        """Handle what is due; return whether there may be more."""
        now = self._context.now()
        rows = self._context.store.read(lambda tx: tx.outbox_due(now, _BATCH))
        for row in rows:
            if self.is_stopping:
                return False
            self.alone(row.message_id, partial(self._handle, row.message_id))
        return len(rows) == _BATCH

    def _handle(self, message_id: str) -> None:
        signed = load_signed(self._context, message_id)
        attempt = self._context.write(lambda tx: self._begin(tx, message_id, signed))
        if attempt is None:
            return
        results, trouble = self._send_to_relay(attempt)
        self._commit(lambda tx: self._settle(tx, attempt, results, trouble))

    def _commit(self, settle: Callable[[Tx], None]) -> None:
        """Commit what the relay said, whenever the database takes it: it is not asked again."""
        while True:
            try:
                self._context.write(settle)
            except StoreUnavailableError as error:
                _log.warning("What the relay said waits for the database: %s", error)
                if self.pause(_AFTER_TROUBLE_SECONDS):
                    raise
            else:
                return

    def _begin(self, tx: Tx, message_id: str, signed: SignedMessage | None) -> _RelayAttempt | None:
        """Check that the message may still leave; deliver it at once if its key is a test key."""
        context = self._context
        row, message = tx.outbox_row(message_id), tx.message(message_id)
        if row is None or message is None or signed is None or row.due_at > context.now():
            return None
        if not signed.matches(message):
            return None  # It changed meanwhile: its row is still due, and is taken up anew.
        message = apply_event(tx, message, Event.DUE, context.now(), context.pending_ttl) or message
        if message.status is not State.SENDING:
            self._note(tx, message, "email.hold", status=message.status.value)
            return None
        barred = self._barred(tx, message)
        if barred is not None:
            self._fail(tx, message, barred, None, "policy")
            return None
        tx.put_signed_headers(signed.stamp)
        message, row = drop_suppressed(tx, message, row)
        if not row.remaining:
            self._conclude(tx, message)
            return None
        if message.live or self._is_rehearsed(message, row):
            return _RelayAttempt(message, row, signed.raw)
        self._deliver_test(tx, message, row.remaining)
        return None

    def _barred(self, tx: Tx, message: Message) -> str | None:
        """Return why a message that was let through must not leave after all."""
        # What no key composed is the server's own: a forward that an owner has set up.
        if message.composer_key_id is not None:
            key = tx.key(message.composer_key_id)
            if key is None or key.revoked_at is not None:
                return "the key that composed it was revoked before it left"
        mailbox = tx.mailbox(message.mailbox_id)
        if mailbox is None or mailbox.deleted_at is not None:
            return "its mailbox was deleted before it left"
        return None

    def _is_rehearsed(self, message: Message, row: OutboxRow) -> bool:
        """Return whether a fault, now or in an earlier try, has a say on a test key's mail."""
        return bool(message.delivery) or self._context.test_hooks.faults.at(RELAY, row.remaining)

    def _deliver_test(self, tx: Tx, message: Message, recipients: tuple[str, ...]) -> None:
        now = self._context.now()
        self._keep_test(tx, message, recipients)
        apply_event(tx, message, Event.DELIVERED, now, self._context.pending_ttl, delivered_at=now)
        self._note(tx, message, "email.deliver", test=True)

    def _keep_test(self, tx: Tx, message: Message, recipients: tuple[str, ...]) -> None:
        delivery = TestDelivery(
            message_id=message.id,
            account_id=message.account_id,
            mailbox_id=message.mailbox_id,
            mail_from=message.mail_from,
            recipients=recipients,
            delivered_at=self._context.now(),
        )
        tx.insert_test_delivery(delivery)

    def _send_to_relay(
        self, attempt: _RelayAttempt
    ) -> tuple[Mapping[str, RecipientResult], str | None]:
        relay = self._relay if attempt.message.live else FakeRelay(self._context.test_hooks.faults)
        if relay is None:
            return {}, "this server has no relay now; start it with --relay"
        try:
            sent = relay.send(attempt.message.mail_from, attempt.row.remaining, attempt.raw)
        except (RelayUnavailable, RelayOutcomeUnknown) as error:
            # Where the outcome is unknown, the next try carries the same Message-ID.
            return {}, str(error) or "the relay cannot be reached"
        except Exception as error:
            _log.exception("The relay failed in an unexpected way")
            return {}, f"the relay failed: {type(error).__name__}"
        return sent, None

    def _settle(
        self,
        tx: Tx,
        attempt: _RelayAttempt,
        results: Mapping[str, RecipientResult],
        trouble: str | None,
    ) -> None:
        """Commit the outcome of one try."""
        message = tx.message(attempt.message.id)
        if message is None or message.status is not State.SENDING:
            return
        delivery = {
            **message.delivery,
            **{recipient: _result_row(result) for recipient, result in results.items()},
        }
        taken = tuple(recipient for recipient, told in delivery.items() if told["accepted"])
        if taken and not message.live:
            self._keep_test(tx, message, taken)
        left = tuple(
            recipient
            for recipient in attempt.row.remaining
            if recipient not in results
            or not (results[recipient].accepted or results[recipient].permanent)
        )
        suppress_refused(self._context, tx, message, results)
        attempts = attempt.row.attempts + 1
        if left and attempts <= len(RETRY_AFTER):
            self._try_again(tx, message, replace(attempt.row, remaining=left), delivery, trouble)
            return
        for recipient in left:
            delivery.setdefault(recipient, {"accepted": False, "code": None, "detail": trouble})
        self._conclude(tx, replace(message, delivery=delivery))

    def _try_again(
        self,
        tx: Tx,
        message: Message,
        row: OutboxRow,
        delivery: dict[str, object],
        trouble: str | None,
    ) -> None:
        due = self._context.now() + RETRY_AFTER[row.attempts]
        error = trouble or "; ".join(
            str(result["detail"]) for recipient, result in delivery.items()
            if recipient in row.remaining and isinstance(result, dict)
        )  # fmt: skip
        tx.put_outbox(replace(row, due_at=due, attempts=row.attempts + 1, last_error=error[:500]))
        tx.update_message(message, message.status, delivery=delivery)
        self._note(tx, message, "email.retry", attempts=row.attempts + 1, due_at=due.isoformat())

    def _conclude(self, tx: Tx, message: Message) -> None:
        """Every recipient's result is known: the message was sent if anybody got it."""
        now = self._context.now()
        refused = [told for told in message.delivery.values() if not told["accepted"]]
        bounced = [told for told in refused if not told.get("suppressed")]
        first = bounced[0] if bounced else (refused[0] if refused else {})
        kind = "hard" if any(told.get("kind") == "hard" for told in bounced) else "soft"
        if not bounced:
            kind = "suppressed"
        if len(refused) == len(message.delivery):
            self._fail(tx, message, str(first.get("detail")), first.get("code"), kind)
            return
        bounce = {
            "bounced_at": now,
            "bounce_type": kind,
            "bounce_code": first.get("code"),
            "bounce_reason": str(first.get("detail"))[:500],
        }
        apply_event(
            tx,
            message,
            Event.DELIVERED,
            now,
            self._context.pending_ttl,
            delivered_at=now,
            delivery=message.delivery,
            **(bounce if bounced else {}),
        )
        self._note(tx, message, "email.deliver", refused=len(refused))

    def _fail(self, tx: Tx, message: Message, reason: str, code: int | None, kind: str) -> None:
        now: datetime = self._context.now()
        apply_event(
            tx,
            message,
            Event.FAILED,
            now,
            self._context.pending_ttl,
            delivery=message.delivery,
            bounced_at=now,
            bounce_type=kind,
            bounce_code=code,
            bounce_reason=reason[:500],
        )
        self._note(tx, message, "email.fail", code=code, bounce_type=kind)

    def _note(self, tx: Tx, message: Message, action: str, **metadata: object) -> None:
        self._context.audit(
            tx,
            Principal.system(message.account_id),
            action,
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            **metadata,
        )


def _result_row(result: RecipientResult) -> dict[str, object]:
    return {
        "accepted": result.accepted,
        "code": result.code,
        "detail": result.detail[:500],
        "permanent": result.permanent,
        "enhanced": status_in(result.detail) or None,
        "kind": None if result.accepted else kind_of(result.code, status_in(result.detail)),
    }


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message as it was when its fields for the way out were made."""

    stamp: SignedHeaders
    raw: bytes = field(repr=False)
    """The whole message, as it is transmitted."""
    content_hash: str | None
    decided_at: datetime | None

    def matches(self, message: Message) -> bool:
        """Return whether the message is still what was stamped."""
        now = (message.content_hash, message.decided_at)
        return now == (self.content_hash, self.decided_at)


def load_signed(context: AppContext, message_id: str) -> SignedMessage | None:
    """Return a message with its fields for the way out, the same at every try; None if it is gone.

    It signs outside of a transaction, since that takes time: whoever hands the message over
    compares it with `is_of` in the transaction that lets it go.
    """
    found = context.store.read(lambda tx: _load_unsigned(tx, message_id))
    if found is None:
        return None
    message, raw, stamp, domain = found
    if stamp is None:
        stamp = SignedHeaders(message_id, _signed_headers(context, raw, message, domain))
    return SignedMessage(stamp, stamp.head + raw, message.content_hash, message.decided_at)


def _load_unsigned(
    tx: Reader, message_id: str
) -> tuple[Message, bytes, SignedHeaders | None, Domain | None] | None:
    message, content = tx.message(message_id), tx.content(message_id)
    if message is None or content is None:
        return None
    domain = tx.domain_by_name(message.from_address.rpartition("@")[2])
    own = domain if domain and domain.account_id == message.account_id else None
    return message, content.raw, tx.signed_headers(message_id), own


def _signed_headers(
    context: AppContext, raw: bytes, message: Message, domain: Domain | None
) -> bytes:
    if message.composer_key_id is None:
        return b""  # A forward: its own signatures say who wrote it, and this mailbox did not.
    try:
        return context.outbound_headers.sign(raw, message, domain, context.now())
    except ValueError:
        # The rest of the outbox must not wait for a key that cannot be used.
        _log.exception("Message %s cannot be signed with DKIM and leaves without", message.id)
        return context.outbound_headers.sign(raw, message, None, context.now())


def drop_suppressed(tx: Tx, message: Message, row: OutboxRow) -> tuple[Message, OutboxRow]:
    """Take suppressed recipients out of an outbox row, and write why to the message."""
    barred = get_suppressed(tx, message.account_id, row.remaining)
    if not barred:
        return message, row
    told = {
        recipient: {
            "accepted": False,
            "code": None,
            "detail": why(entry),
            "permanent": True,
            "suppressed": True,
        }
        for recipient, entry in barred.items()
    }
    delivery = {**message.delivery, **told}
    moved = tx.update_message(message, message.status, delivery=delivery) or message
    shorter = replace(
        row, remaining=tuple(recipient for recipient in row.remaining if recipient not in barred)
    )
    tx.put_outbox(shorter)
    return moved, shorter


def suppress_refused(
    context: AppContext, tx: Tx, message: Message, results: Mapping[str, RecipientResult]
) -> None:
    """Put addresses on the list that the relay calls bad by an enhanced code (RFC 3463).

    A reply code alone is not enough: it may as well be the relay that is set up wrong.
    """
    for recipient, result in results.items():
        status = "" if result.accepted else status_in(result.detail)
        if status and kind_of(result.code, status) == "hard":
            suppress(
                context, tx, message, recipient, BOUNCE, code=result.code, detail=result.detail
            )
