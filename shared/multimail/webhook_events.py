"""Webhook events: one class for each thing that can happen, under the names of both vocabularies.

`multimail.webhooks.verify` returns them. They hold what the payload says, which is as good as its
signature; what it says about who wrote a mail is no evidence, so fetch the message by its id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator

from .models.base import WireModel, as_list
from .trust.evidence import Authentication, parse_authentication


class Event(WireModel):
    """What all events have in common. A field that the payload does not have is empty."""

    kind: ClassVar[str] = ""
    """The event's one name, whichever it was subscribed to under."""

    id: str = ""
    """The same at each delivery of one event."""
    type: str = ""
    """The name under which it was subscribed to."""
    created_at: datetime | None = None
    replay_protected: bool = False
    """Whether id and time are signed; else whoever recorded the request can send it again."""
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
    """The whole payload, as it was posted."""

    _lists = field_validator("to", mode="before")(as_list)

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def read(
        cls, payload: dict[str, Any], *, event_id: str | None, signed_at: datetime | None
    ) -> Self:
        """Return the event in a decoded payload whose signature was verified.

        Args:
            payload: Its fields stand under `data`, flat at the top, or both.
            event_id: The signed id; None where no id was signed.
            signed_at: The signed time; None where no time was signed.
        """
        data = payload.get("data")
        fields = {**payload, **data} if isinstance(data, dict) else dict(payload)
        told = {name: payload.get(name) for name in ("type", "created_at")}
        ours = {
            "id": event_id or payload.get("id"),
            "replay_protected": signed_at is not None,
            "signed_at": signed_at,
            "payload": payload,
        }
        return cls._without_odd_fields({**fields, **told, **ours})

    @classmethod
    def _without_odd_fields(cls, fields: dict[str, Any]) -> Self:
        """Leave out what is of another shape: one odd field must not lose the event."""
        try:
            return cls.model_validate(fields)
        except ValidationError as fault:
            odd = {error["loc"][0] for error in fault.errors(include_input=False)}
        return cls.model_validate({name: fields[name] for name in fields.keys() - odd})


class MessageReceived(Event):
    """Mail came in, or was released by a reviewer. `message.received`, `email.received`."""

    kind = "message.received"

    authentication: Authentication | None = None
    """As reported in the payload; the message itself is the better source."""
    body_text: str = ""
    """The beginning of the text."""

    @model_validator(mode="before")
    @classmethod
    def _evidence(cls, fields: Any) -> Any:
        return {**fields, "authentication": parse_authentication(fields)}


class MessageSent(Event):
    """It left. `message.sent`."""

    kind = "message.sent"


class MessageDelivered(Event):
    """The next mail server has taken it. `message.delivered`, `email.delivered`."""

    kind = "message.delivered"
    delivered_at: datetime | None = None


class MessageBounced(Event):
    """Some or all recipients will not get it. `message.bounced`, `email.bounced`."""

    kind = "message.bounced"
    bounce_type: str | None = None
    """`hard`, `soft`, or `policy` where the server itself stopped it."""
    code: int | str | None = Field(
        default=None, validation_alias=AliasChoices("code", "bounce_code")
    )
    """The SMTP reply code."""
    reason: str = Field(default="", validation_alias=AliasChoices("reason", "bounce_reason"))
    recipients: list[str] = Field(default_factory=list)


class MessageComplained(Event):
    """A recipient called it spam. `message.complained`."""

    kind = "message.complained"


class OversightPending(Event):
    """It waits for a human's decision. `oversight.pending`."""

    kind = "oversight.pending"
    expires_at: datetime | None = None
    content_hash: str | None = None


class OversightApproved(Event):
    """A human let it through. `oversight.approved`, `email.approved`."""

    kind = "oversight.approved"
    decided_at: datetime | None = None
    decision_reason: str | None = None


class OversightRejected(Event):
    """A human refused it. `oversight.rejected`, `email.rejected`."""

    kind = "oversight.rejected"
    decided_at: datetime | None = None
    decision_reason: str | None = None


class UnknownEvent(Event):
    """An event that this version does not know; `type` names it."""


EVENT_TYPES: dict[str, type[Event]] = {
    **{
        event.kind: event
        for event in (
            MessageReceived,
            MessageSent,
            MessageDelivered,
            MessageBounced,
            MessageComplained,
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
"""The class of each event, by every name that can be subscribed to."""


def event_class(name: object) -> type[Event]:
    """Return the class of events of this name.

    Raises:
        ValueError: It is no name at all.
    """
    if not isinstance(name, str) or not name:
        raise ValueError("an event has a type")
    return EVENT_TYPES.get(name, UnknownEvent)
