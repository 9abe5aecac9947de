"""Models of API responses.

The API's published description, its SDK and its web pages spell some fields differently. Each model
accepts every spelling and exposes one. Fields that a model doesn't declare are kept in
`model_extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from .trust.evidence import Authentication, parse_authentication

__all__ = [
    "Account",
    "Ack",
    "AnsweredEmail",
    "ApiKey",
    "Attachment",
    "AttachmentContent",
    "AuditEntry",
    "Cancellation",
    "Contact",
    "Decision",
    "Domain",
    "Email",
    "EmailSummary",
    "Enclosure",
    "File",
    "FoundEmail",
    "Health",
    "Mailbox",
    "MarkedEmail",
    "NewApiKey",
    "NewWebhook",
    "Page",
    "PendingEmail",
    "SendResult",
    "Suppression",
    "Tags",
    "Thread",
    "UpgradeRequest",
    "Usage",
    "Webhook",
    "WebhookDelivery",
    "WireModel",
]

_MESSAGE_ID = AliasChoices("id", "email_id", "message_id", "pending_id")
_PENDING = frozenset({"pending_scan", "pending_send_approval", "pending_approval", "pending"})
_HELD = frozenset({"pending_send_approval", "pending_approval"})
_DUPLICATE = frozenset({"already_sent"})
_ROW_KEYS = ("emails", "messages", "items", "pending", "entries", "deliveries", "data")


class WireModel(BaseModel):
    """Base of all response models: keeps unknown fields, compares by value."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)


Row = TypeVar("Row", bound=WireModel)


def as_list(value: Any) -> Any:
    """Convert a single string, a list or None to a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _as_mapping(value: Any) -> Any:
    """Convert a list of tag names, a mapping or None to a mapping."""
    if isinstance(value, list):
        return {str(name): "true" for name in value}
    return {} if value is None else value


def _as_text(value: Any) -> Any:
    return "" if value is None else value


def _normalize_authentication(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return {**message, "authentication": parse_authentication(message)}


def _keep_first(response: Any, *names: str) -> Any:
    """Drop all names of a secret but the first, so that `model_extra` doesn't show it."""
    if not isinstance(response, dict):
        return response
    present = [name for name in names if response.get(name)]
    return {name: value for name, value in response.items() if name not in present[1:]}


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a listing. Iterate over it to get its items.

    Attributes:
        items: The rows, in the API's order.
        cursor: Pass it to the same call to get the next page; None on the last page.
        misread: Terms of a search that look like filters and were searched for as words.
    """

    items: list[Row]
    cursor: str | None = None
    misread: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Row:
        return self.items[index]

    @property
    def messages(self) -> list[Row]:
        """The same as `items`."""
        return self.items


def page_parser(model: type[Row]) -> Callable[[Any], Page[Row]]:
    """Return a function that parses a response into a `Page` of `model`."""

    def parse(response: Any) -> Page[Row]:
        cursor = response.get("cursor") or response.get("next_cursor")
        misread = tuple(map(str, response.get("misread") or ()))
        return Page(_parse_rows(response, model, _ROW_KEYS), cursor, misread)

    return parse


def list_parser(model: type[Row], *keys: str) -> Callable[[Any], list[Row]]:
    """Return a function that parses an unpaged listing, found under one of `keys`."""

    def parse(response: Any) -> list[Row]:
        return _parse_rows(response, model, (*keys, *_ROW_KEYS))

    return parse


def _parse_rows(response: Any, model: type[Row], keys: tuple[str, ...]) -> list[Row]:
    rows = response
    if not isinstance(response, list):
        rows = next((response[key] for key in keys if key in response), None)
    if rows is None:
        raise ValueError(f"no list under any of {', '.join(keys)}")
    return [model.model_validate(row) for row in rows]


class Mailbox(WireModel):
    """A mailbox. API: GET /v1/mailboxes."""

    id: str = Field(validation_alias=AliasChoices("id", "mailbox_id"))
    address: str = Field(default="", validation_alias=AliasChoices("address", "email"))
    display_name: str | None = None
    oversight_mode: str | None = None
    auto_cc: str | list[str] | None = None
    auto_bcc: str | list[str] | None = None
    forward_inbound: str | list[str] | bool | None = None
    signature_block: str | None = None
    per_message_oversight: bool = False
    """Whether the API accepts a stricter oversight mode for a single message."""
    counts_free_sends: bool = False
    """Whether the API counts what leaves without a human, and holds it over `daily_caps`."""
    webhook_url: str | None = None
    created_at: datetime | None = None

    @property
    def holds_sends(self) -> bool | None:
        """Whether a human decides on every send; None if the API didn't report the mode."""
        if self.oversight_mode is None:
            return None
        return self.oversight_mode in ("gated_send", "gated_all")


class AnsweredEmail(WireModel):
    """A received message that a reply answers, or that a file came with."""

    id: str = ""
    sender: str = Field(default="", validation_alias=AliasChoices("from", "sender", "from_address"))
    authentication: Authentication | None = None

    _parse_results = model_validator(mode="before")(_normalize_authentication)


class Attachment(WireModel):
    """The description of an attachment, without its content."""

    id: str | None = None
    """Names the file in `attachments` of a send; None from an API that has no such ids."""
    name: str = Field(default="", validation_alias=AliasChoices("name", "filename"))
    content_type: str = "application/octet-stream"
    size: int | None = None
    """Size in bytes."""
    sha256: str | None = None
    origin: AnsweredEmail | None = None
    """Of a file to send, the received message that it came with; None for a new file."""


class AttachmentContent(Attachment):
    """An attachment as the API returns it: inline up to 50 KB, otherwise a URL that expires.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/attachments/{filename}.
    """

    content_base64: str | None = Field(
        default=None, validation_alias=AliasChoices("content_base64", "content", "data")
    )
    url: str | None = Field(default=None, repr=False)
    text: str | None = None
    notes: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)


class File(WireModel):
    """A file: an attachment with its content."""

    name: str
    content_type: str = "application/octet-stream"
    content: bytes = Field(repr=False)
    text: str | None = Field(default=None, repr=False)
    """What the API reads of it, if it was asked for; None where it can't be read."""
    notes: list[str] = Field(default_factory=list)
    """Codes of what to know of the text: `cut`, `needs_extra`, `hidden_text_possible` …"""
    removed: list[str] = Field(default_factory=list)
    """Descriptions of what the text leaves out, because a reader would not see it."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.content)


class EmailSummary(WireModel):
    """A row of a mailbox listing, without the body. API: GET /v1/mailboxes/{mailbox}/emails."""

    id: str = Field(validation_alias=_MESSAGE_ID)
    mailbox_id: str | None = None
    thread_id: str | None = None
    sender: str = Field(default="", validation_alias=AliasChoices("from", "sender", "from_address"))
    to: list[str] = Field(default=[], validation_alias=AliasChoices("to", "to_addresses"))
    subject: str = ""
    direction: str | None = None
    status: str = ""
    received_at: datetime | None = Field(
        default=None, validation_alias=AliasChoices("received_at", "created_at")
    )
    has_attachments: bool | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    bounce_type: str | None = None
    spam_score: float | None = None
    spam_verdict: str | None = None
    authentication: Authentication | None = None
    answers: AnsweredEmail | None = None
    """Of a reply, the inbound message that its subject comes from; None if it answers none, or if
    the API doesn't report it (then it isn't in `model_fields_set`)."""
    written_under: str | None = None
    """Of an own message, the worst trust label that its writer had read; None if none is known."""

    _lists = field_validator("to", mode="before")(as_list)
    _texts = field_validator("subject", "sender", mode="before")(_as_text)
    _parse_results = model_validator(mode="before")(_normalize_authentication)

    @property
    def message_id(self) -> str:
        """The same as `id`; not the RFC 5322 Message-ID."""
        return self.id

    @property
    def created_at(self) -> datetime | None:
        """The same as `received_at`."""
        return self.received_at


class FoundEmail(EmailSummary):
    """A row of a search. API: GET /v1/mailboxes/{mailbox}/search."""

    snippet: str = Field(default="", repr=False)
    """Text around the first match; empty unless the body matches."""

    _snippets = field_validator("snippet", mode="before")(_as_text)


class Email(EmailSummary):
    """A message with its body. API: GET /v1/mailboxes/{mailbox}/emails/{email}."""

    cc: list[str] = Field(default_factory=list)
    bcc: list[str] = Field(default_factory=list)
    reply_to: list[str] = Field(default_factory=list)
    markdown: str = Field(
        default="",
        validation_alias=AliasChoices(
            "markdown", "body_markdown", "body", "body_text", "text_body"
        ),
    )
    attachments: list[Attachment] = Field(default_factory=list)
    tags: dict[str, str] = Field(default_factory=dict)
    tag_labels: dict[str, str] | None = None
    """By tag, the worst trust label that its writer had read, if any; None where the API doesn't
    keep labels."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    approved_at: datetime | None = None
    approved_by: str | None = None
    decision_reason: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    auto_submitted: str | None = None
    list_id: str | None = None
    list_post: list[str] = Field(default_factory=list)
    """The addresses that reach the whole mailing list (RFC 2369)."""
    precedence: str | None = None
    automatic: str | None = None
    """The sign that a program sent it, such as `auto_submitted` or `report`; None without one."""
    bulk: bool | None = None
    """Whether a mailing list or a bulk sender sent it; None from a server that doesn't say."""
    content_hash: str | None = None
    forwards_id: str | None = None
    """Of a forward, the message that it sends on."""
    in_reply_to: str | None = None
    """The Message-ID of the message that it answers."""
    references: list[str] = Field(default_factory=list)
    """The Message-IDs of its thread, oldest first."""
    removed: list[str] = Field(default_factory=list)
    """Descriptions of what the server removed from an HTML body: content hidden from readers."""
    notes: list[str] = Field(default_factory=list)
    """Codes of what to know of the body: `html_version`, `smime_signed`, `pgp_encrypted` …"""

    _more_lists = field_validator(
        *("cc", "bcc", "reply_to", "attachments", "references", "list_post", "removed", "notes"),
        mode="before",
    )(as_list)
    _bodies = field_validator("markdown", mode="before")(_as_text)
    _mappings = field_validator("tags", "metadata", mode="before")(_as_mapping)

    @property
    def body(self) -> str:
        """The same as `markdown`."""
        return self.markdown


class Enclosure(Attachment):
    """A stored file with the message that it belongs to, without the bytes of either.

    API: GET /v1/mailboxes/{mailbox}/attachments/{attachment}.
    """

    email: Email


class PendingEmail(Email):
    """A message that awaits a human's decision. API: GET /v1/oversight/pending.

    Attributes:
        quotation: What a reply quotes below its text: text of another author.
    """

    quotation: str = Field(default="", repr=False)


class Thread(WireModel):
    """A conversation, oldest message first. API: GET /v1/mailboxes/{mailbox}/threads/{thread}."""

    thread_id: str = Field(validation_alias=AliasChoices("thread_id", "id"))
    message_count: int | None = None
    participants: list[str] = Field(default_factory=list)
    last_activity: datetime | None = None
    has_unanswered_inbound: bool | None = None
    messages: list[Email] = Field(
        default=[], validation_alias=AliasChoices("emails", "messages", "items")
    )


class SendResult(WireModel):
    """The result of a send or a reply. API: POST /v1/mailboxes/{mailbox}/send.

    The API responds before anybody decides on the message. `status` is `pending` while either a
    human's decision or the content scan is outstanding; `wire_status` is the API's own value.
    """

    id: str = Field(validation_alias=_MESSAGE_ID)
    status: str = ""
    wire_status: str = ""
    thread_id: str | None = None
    mailbox_id: str | None = None
    oversight_mode: str | None = None
    message_status: str | None = None
    approval_url: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    content_hash: str | None = None
    to: list[str] = Field(default_factory=list)
    duplicate: bool = False
    """Whether an identical message was accepted before, so that this call sent nothing."""
    held: bool | None = None
    """Whether a human decides on it; None if the API didn't say."""
    hold_code: str | None = None
    """The cap for which the server holds it; a code of `trust.reasons.REASONS`."""

    @model_validator(mode="before")
    @classmethod
    def _normalize_status(cls, response: Any) -> Any:
        if not isinstance(response, dict) or "wire_status" in response:
            return response
        wire = str(response.get("status") or "")
        is_duplicate = wire in _DUPLICATE
        status = str(response.get("message_status") or wire) if is_duplicate else wire
        held = response.get("held")
        if held is None and _HELD & {wire, str(response.get("message_status"))}:
            held = True
        return {
            **response,
            "wire_status": wire,
            "status": "pending" if status in _PENDING else status,
            "held": held,
            "duplicate": bool(response.get("idempotent")) or is_duplicate,
        }

    @property
    def message_id(self) -> str:
        """The same as `id`."""
        return self.id


class Decision(WireModel):
    """The result of a decision. API: POST /v1/oversight/decide."""

    status: str = ""
    id: str = Field(default="", validation_alias=_MESSAGE_ID)
    message_status: str | None = None
    delivered_at: datetime | None = None

    @property
    def delivered(self) -> bool:
        """Whether the message was sent."""
        return self.delivered_at is not None or self.status in ("sent", "approved_and_sent")


class Cancellation(WireModel):
    """The result of a cancellation. API: POST /v1/mailboxes/{mailbox}/emails/{email}/cancel."""

    id: str = Field(default="", validation_alias=_MESSAGE_ID)
    status: str = ""


class MarkedEmail(WireModel):
    """A message that was marked. API: PATCH /v1/mailboxes/{mailbox}/emails."""

    id: str = Field(default="", validation_alias=_MESSAGE_ID)
    status: str = ""


class Tags(WireModel):
    """The tags of a message. API: PUT /v1/mailboxes/{mailbox}/emails/{email}/tags."""

    tags: dict[str, str] = Field(default_factory=dict)
    tag_labels: dict[str, str] | None = None
    """By tag, the worst trust label that its writer had read, if any; None where the API doesn't
    keep labels."""

    _mappings = field_validator("tags", mode="before")(_as_mapping)


class Contact(WireModel):
    """An entry of the address book. API: GET /v1/contacts."""

    id: str = ""
    name: str | None = None
    email: str = Field(default="", validation_alias=AliasChoices("email", "address"))
    tags: list[str] = Field(default_factory=list)
    made_by: str | None = None
    """`tool` or `app`; None if unknown or unreported."""
    label: str | None = None
    """The worst trust label that the writer of its name and tags had read; None for none, or where
    `made_by` isn't in `model_fields_set`, if unreported."""

    _lists = field_validator("tags", mode="before")(as_list)


class ApiKey(WireModel):
    """An API key without its secret. API: GET /v1/api-keys."""

    id: str = ""
    name: str | None = None
    scopes: list[str] = Field(default_factory=list)
    mailbox_id: str | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None


class NewApiKey(ApiKey):
    """A new API key. The API returns `key` only once. API: POST /v1/api-keys."""

    key: str = Field(
        default="", repr=False, validation_alias=AliasChoices("key", "api_key", "raw_key")
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_one_secret(cls, response: Any) -> Any:
        return _keep_first(response, "key", "api_key", "raw_key")


class Account(WireModel):
    """The account that an API key belongs to. API: GET /v1/account."""

    id: str = Field(default="", validation_alias=AliasChoices("id", "account_id"))
    name: str | None = None
    key: ApiKey | None = None


class Usage(WireModel):
    """The account's usage. API: GET /v1/usage."""


class AuditEntry(WireModel):
    """An entry of the audit log. API: GET /v1/audit-log."""

    id: str = ""
    action: str = ""
    resource_type: str | None = None
    resource_id: str | None = None
    actor_key_id: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: datetime | None = None


class Webhook(WireModel):
    """A webhook endpoint. API: GET /v1/webhooks."""

    id: str = ""
    url: str = ""
    events: list[str] = Field(default_factory=list)
    mailbox_id: str | None = None
    status: str | None = None
    """`enabled`, or `disabled` for the reason in `disabled_reason`."""
    disabled_reason: str | None = None


class NewWebhook(Webhook):
    """A new webhook endpoint. The API returns `signing_secret` only once.

    API: POST /v1/webhooks.
    """

    signing_secret: str = Field(
        default="", repr=False, validation_alias=AliasChoices("signing_secret", "secret")
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_one_secret(cls, response: Any) -> Any:
        return _keep_first(response, "signing_secret", "secret")


class WebhookDelivery(WireModel):
    """One delivery of an event to a webhook endpoint. API: GET /v1/webhook-deliveries."""

    id: str = ""
    webhook_id: str | None = None
    event: str | None = Field(default=None, validation_alias=AliasChoices("event", "type"))
    message_id: str | None = None
    status: str = ""
    attempts: int = 0
    response_status: int | None = None
    error: str | None = None
    created_at: datetime | None = None


class Domain(WireModel):
    """A custom domain and the DNS records to publish for it. API: GET /v1/domains."""

    id: str = ""
    domain: str = Field(default="", validation_alias=AliasChoices("domain", "name"))
    status: str | None = None
    verified: bool | None = None


class Suppression(WireModel):
    """An address on the suppression list. API: GET /v1/suppression."""

    address: str = Field(default="", validation_alias=AliasChoices("address", "email"))
    reason: str | None = None


class UpgradeRequest(WireModel):
    """A request for a looser oversight mode. API: POST /v1/mailboxes/{mailbox}/request-upgrade."""

    status: str = ""


class Ack(WireModel):
    """A response that has no model of its own; its fields are in `model_extra`."""

    status: str = ""


class Health(WireModel):
    """The API's health. API: GET /health."""

    status: str = ""
    extensions: list[str] | None = None
    """The client's operations that it has beyond version 1; None where it doesn't say."""
