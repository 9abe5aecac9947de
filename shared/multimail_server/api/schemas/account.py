"""Schemas of the account: mailboxes, contacts, API keys, usage, the audit log and the export."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from ...auth import get_inbound_mode
from ...oversight import Mode
from ...services import Principal
from ...services.accounts import ExportedMessage, ExportPage, Usage
from ...services.connecting import is_connected
from ...services.mailboxes import MailboxChanges
from ...store.records import Account, AuditEntry, ConnectedAccount, Contact, Key, Mailbox
from ...webhook_signing import generate_signing_secret
from ..routing import build_cursor
from .base import (
    Address,
    Json,
    LabelName,
    Line,
    MailboxId,
    ModeName,
    Name,
    Recipients,
    RequestModel,
    Text,
    Time,
    TrustLabel,
    none_to_empty,
    to_optional_time,
    to_wire_time,
)
from .messages import EmailOut, SummaryOut, render_email, render_summary

_NOT_SETTINGS = frozenset(
    {"approval_code", "display_name", "oversight_mode", "address", "address_local", "local_part"}
)
_SIMILAR = 0.6
WEBHOOK_SETTINGS = ("webhook_url", "oversight_webhook_url")


def _check_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+[^\s]*", text):
        raise ValueError("it is not an http or https address")
    return text


Url = Annotated[Line, Field(max_length=2000), AfterValidator(_check_url)]
SpamFilter = Literal["off", "flag", "quarantine"]
Scopes = Annotated[list[str], Field(max_length=10)]


class MailboxChangeIn(RequestModel):
    """Changes to a mailbox; a setting that is null is removed."""

    display_name: Name | None = None
    oversight_mode: Mode | None = Field(default=None, strict=False)
    auto_cc: Recipients | None = None
    auto_bcc: Recipients | None = None
    forward_inbound: Annotated[
        Recipients | bool | None, Field(description="Addresses; false or null for none.")
    ] = None
    webhook_url: Url | None = None
    oversight_webhook_url: Url | None = None
    signature_block: Annotated[Text, Field(max_length=4000)] | None = None
    default_gate_timing: Literal["gate_first", "schedule_first"] | None = None
    scheduling_enabled: bool | None = None
    ai_disclosure: bool | None = None
    quote_replies: Annotated[
        bool | None, Field(description="Whether a reply quotes what it answers; default false.")
    ] = None
    mcp_configured: bool | None = None
    approver_emails: Recipients | None = None
    spam_filter: SpamFilter | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, body: Any) -> Any:
        """Reject a misspelt setting, which would change nothing; a mailbox may be sent back."""
        if not isinstance(body, dict):
            return body
        known = sorted({*cls.model_fields, *MailboxOut.__annotations__, *_NOT_SETTINGS})
        for name in body.keys() - known:
            near = difflib.get_close_matches(str(name), known, 1, _SIMILAR)
            hint = f"; did you mean `{near[0]}`" if near else ""
            raise ValueError(f"there is no setting {str(name)[:80]!r}{hint}")
        return body

    def build_changes(self) -> MailboxChanges:
        """Return the fields that the body has, with a signing secret for each webhook URL."""
        fields = self.model_dump(mode="json", exclude_unset=True)
        settings = {name: value for name, value in fields.items() if name not in _NOT_SETTINGS}
        secrets = {
            name: generate_signing_secret() if fields[name] else ""
            for name in WEBHOOK_SETTINGS
            if name in fields
        }
        return MailboxChanges(self.display_name, self.oversight_mode, settings, secrets)


class ConnectIn(RequestModel):
    """A mailbox at a provider, as `multimail connect` has signed in there."""

    address: Annotated[str, Field(min_length=3, max_length=254)]
    login: Annotated[str, Field(min_length=1, max_length=254)]
    options: Annotated[Json, Field(description="The hosts and the rest of the options.")]
    secret: Annotated[
        str,
        Field(max_length=20_000, description="Encrypted with the key that lies beside the data."),
    ]
    uid_validity: int
    uid_next: int
    mode: Mode = Field(default=Mode.GATED_SEND, strict=False)


class MailboxIn(MailboxChangeIn):
    """A new mailbox."""

    address: Annotated[
        str,
        Field(
            min_length=1,
            max_length=254,
            validation_alias=AliasChoices("address_local", "address", "local_part"),
        ),
    ]


class ContactIn(RequestModel):
    """A new entry of the address book."""

    email: Annotated[Address, Field(validation_alias=AliasChoices("email", "address"))]
    name: Name | None = None
    tags: Annotated[
        list[Annotated[Line, Field(max_length=64)]],
        BeforeValidator(none_to_empty),
        Field(max_length=50),
    ] = Field(default=[])
    made_by: Literal["app", "tool"] = "app"
    label: TrustLabel = None


class KeyIn(RequestModel):
    """A new API key."""

    name: Annotated[Name, Field(min_length=1)]
    scopes: Scopes = Field(default=["read"])
    mailbox_id: Annotated[
        MailboxId, Field(validation_alias=AliasChoices("mailbox_id", "mailbox"))
    ] = None
    live: bool | None = None


class KeyChangeIn(RequestModel):
    """Changes to an API key."""

    name: Annotated[Name, Field(min_length=1)] | None = None
    scopes: Scopes | None = None


class AccountIn(RequestModel):
    """Changes to the account."""

    name: Annotated[Name, Field(min_length=1)]


class HealthOut(TypedDict):
    """The server runs and its database can be read."""

    status: Literal["ok"]
    server: str
    version: str
    extensions: Annotated[
        list[str], Field(description="Operations of the client beyond version 1 of the API.")
    ]


class ReadyOut(TypedDict):
    """Whether the server takes requests and mail leaves; it names no address."""

    status: Annotated[
        Literal["ready", "degraded"],
        Field(
            description="`degraded` if mail waits: no relay or provider takes it, or it is paused."
        ),
    ]
    relay: Literal["ok", "none", "unavailable"]
    relay_since: Annotated[Time | None, Field(description="Since when it takes none.")]
    paused: Annotated[bool, Field(description="Whether mail is held until `multimail resume`.")]
    connected: Annotated[int, Field(description="How many connected mailboxes work.")]
    disconnected: Annotated[
        int, Field(description="How many are not reached at their provider, or refused there.")
    ]
    waiting: Annotated[dict[str, int], Field(description="How much waits, by its kind.")]


class ConnectedOut(TypedDict):
    """A mailbox that was connected."""

    mailbox: MailboxOut
    keys: Annotated[
        dict[str, str] | None, Field(description="Live keys, where there were test keys alone.")
    ]


class DisconnectedOut(TypedDict):
    """A mailbox that was disconnected."""

    address: str
    cancelled: Annotated[int, Field(description="How many held or scheduled messages.")]


class ConnectionOut(TypedDict):
    """How a connected account is."""

    state: Literal["connecting", "ready", "waiting", "refused"]
    detail: str | None
    checked_at: Time | None


class MailboxOut(TypedDict):
    """A mailbox with its settings."""

    id: str
    mailbox_id: str
    address: str
    email: str
    display_name: str | None
    oversight_mode: ModeName
    auto_cc: list[str] | None
    auto_bcc: list[str] | None
    forward_inbound: list[str] | bool | None
    webhook_url: str | None
    oversight_webhook_url: str | None
    signature_block: str | None
    default_gate_timing: str | None
    approver_emails: list[str] | None
    spam_filter: SpamFilter | None
    retention_days: int | None
    scheduling_enabled: bool
    ai_disclosure: bool
    quote_replies: bool
    mcp_configured: bool
    per_message_oversight: bool
    counts_free_sends: bool
    holds_inbound: bool
    source: Annotated[
        Literal["smtp", "imap"],
        Field(description="Where its mail comes from: this server's SMTP, or its provider's IMAP."),
    ]
    connection: NotRequired[
        Annotated[ConnectionOut, Field(description="Of a mailbox that stays at its provider.")]
    ]
    created_at: Time
    signing_secrets: NotRequired[
        Annotated[
            dict[str, str],
            Field(description="By setting, the secret of a webhook just set; shown only here."),
        ]
    ]


class MailboxesOut(TypedDict):
    """All mailboxes that the key sees."""

    mailboxes: list[MailboxOut]


class ContactOut(TypedDict):
    """An entry of the address book."""

    id: str
    name: str | None
    email: str
    tags: list[str]
    created_at: Time
    made_by: Annotated[
        Literal["app", "tool"] | None,
        Field(description="What added it; null if that is not known (older contacts)."),
    ]
    label: Annotated[
        LabelName | None,
        Field(description="The worst trust label that the writer of its name and tags had read."),
    ]


class ContactsOut(TypedDict):
    """Entries of the address book."""

    contacts: list[ContactOut]


class KeyOut(TypedDict):
    """An API key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    mailbox_id: str | None
    live: bool
    created_at: Time
    revoked_at: Time | None


class NewKeyOut(KeyOut):
    """A new API key; `key` is its secret and is shown only here."""

    key: str


class RevokedKeyOut(KeyOut):
    """A revoked API key."""

    status: Literal["revoked"]


class KeysOut(TypedDict):
    """The keys that this key may manage; `keys` holds the same rows as `api_keys`."""

    api_keys: list[KeyOut]
    keys: list[KeyOut]


class CallerOut(TypedDict):
    """The key of the request, and what it may do."""

    id: str
    name: str
    scopes: list[str]
    mailbox_id: str | None
    live: bool


class AccountOut(TypedDict):
    """The account."""

    id: str
    account_id: str
    name: str
    created_at: Time
    key: CallerOut


class UsageOut(TypedDict):
    """What the account used."""

    period_days: int
    emails_sent: int
    emails_received: int
    mailboxes: int
    quota: int | None


class AuditEntryOut(TypedDict):
    """An entry of the audit log."""

    id: str
    action: str
    resource_type: str
    resource_id: str
    mailbox_id: str | None
    actor_key_id: str | None
    outcome: str
    metadata: Json
    created_at: Time


class AuditLogOut(TypedDict):
    """A page of the audit log, newest entry first."""

    entries: list[AuditEntryOut]
    cursor: str | None


class ExportedAccountOut(TypedDict):
    """The account itself."""

    id: str
    name: str
    created_at: Time


class ExportedEmailOut(EmailOut):
    """A message with its body and its bytes."""

    raw_base64: str


class ExportOut(TypedDict):
    """A page of the account's data; the first one has the account itself."""

    status: Literal["ok"]
    format: Literal["multimail-export-1"]
    account: NotRequired[ExportedAccountOut]
    mailboxes: NotRequired[list[MailboxOut]]
    api_keys: NotRequired[list[KeyOut]]
    contacts: NotRequired[list[ContactOut]]
    emails: Sequence[ExportedEmailOut | SummaryOut]
    audit_log: list[AuditEntryOut]
    cursor: str | None


def render_connection(account: ConnectedAccount) -> ConnectionOut:
    """Return how a connected account is."""
    checked = account.checked_at
    return {
        "state": account.state.value,
        "detail": account.detail or None,
        "checked_at": to_wire_time(checked) if checked else None,
    }


def render_mailbox(
    mailbox: Mailbox,
    changes: MailboxChanges | None = None,
    account: ConnectedAccount | None = None,
) -> MailboxOut:
    """Return a mailbox with its settings, and the signing secrets of `changes`.

    Args:
        mailbox: The mailbox.
        changes: What a request has changed.
        account: Its account at a provider, if it is connected.
    """
    settings = mailbox.settings
    response: MailboxOut = {
        "id": mailbox.id,
        "mailbox_id": mailbox.id,
        "address": mailbox.address,
        "email": mailbox.address,
        "display_name": mailbox.display_name or None,
        "oversight_mode": mailbox.oversight_mode.value,
        "auto_cc": settings.get("auto_cc"),
        "auto_bcc": settings.get("auto_bcc"),
        "forward_inbound": settings.get("forward_inbound"),
        "webhook_url": settings.get("webhook_url"),
        "oversight_webhook_url": settings.get("oversight_webhook_url"),
        "signature_block": settings.get("signature_block"),
        "default_gate_timing": settings.get("default_gate_timing"),
        "approver_emails": settings.get("approver_emails"),
        "spam_filter": settings.get("spam_filter"),
        "retention_days": settings.get("retention_days"),
        "scheduling_enabled": bool(settings.get("scheduling_enabled", True)),
        "ai_disclosure": bool(settings.get("ai_disclosure")),
        "quote_replies": bool(settings.get("quote_replies")),
        "mcp_configured": bool(settings.get("mcp_configured")),
        "per_message_oversight": True,
        "counts_free_sends": True,
        "holds_inbound": get_inbound_mode(mailbox) is Mode.GATED_ALL,
        "source": "imap" if is_connected(mailbox) else "smtp",
        "created_at": to_wire_time(mailbox.created_at),
    }
    if account is not None:
        response["connection"] = render_connection(account)
    secrets = changes.signing_secrets if changes else {}
    if any(secrets.values()):
        response["signing_secrets"] = {name: secret for name, secret in secrets.items() if secret}
    return response


def render_contact(contact: Contact) -> ContactOut:
    """Return an entry of the address book."""
    return {
        "id": contact.id,
        "name": contact.name,
        "email": contact.email,
        "tags": list(contact.tags),
        "created_at": to_wire_time(contact.created_at),
        "made_by": cast("Literal['app', 'tool'] | None", contact.made_by),
        "label": contact.label,
    }


def render_contacts(contacts: Sequence[Contact]) -> ContactsOut:
    """Return entries of the address book."""
    return {"contacts": [render_contact(contact) for contact in contacts]}


def render_key(key: Key) -> KeyOut:
    """Return an API key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "mailbox_id": key.mailbox_id,
        "live": key.live,
        "created_at": to_wire_time(key.created_at),
        "revoked_at": to_optional_time(key.revoked_at),
    }


def render_new_key(key: Key, secret: str) -> NewKeyOut:
    """Return a new API key with its secret."""
    return {**render_key(key), "key": secret}


def render_revoked_key(key: Key) -> RevokedKeyOut:
    """Return a revoked API key."""
    return {**render_key(key), "status": "revoked"}


def render_account(account: Account, principal: Principal) -> AccountOut:
    """Render the account and the scopes of the request's key."""
    return {
        "id": account.id,
        "account_id": account.id,
        "name": account.name,
        "created_at": to_wire_time(account.created_at),
        "key": {
            "id": principal.key_id,
            "name": principal.name,
            "scopes": sorted(principal.scopes),
            "mailbox_id": principal.mailbox_id,
            "live": principal.live,
        },
    }


def render_usage(usage: Usage) -> UsageOut:
    """Render the account's usage."""
    return {
        "period_days": usage.since_days,
        "emails_sent": usage.counts.get("outbound", 0),
        "emails_received": usage.counts.get("inbound", 0),
        "mailboxes": usage.mailboxes,
        "quota": None,
    }


def render_audit_entry(entry: AuditEntry) -> AuditEntryOut:
    """Return an entry of the audit log."""
    return {
        "id": entry.id,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "mailbox_id": entry.mailbox_id,
        "actor_key_id": entry.actor_key_id,
        "outcome": entry.metadata.get("outcome", "done"),
        "metadata": entry.metadata,
        "created_at": to_wire_time(entry.created_at),
    }


def render_export(page: ExportPage) -> ExportOut:
    """Return a page of the account's data."""
    response: ExportOut = {
        "status": "ok",
        "format": "multimail-export-1",
        "emails": [_render_exported(exported) for exported in page.messages],
        "audit_log": [render_audit_entry(entry) for entry in page.audit],
        "cursor": build_cursor(page.last_id) if page.last_id else None,
    }
    if page.account is not None:
        response["account"] = {
            "id": page.account.id,
            "name": page.account.name,
            "created_at": to_wire_time(page.account.created_at),
        }
        response["mailboxes"] = [render_mailbox(mailbox) for mailbox in page.mailboxes]
        response["api_keys"] = [render_key(key) for key in page.keys]
        response["contacts"] = [render_contact(contact) for contact in page.contacts]
    return response


def _render_exported(exported: ExportedMessage) -> ExportedEmailOut | SummaryOut:
    # The export service has decided what the key may see.
    if exported.hidden:
        return render_summary(exported.opened.message, shown=False)
    raw = base64.b64encode(exported.raw).decode()
    return {**render_email(exported.opened, shown=True), "raw_base64": raw}
