"""The outbox: one thread that hands over what was let through, and lets expire what was not.

Delivery is at least once with a stable Message-ID: a row stays until the result is committed, so
that a crash in between leads to another try and never to a lost message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ..faults import RELAY
from ..mail.bounces import classify_failure, parse_status
from ..mailroom.desk import Desk, the_server
from ..mailroom.steps import advance
from ..oversight import Event, State
from ..signals import Alarm
from ..store.protocol import StoreUnavailableError, Tx
from ..store.records import Message, OutboxRow, TestDelivery
from .barring import leave_out, suppress_refused
from .due_thread import DueThread
from .rehearsed_relay import RehearsedRelay
from .relay import RecipientResult, Relay, RelayOutcomeUnknown, RelayUnavailable
from .stamping import Stamped, stamped_message

_log = logging.getLogger(__name__)

RETRY_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
)
"""How long after each failed try the next one comes; after the last one delivery has failed."""

_BATCH = 100
_AFTER_TROUBLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What one try hands to the relay."""

    message: Message
    row: OutboxRow
    raw: bytes


class Outbox(DueThread):
    """Drains the outbox.

    Args:
        desk: The mailroom's desk.
        relay: Where live mail goes; None when there is no way out.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(self, desk: Desk, relay: Relay | None, alarm: Alarm) -> None:
        super().__init__("outbox", desk, alarm)
        self._relay = relay

    def work(self) -> None:
        """Expire and deliver all that is due now."""
        self._expire()
        while not self.is_stopping and self._drain():
            pass

    def next_due(self) -> datetime | None:
        """Return when something falls due that waits now; None when nothing waits."""
        read = self._desk.store.read
        moments = read(lambda tx: [tx.next_outbox_due(), tx.next_expiry()])
        return min((moment for moment in moments if moment is not None), default=None)

    def _expire(self) -> None:
        now, ttl = self._desk.now(), self._desk.pending_ttl
        while self._desk.store.read(lambda tx: tx.expired_messages(now, 1)):

            def work(tx: Tx) -> None:
                for message in tx.expired_messages(now, _BATCH):
                    advance(tx, message, Event.EXPIRED, now, ttl)
                    self._note(tx, message, "email.expire")

            self._desk.write(work)

    def _drain(self) -> bool:
        """Handle what is due; return whether there may be more."""
        now = self._desk.now()
        rows = self._desk.store.read(lambda tx: tx.outbox_due(now, _BATCH))
        for row in rows:
            if self.is_stopping:
                return False
            self.alone(row.message_id, partial(self._handle, row.message_id))
        return len(rows) == _BATCH

    def _handle(self, message_id: str) -> None:
        stamped = stamped_message(self._desk, message_id)
        parcel = self._desk.write(lambda tx: self._begin(tx, message_id, stamped))
        if parcel is None:
            return
        results, trouble = self._hand_over(parcel)
        self._commit(lambda tx: self._settle(tx, parcel, results, trouble))

    def _commit(self, settle: Callable[[Tx], None]) -> None:
        """Commit what the relay said, whenever the database takes it: it is not asked again."""
        while True:
            try:
                self._desk.write(settle)
            except StoreUnavailableError as error:
                _log.warning("What the relay said waits for the database: %s", error)
                if self.pause(_AFTER_TROUBLE_SECONDS):
                    raise
            else:
                return

    def _begin(self, tx: Tx, message_id: str, stamped: Stamped | None) -> _Parcel | None:
        """Check that the message may still leave; deliver it at once if its key is a test key."""
        desk = self._desk
        row, message = tx.outbox_row(message_id), tx.message(message_id)
        if row is None or message is None or stamped is None or row.due_at > desk.now():
            return None
        if not stamped.is_of(message):
            return None  # It changed meanwhile: its row is still due, and is taken up anew.
        message = advance(tx, message, Event.DUE, desk.now(), desk.pending_ttl) or message
        if message.status is not State.SENDING:
            self._note(tx, message, "email.hold", status=message.status.value)
            return None
        barred = self._barred(tx, message)
        if barred is not None:
            self._fail(tx, message, barred, None, "policy")
            return None
        tx.put_signed_headers(stamped.stamp)
        message, row = leave_out(tx, message, row)
        if not row.remaining:
            self._conclude(tx, message)
            return None
        if message.live or self._is_rehearsed(message, row):
            return _Parcel(message, row, stamped.raw)
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
        return bool(message.delivery) or self._desk.comforts.faults.at(RELAY, row.remaining)

    def _deliver_test(self, tx: Tx, message: Message, recipients: tuple[str, ...]) -> None:
        now = self._desk.now()
        self._keep_test(tx, message, recipients)
        advance(tx, message, Event.DELIVERED, now, self._desk.pending_ttl, delivered_at=now)
        self._note(tx, message, "email.deliver", test=True)

    def _keep_test(self, tx: Tx, message: Message, recipients: tuple[str, ...]) -> None:
        delivery = TestDelivery(
            message_id=message.id,
            account_id=message.account_id,
            mailbox_id=message.mailbox_id,
            mail_from=message.mail_from,
            recipients=recipients,
            delivered_at=self._desk.now(),
        )
        tx.insert_test_delivery(delivery)

    def _hand_over(self, parcel: _Parcel) -> tuple[Mapping[str, RecipientResult], str | None]:
        relay = self._relay if parcel.message.live else RehearsedRelay(self._desk.comforts.faults)
        if relay is None:
            return {}, "this server has no relay now; start it with --relay"
        try:
            sent = relay.hand_over(parcel.message.mail_from, parcel.row.remaining, parcel.raw)
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
        parcel: _Parcel,
        results: Mapping[str, RecipientResult],
        trouble: str | None,
    ) -> None:
        """Commit the outcome of one try."""
        message = tx.message(parcel.message.id)
        if message is None or message.status is not State.SENDING:
            return
        delivery = {**message.delivery, **{who: _told(result) for who, result in results.items()}}
        taken = tuple(who for who, told in delivery.items() if told["accepted"])
        if taken and not message.live:
            self._keep_test(tx, message, taken)
        left = tuple(
            who
            for who in parcel.row.remaining
            if who not in results or not (results[who].accepted or results[who].permanent)
        )
        suppress_refused(self._desk, tx, message, results)
        attempts = parcel.row.attempts + 1
        if left and attempts <= len(RETRY_AFTER):
            self._try_again(tx, message, replace(parcel.row, remaining=left), delivery, trouble)
            return
        for who in left:
            delivery.setdefault(who, {"accepted": False, "code": None, "detail": trouble})
        self._conclude(tx, replace(message, delivery=delivery))

    def _try_again(
        self,
        tx: Tx,
        message: Message,
        row: OutboxRow,
        delivery: dict[str, object],
        trouble: str | None,
    ) -> None:
        due = self._desk.now() + RETRY_AFTER[row.attempts]
        error = trouble or "; ".join(
            str(result["detail"]) for who, result in delivery.items()
            if who in row.remaining and isinstance(result, dict)
        )  # fmt: skip
        tx.put_outbox(replace(row, due_at=due, attempts=row.attempts + 1, last_error=error[:500]))
        tx.update_message(message, message.status, delivery=delivery)
        self._note(tx, message, "email.retry", attempts=row.attempts + 1, due_at=due.isoformat())

    def _conclude(self, tx: Tx, message: Message) -> None:
        """Every recipient's result is known: the message was sent if anybody got it."""
        now = self._desk.now()
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
        advance(
            tx,
            message,
            Event.DELIVERED,
            now,
            self._desk.pending_ttl,
            delivered_at=now,
            delivery=message.delivery,
            **(bounce if bounced else {}),
        )
        self._note(tx, message, "email.deliver", refused=len(refused))

    def _fail(self, tx: Tx, message: Message, reason: str, code: int | None, kind: str) -> None:
        now: datetime = self._desk.now()
        advance(
            tx,
            message,
            Event.FAILED,
            now,
            self._desk.pending_ttl,
            delivery=message.delivery,
            bounced_at=now,
            bounce_type=kind,
            bounce_code=code,
            bounce_reason=reason[:500],
        )
        self._note(tx, message, "email.fail", code=code, bounce_type=kind)

    def _note(self, tx: Tx, message: Message, action: str, **metadata: object) -> None:
        self._desk.audit(
            tx,
            the_server(message.account_id),
            action,
            ("email", message.id),
            mailbox_id=message.mailbox_id,
            **metadata,
        )


def _told(result: RecipientResult) -> dict[str, object]:
    return {
        "accepted": result.accepted,
        "code": result.code,
        "detail": result.detail[:500],
        "permanent": result.permanent,
        "enhanced": parse_status(result.detail) or None,
        "kind": None
        if result.accepted
        else classify_failure(result.code, parse_status(result.detail)),
    }
