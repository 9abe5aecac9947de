"""The read model of the review pages, loaded in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from ..auth import Principal
from ..errors import conflict, forbidden, not_found
from ..oversight import HELD, Direction
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Attachment, AuditEntry, Content, Key, Mailbox, Message, Revision
from .changes import list_changes
from .context import AppContext, find_message, scope_of_message
from .drafts import auto_copies, fixed_recipients, get_quotation
from .messages import OpenedMessage

_THREAD_MESSAGES = 50
MAX_RANKED = 10_000
"""Held messages that are ranked by risk; the queue says so when more wait."""
MAX_ROW_TEXT = 400
"""Characters of a text that the queue shows."""
MAX_ROW_RECIPIENTS = 5
"""Recipients that the queue names."""
_FRAUD_CODES = frozenset({"payment_from_mail"})
_FORGERY_CODES = frozenset(
    {"sender_failed", "tainted_failed", "file_from_failed", "forward_of_failed", "own_mail"}
)


class Risk(IntEnum):
    """How carefully a held message has to be looked at; the most careful first."""

    FRAUD = 0
    """It names payment details that came from mail."""
    FORGERY = 1
    """It answers, or encloses, mail that looks forged; or is such mail."""
    CHECK = 2
    """The agent's guard asks for a human, or nothing proves the sender of inbound mail."""
    ROUTINE = 3
    """It waits only because its mailbox holds every message."""


@dataclass(frozen=True, slots=True)
class ReviewRecipient:
    """A recipient of a message under review.

    Attributes:
        address: As it stands in the envelope.
        field: `To`, `Cc`, `Bcc`, or `Auto-Cc` and `Auto-Bcc` for the mailbox's own copies.
        is_new: Whether no approved message of this mailbox went to it before.
        is_fixed: Whether it is a copy set up by the mailbox's owner, which an edit cannot drop.
    """

    address: str
    field: str
    is_new: bool
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A row of the approval queue.

    Attributes:
        message: The message that is held.
        mailbox: Its mailbox.
        risk: How carefully it has to be looked at.
        text: The beginning of its plain text.
        is_whole: Whether `text` is all that is sent: no HTML, picture, quotation, file, earlier
            revision or character that does not show.
        attachments: How many files it has.
        recipients: Its envelope recipients; empty for inbound mail.
        question: The message that it replies to.
    """

    message: Message
    mailbox: Mailbox
    risk: Risk
    text: str
    is_whole: bool
    attachments: int
    recipients: list[ReviewRecipient]
    question: Message | None

    @property
    def is_harmless(self) -> bool:
        """Whether the row shows all that a decision needs, so that several can be approved."""
        return (
            self.risk is Risk.ROUTINE
            and self.message.direction is Direction.OUTBOUND
            and self.is_whole
            and self.message.send_at is None
            and len(self.recipients) <= MAX_ROW_RECIPIENTS
            and not self.new_recipients
            and not self.adds_recipients
        )

    @property
    def adds_recipients(self) -> bool:
        """Whether a reply goes to somebody whom the message that it answers did not name."""
        if self.question is None:
            return False
        named = (self.question.from_address, *self.question.to, *self.question.cc)
        known = set(_lower(named))
        return any(row.address.lower() not in known for row in self.recipients if not row.is_fixed)

    @property
    def new_recipients(self) -> int:
        """How many of its recipients no approved message went to before."""
        return len({row.address.lower() for row in self.recipients if row.is_new})


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which held messages the queue lists.

    Attributes:
        mailbox_id: Those of one mailbox; empty for all.
        risks: Those of these risks.
        words: Those with this text in the subject, an address, a name or the text, in any case.
    """

    mailbox_id: str = ""
    risks: frozenset[Risk] = frozenset(Risk)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of the approval queue, the riskiest first and of one risk the oldest first.

    Attributes:
        rows: The messages.
        total: How many messages await a decision, at most 10,000 are counted.
        is_cut: Whether more wait, which are not ranked yet.
        matching: How many of them pass the filter.
        next_after: The id of the last row, if more follow it.
    """

    rows: list[QueueRow]
    total: int
    is_cut: bool
    matching: int
    next_after: str | None


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A message with everything that a decision on it needs.

    Attributes:
        message: The message.
        mailbox: The mailbox of the message.
        risk: How carefully it has to be looked at.
        content: Its text and its exact bytes.
        attachments: Its attachments.
        recipients: Its envelope recipients; empty for inbound mail.
        thread: The other messages of its thread, oldest first, at most 50.
        revisions: Its earlier revisions, oldest first.
        key_names: Names of the account's keys by id, to show who composed and decided.
    """

    message: Message
    mailbox: Mailbox
    risk: Risk
    content: Content
    attachments: list[Attachment]
    recipients: list[ReviewRecipient]
    thread: list[OpenedMessage]
    revisions: list[Revision]
    key_names: dict[str, str]

    @property
    def changes(self) -> tuple[str, ...]:
        """What the latest revision changed."""
        return list_changes(self.revisions, self.message, self.content, self.attachments)

    @property
    def is_held(self) -> bool:
        """Whether it awaits a decision."""
        return self.message.status in HELD

    @property
    def question(self) -> OpenedMessage | None:
        """The message that it replies to."""
        ids = (self.message.replies_to_id,)
        return next((other for other in self.thread if other.message.id in ids), None)

    @property
    def quotation(self) -> str:
        """What a reply quotes below its text."""
        return get_quotation(self.message, self.content)


class ReviewService:
    """Queries of the review pages."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def key(self, key_id: str) -> Key | None:
        """Return an API key by id."""
        return self._context.store.read(lambda tx: tx.key(key_id))

    def key_by_sha256(self, sha256: str) -> Key | None:
        """Return the API key with this SHA-256."""
        return self._context.store.read(lambda tx: tx.key_by_sha256(sha256))

    def key_names(self, principal: Principal) -> dict[str, str]:
        """Return the names of the account's API keys by id."""
        return self._context.store.read(lambda tx: _get_key_names(tx, principal.account_id))

    def subjects(self, principal: Principal, entries: Sequence[AuditEntry]) -> dict[str, str]:
        """Return the subjects of the messages that entries of the audit log are about, by id."""

        def work(tx: Reader) -> dict[str, str]:
            ids = {entry.resource_id for entry in entries if entry.resource_type == "email"}
            messages = filter(None, map(tx.message, ids))
            return {message.id: message.subject for message in messages}

        return self._context.store.read(work) if "read" in principal.scopes else {}

    def mailboxes(self, principal: Principal) -> list[Mailbox]:
        """Return the mailboxes whose messages the reviewer decides on."""

        def work(tx: Reader) -> list[Mailbox]:
            mailboxes = tx.mailboxes(principal.account_id)
            bound = principal.mailbox_id
            return [mailbox for mailbox in mailboxes if bound in (None, mailbox.id)]

        return self._context.store.read(work)

    def record_session(self, principal: Principal, action: str) -> None:
        """Record a sign-in or sign-out in the audit log."""
        context = self._context
        context.write(
            lambda tx: context.audit(
                tx,
                principal,
                action,
                ("api_key", principal.key_id),
                mailbox_id=principal.mailbox_id,
            ),
            Scope.of_new_rows(principal.account_id),
        )

    def queue(self, principal: Principal, filters: QueueFilter, after_id: str, limit: int) -> Queue:
        """Return the messages that await a decision, the riskiest and then the oldest first.

        Args:
            principal: The reviewer.
            filters: Which of them.
            after_id: `next_after` of the page before; empty for the first page.
            limit: Rows of a page.
        """

        def work(tx: Reader) -> Queue:
            held = self._list_held(tx, principal)
            ranked = _rank(tx, held[:MAX_RANKED], filters)
            last = tx.message(after_id) if after_id else None
            start = _get_rank(last) if last is not None else None
            page = [row for row in ranked if start is None or row[:2] > start]
            next_after = page[limit - 1][1] if len(page) > limit else None
            rows = [_load_queue_row(tx, message, risk) for risk, _, message in page[:limit]]
            is_cut = len(held) > MAX_RANKED
            return Queue(rows, min(len(held), MAX_RANKED), is_cut, len(ranked), next_after)

        return self._context.store.read(work)

    def get_next(
        self, principal: Principal, filters: QueueFilter, decided: Message
    ) -> Message | None:
        """Return the message to decide on after another, in the order of the queue.

        After the last one the first one follows, which may have been left open on purpose.
        """

        def work(tx: Reader) -> Message | None:
            ranked = _rank(tx, self._list_held(tx, principal)[:MAX_RANKED], filters)
            place = _get_rank(decided)
            following = next((row for row in ranked if row[:2] > place), None)
            return (following or ranked[0])[2] if ranked else None

        return self._context.store.read(work)

    def _list_held(self, tx: Reader, principal: Principal) -> list[Message]:
        """Return the held messages, and one more than are ranked if there are more."""
        now, limit = self._context.now(), MAX_RANKED + 1
        return tx.pending_messages(principal.account_id, principal.mailbox_id, now, "", limit)

    def peek(self, principal: Principal, email_id: str) -> Message:
        """Return a message without its content and without an audit entry, for polling."""
        return self._context.store.read(lambda tx: _find_reviewable(tx, principal, email_id))

    def item(self, principal: Principal, email_id: str, via: str) -> ReviewItem:
        """Return a message with all that belongs to it, and record the read in the audit log.

        It doesn't mark the message as read: that is the agent's state.

        Args:
            principal: The reviewer.
            email_id: The message.
            via: `page` or `approval_link`, for the audit log.
        """
        context = self._context

        def work(tx: Tx) -> ReviewItem:
            message = _find_reviewable(tx, principal, email_id)
            context.audit_message(tx, principal, "email.read", message, via=via)
            return _load_item(tx, message)

        return context.write(work, scope_of_message(email_id))

    def open(self, messages: Sequence[Message]) -> list[OpenedMessage]:
        """Return messages that the reviewer may see with their texts and tags."""

        def work(tx: Reader) -> list[OpenedMessage]:
            return [replace(_open(tx, message), tags=tx.tags(message.id)) for message in messages]

        return self._context.store.read(work)

    def attachment(
        self, principal: Principal, email_id: str, attachment_id: str
    ) -> tuple[Attachment, bytes]:
        """Return an attachment and record the read in the audit log."""
        context = self._context

        def work(tx: Tx) -> tuple[Attachment, bytes]:
            message = _find_reviewable(tx, principal, email_id)
            attachment = tx.attachment(attachment_id)
            if attachment is None or attachment.message_id != message.id:
                raise not_found(f"attachment of message {email_id} called", attachment_id)
            resource = ("attachment", attachment.id)
            context.audit(tx, principal, "attachment.read", resource, mailbox_id=message.mailbox_id)
            return attachment, tx.attachment_content(attachment.id)

        return context.write(work, scope_of_message(email_id))

    def raw(self, principal: Principal, email_id: str) -> bytes:
        """Return the raw bytes of a message; `item` has recorded the read."""

        def work(tx: Reader) -> bytes:
            content = tx.content(_find_reviewable(tx, principal, email_id).id)
            return content.raw if content else b""

        return self._context.store.read(work)


def list_recipients(tx: Reader, message: Message, mailbox: Mailbox) -> list[ReviewRecipient]:
    """Return the envelope recipients with the header field that names each."""
    auto_cc, auto_bcc = auto_copies(mailbox, "auto_cc"), auto_copies(mailbox, "auto_bcc")
    fixed = fixed_recipients(message, (*auto_cc, *auto_bcc))
    known = tx.approved_recipients(mailbox.id, message.recipients)
    fields = {
        **dict.fromkeys(_lower(message.recipients), "Auto-Bcc"),
        **dict.fromkeys(_lower(message.bcc), "Bcc"),
        **dict.fromkeys(_lower(message.cc), "Cc"),
        **dict.fromkeys(set(_lower(message.cc)) & set(_lower(auto_cc)), "Auto-Cc"),
        **dict.fromkeys(_lower(message.to), "To"),
    }
    return [
        ReviewRecipient(
            address,
            fields[address.lower()],
            address.lower() not in known,
            address.lower() in fixed,
        )
        for address in message.recipients
    ]


def _lower(addresses: Sequence[str]) -> list[str]:
    return [address.lower() for address in addresses]


def get_risk(message: Message) -> Risk:
    """Return how carefully a held message has to be looked at."""
    codes = set(str(message.metadata.get("guard_codes") or "").split())
    codes.add(str(message.metadata.get("guard_code") or ""))
    is_inbound = message.direction is Direction.INBOUND
    label = _get_label(message.authentication) if is_inbound else None
    if codes & _FRAUD_CODES:
        return Risk.FRAUD
    if codes & _FORGERY_CODES or label == "failed":
        return Risk.FORGERY
    if message.metadata.get("guard_action") or label not in (None, "authenticated"):
        return Risk.CHECK
    return Risk.ROUTINE


def _get_label(evidence: dict[str, object]) -> str:
    # Imported late: the server's start does not wait for the client library.
    from multimail.trust import Authentication, assess

    return assess(Authentication.model_validate(evidence)).label.value


def _get_rank(message: Message) -> tuple[Risk, str]:
    return get_risk(message), message.id


def _rank(
    tx: Reader, held: Sequence[Message], filters: QueueFilter
) -> list[tuple[Risk, str, Message]]:
    """Return the messages that pass a filter in the order of the queue."""
    rows = [
        (*_get_rank(message), message)
        for message in held
        if filters.mailbox_id in ("", message.mailbox_id)
    ]
    rows = [row for row in rows if row[0] in filters.risks]
    if filters.words:
        found = _find_words(tx, [row[2] for row in rows], filters.words.casefold())
        rows = [row for row in rows if row[1] in found]
    return sorted(rows, key=lambda row: row[:2])


def _find_words(tx: Reader, messages: Sequence[Message], words: str) -> set[str]:
    """Return the ids of the messages that have the words; texts are read only where needed."""
    found = set()
    for message in messages:
        fields = (message.subject, message.from_address, message.from_name, *message.recipients)
        if any(words in text.casefold() for text in fields):
            found.add(message.id)
    texts = tx.texts([message.id for message in messages if message.id not in found])
    return found | {email_id for email_id, text in texts.items() if words in text.casefold()}


def require_harmless(tx: Reader, message: Message) -> None:
    """Raise a 409 for a message that is decided on its own page only."""
    if not _load_queue_row(tx, message, get_risk(message)).is_harmless:
        raise conflict(
            "not_harmless",
            f"“{message.subject}” needs a closer look, so nothing was decided. Open it.",
        )


def _load_queue_row(tx: Reader, message: Message, risk: Risk) -> QueueRow:
    content, mailbox = tx.content(message.id), tx.mailbox(message.mailbox_id)
    if content is None or mailbox is None:
        raise not_found("message", message.id)
    is_outbound = message.direction is Direction.OUTBOUND
    # Imported late: it needs the parsers of markdown and HTML.
    from ..mail.rendering import shorten

    text, is_whole = shorten(content.markdown, MAX_ROW_TEXT, is_markdown=is_outbound)
    files = tx.attachments(message.id)
    hides = files or tx.revisions(message.id) or get_quotation(message, content)
    return QueueRow(
        message=message,
        mailbox=mailbox,
        risk=risk,
        text=text,
        is_whole=is_whole and not hides and _is_plain(message, content.markdown),
        attachments=len(files),
        recipients=list_recipients(tx, message, mailbox) if is_outbound else [],
        question=tx.message(message.replies_to_id) if message.replies_to_id else None,
    )


def _is_plain(message: Message, markdown: str) -> bool:
    """Return whether the plain text of a message shows all that its reader would see."""
    # Imported late: the server's start does not wait for the client library.
    from multimail.trust.text import is_invisible

    from ..mail.rendering import is_html

    shown = "".join((markdown, message.subject, message.from_name, *message.recipients))
    return not (is_html(markdown) or "![" in markdown or any(map(is_invisible, shown)))


def _find_reviewable(tx: Reader, principal: Principal, email_id: str) -> Message:
    message = find_message(tx, principal, email_id)
    if message.status not in HELD and "read" not in principal.scopes:
        raise forbidden(
            "missing_scope",
            f"Message {email_id} awaits no decision. To read other mail, use a key with the read "
            "scope.",
        )
    return message


def _load_item(tx: Reader, message: Message) -> ReviewItem:
    mailbox = tx.mailbox(message.mailbox_id)
    content = tx.content(message.id)
    if mailbox is None or content is None:
        raise not_found("message", message.id)
    outbound = message.direction is Direction.OUTBOUND
    others = tx.thread(mailbox.id, message.thread_id, _THREAD_MESSAGES + 1)
    return ReviewItem(
        message=message,
        mailbox=mailbox,
        risk=get_risk(message),
        content=content,
        attachments=tx.attachments(message.id),
        recipients=list_recipients(tx, message, mailbox) if outbound else [],
        thread=[_open(tx, other) for other in others if other.id != message.id],
        revisions=tx.revisions(message.id),
        key_names=_get_key_names(tx, message.account_id),
    )


def _open(tx: Reader, message: Message) -> OpenedMessage:
    content = tx.content(message.id)
    text = content.markdown if content else ""
    return OpenedMessage(message, text, tx.attachments(message.id))


def _get_key_names(tx: Reader, account_id: str) -> dict[str, str]:
    return {key.id: key.name for key in tx.keys(account_id)}
