"""Records: the rows that a store keeps, as plain frozen values. No behaviour but derivation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..oversight import Direction, Mode, State


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns the mailboxes and keys."""

    id: str
    name: str
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that receives and sends."""

    id: str
    account_id: str
    address: str
    display_name: str
    oversight_mode: Mode
    created_at: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. The secret itself is not here: only its SHA-256 and its first characters."""

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
class Message:
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
    """The envelope: everyone who gets it, auto-bcc included."""
    size: int
    """Bytes of the raw message."""
    raw_sha256: str
    rfc_message_id: str | None = None
    in_reply_to: str | None = None
    refs: tuple[str, ...] = ()
    live: bool = False
    composer_key_id: str | None = None
    fingerprint: str | None = None
    """Digest of what a caller asked to send, to recognise the same request again."""
    replies_to_id: str | None = None
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
    precedence: str | None = None
    authentication: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    delivery: dict[str, Any] = field(default_factory=dict)
    """What the relay said, by recipient."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says: its text, and its exact RFC 5322 bytes."""

    message_id: str
    markdown: str
    raw: bytes
    removed: tuple[str, ...] = ()
    """What of an HTML body was hidden from people and is not in `markdown`, in words."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message, without its bytes."""

    id: str
    message_id: str
    position: int
    name: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """An entry of the address book."""

    id: str
    account_id: str
    email: str
    name: str | None
    tags: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log. Never holds content or secrets."""

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
class IdempotencyRow:
    """Remembers for 24 hours what was done under a caller's idempotency key."""

    mailbox_id: str
    idempotency_key: str
    fingerprint: str
    message_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message that is let through and not yet handed over."""

    message_id: str
    due_at: datetime
    attempts: int
    remaining: tuple[str, ...]
    """The recipients who have not got it yet."""
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class TestDelivery:
    """What a test key "delivered": kept here instead of leaving."""

    message_id: str
    account_id: str
    mailbox_id: str
    mail_from: str
    recipients: tuple[str, ...]
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """What a held message was before a reviewer edited it."""

    message_id: str
    number: int
    """1 for what was sent first."""
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
class ApprovalLink:
    """A link that decides on one message, once. The token is not here: only its SHA-256."""

    sha256: str
    message_id: str
    content_hash: str
    """What its maker was shown; the link decides on nothing else."""
    key_id: str
    """The approver."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of one's own, with the keys that sign its mail. The keys never leave the store."""

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
    """What DNS showed at the last check, by the record's purpose."""

    def signers(self) -> tuple[tuple[str, str], ...]:
        """Return selector and private key of each key that DNS publishes; none if unverified."""
        if self.verified_at is None:
            return ()
        keys = (("dkim_rsa", f"{self.selector}r", self.rsa_key),
                ("dkim_ed25519", f"{self.selector}e", self.ed25519_key))  # fmt: skip
        return tuple((selector, key) for purpose, selector, key in keys
                     if self.seen.get(purpose) == "found")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that gets no mail of this account any more, and why."""

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
class SignedHeaders:
    """The fields that were put on top of a message when it was let through."""

    message_id: str
    head: bytes


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages of a mailbox to list, newest first. What is None does not filter."""

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
    """The keyset cursor: only messages older than this one."""
    since_id: str | None = None
    """Only messages newer than this one."""
    offset: int = 0
    reviewer: bool = False
    """Whether filters on content may also match inbound mail that awaits approval."""
