"""The guard: the trust policy at work in one conversation, with what it remembers of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from .. import endpoints as api
from ..call import Call, Pause
from ..errors import MultiMailError
from ..models import Email, EmailSummary, Mailbox
from ..sessions import MemorySessionStore, SendToken, SessionStore
from ..trust import OWN, Action, Assessment, GuardDecision, ReplyFacts, Taint, TrustPolicy
from ..trust.addresses import mentioned, normalised, normalised_all
from ..trust.loops import Automation

log = logging.getLogger("multimail.guard")

Observer: TypeAlias = Callable[[GuardDecision], None]
Steps: TypeAlias = Generator[Call[Any] | Pause, Any, GuardDecision]

_LEFT = frozenset({"sending", "sent", "delivered", "bounced"})
_LOOKED_UP = 3
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
        place: What tells the conversations of one API and mailbox from those of another.
        session_id: The conversation.
        declared: Addresses that app code declared for every conversation.
        observer: Is told of each decision.
    """

    policy: TrustPolicy
    store: SessionStore = field(default_factory=MemorySessionStore)
    place: str = ""
    session_id: str = ""
    declared: frozenset[str] = frozenset()
    observer: Observer | None = None

    @property
    def session(self) -> str:
        """The conversation's name in the store."""
        return f"{self.place}|{self.session_id}"

    def assess(self, message: EmailSummary) -> Assessment:
        """Return what is thought of a message; what the mailbox itself wrote is its own."""
        if message.direction == "outbound":
            return OWN
        sender = normalised(message.sender)
        known = self.store.known(self.place, (sender,))
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
            self.store.add_known(self.place, _envelope(message))
            return assessment
        if not (message.subject or message.sender or any(texts)):
            return assessment  # what awaits a reviewer is a row without a word of its author
        named = mentioned(message.subject, message.sender, *texts) | _envelope(message)
        self.store.grow_taint(self.session, Taint.by(assessment, named))
        return assessment

    def shows_also(self, message: EmailSummary, text: str) -> None:
        """Note that more of a message is being shown, such as an attachment's text."""
        taint = Taint.by(self.assess(message), mentioned(text))
        self.store.grow_taint(self.session, taint)

    def on_send(self, recipients: Sequence[str], key: str) -> Steps:
        """Decide on a new message.

        Args:
            recipients: Everyone whom it would reach.
            key: Its idempotency key.
        """
        taint, allowed = yield from self._known_of(recipients)
        decision = self.policy.on_send(recipients, taint, allowed)
        return self._told(self._counted(decision, "", key))

    def on_reply(
        self, original: Email, recipients: Sequence[str], mailbox: Mailbox, key: str
    ) -> Steps:
        """Decide on a reply.

        Args:
            original: The message that is answered.
            recipients: Everyone whom the reply would reach.
            mailbox: From where.
            key: Its idempotency key.
        """
        taint, allowed = yield from self._known_of(recipients)
        assessment = self.assess(original)
        if assessment is OWN and original.status in _LEFT:
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
        decision = self.policy.on_reply(facts, taint, allowed | {normalised(mailbox.address)})
        return self._told(self._counted(decision, original.thread_id or "", key))

    def on_add_contact(self, address: str) -> Steps:
        """Decide on an entry in the address book."""
        taint, allowed = yield from self._known_of([address])
        return self._told(self.policy.on_add_contact(address, taint, allowed))

    def on_note(self, operation: str) -> GuardDecision:
        """Decide on what reaches nobody."""
        return self._told(self.policy.on_note(operation, self.store.taint(self.session)))

    def on_attachment(self, message: Email) -> GuardDecision | None:
        """Return the refusal to show a message's attachments, or None if they may be shown."""
        assessment = self.assess(message)
        if not self.policy.withholds_attachments(assessment):
            return None
        return self._told(
            GuardDecision(
                Action.REFUSE,
                "download_attachment",
                assessment.label,
                assessment.standing,
                assessment.reasons[:3] or ("nobody vouches for the sender",),
                (f"sender_{assessment.label}",),
                self.policy.name,
                message.id,
            )
        )

    def note_sent(self, email_id: str, recipients: Iterable[str], *, held: bool | None) -> None:
        """Remember a send that awaits a human: his leave makes its recipients known."""
        if held:
            self.store.note_held(self.place, email_id, normalised_all(recipients))

    def _known_of(
        self, recipients: Iterable[str]
    ) -> Generator[Call[Any] | Pause, Any, tuple[Taint, frozenset[str]]]:
        """Return the taint and the allowed ones of the recipients, asking the API at need."""
        wanted = normalised_all(recipients)
        taint = self.store.taint(self.session, wanted)
        allowed = self.declared | self.store.declared(self.session)
        allowed |= self.store.known(self.place, wanted)
        doubtful = {one for one in wanted - allowed if one not in self.policy.listed}
        if doubtful and self.policy.name != "off":
            yield from self._learn_decided(doubtful)
            allowed |= self.store.known(self.place, doubtful)
        return taint, allowed

    def _learn_decided(self, doubtful: set[str]) -> Generator[Call[Any] | Pause, Any, None]:
        """Ask what a human decided on earlier sends to these addresses."""
        for email_id in self.store.held_to(self.place, doubtful, _LOOKED_UP):
            try:
                earlier: Email = yield from api.read_email(email_id)
            except MultiMailError as error:
                log.info("A held message could not be looked up (%s).", error.code)
                continue
            if earlier.approved_at is not None:
                self.store.add_known(self.place, _envelope(earlier))
            if earlier.approved_at is not None or earlier.status in _DECIDED:
                self.store.forget_held(self.place, email_id)

    def _counted(self, decision: GuardDecision, thread: str, key: str) -> GuardDecision:
        if decision.action is Action.REFUSE or self.policy.name == "off":
            return decision
        token = SendToken(self.session, f"{self.place}|{thread}" if thread else "", key)
        limits = (self.policy.sends_per_session, self.policy.sends_per_thread)
        cap = self.store.take_send(token, *limits)
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
        from_ourselves=normalised(original.sender) == normalised(mailbox.address),
    )
