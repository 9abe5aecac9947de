"""Wire models: what the API answers, read tolerantly.

The API's published description, its SDK and its pages spell some fields differently; each model
reads every spelling and shows one. Fields that are not listed here are kept (`model_extra`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .trust.evidence import Authentication

_ID = AliasChoices("id", "email_id", "message_id", "pending_id")
_PENDING = frozenset({"pending_scan", "pending_send_approval", "pending_approval", "pending"})
_DUPLICATE = frozenset({"already_sent"})


class WireModel(BaseModel):
    """Base of all wire models: unknown fields are kept, instances compare by value."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)


def _as_list(value: Any) -> Any:
    """Read one address, a list of them, or nothing as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _as_mapping(value: Any) -> Any:
    """Read labels that are only names, or nothing, as a mapping."""
    if isinstance(value, list):
        return {str(name): "true" for name in value}
    return {} if value is None else value


def _only_once(reply: Any, *names: str) -> Any:
    """Keep the first of several names of one secret, so that no other one shows it."""
    if not isinstance(reply, dict):
        return reply
    found = [name for name in names if reply.get(name)]
    return {name: value for name, value in reply.items() if name not in found[1:]}


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
    """Whether a send may ask for a stricter mode than the mailbox's; the API says so if it can."""
    webhook_url: str | None = None
    created_at: datetime | None = None

    @property
    def holds_sends(self) -> bool | None:
        """Whether a human decides on every send; None when the API did not say the mode."""
        if self.oversight_mode is None:
            return None
        return self.oversight_mode in ("gated_send", "gated_all")


class Attachment(WireModel):
    """An attachment's description, without its bytes."""

    name: str = Field(default="", validation_alias=AliasChoices("name", "filename"))
    content_type: str = "application/octet-stream"
    size: int | None = None
    """Bytes."""


class AttachmentContent(Attachment):
    """An attachment as answered: inline up to 50 KB, else a URL that expires.

    API: GET /v1/mailboxes/{mailbox}/emails/{email}/attachments/{filename}.
    """

    content_base64: str | None = Field(
        default=None, validation_alias=AliasChoices("content_base64", "content", "data")
    )
    url: str | None = Field(default=None, repr=False)


class File(WireModel):
    """An attachment with its bytes."""

    name: str
    content_type: str = "application/octet-stream"
    content: bytes = Field(repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)


_METHODS = ("dkim", "spf", "dmarc", "arc")


def _read_authentication(message: dict[str, Any]) -> Any:
    """Find the evidence under any of its names; what is missing stays unknown."""
    for name in ("authentication", "auth_results", "authentication_results"):
        if isinstance(message.get(name), Authentication):
            return message[name]
        if isinstance(message.get(name), dict):
            return _tidy(message[name])
    found = {name: message[name] for name in _METHODS if message.get(name) is not None}
    for name in _METHODS:
        verdict = message.get(f"{name}_valid")
        if isinstance(verdict, bool):
            found.setdefault(name, "pass" if verdict else "fail")
    return _tidy(found) if found else None


def _tidy(evidence: dict[str, Any]) -> dict[str, Any]:
    tidy = {name: value for name, value in evidence.items() if value is not None}
    for name in _METHODS:
        value = _finding(tidy.get(name))
        if name == "dkim" and isinstance(value, dict):
            value = [value]
        if value is not None:
            tidy[name] = value
    return _readable(tidy)


def _finding(value: Any) -> Any:
    if isinstance(value, bool):
        value = "pass" if value else "fail"
    if isinstance(value, str):
        return {"result": value}
    if isinstance(value, list | tuple):
        return [_finding(one) for one in value]
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if part is not None}
    return value


def _readable(evidence: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is of another shape: one odd result must not hide the message."""
    try:
        Authentication.model_validate(evidence)
    except ValidationError as fault:
        odd = {error["loc"][0] for error in fault.errors(include_input=False)}
        return {name: value for name, value in evidence.items() if name not in odd}
    return evidence


class EmailSummary(WireModel):
    """A row of a mailbox listing, without the body.

    API: GET /v1/mailboxes/{mailbox}/emails.
    """

    id: str = Field(validation_alias=_ID)
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

    _lists = field_validator("to", mode="before")(_as_list)

    @field_validator("subject", "sender", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value

    @model_validator(mode="before")
    @classmethod
    def _evidence(cls, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        return {**message, "authentication": _read_authentication(message)}

    @property
    def message_id(self) -> str:
        """The same as `id`. The RFC 5322 Message-ID is another thing."""
        return self.id

    @property
    def created_at(self) -> datetime | None:
        """The same as `received_at`."""
        return self.received_at


class Email(EmailSummary):
    """One message with its body. API: GET /v1/mailboxes/{mailbox}/emails/{email}."""

    cc: list[str] = []
    bcc: list[str] = []
    reply_to: list[str] = []
    markdown: str = Field(
        default="",
        validation_alias=AliasChoices(
            "markdown", "body_markdown", "body", "body_text", "text_body"
        ),
    )
    attachments: list[Attachment] = []
    tags: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    approved_at: datetime | None = None
    approved_by: str | None = None
    decision_reason: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    auto_submitted: str | None = None
    list_id: str | None = None
    precedence: str | None = None
    content_hash: str | None = None

    _more_lists = field_validator("cc", "bcc", "reply_to", "attachments", mode="before")(_as_list)

    @field_validator("markdown", mode="before")
    @classmethod
    def _body(cls, value: Any) -> Any:
        return "" if value is None else value

    _mappings = field_validator("tags", "metadata", mode="before")(_as_mapping)

    @property
    def body(self) -> str:
        """The same as `markdown`."""
        return self.markdown


T = TypeVar("T", bound=WireModel)

_ROWS = ("emails", "messages", "items", "pending", "entries", "deliveries", "data")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; iterate it for its items.

    Attributes:
        items: The rows, in the API's order.
        cursor: Fetches the next page; None on the last.
    """

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    @property
    def messages(self) -> list[T]:
        """The same as `items`."""
        return self.items

    @property
    def emails(self) -> list[T]:
        """The same as `items`."""
        return self.items


def page_of(model: type[T]) -> Callable[[Any], Page[T]]:
    """Return a reader of pages of `model`."""

    def read(reply: Any) -> Page[T]:
        cursor = reply.get("cursor") or reply.get("next_cursor")
        return Page(_rows(reply, model, _ROWS), cursor)

    return read


def list_of(model: type[T], *names: str) -> Callable[[Any], list[T]]:
    """Return a reader of an unpaged listing whose key is one of `names`."""

    def read(reply: Any) -> list[T]:
        return _rows(reply, model, (*names, *_ROWS))

    return read


def _rows(reply: Any, model: type[T], names: tuple[str, ...]) -> list[T]:
    rows = reply if isinstance(reply, list) else next((reply[n] for n in names if n in reply), None)
    if rows is None:
        raise ValueError(f"no list under any of {', '.join(names)}")
    return [model.model_validate(row) for row in rows]


class Thread(WireModel):
    """A conversation, oldest message first. API: GET /v1/mailboxes/{mailbox}/threads/{thread}."""

    thread_id: str = Field(validation_alias=AliasChoices("thread_id", "id"))
    message_count: int | None = None
    participants: list[str] = []
    last_activity: datetime | None = None
    has_unanswered_inbound: bool | None = None
    messages: list[Email] = Field(
        default=[], validation_alias=AliasChoices("emails", "messages", "items")
    )

    @property
    def id(self) -> str:
        """The same as `thread_id`."""
        return self.thread_id

    @property
    def emails(self) -> list[Email]:
        """The same as `messages`."""
        return self.messages


class SendResult(WireModel):
    """What became of a send or a reply. API: POST /v1/mailboxes/{mailbox}/send.

    The API answers a send before anybody has decided on it: `status` is `pending` then, whether
    a human or the scanner is waited for, and `wire_status` keeps the API's own word.
    """

    id: str = Field(validation_alias=_ID)
    status: str = ""
    wire_status: str = ""
    thread_id: str | None = None
    mailbox_id: str | None = None
    oversight_mode: str | None = None
    message_status: str | None = None
    approval_url: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    to: list[str] = []
    idempotent: bool = False
    held: bool | None = None
    """Whether a human decides on it; None when the API did not say."""

    @model_validator(mode="before")
    @classmethod
    def _words(cls, reply: Any) -> Any:
        if not isinstance(reply, dict) or "wire_status" in reply:
            return reply
        wire = str(reply.get("status") or "")
        status = str(reply.get("message_status") or wire) if wire in _DUPLICATE else wire
        known = {"pending_send_approval", "pending_approval"}
        held = reply.get("held")
        if held is None and known & {wire, str(reply.get("message_status"))}:
            held = True
        return {
            **reply,
            "wire_status": wire,
            "status": "pending" if status in _PENDING else status,
            "held": held,
            "idempotent": bool(reply.get("idempotent")) or wire in _DUPLICATE,
        }

    @property
    def message_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def pending_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def duplicate(self) -> bool:
        """True when an equal send had been accepted before and this one sent nothing."""
        return self.idempotent


class PendingEmail(Email):
    """A message that awaits a human. API: GET /v1/oversight/pending."""


class Decision(WireModel):
    """What a decision led to. API: POST /v1/oversight/decide."""

    status: str = ""
    id: str = Field(default="", validation_alias=_ID)
    message_status: str | None = None
    delivered_at: datetime | None = None

    @property
    def delivered(self) -> bool:
        """Whether the message has left."""
        return self.delivered_at is not None or self.status in ("sent", "approved_and_sent")


class Cancellation(WireModel):
    """API: POST /v1/mailboxes/{mailbox}/emails/{email}/cancel."""

    id: str = Field(default="", validation_alias=_ID)
    status: str = ""


class Tags(WireModel):
    """The labels of a message. API: PUT /v1/mailboxes/{mailbox}/emails/{email}/tags."""

    tags: dict[str, str] = {}

    _names = field_validator("tags", mode="before")(_as_mapping)


class Contact(WireModel):
    """An entry of the address book. API: GET /v1/contacts."""

    id: str = ""
    name: str | None = None
    email: str = Field(default="", validation_alias=AliasChoices("email", "address"))
    tags: list[str] = []

    _lists = field_validator("tags", mode="before")(_as_list)


class ApiKey(WireModel):
    """An API key without its secret. API: GET /v1/api-keys."""

    id: str = ""
    name: str | None = None
    scopes: list[str] = []
    mailbox_id: str | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None


class NewApiKey(ApiKey):
    """A key just made. `key` is shown once. API: POST /v1/api-keys."""

    key: str = Field(
        default="", repr=False, validation_alias=AliasChoices("key", "api_key", "raw_key")
    )

    @model_validator(mode="before")
    @classmethod
    def _secret(cls, reply: Any) -> Any:
        return _only_once(reply, "key", "api_key", "raw_key")


class Account(WireModel):
    """The account behind the key. API: GET /v1/account."""

    id: str = Field(default="", validation_alias=AliasChoices("id", "account_id"))
    name: str | None = None
    key: ApiKey | None = None


class Usage(WireModel):
    """What the account used. API: GET /v1/usage."""


class AuditEntry(WireModel):
    """One line of the audit log. API: GET /v1/audit-log."""

    id: str = ""
    action: str = ""
    resource_type: str | None = None
    resource_id: str | None = None
    actor_key_id: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: datetime | None = None


class Webhook(WireModel):
    """A webhook subscription. API: GET /v1/webhooks."""

    id: str = ""
    url: str = ""
    events: list[str] = []
    mailbox_id: str | None = None


class NewWebhook(Webhook):
    """A subscription just made. `signing_secret` is shown once. API: POST /v1/webhooks."""

    signing_secret: str = Field(
        default="", repr=False, validation_alias=AliasChoices("signing_secret", "secret")
    )

    @model_validator(mode="before")
    @classmethod
    def _secret(cls, reply: Any) -> Any:
        return _only_once(reply, "signing_secret", "secret")


class WebhookDelivery(WireModel):
    """One delivery of an event. API: GET /v1/webhook-deliveries."""

    id: str = ""
    status: str = ""
    attempts: int = 0
    response_status: int | None = None


class Domain(WireModel):
    """A custom domain with the DNS records to publish. API: GET /v1/domains."""

    id: str = ""
    domain: str = Field(default="", validation_alias=AliasChoices("domain", "name"))
    status: str | None = None
    verified: bool | None = None


class Suppression(WireModel):
    """An address that gets no mail any more. API: GET /v1/suppression."""

    address: str = Field(default="", validation_alias=AliasChoices("address", "email"))
    reason: str | None = None


class UpgradeRequest(WireModel):
    """A request for a looser oversight mode. API: POST /v1/mailboxes/{mailbox}/request-upgrade."""

    status: str = ""


class Ack(WireModel):
    """An answer with nothing in it that has a type of its own."""

    status: str = ""


class Health(WireModel):
    """API: GET /health."""

    status: str = ""
