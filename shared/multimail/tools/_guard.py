"""The guard: applies the trust policy to one conversation, and records what it was shown."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias

from .. import endpoints as api
from .._call import Call, Pause
from ..errors import MultiMailError
from ..models import Contact, Email, EmailSummary, Mailbox, SendResult
from ..sessions import MemorySessionStore, SendToken, SessionStore
from ..trust import (
    OWN,
    UNTAINTED,
    Action,
    Assessment,
    EnclosedFile,
    GuardDecision,
    Taint,
    TrustPolicy,
)
from ..trust.addresses import find_addresses, normalize_address, normalize_addresses
from ..trust.calls import CallFacts, decide_call
from ..trust.decisions import Finding
from ..trust.labels import Label, Standing, Tier
from ..trust.payment import find_payment_details
from ..trust.provenance import (
    list_names,
    name_message,
    name_payment,
)
from ..trust.quotes import is_reply_subject
from ..trust.taint import merge_all, severity_key
from ..trust.targets import Sources, TargetKind
from ._conversation import get_process_conversation
from ._human_turns import build_turn_entries, list_turn_sources, list_turns
from ._lookups import MAX_LOOKUPS, look_up_contacts, look_up_unmailed
from ._message_facts import (
    UNREPORTED,
    build_reply_facts,
    get_header_addresses,
    get_written_under,
    list_contact_words,
    list_shown_names,
    list_tag_words,
    list_vouched,
)
from ._send_caps import build_daily_caps, count_free, count_send

log = logging.getLogger("multimail.guard")

Observer: TypeAlias = Callable[[GuardDecision], None]
Decide: TypeAlias = Generator[Call[Any] | Pause, Any, GuardDecision]

LEFT_STATUSES = frozenset({"sending", "sent", "delivered", "bounced"})
"""The statuses of a message that is being sent, or was."""
_CLOSED_STATUSES = frozenset({"rejected", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Guard:
    """Assesses messages, records what a conversation was shown, and decides on writes.

    Attributes:
        policy: What messages may show and cause.
        store: Keeps the taint, the declared and the known addresses.
        api: The API's base URL.
        pinned: The only mailbox that the tools use; empty for any.
        session_id: The conversation. Its taint is the same in all mailboxes.
        origin: The toolkit, of those that share a process's conversation.
        declared: Addresses that app code declared for every conversation.
        observer: Is called with each decision.
    """

    policy: TrustPolicy
    store: SessionStore = field(default_factory=MemorySessionStore)
    api: str = ""
    pinned: str = ""
    session_id: str = ""
    origin: str = ""
    declared: frozenset[str] = frozenset()
    observer: Observer | None = None

    @property
    def declared_key(self) -> str:
        """The store's name for what is declared in this conversation and mailbox."""
        return f"{self._scope(None)}|{self.session_id}"

    def declare(self, addresses: Iterable[str]) -> None:
        """Record addresses that app code took from the user's own words."""
        self.store.declare(self.declared_key, normalize_addresses(addresses))

    def declare_sources(self, sources: Sources) -> None:
        """Record the user's words, or trusted data, that targets may come from."""
        if entries := sources.to_entries():
            self.store.declare(self.declared_key, entries)

    def declare_turns(self, texts: Iterable[str]) -> None:
        """Record the human turns that a framework keeps; what mail also says counts for nothing."""
        new = build_turn_entries(texts) - self.store.declared(self.declared_key)
        if new:
            self.store.declare(self.declared_key, new)

    def explains(self, values: Iterable[str]) -> bool:
        """Return whether each value stands in the user's words or in trusted data."""
        sources = Sources.from_entries(self.declared | self.store.declared(self.declared_key))
        return all(map(sources.explain_text, values))

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

    def assess_content(self, message: EmailSummary) -> Assessment:
        """Return how far the words of a message are believed.

        An own message repeats what its writer had read, and a reply the subject that it answers.
        """
        if message.direction != "outbound":
            return self.assess(message)
        sources = (OWN, get_written_under(message), self._assess_answered(message))
        return max(filter(None, sources), key=severity_key)

    def _assess_answered(self, message: EmailSummary) -> Assessment | None:
        if message.answers is not None:
            answered = message.answers
            assessment = self.policy.assess(answered.authentication, answered.sender)
            return Assessment(assessment.label, standing=assessment.standing)
        if "answers" in message.model_fields_set:
            return None
        refers = isinstance(message, Email) and (message.in_reply_to or message.references)
        return UNREPORTED if refers or is_reply_subject(message.subject) else None

    def mark_shown(self, message: EmailSummary, *texts: str) -> Assessment:
        """Record that a message is being shown, and return its assessment.

        Args:
            message: The message.
            texts: What is shown of it beside its header.
        """
        assessment = self.assess_content(message)
        if isinstance(message, Email) and message.approved_at is not None:
            self._add_known(message)
            if assessment is OWN:
                return assessment  # a human approved every word, and none of it came from mail
        if message.subject or message.sender or any(texts):
            names = list_shown_names(message, assessment, texts, self.policy.public_providers)
            self._add_taint(Taint.from_assessment(assessment, names))
        return assessment

    def mark_rows_shown(self, rows: Iterable[tuple[EmailSummary, Assessment]]) -> None:
        """Record that rows of a listing are being shown, in one write to the store.

        Args:
            rows: Each message with its assessment; not those whose row shows no word of it.
        """
        named: defaultdict[tuple[Label, Standing], set[str]] = defaultdict(set)
        for message, assessment in rows:
            if message.subject or message.sender:
                key = (assessment.label, assessment.standing)
                named[key] |= list_shown_names(
                    message, assessment, (), self.policy.public_providers
                )
        self._add_taint(
            merge_all(
                Taint.from_assessment(Assessment(label, standing=standing), names)
                for (label, standing), names in named.items()
            )
        )

    def hides_row(self, assessment: Assessment, mailbox: Mailbox | None) -> bool:
        """Return whether a listing's row may show no word of a message's sender.

        Where nothing waits for a human by itself, a row of unproven mail would taint every
        conversation that lists the inbox.

        Args:
            assessment: Of the message.
            mailbox: The mailbox that lists it; None if it is unknown.
        """
        holds = mailbox is not None and mailbox.holds_sends
        return self.policy.name != "off" and not holds and assessment.tier >= Tier.UNPROVEN

    def mark_indexed_shown(self, assessment: Assessment, *texts: str) -> None:
        """Record that text of a message is being shown which app code kept, such as an index.

        Args:
            assessment: Of the message, when it was kept.
            texts: What is shown of it, its header included.
        """
        names = find_addresses(*texts)
        names |= set(map(name_payment, find_payment_details(*texts)))
        self._add_taint(Taint.from_assessment(assessment, names))

    def refresh_known(self, message: EmailSummary) -> Generator[Call[Any] | Pause, Any, None]:
        """Refresh whether a human has approved earlier mail to this sender."""
        sender, scope = normalize_address(message.sender), self._scope(message.mailbox_id)
        if message.direction != "outbound" and not self.store.known(scope, (sender,)):
            yield from self._look_up_held(scope, {sender})

    def on_send(
        self,
        recipients: Sequence[str],
        mailbox: Mailbox,
        *texts: str,
        files: Sequence[EnclosedFile] = (),
    ) -> Decide:
        """Decide on a new message; pass the decision to `finalize`.

        Args:
            recipients: All of its recipients.
            mailbox: The mailbox that sends.
            texts: Its subject, its text and the names of its files.
            files: The stored files that it encloses.
        """
        payments = find_payment_details(*texts)
        names = map(name_payment, payments)
        scope = self._scope(mailbox.id)
        taint, allowed = yield from self._load_state(
            recipients, scope, *names, mailbox_id=mailbox.id
        )
        decision = self.policy.on_send(recipients, taint, allowed, payments, files)
        return self._explain(decision, taint)

    def on_reply(
        self,
        original: Email,
        recipients: Sequence[str],
        mailbox: Mailbox,
        *texts: str,
        files: Sequence[EnclosedFile] = (),
    ) -> Decide:
        """Decide on a reply; pass the decision to `finalize`.

        Args:
            original: The message that is answered.
            recipients: All recipients of the reply.
            mailbox: The mailbox that sends.
            texts: The reply's text and the names of its files.
            files: The stored files that it encloses.
        """
        payments = find_payment_details(*texts)
        if normalize_addresses(recipients) <= {normalize_address(original.sender)}:
            payments -= find_payment_details(original.markdown)  # a sender's own number
        names = map(name_payment, payments)
        scope = self._scope(mailbox.id)
        taint, allowed = yield from self._load_state(
            recipients, scope, *names, mailbox_id=mailbox.id
        )
        thread = _build_thread_scope(scope, original.thread_id)
        allowed |= self.store.known(thread, normalize_addresses(recipients))
        assessment = self.assess(original)
        if assessment is OWN and original.status in LEFT_STATUSES:
            allowed |= get_header_addresses(original)
        facts = build_reply_facts(
            original, assessment, recipients, mailbox, self.policy.public_providers
        )
        facts = replace(facts, payments=payments, files=tuple(files))
        allowed |= {normalize_address(mailbox.address)}
        return self._explain(self.policy.on_reply(facts, taint, allowed), taint)

    def on_call(self, facts: CallFacts) -> Decide:
        """Decide on a call of one of the app's own tools, and emit the decision.

        Args:
            facts: What it would do; the sources are those of this conversation.
        """
        targets = [to.value for to in facts.targets if to.kind is TargetKind.ADDRESS]
        names = map(name_payment, facts.payments)
        taint, allowed = yield from self._load_state(targets, self._scope(None), *names)
        sources = Sources.from_entries(allowed | list_turn_sources(allowed))
        decision = decide_call(self.policy, replace(facts, sources=sources), taint)
        return self._emit(self._explain(decision, taint))

    def on_forward(
        self, original: Email, recipients: Sequence[str], mailbox: Mailbox, note: str = ""
    ) -> Decide:
        """Decide on a forward; pass the decision to `finalize`.

        Args:
            original: The message that is sent on.
            recipients: All recipients of the forward.
            mailbox: The mailbox that sends.
            note: The text above it.
        """
        payments = find_payment_details(note)
        names = map(name_payment, payments)
        scope = self._scope(mailbox.id)
        taint, allowed = yield from self._load_state(
            recipients, scope, *names, mailbox_id=mailbox.id
        )
        content = self.assess_content(original)
        holders = {normalize_address(mailbox.address)}
        if self.assess(original) is OWN and original.status in LEFT_STATUSES:
            holders |= get_header_addresses(original)
        elif content.is_certain:
            holders |= list_vouched(original, content, self.policy.public_providers)
        decision = self.policy.on_forward(
            EnclosedFile(original.id, content, frozenset(holders)),
            recipients,
            taint,
            allowed,
            payments,
        )
        return self._explain(decision, taint)

    def on_revise(
        self,
        email_id: str,
        recipients: Sequence[str],
        mailbox: Mailbox,
        *texts: str,
        files: Sequence[EnclosedFile] = (),
    ) -> Decide:
        """Decide on a change of an own message that awaits a human.

        Args:
            email_id: The message.
            recipients: All recipients that it has then.
            mailbox: The mailbox that sends.
            texts: Its new subject and text, and the names of new files.
            files: New stored files.
        """
        payments = find_payment_details(*texts)
        names = map(name_payment, payments)
        taint, allowed = yield from self._load_state(
            recipients, self._scope(mailbox.id), *names, mailbox_id=mailbox.id
        )
        decision = self.policy.on_revise(email_id, recipients, taint, allowed, payments, files)
        return self._emit(self._explain(decision, taint))

    @property
    def _is_shared(self) -> bool:
        """Whether the conversation is that of all calls in this process that name none."""
        return self.session_id == get_process_conversation()

    def _name_shown(self, label: Label) -> str:
        """Return the name of mail of a label that this toolkit showed."""
        return f"shown:{self.origin}:{label.value}"

    def _explain(self, decision: GuardDecision, taint: Taint) -> GuardDecision:
        """Say if another job of the process was shown the mail that speaks against it."""
        is_tainted = any(code.startswith("tainted_") for code in decision.codes)
        if not is_tainted or taint.worst is None or not self._is_shared:
            return decision
        if self._name_shown(taint.worst.label) in taint.named:
            return decision
        _warn_of_shared_conversation()
        reason = Finding(decision.action, "opened_earlier")
        return decision.add(reason, len(decision.reasons))

    def _read_taint(self, *names: str) -> Taint:
        """Return the conversation's taint, with the tiers of these names."""
        return self.store.taint(self.session_id, {*names, *map(self._name_shown, Label)})

    def finalize(
        self,
        decision: GuardDecision,
        mailbox: Mailbox,
        key: str,
        recipients: Sequence[str],
        thread: str | None = None,
    ) -> GuardDecision:
        """Apply the mailbox's capabilities to a decision on a send, count it and emit it.

        Args:
            decision: Of `on_send` or `on_reply`.
            mailbox: The mailbox in its current state; what it cannot hold is refused.
            key: The idempotency key of the send: a repeat is not counted again.
            recipients: All of its recipients.
            thread: The thread of a reply.
        """
        if not mailbox.counts_free_sends and not mailbox.holds_sends:
            scope = self._scope(mailbox.id)
            decision = count_free(decision, self.policy, self.store, scope, key, recipients)
        if decision.action is Action.HOLD and not can_hold(mailbox):
            decision = decision.as_refusal("cannot_hold")
        token = SendToken(self.session_id, f"{self.api}|{thread}" if thread else "", key)
        # A service that names no conversation would stop for ever at the cap of one.
        per_session = None if self._is_shared else self.policy.sends_per_session
        return self._emit(count_send(decision, self.policy, self.store, token, per_session))

    def on_add_contact(self, address: str) -> Decide:
        """Decide on a new contact; a hold becomes a refusal, because contacts cannot be held."""
        taint, allowed = yield from self._load_state([address], self._scope(None))
        return self._emit(_refuse_hold(self.policy.on_add_contact(address, taint, allowed)))

    def on_cancel(self) -> GuardDecision:
        """Decide on the withdrawal of a message; a hold becomes a refusal."""
        taint = self._read_taint()
        return self._emit(_refuse_hold(self._explain(self.policy.on_cancel(taint), taint)))

    def on_tag(self, email_id: str, tags: Mapping[str, str]) -> GuardDecision:
        """Decide on tags of a message; a hold becomes a refusal."""
        taint = self._read_taint(name_message(email_id))
        decision = self._explain(self.policy.on_tag(email_id, tags, taint), taint)
        return self._emit(_refuse_hold(decision))

    def on_mark(self, email_ids: Collection[str]) -> GuardDecision:
        """Decide on marks of messages; a hold becomes a refusal."""
        taint = self._read_taint(*map(name_message, email_ids))
        decision = self._explain(self.policy.on_mark(email_ids, taint), taint)
        return self._emit(_refuse_hold(decision))

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
        if taint == UNTAINTED:
            return
        if self._is_shared and taint.worst is not None:
            shown = {self._name_shown(taint.worst.label): taint.worst.tier}
            taint = Taint(taint.worst, {**taint.named, **shown})
        self.store.merge_taint(self.session_id, taint)

    def _add_known(self, message: Email) -> None:
        """Record the recipients of a message that a human approved.

        An unproven sender who was answered is known in that thread alone: no evidence vouches
        for the address.
        """
        scope = self._scope(message.mailbox_id)
        answered = self._assess_answered(message)
        if answered is not None and answered.tier >= Tier.UNPROVEN:
            scope = _build_thread_scope(scope, message.thread_id)
        self.store.add_known(scope, get_header_addresses(message))

    def get_worst_label(self) -> str | None:
        """Return the worst label that this conversation was shown; None if it was shown no mail."""
        worst = self.store.taint(self.session_id).worst
        return worst.label.value if worst is not None else None

    def mark_tags_shown(self, message: Email) -> None:
        """Record that a message's tags are being shown: they may repeat what their writer read."""
        labels, texts = list_tag_words(message)
        self._mark_words_shown(labels, *texts)

    def mark_contacts_shown(self, contacts: Iterable[Contact]) -> None:
        """Record that contacts are being shown: a name that a tool wrote may repeat mail."""
        for contact in contacts:
            labels, texts = list_contact_words(contact)
            self._mark_words_shown(labels, *texts)

    def _mark_words_shown(self, labels: Iterable[Label], *texts: str) -> None:
        """Record that text is being shown which was written after mail of these labels was read."""
        names = find_addresses(*texts)
        names |= frozenset(map(name_payment, find_payment_details(*texts)))
        self._add_taint(
            merge_all(Taint.from_assessment(Assessment(label), names) for label in labels)
        )

    def _scope(self, mailbox_id: str | None) -> str:
        """Return the store's name for a mailbox's known addresses."""
        return f"{self.api}|{mailbox_id or self.pinned}".casefold()

    def _load_state(
        self, recipients: Iterable[str], scope: str, *names: str, mailbox_id: str | None = None
    ) -> Generator[Call[Any] | Pause, Any, tuple[Taint, frozenset[str]]]:
        """Return the taint and the allowed ones of the recipients; ask the API where needed."""
        wanted = normalize_addresses(recipients)
        about = {name for address in wanted for name in list_names(address)}
        taint = self._read_taint(*about, *names)
        allowed = self.declared | self.store.declared(self.declared_key)
        allowed |= self.store.known(scope, wanted)
        unknown = {address for address in wanted - allowed if address not in self.policy.listed}
        if unknown and self.policy.name != "off":
            yield from self._look_up_held(scope, unknown)
            allowed |= self.store.known(scope, unknown)
            if taint.worst is not None:
                allowed |= yield from look_up_contacts(unknown - allowed)
                spoken = find_addresses(*list_turns(allowed)).intersection(unknown - allowed)
                spoken -= taint.named.keys()
                allowed |= yield from look_up_unmailed(spoken, mailbox_id or self.pinned or None)
        return taint, allowed

    def _look_up_held(
        self, scope: str, addresses: set[str]
    ) -> Generator[Call[Any] | Pause, Any, None]:
        """Ask what a human decided on the latest ten held sends to these addresses."""
        for email_id in self.store.held_to(scope, addresses, MAX_LOOKUPS):
            try:
                message: Email = yield from api.read_email(email_id)
            except MultiMailError as error:
                log.info("A held message could not be looked up (%s).", error.code)
                continue
            if message.approved_at is not None:
                self._add_known(message)
            if message.approved_at is not None or message.status in _CLOSED_STATUSES:
                self.store.remove_held(scope, email_id)

    def build_daily_caps(
        self, decision: GuardDecision, mailbox: Mailbox, recipients: Iterable[str]
    ) -> dict[str, Any] | None:
        """Return the caps under which the server lets a send pass; None where it can't count.

        Args:
            decision: Of `finalize`.
            mailbox: The mailbox that sends.
            recipients: All recipients.
        """
        return build_daily_caps(self.policy, decision, mailbox, recipients)

    def add_server_hold(self, decision: GuardDecision, sent: SendResult) -> GuardDecision:
        """Return a decision with the cap for which the server held the message, and emit it."""
        if sent.hold_code is None or decision.action is not Action.ALLOW:
            return decision
        return self._emit(decision.add(Finding(Action.HOLD, sent.hold_code)))

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


def _build_thread_scope(scope: str, thread_id: str | None) -> str:
    return f"{scope}|{thread_id or ''}".casefold()


@cache
def _warn_of_shared_conversation() -> None:
    """Say once in the log that jobs of this process share a conversation."""
    log.warning(
        "Mail that another toolkit of this process read holds a message: calls that name no "
        "conversation share one. Part jobs with toolkit.conversation('job-17'): docs/trust.md."
    )


def can_hold(mailbox: Mailbox) -> bool:
    """Return whether a message of this mailbox can be made to wait for a human."""
    return bool(mailbox.holds_sends or mailbox.per_message_oversight)


def _refuse_hold(decision: GuardDecision) -> GuardDecision:
    """Return a refusal in place of a hold, for an operation that cannot wait."""
    held = decision.action is Action.HOLD
    return decision.as_refusal("cannot_wait") if held else decision
