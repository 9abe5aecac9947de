"""Webhook events: one class for each kind, under the names of both vocabularies.

`multimail.webhooks.verify` returns them. The signature covers the whole payload, but what the
payload says about a mail's author is no evidence: read the message by its id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator

from ..models import WireModel, as_list
from ..trust.evidence import Authentication, parse_authentication


class Event(WireModel):
    """Base class of all events. A field that the payload lacks is empty."""

    kind: ClassVar[str] = ""
    """The event's canonical name, independent of the name in the subscription."""

    id: str = ""
    """The event's id, the same in each delivery of it."""
    type: str = ""
    """The name in the subscription."""
    created_at: datetime | None = None
    replay_protected: bool = False
    """Whether id and time are signed; if not, a recorded request can be sent again."""
    signed_at: datetime | None = None

    message_id: str = Field(default="", validation_alias=AliasChoices("message_id", "email_id"))
    mailbox: str | None = None
    mailbox_id: str | None = None
    thread_id: str | None = None
    status: str | None = None
    sender: str = Field(default="", validation_alias=AliasChoices("from", "sender", "from_address"))
    to: list[str] = Field(default_factory=list)
    subject: str = ""

    payload: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The whole payload."""

    _lists = field_validator("to", mode="before")(as_list)

    @model_validator(mode="before")
    @classmethod
    def _drop_null(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def parse(
        cls, payload: dict[str, Any], *, event_id: str | None, signed_at: datetime | None
    ) -> Self:
        """Return the event of a decoded payload whose signature was verified.

        Args:
            payload: Its fields are under `data`, at the top level, or both.
            event_id: The signed id; None if no id was signed.
            signed_at: The signed time; None if no time was signed.
        """
        data = payload.get("data")
        fields = {**payload, **data} if isinstance(data, dict) else dict(payload)
        fields |= {
            "type": payload.get("type"),
            "created_at": payload.get("created_at"),
            "id": event_id or payload.get("id"),
            "replay_protected": signed_at is not None,
            "signed_at": signed_at,
            "payload": payload,
        }
        return cls._validate_leniently(fields)

    @classmethod
    def _validate_leniently(cls, fields: dict[str, Any]) -> Self:
        """Validate without the invalid fields: one of them must not lose the event."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            invalid = {item["loc"][0] for item in error.errors(include_input=False)}
        return cls.model_validate({name: fields[name] for name in fields.keys() - invalid})


class MessageReceived(Event):
    """A message was received, or released by a reviewer. `message.received`, `email.received`."""

    kind = "message.received"

    authentication: Authentication | None = None
    """The results in the payload; those of the message itself are the better source."""
    body_text: str = ""
    """The start of the text."""

    @model_validator(mode="before")
    @classmethod
    def _parse_authentication(cls, fields: Any) -> Any:
        return {**fields, "authentication": parse_authentication(fields)}


class MessageSent(Event):
    """A message was sent. `message.sent`."""

    kind = "message.sent"


class MessageDelivered(Event):
    """The next mail server accepted a message. `message.delivered`, `email.delivered`."""

    kind = "message.delivered"
    delivered_at: datetime | None = None


class MessageBounced(Event):
    """A message did not reach some or all recipients. `message.bounced`, `email.bounced`."""

    kind = "message.bounced"
    bounce_type: str | None = None
    """`hard`, `soft`, or `policy` if our own server rejected it."""
    code: int | str | None = Field(
        default=None, validation_alias=AliasChoices("code", "bounce_code")
    )
    """The SMTP reply code."""
    reason: str = Field(default="", validation_alias=AliasChoices("reason", "bounce_reason"))
    recipients: list[str] = Field(default_factory=list)


class MessageComplained(Event):
    """A recipient reported a message as spam. `message.complained`."""

    kind = "message.complained"


class ThreadMerged(Event):
    """A message that came late connected two threads; `thread_id` has both. `thread.merged`."""

    kind = "thread.merged"
    merged_thread_id: str | None = None
    """The thread that became part of `thread_id`."""
    message_count: int | None = None
    """How many messages it had."""


class OversightPending(Event):
    """A message awaits a human's decision. `oversight.pending`."""

    kind = "oversight.pending"
    expires_at: datetime | None = None
    content_hash: str | None = None


class OversightApproved(Event):
    """A human approved a message. `oversight.approved`, `email.approved`."""

    kind = "oversight.approved"
    decided_at: datetime | None = None
    decision_reason: str | None = None


class OversightRejected(Event):
    """A human rejected a message. `oversight.rejected`, `email.rejected`."""

    kind = "oversight.rejected"
    decided_at: datetime | None = None
    decision_reason: str | None = None


class UnknownEvent(Event):
    """An event that this version doesn't know; see `type`."""


EVENT_TYPES: dict[str, type[Event]] = {
    **{
        event.kind: event
        for event in (
            MessageReceived,
            MessageSent,
            MessageDelivered,
            MessageBounced,
            MessageComplained,
            ThreadMerged,
            OversightPending,
            OversightApproved,
            OversightRejected,
        )
    },
    "email.received": MessageReceived,
    "email.delivered": MessageDelivered,
    "email.bounced": MessageBounced,
    "email.approved": OversightApproved,
    "email.rejected": OversightRejected,
}
"""Maps every name that can be subscribed to to its class."""


def get_event_class(name: object) -> type[Event]:
    """Return the class of events with this name.

    Raises:
        ValueError: It is not a name.
    """
    if not isinstance(name, str) or not name:
        raise ValueError("an event needs a type")
    return EVENT_TYPES.get(name, UnknownEvent)
