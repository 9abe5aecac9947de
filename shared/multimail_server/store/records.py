"""Records: one frozen dataclass for each table, with a field for each column.

`sql` converts a record to a database row and back, from the annotations of its fields. The filters
of the lists stand at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..oversight import Direction, Mode, State
from .query_language import Query


class Record:
    """A row of one table: see `TABLES`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Account(Record):
    """The owner of mailboxes and API keys."""

    id: str
    name: str
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mailbox(Record):
    """An address that receives and sends mail."""

    id: str
    account_id: str
    address: str
    display_name: str
    oversight_mode: Mode
    created_at: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key(Record):
    """An API key. The secret is not stored: only its SHA-256 and its first characters."""

    id: str
    account_id: str
    name: str
    prefix: str
    sha256: str
    scopes: tuple[str, ...]
    live: bool
    created_at: datetime
    mailbox_id: str | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message(Record):
    """One message in one mailbox, without its content."""

    id: str
    account_id: str
    mailbox_id: str
    thread_id: str
    direction: Direction
    status: State
    mode: Mode
    created_at: datetime
    from_address: str
    from_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    reply_to: tuple[str, ...]
    subject: str
    has_attachments: bool
    mail_from: str
    recipients: tuple[str, ...]
    """The envelope: every recipient, including auto-bcc."""
    size: int
    """Bytes of the raw message."""
    raw_sha256: str
    rfc_message_id: str | None = None
    in_reply_to: str | None = None
    refs: tuple[str, ...] = ()
    live: bool = False
    composer_key_id: str | None = None
    fingerprint: str | None = None
    """Digest of the send request, to recognize a repeated one."""
    replies_to_id: str | None = None
    forwards_id: str | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    """The inbound message that its subject or quotation comes from: `id`, `from`,
    `authentication`."""
    content_hash: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    decision: str | None = None
    decision_reason: str | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    bounce_type: str | None = None
    bounce_code: int | None = None
    bounce_reason: str | None = None
    spam_score: float | None = None
    spam_verdict: str | None = None
    auto_submitted: str | None = None
    list_id: str | None = None
    list_post: tuple[str, ...] = ()
    precedence: str | None = None
    automatic: str | None = None
    """The sign that a program sent it, by `multimail.trust.automation`."""
    bulk: bool = False
    """Whether it came through a mailing list or a bulk sender."""
    authentication: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    delivery: dict[str, Any] = field(default_factory=dict)
    """The relay's reply, by recipient."""


class ReferenceKind(StrEnum):
    """What a Message-ID that no message here has leads to."""

    ALIAS = "alias"
    """A sent message, which the relay gave this id."""
    PARENT = "parent"
    """A thread that waits for the message with this id: its first message here answers it."""
    ROOT = "root"
    """A thread whose first message here names this id as the beginning of the conversation."""
    MERGED = "merged"
    """The thread into which the thread with this id was merged; not a Message-ID."""


@dataclass(frozen=True, slots=True)
class MessageReference(Record):
    """A Message-ID that leads to a thread of a mailbox, though no message here has it."""

    mailbox_id: str
    rfc_id: str
    kind: ReferenceKind
    thread_id: str
    message_id: str
    """The message that named the id, or that has it as an alias."""


@dataclass(frozen=True, slots=True)
class Content(Record):
    """The content of a message: its text, and its exact RFC 5322 bytes."""

    message_id: str
    markdown: str
    raw: bytes
    removed: tuple[str, ...] = ()
    """Descriptions of the hidden parts of an HTML body, which `markdown` leaves out."""
    notes: tuple[str, ...] = ()
    """Codes of what a reader has to know of the body (`BodyNote`)."""


@dataclass(frozen=True, slots=True)
class Attachment(Record):
    """An attachment of a message, without its bytes."""

    id: str
    message_id: str
    position: int
    name: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    """Of a file to send, the received message that it came with, as in `Message.answers`."""


@dataclass(frozen=True, slots=True)
class Contact(Record):
    """An entry of the address book."""

    id: str
    account_id: str
    email: str
    name: str | None
    tags: tuple[str, ...]
    created_at: datetime
    made_by: str | None = None
    """`tool` or `app`; None for one that is older than this column."""
    label: str | None = None
    """The worst trust label that the writer of its name and tags had read; None for none."""


@dataclass(frozen=True, slots=True)
class Tag(Record):
    """A tag of a message."""

    message_id: str
    name: str
    value: str
    label: str | None = None
    """The worst trust label that its writer had read; None for none."""


@dataclass(frozen=True, slots=True)
class AuditEntry(Record):
    """One entry of the audit log. Never holds content or secrets."""

    id: str
    account_id: str
    action: str
    resource_type: str
    resource_id: str
    created_at: datetime
    mailbox_id: str | None = None
    actor_key_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyRow(Record):
    """The message that was sent under a caller's idempotency key; kept for 24 hours."""

    mailbox_id: str
    idempotency_key: str
    fingerprint: str
    message_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FreeSend(Record):
    """A message that left without a human, under one name that it counts for; kept for 24 hours."""

    mailbox_id: str
    name: str
    """A recipient, or `@` and an organisational domain."""
    message_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRow(Record):
    """A message that may leave and that the relay has not accepted yet."""

    message_id: str
    due_at: datetime
    attempts: int
    remaining: tuple[str, ...]
    """The recipients that the relay has not accepted yet."""
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class TestDelivery(Record):
    """A message sent with a test key: recorded here and never relayed."""

    message_id: str
    account_id: str
    mailbox_id: str
    mail_from: str
    recipients: tuple[str, ...]
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Revision(Record):
    """The content of a held message before an edit."""

    message_id: str
    number: int
    """1 for the content that was first submitted."""
    content_hash: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    recipients: tuple[str, ...]
    subject: str
    markdown: str
    raw: bytes
    replaced_at: datetime
    replaced_by: str


@dataclass(frozen=True, slots=True)
class ApprovalLink(Record):
    """A link that decides on one message, once. Only the SHA-256 of its token is stored."""

    sha256: str
    message_id: str
    content_hash: str
    """The content that the link was made for; it is void for any other."""
    key_id: str
    """The approver."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Domain(Record):
    """A custom domain, with the private keys that sign its mail. They never leave the server."""

    id: str
    account_id: str
    name: str
    selector: str
    rsa_key: str = field(repr=False)
    rsa_record: str
    ed25519_key: str = field(repr=False)
    ed25519_record: str
    created_at: datetime
    verified_at: datetime | None = None
    checked_at: datetime | None = None
    seen: dict[str, Any] = field(default_factory=dict)
    """The result of the last DNS check, by the record's purpose."""

    def signers(self) -> tuple[tuple[str, str], ...]:
        """Return the selector and private key of each published key; none if unverified."""
        if self.verified_at is None:
            return ()
        keys = (("dkim_rsa", f"{self.selector}r", self.rsa_key),
                ("dkim_ed25519", f"{self.selector}e", self.ed25519_key))  # fmt: skip
        return tuple((selector, key) for purpose, selector, key in keys
                     if self.seen.get(purpose) == "found")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suppression(Record):
    """An address that this account may not send to, and why."""

    account_id: str
    address: str
    """In lower case."""
    id: str
    reason: str
    """bounce, complaint or unsubscribe."""
    created_at: datetime
    mailbox_id: str | None = None
    message_id: str | None = None
    code: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SignedHeaders(Record):
    """The header fields (identity, DKIM) that were put on top of a message when it left."""

    message_id: str
    head: bytes


class Purpose(StrEnum):
    """The purpose of a one-time code."""

    UPGRADE = "upgrade"
    """Loosen the oversight mode of one mailbox."""
    CHANGE = "change"
    """Carry out one sensitive request of an admin key, exactly as it was made."""


@dataclass(frozen=True, slots=True)
class OneTimeCode(Record):
    """A one-time code sent to the account's owner. Only its SHA-256 is stored."""

    id: str
    account_id: str
    purpose: Purpose
    key_id: str
    """The API key that requested it."""
    sha256: str
    created_at: datetime
    expires_at: datetime
    mailbox_id: str | None = None
    from_mode: str | None = None
    """The mailbox's mode when the upgrade was requested."""
    target_mode: str | None = None
    subject: str = ""
    """The request to carry out, such as `POST /v1/api-keys`."""
    fingerprint: str = ""
    """Digest of that request's body."""
    tries: int = 0
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notification(Record):
    """A notification about something that happened without a person's decision."""

    id: str
    account_id: str
    mailbox_id: str
    kind: str
    created_at: datetime
    message_id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    """The addresses that it has still to be mailed to."""
    due_at: datetime | None = None
    """When the next attempt to mail it is due; None when there is none."""
    attempts: int = 0
    mailed_at: datetime | None = None
    error: str | None = None


class WebhookSource(StrEnum):
    """What created a webhook endpoint."""

    SUBSCRIPTION = "subscription"
    """POST /v1/webhooks."""
    MAILBOX = "webhook_url"
    """The mailbox setting of that name."""
    OVERSIGHT = "oversight_webhook_url"
    """The mailbox setting of that name."""


class DeliveryStatus(StrEnum):
    """The status of a webhook delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook(Record):
    """A webhook endpoint: the URL, and the events that it receives."""

    id: str
    account_id: str
    url: str
    events: tuple[str, ...]
    """The event names as they were requested, of either vocabulary."""
    signing_secret: str = field(repr=False)
    """In plain text, because it signs; erased with the endpoint."""
    signature_format: str
    """The format of `X-MultiMail-Signature`: `sha256=hex` or `hex`."""
    source: WebhookSource
    created_at: datetime
    mailbox_id: str | None = None
    """The only mailbox whose events it receives; None for all of the account."""
    last_success_at: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookDelivery(Record):
    """One event for one endpoint. Its id is the event's id, the same on each attempt."""

    id: str
    webhook_id: str
    account_id: str
    mailbox_id: str
    message_id: str
    event: str
    status: DeliveryStatus
    created_at: datetime
    due_at: datetime | None = None
    """When the next attempt is due; None once the delivery has ended."""
    attempts: int = 0
    last_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    response_status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent(Record):
    """One event in the log that `GET /v1/events` reads."""

    account_id: str
    mailbox_id: str
    message_id: str
    kind: str
    created_at: datetime
    details: dict[str, Any]
    """The payload's `data` without the text; empty once the message's content is erased."""
    position: int | None = None
    """Its place in the log; None until `number_events` gives it one."""


@dataclass(frozen=True, slots=True)
class BrowserSession(Record):
    """A browser that is signed in to the pages, by the SHA-256 of its token.

    Attributes:
        flash: A message that the next page shows once.
    """

    sha256: str
    key_id: str
    expires_at: datetime
    flash: str = ""


@dataclass(frozen=True, slots=True)
class SignInFailure(Record):
    """A wrong key at the sign-in of the pages."""

    id: str
    host: str
    failed_at: datetime


class ConnectionState(StrEnum):
    """How a connected account is."""

    CONNECTING = "connecting"
    """It has not been reached since it was connected."""
    READY = "ready"
    WAITING = "waiting"
    """The connection failed; it is tried again soon."""
    REFUSED = "refused"
    """The provider refused the login; it is tried again rarely."""


IN_TROUBLE = (ConnectionState.WAITING, ConnectionState.REFUSED)
"""The states in which no mail comes or goes."""


@dataclass(frozen=True, slots=True)
class ConnectedAccount(Record):
    """A mailbox that stays at a provider, and how this server signs in there."""

    mailbox_id: str
    account_id: str
    login: str
    options: dict[str, Any]
    """The fields of `sources.account.AccountOptions`."""
    secret: bytes = field(repr=False)
    """The password or the token's source, encrypted by `sources.secrets`."""
    connected_at: datetime
    state: ConnectionState
    detail: str = ""
    """Why it is not ready, in a sentence."""
    checked_at: datetime | None = None
    """When the state last changed."""


@dataclass(frozen=True, slots=True)
class ConnectedFolder(Record):
    """How far a folder of a connected account was read."""

    mailbox_id: str
    name: str
    uid_validity: int
    last_uid: int
    """Every message up to this UID was read."""
    history_uid: int
    """Messages up to this UID were there when the account was connected."""


class TaskKind(StrEnum):
    """What is to do at the provider for one message."""

    FILE = "file"
    """See that it is in Sent, once."""
    ANSWERED = "answered"
    """Set \\Answered."""
    SEEN = "seen"
    """Set \\Seen."""
    DRAFT = "draft"
    """Put it into Drafts, for a decision there."""
    WATCH = "watch"
    """See what becomes of it in Drafts; its time is when it was last seen there."""


@dataclass(frozen=True, slots=True)
class ConnectedTask(Record):
    """Something to do at the provider, until it is done."""

    message_id: str
    kind: TaskKind
    mailbox_id: str
    created_at: datetime


TABLES: dict[type[Record], tuple[str, ...]] = {
    Account: ("accounts", "id"),
    ApprovalLink: ("approval_links", "sha256"),
    Attachment: ("attachments", "id"),
    AuditEntry: ("audit", "id"),
    BrowserSession: ("browser_sessions", "sha256"),
    ConnectedAccount: ("connected_accounts", "mailbox_id"),
    ConnectedFolder: ("connected_folders", "mailbox_id", "name"),
    ConnectedTask: ("connected_tasks", "message_id", "kind"),
    Contact: ("contacts", "id"),
    Content: ("contents", "message_id"),
    Domain: ("domains", "id"),
    FreeSend: ("free_sends", "mailbox_id", "name", "message_id"),
    IdempotencyRow: ("idempotency", "mailbox_id", "idempotency_key"),
    Key: ("keys", "id"),
    LoggedEvent: ("events", "position"),
    Mailbox: ("mailboxes", "id"),
    Message: ("messages", "id"),
    MessageReference: ("message_references", "mailbox_id", "rfc_id"),
    Notification: ("notices", "id"),
    OneTimeCode: ("one_time_codes", "id"),
    OutboxRow: ("outbox", "message_id"),
    Revision: ("revisions", "message_id", "number"),
    SignInFailure: ("sign_in_failures", "id"),
    SignedHeaders: ("stamps", "message_id"),
    Tag: ("tags", "message_id", "name"),
    Suppression: ("suppressions", "account_id", "address"),
    TestDelivery: ("test_deliveries", "message_id"),
    Webhook: ("webhooks", "id"),
    WebhookDelivery: ("webhook_deliveries", "id"),
}
"""The table of each record, and its primary key."""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Selects messages of a mailbox, newest first. A field that is None does not filter."""

    mailbox_id: str
    limit: int
    statuses: tuple[State, ...] = ()
    direction: Direction | None = None
    sender: str | None = None
    subject_contains: str | None = None
    date_after: datetime | None = None
    date_before: datetime | None = None
    has_attachments: bool | None = None
    before_id: str | None = None
    """Only messages older than this one (the keyset cursor)."""
    since_id: str | None = None
    """Only messages newer than this one."""
    offset: int = 0
    reviewer: bool = False
    """Whether filters on content also match inbound mail that awaits approval."""


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Selects messages of a mailbox by a query, newest first."""

    mailbox_id: str
    limit: int
    query: Query = field(default_factory=Query)
    before_id: str | None = None
    """Only messages older than this one (the keyset cursor)."""
    reviewer: bool = False
    """Whether inbound mail that awaits approval is searched too."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Selects deliveries of an account, newest first. A field that is None does not filter."""

    account_id: str
    limit: int
    status: DeliveryStatus | None = None
    webhook_id: str | None = None
    bound_to: str | None = None
    """Only deliveries to endpoints that are bound to this mailbox."""
    before_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects numbered events of an account, in their order. None and () do not filter."""

    account_id: str
    limit: int
    after: int = 0
    """Only events beyond this position."""
    mailbox_id: str | None = None
    kinds: tuple[str, ...] = ()
