"""Answers about everything but mail: mailboxes, contacts, keys, the account and its audit log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...oversight import Mode
from .messages import Answered, Json, Time


class HealthAnswer(Answered):
    """The server is there and its database can be read."""

    status: Literal["ok"]
    server: str
    version: str


class MailboxAnswer(Answered):
    """A mailbox with its settings."""

    id: str
    mailbox_id: str
    address: str
    email: str
    display_name: str | None
    oversight_mode: Mode
    auto_cc: list[str] | None
    auto_bcc: list[str] | None
    forward_inbound: list[str] | bool | None
    webhook_url: str | None
    oversight_webhook_url: str | None
    signature_block: str | None
    default_gate_timing: str | None
    approver_emails: list[str] | None
    spam_filter: Literal["off", "flag", "quarantine"] | None
    retention_days: int | None
    scheduling_enabled: bool
    ai_disclosure: bool
    mcp_configured: bool
    per_message_oversight: bool
    holds_inbound: bool
    created_at: Time
    signing_secrets: dict[str, str] = Field(
        default_factory=dict,
        description="By setting, the secret of a webhook just set; shown this once.",
    )


class MailboxesAnswer(Answered):
    """All mailboxes that the key sees."""

    mailboxes: list[MailboxAnswer]


class ContactAnswer(Answered):
    """An entry of the address book."""

    id: str
    name: str | None
    email: str
    tags: list[str]
    created_at: Time


class ContactsAnswer(Answered):
    """Entries of the address book."""

    contacts: list[ContactAnswer]


class KeyAnswer(Answered):
    """An API key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    mailbox_id: str | None
    live: bool
    created_at: Time
    revoked_at: Time | None


class NewKeyAnswer(KeyAnswer):
    """A key just made; `key` is its secret and is shown this once."""

    key: str


class RevokedKeyAnswer(KeyAnswer):
    """A key that opens nothing any more."""

    status: Literal["revoked"]


class KeysAnswer(Answered):
    """The keys that this one may manage; `keys` holds the same rows as `api_keys`."""

    api_keys: list[KeyAnswer]
    keys: list[KeyAnswer]


class CallerAnswer(Answered):
    """The key that asks, and what it may do."""

    id: str
    name: str
    scopes: list[str]
    mailbox_id: str | None
    live: bool


class AccountAnswer(Answered):
    """The account."""

    id: str
    account_id: str
    name: str
    created_at: Time
    key: CallerAnswer


class UsageAnswer(Answered):
    """What the account used."""

    period_days: int
    emails_sent: int
    emails_received: int
    mailboxes: int
    quota: int | None


class AuditEntryAnswer(Answered):
    """A line of the audit log."""

    id: str
    action: str
    resource_type: str
    resource_id: str
    mailbox_id: str | None
    actor_key_id: str | None
    transition: str
    metadata: Json
    created_at: Time


class AuditAnswer(Answered):
    """A page of the audit log, newest line first."""

    entries: list[AuditEntryAnswer]
    cursor: str | None
