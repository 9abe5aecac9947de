"""The outbox worker: delivers due messages to the relay and expires undecided ones.

Delivery is at least once with a stable Message-ID: an outbox row stays until the result is
committed, so a crash in between leads to a retry and never to a lost message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from ..auth import Principal
from ..mail.bounces import classify_failure, parse_status
from ..mail.message_ids import parse_relay_ids
from ..oversight import Event, State
from ..services.connecting import add_sent_tasks
from ..services.context import AppContext, is_paused
from ..services.suppression import BOUNCE, describe, get_suppressed, suppress
from ..services.threads import add_alias
from ..services.transitions import apply_event, is_expired
from ..store.protocol import Reader, Scope, StoreUnavailableError, Tx
from ..store.records import Domain, Message, OutboxRow, SignedHeaders, TestDelivery
from ..wakeups import Wakeup
from .imap import FILING_SECONDS, LazySubmission
from .relay import RecipientResult, Relay, RelayOutcomeUnknown, RelayUnavailable
from .scheduler import ScheduledWorker

_log = logging.getLogger(__name__)

RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
)
"""The delay after each failed attempt; after the last one the delivery has failed."""

_RELAY_RETRIES = 6
"""The attempts that a relay's own failure counts as, at most: it does not fail a message."""
_BATCH = 100
MAX_HAND_OVERS = 8
"""How many messages one server hands to the relay at the same time, each of another mailbox."""
_COMMIT_RETRY_SECONDS = 1.0
_FILING = timedelta(seconds=FILING_SECONDS)

GetTestRelay = Callable[[Message, OutboxRow], Relay | None]
"""Returns the relay for a test key's message; None delivers it to the test outbox at once."""


def _get_no_relay(_message: Message, _row: OutboxRow) -> Relay | None:
    return None


@dataclass(frozen=True, slots=True)
class _RelayAttempt:
    """One attempt to send a message to a relay; `relay` is None if the server has none."""

    message: Message
    row: OutboxRow
    raw: bytes = field(repr=False)
    relay: Relay | None
    begun_at: datetime


class Outbox(ScheduledWorker):
    """Delivers due messages and expires undecided ones.

    Args:
        context: The application context.
        relay: The relay for messages of live keys; None if there is none.
        wakeup: Notified after a commit that makes work due.
        get_test_relay: The relay for messages of test keys.
    """

    def __init__(
        self,
        context: AppContext,
        relay: Relay | None,
        wakeup: Wakeup,
        get_test_relay: GetTestRelay = _get_no_relay,
    ) -> None:
        super().__init__("outbox", context, wakeup)
        self._relay = relay
        self._get_test_relay = get_test_relay

    def work(self) -> None:
        """Expire and deliver everything that is due."""
        self._expire()
        if self._context.store.read(is_paused):
            return
        while not self.is_stopping and self._drain():
            pass

    def next_due(self) -> datetime | None:
        """Return when the next message falls due; None if none waits."""
        read = self._context.store.read
        times = read(lambda tx: [None if is_paused(tx) else tx.next_outbox_due(), tx.next_expiry()])
        return min((time for time in times if time is not None), default=None)

    def _expire(self) -> None:
        now = self._context.now()
        while expired := self._context.store.read(lambda tx: tx.expired_messages(now, _BATCH)):
            for scope, messages in groupby(expired, Scope.of_message):
                ids = [message.id for message in messages]
                self._context.write(partial(self._expire_messages, ids, now), scope)

    def _expire_messages(self, message_ids: list[str], now: datetime, tx: Tx) -> None:
        for message_id in message_ids:
            message = tx.message(message_id)
            if message is not None and is_expired(message, now):
                apply_event(tx, message, Event.EXPIRED, now, self._context.pending_ttl)
                self._audit(tx, message, "email.expire")

    def _drain(self) -> bool:
        """Handle a batch of due rows; return whether there may be more.

        Live messages of different mailboxes are handed over at the same time; those of one
        mailbox, and all that stay here, one after the other.
        """
        now = self._context.now()

        def load(tx: Reader) -> tuple[list[str], dict[str, str]]:
            message_ids = [row.message_id for row in tx.outbox_due(now, _BATCH)]
            return message_ids, tx.live_mailboxes(message_ids)

        message_ids, mailboxes = self._context.store.read(load)
        lanes: dict[str, list[str]] = {}
        for message_id in message_ids:
            lanes.setdefault(mailboxes.get(message_id, ""), []).append(message_id)
        if len(lanes) < 2:
            self._handle_in_turn(message_ids)
        else:
            name = f"multimail-{self._name}"
            with ThreadPoolExecutor(min(len(lanes), MAX_HAND_OVERS), name) as pool:
                lanes_done = [pool.submit(self._handle_in_turn, lane) for lane in lanes.values()]
            for done in lanes_done:
                done.result()
        return len(message_ids) == _BATCH and not self.is_stopping

    def _handle_in_turn(self, message_ids: list[str]) -> None:
        for message_id in message_ids:
            if self.is_stopping:
                return
            self.with_claim(message_id, partial(self._handle, message_id))

    def _handle(self, message_id: str) -> None:
        signed = _load_signed(self._context, message_id)
        if signed is None:
            return
        attempt = self._context.write(lambda tx: self._begin(tx, message_id, signed), signed.scope)
        if attempt is None:
            return
        results, failure, is_relays = _send(attempt)
        if attempt.message.live and attempt.relay is self._relay:
            self._context.relay_health.report(failure or "" if is_relays else "", attempt.begun_at)
        self._commit(
            lambda tx: self._settle(tx, attempt, results, failure, is_relays=is_relays),
            signed.scope,
        )

    def _commit(self, settle: Callable[[Tx], None], scope: Scope) -> None:
        """Commit a relay's result, waiting for the database: the relay is not asked again."""
        while True:
            try:
                self._context.write(settle, scope)
            except StoreUnavailableError as error:
                _log.warning("A relay result waits for the database: %s", error)
                if self.pause(_COMMIT_RETRY_SECONDS):
                    raise
            else:
                return

    def _begin(self, tx: Tx, message_id: str, signed: _Signed) -> _RelayAttempt | None:
        """Check that the message can still leave; return the attempt to send it to a relay."""
        context = self._context
        row, message = tx.outbox_row(message_id), tx.message(message_id)
        if row is None or message is None or row.due_at > context.now():
            return None
        if not signed.matches(message):
            return None  # It changed since it was signed; its row stays due.
        message = apply_event(tx, message, Event.DUE, context.now(), context.pending_ttl) or message
        if message.status is not State.SENDING:
            self._audit(tx, message, "email.hold", status=message.status.value)
            return None
        if message.decision == "approve":
            tx.add_approved_recipients(message.mailbox_id, message.recipients)
        blocked_reason = _get_blocked_reason(tx, message)
        if blocked_reason is not None:
            self._fail(tx, message, blocked_reason, None, "policy")
            return None
        tx.put(signed.headers)
        message, row = _drop_suppressed(tx, message, row)
        if not row.remaining:
            self._conclude(tx, message)
            return None
        if message.live:
            relay = self._get_live_relay(tx, message, signed)
            if isinstance(relay, LazySubmission):
                # If this process ends before it has the answer, the provider needs time to file.
                tx.put(replace(row, due_at=context.now() + _FILING))
            return _RelayAttempt(message, row, signed.raw, relay, context.now())
        test_relay = self._get_test_relay(message, row)
        if test_relay is not None:
            return _RelayAttempt(message, row, signed.raw, test_relay, context.now())
        self._deliver_to_test_outbox(tx, message, row.remaining)
        return None

    def _get_live_relay(self, tx: Reader, message: Message, signed: _Signed) -> Relay | None:
        """Return the submission of a connected account; for other mailboxes, the relay."""
        account = tx.connected_account(message.mailbox_id)
        if account is None:
            return self._relay
        earlier = signed.headers if signed.is_repeat else None
        answered = frozenset(message.delivery)
        return LazySubmission(self._context, account, message.rfc_message_id, earlier, answered)

    def _deliver_to_test_outbox(
        self, tx: Tx, message: Message, recipients: tuple[str, ...]
    ) -> None:
        now = self._context.now()
        self._insert_test_delivery(tx, message, recipients)
        apply_event(tx, message, Event.DELIVERED, now, self._context.pending_ttl, delivered_at=now)
        self._audit(tx, message, "email.deliver", test=True)

    def _insert_test_delivery(self, tx: Tx, message: Message, recipients: tuple[str, ...]) -> None:
        delivery = TestDelivery(
            message_id=message.id,
            account_id=message.account_id,
            mailbox_id=message.mailbox_id,
            mail_from=message.mail_from,
            recipients=recipients,
            delivered_at=self._context.now(),
        )
        tx.put(delivery)

    def _settle(
        self,
        tx: Tx,
        attempt: _RelayAttempt,
        results: Mapping[str, RecipientResult],
        failure: str | None,
        *,
        is_relays: bool,
    ) -> None:
        """Commit the result of an attempt: conclude the delivery, or schedule a retry.

        A relay that is away, or that refuses the login, is asked again until it accepts mail:
        the message is not at fault.
        """
        message = tx.message(attempt.message.id)
        if message is None or message.status is not State.SENDING:
            return
        new_rows = {recipient: _build_row(result) for recipient, result in results.items()}
        delivery = {**message.delivery, **new_rows}
        accepted = tuple(recipient for recipient, row in delivery.items() if row["accepted"])
        if accepted and not message.live:
            self._insert_test_delivery(tx, message, accepted)
        remaining = tuple(
            recipient
            for recipient in attempt.row.remaining
            if recipient not in results or not results[recipient].is_final
        )
        _suppress_refused(self._context, tx, message, results)
        _add_relay_aliases(tx, message, results)
        attempts = attempt.row.attempts + 1
        if is_relays:
            attempts = max(attempt.row.attempts, min(attempts, _RELAY_RETRIES))
        if remaining and attempts <= len(RETRY_DELAYS):
            delay = RETRY_DELAYS[attempts - 1]
            if isinstance(attempt.relay, LazySubmission):
                delay = max(delay, _FILING)
            row = replace(attempt.row, remaining=remaining, due_at=self._context.now() + delay)
            self._schedule_retry(tx, message, row, attempts, delivery, failure)
            return
        for recipient in remaining:
            delivery.setdefault(recipient, {"accepted": False, "code": None, "detail": failure})
        self._conclude(tx, replace(message, delivery=delivery))

    def _schedule_retry(
        self,
        tx: Tx,
        message: Message,
        row: OutboxRow,
        attempts: int,
        delivery: dict[str, Any],
        failure: str | None,
    ) -> None:
        details = (delivery[address] for address in row.remaining if address in delivery)
        error = failure or "; ".join(str(result["detail"]) for result in details)
        tx.put(replace(row, attempts=attempts, last_error=error[:500]))
        tx.update_message(message, message.status, delivery=delivery)
        if attempts > row.attempts:
            due = row.due_at.isoformat()
            self._audit(tx, message, "email.retry", attempts=attempts, due_at=due)

    def _conclude(self, tx: Tx, message: Message) -> None:
        """Apply the final results: the message is sent if at least one recipient accepted it."""
        now = self._context.now()
        refused = [result for result in message.delivery.values() if not result["accepted"]]
        bounced = [result for result in refused if not result.get("suppressed")]
        first = bounced[0] if bounced else (refused[0] if refused else {})
        bounce_type = "hard" if any(row.get("kind") == "hard" for row in bounced) else "soft"
        if not bounced:
            bounce_type = "suppressed"
        if len(refused) == len(message.delivery):
            self._fail(tx, message, str(first.get("detail")), first.get("code"), bounce_type)
            return
        bounce = {
            "bounced_at": now,
            "bounce_type": bounce_type,
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
        self._audit(tx, message, "email.deliver", refused=len(refused))
        add_sent_tasks(tx, message, now)

    def _fail(
        self, tx: Tx, message: Message, reason: str, code: int | None, bounce_type: str
    ) -> None:
        now = self._context.now()
        apply_event(
            tx,
            message,
            Event.FAILED,
            now,
            self._context.pending_ttl,
            delivery=message.delivery,
            bounced_at=now,
            bounce_type=bounce_type,
            bounce_code=code,
            bounce_reason=reason[:500],
        )
        self._audit(tx, message, "email.fail", code=code, bounce_type=bounce_type)

    def _audit(self, tx: Tx, message: Message, action: str, **metadata: object) -> None:
        self._context.audit_message(
            tx,
            Principal.system(message.account_id),
            action,
            message,
            **metadata,
        )


@dataclass(frozen=True, slots=True)
class _Signed:
    """A message with its signed headers, and what identifies the signed revision."""

    headers: SignedHeaders
    raw: bytes = field(repr=False)
    """The whole message as transmitted."""
    content_hash: str | None
    decided_at: datetime | None
    scope: Scope
    """Of the writes that send it."""
    is_repeat: bool = False
    """Whether an attempt to send it was begun before."""

    def matches(self, message: Message) -> bool:
        """Return whether the message is still the revision that was signed."""
        current = (message.content_hash, message.decided_at)
        return current == (self.content_hash, self.decided_at)


def _load_signed(context: AppContext, message_id: str) -> _Signed | None:
    """Return a message with its signed headers, the same in every attempt; None if it is gone.

    Signing takes time, so it runs outside of a transaction; the transaction that releases the
    message checks `matches`.
    """
    loaded = context.store.read(lambda tx: _load(tx, message_id))
    if loaded is None:
        return None
    message, raw, earlier, domain = loaded
    headers = earlier or SignedHeaders(message_id, _sign(context, raw, message, domain))
    return _Signed(headers, headers.head + raw, message.content_hash, message.decided_at,
                   Scope.of_message(message), is_repeat=earlier is not None)  # fmt: skip


def _load(
    tx: Reader, message_id: str
) -> tuple[Message, bytes, SignedHeaders | None, Domain | None] | None:
    message, content = tx.message(message_id), tx.content(message_id)
    if message is None or content is None:
        return None
    domain = tx.domain_by_name(message.from_address.rpartition("@")[2])
    own_domain = domain if domain and domain.account_id == message.account_id else None
    return message, content.raw, tx.signed_headers(message_id), own_domain


def _sign(context: AppContext, raw: bytes, message: Message, domain: Domain | None) -> bytes:
    if message.composer_key_id is None:
        return b""  # A forward keeps its author's signatures; this mailbox didn't write it.
    try:
        return context.outbound_headers.sign(raw, message, domain, context.now())
    except ValueError:
        # An unusable key must not block the rest of the outbox.
        _log.exception("Message %s cannot be signed with DKIM and is sent without", message.id)
        return context.outbound_headers.sign(raw, message, None, context.now())


def _get_blocked_reason(tx: Tx, message: Message) -> str | None:
    """Return why an approved message can no longer leave; None if it can."""
    # Only the server's own forwards, which an owner has set up, have no composer.
    if message.composer_key_id is not None:
        key = tx.key(message.composer_key_id)
        if key is None or key.revoked_at is not None:
            return "the key that composed it was revoked before it left"
    mailbox = tx.mailbox(message.mailbox_id)
    if mailbox is None or mailbox.deleted_at is not None:
        return "its mailbox was deleted before it left"
    return None


def _send(attempt: _RelayAttempt) -> tuple[Mapping[str, RecipientResult], str | None, bool]:
    """Return the relay's result for each recipient, or why it gave none.

    The last value says whether the relay itself failed, before it was given the message.
    """
    if attempt.relay is None:
        return {}, "this server has no relay now; start it with --relay", True
    try:
        results = attempt.relay.send(attempt.message.mail_from, attempt.row.remaining, attempt.raw)
    except RelayOutcomeUnknown as error:  # The retry carries the same Message-ID.
        return error.refused, str(error), False
    except RelayUnavailable as error:
        return {}, str(error) or "the relay cannot be reached", True
    except Exception as error:
        _log.exception("The relay failed unexpectedly")
        return {}, f"the relay failed: {type(error).__name__}", False
    return results, None, False


def _build_row(result: RecipientResult) -> dict[str, Any]:
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


def _drop_suppressed(tx: Tx, message: Message, row: OutboxRow) -> tuple[Message, OutboxRow]:
    """Remove suppressed recipients from an outbox row and record why in the message."""
    suppressed = get_suppressed(tx, message.account_id, row.remaining)
    if not suppressed:
        return message, row
    results = {
        recipient: {
            "accepted": False,
            "code": None,
            "detail": describe(entry),
            "permanent": True,
            "suppressed": True,
        }
        for recipient, entry in suppressed.items()
    }
    delivery = {**message.delivery, **results}
    updated = tx.update_message(message, message.status, delivery=delivery) or message
    remaining = tuple(address for address in row.remaining if address not in suppressed)
    shortened = replace(row, remaining=remaining)
    tx.put(shortened)
    return updated, shortened


def _add_relay_aliases(tx: Tx, message: Message, results: Mapping[str, RecipientResult]) -> None:
    """Record the ids that the relay gave a message: answers and reports name these."""
    replies = {result.detail for result in results.values() if result.accepted}
    addresses = {f"<{address}>" for address in (message.mail_from, *message.recipients)}
    for rfc_id in {id_ for reply in replies for id_ in parse_relay_ids(reply)} - addresses:
        add_alias(tx, message, rfc_id)


def _suppress_refused(
    context: AppContext, tx: Tx, message: Message, results: Mapping[str, RecipientResult]
) -> None:
    """Suppress addresses that the relay refuses for good by an enhanced code (RFC 3463).

    A reply code alone is not enough: it can also mean that the relay is misconfigured.
    """
    for recipient, result in results.items():
        status = "" if result.accepted else parse_status(result.detail)
        if status and classify_failure(result.code, status) == "hard":
            suppress(
                context, tx, message, recipient, BOUNCE, code=result.code, detail=result.detail
            )
