"""The account and what hangs on it: contacts, keys, webhooks, domains, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AliasChoices, Field, field_validator, model_validator

from .base import WireModel, as_list, only_once


class Contact(WireModel):
    """An entry of the address book. API: GET /v1/contacts."""

    id: str = ""
    name: str | None = None
    email: str = Field(default="", validation_alias=AliasChoices("email", "address"))
    tags: list[str] = Field(default_factory=list)

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
    """A key just made. `key` is shown once. API: POST /v1/api-keys."""

    key: str = Field(
        default="", repr=False, validation_alias=AliasChoices("key", "api_key", "raw_key")
    )

    @model_validator(mode="before")
    @classmethod
    def _secret(cls, reply: Any) -> Any:
        return only_once(reply, "key", "api_key", "raw_key")


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
    events: list[str] = Field(default_factory=list)
    mailbox_id: str | None = None
    status: str | None = None
    """`enabled`, or `disabled` once its endpoint is dead."""
    disabled_reason: str | None = None


class NewWebhook(Webhook):
    """A subscription just made. `signing_secret` is shown once. API: POST /v1/webhooks."""

    signing_secret: str = Field(
        default="", repr=False, validation_alias=AliasChoices("signing_secret", "secret")
    )

    @model_validator(mode="before")
    @classmethod
    def _secret(cls, reply: Any) -> Any:
        return only_once(reply, "signing_secret", "secret")


class WebhookDelivery(WireModel):
    """One delivery of an event. API: GET /v1/webhook-deliveries."""

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
