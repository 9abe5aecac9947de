"""Messages: mailboxes, emails, threads, attachments, and what becomes of a send."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AliasChoices, Field, field_validator, model_validator

from ..trust.evidence import Authentication, parse_authentication
from .base import ID, WireModel, as_list, as_mapping

_PENDING = frozenset({"pending_scan", "pending_send_approval", "pending_approval", "pending"})
_DUPLICATE = frozenset({"already_sent"})


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


class EmailSummary(WireModel):
    """A row of a mailbox listing, without the body.

    API: GET /v1/mailboxes/{mailbox}/emails.
    """

    id: str = Field(validation_alias=ID)
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

    _lists = field_validator("to", mode="before")(as_list)

    @field_validator("subject", "sender", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value

    @model_validator(mode="before")
    @classmethod
    def _evidence(cls, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        return {**message, "authentication": parse_authentication(message)}

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
    metadata: dict[str, Any] = Field(default_factory=dict)
    approved_at: datetime | None = None
    approved_by: str | None = None
    decision_reason: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    auto_submitted: str | None = None
    list_id: str | None = None
    precedence: str | None = None
    content_hash: str | None = None
    removed: list[str] = Field(default_factory=list)
    """What of an HTML body people would not have seen and the server left out, in words."""

    _more_lists = field_validator("cc", "bcc", "reply_to", "attachments", "removed", mode="before")(
        as_list
    )

    @field_validator("markdown", mode="before")
    @classmethod
    def _body(cls, value: Any) -> Any:
        return "" if value is None else value

    _mappings = field_validator("tags", "metadata", mode="before")(as_mapping)

    @property
    def body(self) -> str:
        """The same as `markdown`."""
        return self.markdown


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

    id: str = Field(validation_alias=ID)
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
    id: str = Field(default="", validation_alias=ID)
    message_status: str | None = None
    delivered_at: datetime | None = None

    @property
    def delivered(self) -> bool:
        """Whether the message has left."""
        return self.delivered_at is not None or self.status in ("sent", "approved_and_sent")


class Cancellation(WireModel):
    """API: POST /v1/mailboxes/{mailbox}/emails/{email}/cancel."""

    id: str = Field(default="", validation_alias=ID)
    status: str = ""


class Tags(WireModel):
    """The labels of a message. API: PUT /v1/mailboxes/{mailbox}/emails/{email}/tags."""

    tags: dict[str, str] = Field(default_factory=dict)

    _names = field_validator("tags", mode="before")(as_mapping)
