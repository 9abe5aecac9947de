"""The guard: the trust policy at work in one conversation, with what it remembers of it."""

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
    GuardDecision,
    ReplyFacts,
    Taint,
    TrustPolicy,
)
from ..trust.addresses import mentioned, normalised, normalised_all, without_tag
from ..trust.labels import Label, Standing
from ..trust.loops import Automation
from ..trust.taint import united

log = logging.getLogger("multimail.guard")

Observer: TypeAlias = Callable[[GuardDecision], None]
Steps: TypeAlias = Generator[Call[Any] | Pause, Any, GuardDecision]

LEFT = frozenset({"sending", "sent", "delivered", "bounced"})
"""The states of a message that is on its way, or has left."""
_LOOKED_UP = 10
_CANNOT_HOLD = "this mailbox cannot hold a single message for a human"
_CANNOT_WAIT = "it cannot wait for a human"
_CAPS = {
    "session": "this conversation has sent as many messages as it may",
    "thread": "as many messages were sent in this thread within 24 hours as may be",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges messages, remembers what was shown, and decides on writes.

    Attributes:
        policy: What messages may cause.
        store: Where taint, declared and known addresses are remembered.
        api: The API's base URL.
        pinned: The only mailbox that the tools use, if there is one.
        session_id: The conversation. Its taint goes with it from mailbox to mailbox.
        declared: Addresses that app code declared for every conversation.
        observer: Is told of each decision.
    """

    policy: TrustPolicy
    store: SessionStore = field(default_factory=MemorySessionStore)
    api: str = ""
    pinned: str = ""
    session_id: str = ""
    declared: frozenset[str] = frozenset()
    observer: Observer | None = None

    @property
    def here(self) -> str:
        """The name in the store of the conversation in this mailbox: what was declared in it."""
        return f"{self._scope(None)}|{self.session_id}"

    def declare(self, addresses: Iterable[str]) -> None:
        """Remember addresses that app code took from the user's own words."""
        self.store.declare(self.here, normalised_all(addresses))

    def reset(self) -> None:
        """Forget what the conversation was shown and what was declared in it."""
        for name in (self.session_id, self.here):
            self.store.reset(name)

    def assess(self, message: EmailSummary) -> Assessment:
        """Return what is thought of a message; what the mailbox itself wrote is its own."""
        if message.direction == "outbound":
            return OWN
        sender = normalised(message.sender)
        known = self.store.known(self._scope(message.mailbox_id), (sender,))
        return self.policy.assess(message.authentication, message.sender, known)

    def shows(self, message: EmailSummary, *texts: str) -> Assessment:
        """Note that something of a message is being shown, and return what is thought of it.

        Args:
            message: The message.
            texts: What is shown of it beside its header.
        """
        assessment = self.assess(message)
        if assessment is OWN and isinstance(message, Email) and message.approved_at is not None:
            # A human answered for every word and recipient of it.
            self.store.add_known(self._scope(message.mailbox_id), _envelope(message))
            return assessment
        self._taint(_taint_of(message, assessment, *texts))
        return assessment

    def shows_rows(self, rows: Iterable[tuple[EmailSummary, Assessment]]) -> None:
        """Note that rows of a listing are being shown; as `shows`, but the store is asked once.

        Args:
            rows: Each message with what `assess` said of it.
        """
        named: defaultdict[tuple[Label, Standing], set[str]] = defaultdict(set)
        for message, found in rows:
            if message.subject or message.sender:
                named[found.label, found.standing] |= _named_by(message)
        alike = ((Assessment(label, standing=one), some) for (label, one), some in named.items())
        self._taint(united(Taint.by(found, some) for found, some in alike))

    def shows_again(self, assessment: Assessment, *texts: str) -> None:
        """Note that text of a message is being shown which app code kept, in an index perhaps.

        Args:
            assessment: What was thought of the message when it was kept.
            texts: What is shown of it, its header included.
        """
        self.store.merge_taint(self.session_id, Taint.by(assessment, mentioned(*texts)))

    def learn(self, message: EmailSummary) -> Generator[Call[Any] | Pause, Any, None]:
        """Ask whether a human has let mail to a message's sender leave since he was last asked."""
        sender, scope = normalised(message.sender), self._scope(message.mailbox_id)
        if message.direction != "outbound" and not self.store.known(scope, (sender,)):
            yield from self._learn_decided(scope, {sender})

    def on_send(self, recipients: Sequence[str], mailbox: Mailbox) -> Steps:
        """Decide on a new message; `settle` makes it count.

        Args:
            recipients: Everyone whom it would reach.
            mailbox: From where.
        """
        taint, allowed = yield from self._known_of(recipients, self._scope(mailbox.id))
        return self.policy.on_send(recipients, taint, allowed)

    def on_reply(self, original: Email, recipients: Sequence[str], mailbox: Mailbox) -> Steps:
        """Decide on a reply; `settle` makes it count.

        Args:
            original: The message that is answered.
            recipients: Everyone whom the reply would reach.
            mailbox: From where.
        """
        taint, allowed = yield from self._known_of(recipients, self._scope(mailbox.id))
        assessment = self.assess(original)
        if assessment is OWN and original.status in LEFT:
            allowed |= _envelope(original)
        inbound = assessment is not OWN
        facts = ReplyFacts(
            message_id=original.id,
            assessment=assessment,
            sender=original.sender,
            reply_to=tuple(original.reply_to) if inbound else (),
            recipients=tuple(recipients),
            automation=_automation(original, mailbox) if inbound else Automation(),
        )
        return self.policy.on_reply(facts, taint, allowed | {normalised(mailbox.address)})

    def settle(
        self, decision: GuardDecision, mailbox: Mailbox, key: str, thread: str | None = None
    ) -> GuardDecision:
        """Return what a decision on a send comes to in this mailbox; count it and tell it.

        Args:
            decision: Of `on_send` or `on_reply`.
            mailbox: From where, as it is now. What it cannot hold is refused.
            key: The send's idempotency key: a repeat does not count again.
            thread: The thread of a reply.
        """
        if decision.action is Action.HOLD and not can_hold(mailbox):
            decision = decision.refused("cannot_hold", _CANNOT_HOLD)
        return self._told(self._counted(decision, f"{self.api}|{thread}" if thread else "", key))

    def on_add_contact(self, address: str) -> Steps:
        """Decide on an entry in the address book, which nothing can hold."""
        taint, allowed = yield from self._known_of([address], self._scope(None))
        return self._told(_now_or_never(self.policy.on_add_contact(address, taint, allowed)))

    def on_note(self, operation: str) -> GuardDecision:
        """Decide on what reaches nobody, which nothing can hold."""
        taint = self.store.taint(self.session_id)
        return self._told(_now_or_never(self.policy.on_note(operation, taint)))

    def on_attachment(self, message: Email) -> GuardDecision:
        """Decide on showing what is attached to a message; only a refusal is told."""
        decision = self.policy.on_attachment(self.assess(message), message.id)
        return decision if decision.action is Action.ALLOW else self._told(decision)

    def note_sent(
        self, email_id: str, mailbox: Mailbox, recipients: Iterable[str], *, held: bool | None
    ) -> None:
        """Remember a send that awaits a human: his leave makes its recipients known."""
        if not held:
            return
        try:
            self.store.add_held(self._scope(mailbox.id), email_id, normalised_all(recipients))
        except Exception:
            # It was sent, whatever is remembered of it; unremembered, nobody becomes known.
            log.exception("A held message could not be remembered.")

    def _taint(self, taint: Taint) -> None:
        if taint != UNTAINTED:
            self.store.merge_taint(self.session_id, taint)

    def _scope(self, mailbox_id: str | None) -> str:
        """Return the name in the store of a mailbox's known addresses."""
        return f"{self.api}|{mailbox_id or self.pinned}".casefold()

    def _known_of(
        self, recipients: Iterable[str], scope: str
    ) -> Generator[Call[Any] | Pause, Any, tuple[Taint, frozenset[str]]]:
        """Return the taint and the allowed ones of the recipients, asking the API at need."""
        wanted = normalised_all(recipients)
        taint = self.store.taint(self.session_id, wanted)
        allowed = self.declared | self.store.declared(self.here)
        allowed |= self.store.known(scope, wanted)
        doubtful = {one for one in wanted - allowed if one not in self.policy.listed}
        if doubtful and self.policy.name != "off":
            yield from self._learn_decided(scope, doubtful)
            allowed |= self.store.known(scope, doubtful)
        return taint, allowed

    def _learn_decided(
        self, scope: str, doubtful: set[str]
    ) -> Generator[Call[Any] | Pause, Any, None]:
        """Ask what a human decided on the latest ten held sends to these addresses."""
        for email_id in self.store.held_to(scope, doubtful, _LOOKED_UP):
            try:
                earlier: Email = yield from api.read_email(email_id)
            except MultiMailError as error:
                log.info("A held message could not be looked up (%s).", error.code)
                continue
            if earlier.approved_at is not None:
                self.store.add_known(scope, _envelope(earlier))
            if earlier.approved_at is not None or earlier.status in _DECIDED:
                self.store.remove_held(scope, email_id)

    def _counted(self, decision: GuardDecision, thread: str, key: str) -> GuardDecision:
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

    def _told(self, decision: GuardDecision) -> GuardDecision:
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
                # The decision stands, whatever happens to whoever watches.
                log.exception("on_decision failed.")
        return decision


_DECIDED = frozenset({"rejected", "cancelled", "expired"})


def can_hold(mailbox: Mailbox) -> bool:
    """Return whether a message of this mailbox can be made to wait for a human."""
    return bool(mailbox.holds_sends or mailbox.per_message_oversight)


def _now_or_never(decision: GuardDecision) -> GuardDecision:
    held = decision.action is Action.HOLD
    return decision.refused("cannot_wait", _CANNOT_WAIT) if held else decision


def _taint_of(message: EmailSummary, assessment: Assessment, *texts: str) -> Taint:
    """Return the taint of what is shown of a message: its header, and texts of it."""
    if not (message.subject or message.sender or any(texts)):
        return UNTAINTED  # what awaits a reviewer is a row without a word of its author
    return Taint.by(assessment, _named_by(message, *texts))


def _named_by(message: EmailSummary, *texts: str) -> frozenset[str]:
    """Return the addresses in a message's header and in texts of it, normalised."""
    return mentioned(message.subject, message.sender, *texts) | _envelope(message)


def _envelope(message: EmailSummary) -> frozenset[str]:
    """Return everyone whom a message names in its header, normalised."""
    named = [*message.to]
    if isinstance(message, Email):
        named += [*message.cc, *message.bcc, *message.reply_to]
    return normalised_all(named if message.direction == "outbound" else [*named, message.sender])


def _automation(original: Email, mailbox: Mailbox) -> Automation:
    return Automation(
        auto_submitted=original.auto_submitted or "",
        list_id=original.list_id or "",
        precedence=original.precedence or "",
        from_ourselves=without_tag(original.sender) == without_tag(mailbox.address),
    )
