"""The guard: applies the trust policy to one conversation, and records what it was shown."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from .. import endpoints as api
from .._call import Call, Pause
from ..errors import MultiMailError
from ..models import Email, EmailSummary, Mailbox
from ..sessions import MemorySessionStore, SendToken, SessionStore
from ..trust import (
    OWN,
    UNTAINTED,
    Action,
    Assessment,
    AutoReplyHeaders,
    GuardDecision,
    ReplyFacts,
    Taint,
    TrustPolicy,
)
from ..trust.addresses import find_addresses, normalize_address, normalize_addresses, strip_tag
from ..trust.labels import Label, Standing
from ..trust.taint import merge_all

log = logging.getLogger("multimail.guard")

Observer: TypeAlias = Callable[[GuardDecision], None]
Decide: TypeAlias = Generator[Call[Any] | Pause, Any, GuardDecision]

LEFT_STATUSES = frozenset({"sending", "sent", "delivered", "bounced"})
"""The statuses of a message that is being sent, or was."""
_CLOSED_STATUSES = frozenset({"rejected", "cancelled", "expired"})
_MAX_LOOKUPS = 10
_CANNOT_HOLD = "this mailbox cannot hold a single message for a human"
_CANNOT_WAIT = "it cannot wait for a human"
_CAPS = {
    "session": "this conversation has sent as many messages as it may",
    "thread": "this thread has as many messages within 24 hours as it may",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """Assesses messages, records what a conversation was shown, and decides on writes.

    Attributes:
        policy: What messages may show and cause.
        store: Keeps the taint, the declared and the known addresses.
        api: The API's base URL.
        pinned: The only mailbox that the tools use; empty for any.
        session_id: The conversation. Its taint is the same in all mailboxes.
        declared: Addresses that app code declared for every conversation.
        observer: Is called with each decision.
    """

    policy: TrustPolicy
    store: SessionStore = field(default_factory=MemorySessionStore)
    api: str = ""
    pinned: str = ""
    session_id: str = ""
    declared: frozenset[str] = frozenset()
    observer: Observer | None = None

    @property
    def declared_key(self) -> str:
        """The store's name for what is declared in this conversation and mailbox."""
        return f"{self._scope(None)}|{self.session_id}"

    def declare(self, addresses: Iterable[str]) -> None:
        """Record addresses that app code took from the user's own words."""
        self.store.declare(self.declared_key, normalize_addresses(addresses))

    def reset(self) -> None:
        """Forget what the conversation was shown and what was declared in it."""
        for name in (self.session_id, self.declared_key):
            self.store.reset(name)

    def assess(self, message: EmailSummary) -> Assessment:
        """Return the assessment of a message; an outbound one is the mailbox's own."""
        if message.direction == "outbound":
            return OWN
        sender = normalize_address(message.sender)
        known = self.store.known(self._scope(message.mailbox_id), (sender,))
        return self.policy.assess(message.authentication, message.sender, known)

    def mark_shown(self, message: EmailSummary, *texts: str) -> Assessment:
        """Record that a message is being shown, and return its assessment.

        Args:
            message: The message.
            texts: What is shown of it beside its header.
        """
        assessment = self.assess(message)
        if assessment is OWN and isinstance(message, Email) and message.approved_at is not None:
            # A human approved every word and recipient of it.
            self.store.add_known(self._scope(message.mailbox_id), _get_envelope(message))
            return assessment
        self._add_taint(_build_taint(message, assessment, *texts))
        return assessment

    def mark_rows_shown(self, rows: Iterable[tuple[EmailSummary, Assessment]]) -> None:
        """Record that rows of a listing are being shown, in one write to the store.

        Args:
            rows: Each message with its assessment.
        """
        addresses: defaultdict[tuple[Label, Standing], set[str]] = defaultdict(set)
        for message, assessment in rows:
            if message.subject or message.sender:
                key = (assessment.label, assessment.standing)
                addresses[key] |= _get_named_addresses(message)
        self._add_taint(
            merge_all(
                Taint.from_assessment(Assessment(label, standing=standing), named)
                for (label, standing), named in addresses.items()
            )
        )

    def mark_indexed_shown(self, assessment: Assessment, *texts: str) -> None:
        """Record that text of a message is being shown which app code kept, such as an index.

        Args:
            assessment: Of the message, when it was kept.
            texts: What is shown of it, its header included.
        """
        taint = Taint.from_assessment(assessment, find_addresses(*texts))
        self.store.merge_taint(self.session_id, taint)

    def refresh_known(self, message: EmailSummary) -> Generator[Call[Any] | Pause, Any, None]:
        """Refresh whether a human has approved earlier mail to this sender."""
        sender, scope = normalize_address(message.sender), self._scope(message.mailbox_id)
        if message.direction != "outbound" and not self.store.known(scope, (sender,)):
            yield from self._look_up_held(scope, {sender})

    def on_send(self, recipients: Sequence[str], mailbox: Mailbox) -> Decide:
        """Decide on a new message; pass the decision to `finalize`.

        Args:
            recipients: All of its recipients.
            mailbox: The mailbox that sends.
        """
        taint, allowed = yield from self._load_state(recipients, self._scope(mailbox.id))
        return self.policy.on_send(recipients, taint, allowed)

    def on_reply(self, original: Email, recipients: Sequence[str], mailbox: Mailbox) -> Decide:
        """Decide on a reply; pass the decision to `finalize`.

        Args:
            original: The message that is answered.
            recipients: All recipients of the reply.
            mailbox: The mailbox that sends.
        """
        taint, allowed = yield from self._load_state(recipients, self._scope(mailbox.id))
        assessment = self.assess(original)
        if assessment is OWN and original.status in LEFT_STATUSES:
            allowed |= _get_envelope(original)
        inbound = assessment is not OWN
        facts = ReplyFacts(
            message_id=original.id,
            assessment=assessment,
            sender=original.sender,
            reply_to=tuple(original.reply_to) if inbound else (),
            recipients=tuple(recipients),
            auto_reply=_get_auto_reply(original, mailbox) if inbound else AutoReplyHeaders(),
        )
        return self.policy.on_reply(facts, taint, allowed | {normalize_address(mailbox.address)})

    def finalize(
        self, decision: GuardDecision, mailbox: Mailbox, key: str, thread: str | None = None
    ) -> GuardDecision:
        """Apply the mailbox's capabilities to a decision on a send, count it and emit it.

        Args:
            decision: Of `on_send` or `on_reply`.
            mailbox: The mailbox in its current state; what it cannot hold is refused.
            key: The idempotency key of the send: a repeat is not counted again.
            thread: The thread of a reply.
        """
        if decision.action is Action.HOLD and not can_hold(mailbox):
            decision = decision.as_refusal("cannot_hold", _CANNOT_HOLD)
        thread_key = f"{self.api}|{thread}" if thread else ""
        return self._emit(self._count_send(decision, thread_key, key))

    def on_add_contact(self, address: str) -> Decide:
        """Decide on a new contact; a hold becomes a refusal, because contacts cannot be held."""
        taint, allowed = yield from self._load_state([address], self._scope(None))
        return self._emit(_refuse_hold(self.policy.on_add_contact(address, taint, allowed)))

    def on_internal_change(self, operation: str) -> GuardDecision:
        """Decide on a change that reaches no other person; a hold becomes a refusal."""
        taint = self.store.taint(self.session_id)
        return self._emit(_refuse_hold(self.policy.on_internal_change(operation, taint)))

    def on_attachment(self, message: Email) -> GuardDecision:
        """Decide whether to show an attachment of a message; only a refusal is emitted."""
        decision = self.policy.on_attachment(self.assess(message), message.id)
        return decision if decision.action is Action.ALLOW else self._emit(decision)

    def record_send(
        self, email_id: str, mailbox: Mailbox, recipients: Iterable[str], *, held: bool | None
    ) -> None:
        """Record a held send: its recipients become known once it is approved."""
        if not held:
            return
        try:
            scope = self._scope(mailbox.id)
            self.store.add_held(scope, email_id, normalize_addresses(recipients))
        except Exception:
            # The message was sent; without the record its recipients stay unknown.
            log.exception("A held message could not be recorded.")

    def _add_taint(self, taint: Taint) -> None:
        if taint != UNTAINTED:
            self.store.merge_taint(self.session_id, taint)

    def _scope(self, mailbox_id: str | None) -> str:
        """Return the store's name for a mailbox's known addresses."""
        return f"{self.api}|{mailbox_id or self.pinned}".casefold()

    def _load_state(
        self, recipients: Iterable[str], scope: str
    ) -> Generator[Call[Any] | Pause, Any, tuple[Taint, frozenset[str]]]:
        """Return the taint and the allowed ones of the recipients; ask the API where needed."""
        wanted = normalize_addresses(recipients)
        taint = self.store.taint(self.session_id, wanted)
        allowed = self.declared | self.store.declared(self.declared_key)
        allowed |= self.store.known(scope, wanted)
        unknown = {address for address in wanted - allowed if address not in self.policy.listed}
        if unknown and self.policy.name != "off":
            yield from self._look_up_held(scope, unknown)
            allowed |= self.store.known(scope, unknown)
        return taint, allowed

    def _look_up_held(
        self, scope: str, addresses: set[str]
    ) -> Generator[Call[Any] | Pause, Any, None]:
        """Ask what a human decided on the latest ten held sends to these addresses."""
        for email_id in self.store.held_to(scope, addresses, _MAX_LOOKUPS):
            try:
                message: Email = yield from api.read_email(email_id)
            except MultiMailError as error:
                log.info("A held message could not be looked up (%s).", error.code)
                continue
            if message.approved_at is not None:
                self.store.add_known(scope, _get_envelope(message))
            if message.approved_at is not None or message.status in _CLOSED_STATUSES:
                self.store.remove_held(scope, email_id)

    def _count_send(self, decision: GuardDecision, thread: str, key: str) -> GuardDecision:
        """Count a send against the caps; return a refusal where one is reached."""
        if decision.action is Action.REFUSE or self.policy.name == "off":
            return decision
        token = SendToken(self.session_id, thread, key)
        limits = (self.policy.sends_per_session, self.policy.sends_per_thread)
        cap = self.store.count_send(token, *limits)
        if not cap:
            return decision
        return replace(
            decision,
            action=Action.REFUSE,
            reasons=(_CAPS[cap], *decision.reasons),
            codes=(f"cap_per_{cap}", *decision.codes),
        )

    def _emit(self, decision: GuardDecision) -> GuardDecision:
        """Log a decision and pass it to the observer."""
        level = logging.DEBUG if decision.action is Action.ALLOW else logging.INFO
        log.log(
            level,
            "guard: %s %s (%s) label=%s standing=%s policy=%s message=%s",
            *(decision.action, decision.operation, decision.code, decision.label),
            *(decision.standing, decision.policy, decision.message_id),
            extra={"guard_decision": decision.as_data()},
        )
        if self.observer is not None:
            try:
                self.observer(decision)
            except Exception:
                # A failing observer does not change the decision.
                log.exception("on_decision failed.")
        return decision


def can_hold(mailbox: Mailbox) -> bool:
    """Return whether a message of this mailbox can be made to wait for a human."""
    return bool(mailbox.holds_sends or mailbox.per_message_oversight)


def _refuse_hold(decision: GuardDecision) -> GuardDecision:
    """Return a refusal in place of a hold, for an operation that cannot wait."""
    held = decision.action is Action.HOLD
    return decision.as_refusal("cannot_wait", _CANNOT_WAIT) if held else decision


def _build_taint(message: EmailSummary, assessment: Assessment, *texts: str) -> Taint:
    """Return the taint of what is shown of a message: its header, and texts of it."""
    if not (message.subject or message.sender or any(texts)):
        return UNTAINTED  # a message that awaits a reviewer is a row without any of its content
    return Taint.from_assessment(assessment, _get_named_addresses(message, *texts))


def _get_named_addresses(message: EmailSummary, *texts: str) -> frozenset[str]:
    """Return the addresses in a message's header and in texts of it, normalized."""
    return find_addresses(message.subject, message.sender, *texts) | _get_envelope(message)


def _get_envelope(message: EmailSummary) -> frozenset[str]:
    """Return the addresses in a message's header fields, normalized."""
    addresses = [*message.to]
    if isinstance(message, Email):
        addresses += [*message.cc, *message.bcc, *message.reply_to]
    if message.direction != "outbound":
        addresses.append(message.sender)
    return normalize_addresses(addresses)


def _get_auto_reply(original: Email, mailbox: Mailbox) -> AutoReplyHeaders:
    return AutoReplyHeaders(
        auto_submitted=original.auto_submitted or "",
        list_id=original.list_id or "",
        precedence=original.precedence or "",
        automatic=original.automatic or "",
        is_from_own_mailbox=strip_tag(original.sender) == strip_tag(mailbox.address),
    )
