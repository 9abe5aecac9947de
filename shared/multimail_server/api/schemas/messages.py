"""Answers: the shapes of what `render` makes of mail, for the description of the API and its tests.

A field without a default is always there. One with a default is missing where it says nothing, as
on a message whose content only a reviewer may see.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from ...oversight import Direction, Mode, State

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Json = dict[str, Any]


def _without_defaults(schema: Json) -> None:
    """A default only says that the field may be missing; nobody fills it in."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Answered(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        populate_by_name=True, json_schema_extra=_without_defaults, defer_build=True
    )


class RecipientAnswer(Answered):
    """What became of a message for one recipient."""

    address: str
    status: Literal[
        "pending", "delivered", "deferred", "refused", "bounced", "suppressed", "not_sent"
    ]
    code: Annotated[int | None, Field(description="The SMTP reply's.")]
    text: str | None
    enhanced_code: str | None = None
    bounce_type: str | None = None


class ErrorAnswer(Answered):
    """Every refusal: what happened, to what, and what to do next."""

    error: str
    code: Annotated[str, Field(description="For programs, in snake_case.")]
    request_id: Annotated[str, Field(description="The request in the server's log.")]
    recipients: Annotated[
        list[RecipientAnswer], Field(description="Where all are suppressed: why, for each.")
    ] = []


class GoneAnswer(Answered):
    """What was removed."""

    id: str
    status: Literal["deleted"]


class AttachmentAnswer(Answered):
    """A file's description, without its bytes."""

    id: str
    name: str
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    sha256: str


class FileAnswer(AttachmentAnswer):
    """A file: its bytes below 50 KB, else a link to them."""

    content_base64: str = ""
    url: str = ""
    expires_at: Time = ""


class SummaryAnswer(Answered):
    """A row of a listing: no body, and nothing of what only reviewers may see."""

    id: str
    message_id: str
    email_id: str
    mailbox_id: str
    thread_id: str
    from_: Annotated[str | None, Field(alias="from")]
    from_name: str | None
    to: list[str]
    cc: list[str]
    subject: str | None
    direction: Direction
    status: State
    received_at: Time
    created_at: Time
    has_attachments: bool | None
    delivered_at: Time | None
    bounced_at: Time | None
    bounce_type: str | None
    spam_score: float | None
    spam_verdict: str | None
    authentication: Json = {}
    content_hidden: bool = True


class OpenedAnswer(SummaryAnswer):
    """What every way of showing a message with its body answers, but for its recipients."""

    tags: dict[str, str]
    markdown: str
    body: str
    attachments: list[AttachmentAnswer]
    bcc: list[str] = []
    reply_to: list[str] = []
    rfc_message_id: str | None = None
    in_reply_to: str | None = None
    references: list[str] = []
    auto_submitted: str | None = None
    list_id: str | None = None
    precedence: str | None = None
    envelope: Json = {}
    size: int = 0
    approved_at: Time | None = None
    approved_by: str | None = None
    decided_at: Time | None = None
    decided_by: str | None = None
    decision_reason: str | None = None
    expires_at: Time | None = None
    send_at: Time | None = None
    content_hash: str | None = None
    bounce_code: int | None = None
    bounce_reason: str | None = None
    delivery: Json | None = None
    removed: list[str] = []
    oversight_mode: Mode = Mode.GATED_SEND
    metadata: Json = {}
    gate_timing: str | None = None
    spam_reasons: Annotated[
        list[str], Field(description="The points of `spam_score`, one by one.")
    ] = []


class EmailAnswer(OpenedAnswer):
    """A message with its body; of an outbound one, what became of it for each recipient."""

    recipients: list[RecipientAnswer] = []


class PageAnswer(Answered):
    """A page of a listing; `messages` holds the same rows as `emails`."""

    emails: list[SummaryAnswer]
    messages: list[SummaryAnswer]
    cursor: Annotated[str | None, Field(description="Give it to get the next page.")]


class ConversationAnswer(Answered):
    """What every way of reading a thread answers, but for its messages."""

    thread_id: str
    id: str
    mailbox_id: str
    message_count: int
    participants: list[str]
    last_activity: Time
    has_unanswered_inbound: bool


class ThreadAnswer(ConversationAnswer):
    """A conversation, oldest message first; bodies where they were asked for."""

    emails: list[EmailAnswer | SummaryAnswer]
    messages: list[EmailAnswer | SummaryAnswer]


class TagsAnswer(Answered):
    """The labels of a message."""

    tags: dict[str, str]


class AcceptedAnswer(Answered):
    """What every way of sending answers, but for the word in `status`."""

    id: str
    message_id: str
    to: list[str]
    thread_id: str
    mailbox_id: str
    oversight_mode: Mode
    message_status: State
    held: bool
    expires_at: Time | None
    send_at: Time | None
    content_hash: str | None
    approval_url: str | None
    suppressed: Annotated[
        list[str], Field(description="Who gets nothing: they are on the suppression list.")
    ]
    idempotent: bool = True


class SentAnswer(AcceptedAnswer):
    """A send that was accepted; `message_status` says where it stands."""

    status: Literal["pending_scan", "already_sent"]


class FateAnswer(Answered):
    """What became of a message that was cancelled, edited or given another moment."""

    id: str
    message_id: str
    status: State
    send_at: Time | None
    expires_at: Time | None
    content_hash: str | None


class DecidedAnswer(Answered):
    """What every way of deciding answers, but for the word in `status`."""

    id: str
    message_id: str
    message_status: State
    delivered: bool
    delivered_at: Time | None


class DecisionAnswer(DecidedAnswer):
    """A decision that was taken."""

    status: Literal["approved", "approved_and_sent", "rejected"]


class PendingItemAnswer(OpenedAnswer):
    """An item of the queue: all that the approver decides about."""

    body_markdown: str
    recipients: list[str]
    suppressed: list[str]
    composed_by: str | None


class QueueAnswer(Answered):
    """What awaits a decision, oldest first; `pending` holds the same rows as `emails`."""

    emails: list[PendingItemAnswer]
    pending: list[PendingItemAnswer]
    cursor: str | None


class ReceivedAnswer(SummaryAnswer):
    """What was received, in the first mailbox; `emails` has all."""

    emails: list[SummaryAnswer]


class DeliveryAnswer(Answered):
    """A message that a test key "delivered", with its envelope."""

    id: str
    message_id: str
    mailbox_id: str
    thread_id: str
    envelope: Json
    recipients: list[str]
    from_: Annotated[str, Field(alias="from")]
    to: list[str]
    cc: list[str]
    subject: str
    rfc_message_id: str | None
    delivered_at: Time


class OutboxAnswer(Answered):
    """What test keys "delivered", newest first; `messages` holds the same rows as `emails`."""

    emails: list[DeliveryAnswer]
    messages: list[DeliveryAnswer]
