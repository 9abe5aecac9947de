"""Bodies: what requests may hold, as pydantic models. Everything hostile is turned away here."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from ...mail.addresses import find_address_fault
from ...mail.compose import OutgoingAttachment
from ...oversight import Mode
from ...services.drafts import MAX_RECIPIENTS, Draft
from ...services.mailboxes import MailboxChanges
from ...services.revisions import DraftEdit, ReviewerEdit
from ...webhook_signing import mint_signing_secret

MAX_SUBJECT = 998
MAX_MARKDOWN = 262_144
MAX_ATTACHMENT_BYTES = 20 * 1024 * 1024
_BREAK = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")


def _address(text: str) -> str:
    problem = find_address_fault(text)
    if problem is not None:
        raise ValueError(f"{text[:80]!r} {problem}")
    return text


def _one_line(text: str) -> str:
    if _BREAK.search(text):
        raise ValueError("it contains a line break or a control character")
    return text


def _no_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _none_as_empty(value: Any) -> Any:
    return [] if value is None else _listed(value)


Address = Annotated[str, AfterValidator(_address), Field(json_schema_extra={"format": "email"})]
Line = Annotated[str, AfterValidator(_one_line)]
Recipients = Annotated[
    list[Address], BeforeValidator(_none_as_empty), Field(max_length=MAX_RECIPIENTS)
]
Some = Annotated[list[Address], BeforeValidator(_listed), Field(max_length=MAX_RECIPIENTS)]
Name = Annotated[Line, Field(max_length=200)]
Markdown = Annotated[str, AfterValidator(_no_null), Field(max_length=MAX_MARKDOWN)]
Metadata = Annotated[
    dict[Annotated[Line, Field(max_length=100)], Annotated[str, Field(max_length=2000)]],
    Field(max_length=50),
]


class Body(BaseModel):
    """Base of all request bodies: JSON types are not converted, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True, defer_build=True)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it lies outside the years that can be counted") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class AttachmentBody(Body):
    """A file to send."""

    name: Annotated[
        Line, Field(min_length=1, max_length=255, validation_alias=AliasChoices("name", "filename"))
    ]
    content_base64: Annotated[
        str, Field(validation_alias=AliasChoices("content_base64", "content"))
    ]
    content_type: str = "application/octet-stream"

    @model_validator(mode="after")
    def _usable(self) -> AttachmentBody:
        if _CONTENT_TYPE.fullmatch(self.content_type) is None:
            raise ValueError("content_type is not a media type such as application/pdf")
        if "/" in self.name or "\\" in self.name:
            raise ValueError("name has a slash in it; give a plain file name")
        self.file()
        return self

    def file(self) -> OutgoingAttachment:
        """Return the file with its bytes."""
        try:
            content = base64.b64decode(self.content_base64, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("content_base64 is not base64 (RFC 4648 section 4)") from None
        return OutgoingAttachment(self.name, self.content_type, content)


def check_size(files: list[AttachmentBody]) -> None:
    """Refuse files that are too large together."""
    encoded = sum(len(file.content_base64) for file in files)
    if encoded * 3 // 4 > MAX_ATTACHMENT_BYTES:
        raise ValueError("attachments are larger than 20 MB in all")


class ReplyBody(Body):
    """API: POST /v1/mailboxes/{mailbox}/reply/{email}."""

    markdown: Annotated[Markdown, Field(validation_alias=AliasChoices("markdown", "body"))]
    cc: Recipients = []
    bcc: Recipients = []
    attachments: Annotated[list[AttachmentBody], BeforeValidator(_none_as_empty)] = []
    idempotency_key: Annotated[Line, Field(min_length=1, max_length=255)] | None = None
    send_at: Moment | None = None
    gate_timing: Literal["gate_first", "schedule_first"] | None = None
    metadata: Metadata | None = None
    oversight_mode: Mode | None = Field(default=None, strict=False)
    reply_all: bool = False

    @model_validator(mode="after")
    def _small_enough(self) -> ReplyBody:
        check_size(self.attachments)
        return self

    def draft(self, to: tuple[str, ...] = (), subject: str = "") -> Draft:
        """Return what is to be sent."""
        return Draft(
            to=to,
            subject=subject,
            markdown=self.markdown,
            cc=tuple(self.cc),
            bcc=tuple(self.bcc),
            attachments=tuple(file.file() for file in self.attachments),
            idempotency_key=self.idempotency_key,
            send_at=self.send_at,
            metadata=dict(self.metadata or {}),
            mode=self.oversight_mode,
            gate_timing=self.gate_timing,
        )


class SendBody(ReplyBody):
    """API: POST /v1/mailboxes/{mailbox}/send."""

    to: Annotated[
        list[Address],
        BeforeValidator(_listed),
        Field(
            min_length=1,
            max_length=MAX_RECIPIENTS,
            description="One address may also stand alone, without a list; so in cc and bcc.",
        ),
    ]
    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)]


class ScheduleBody(Body):
    """API: PATCH …/emails/{id}/schedule. What is not named, or null, stays as it is."""

    send_at: Moment | None = None
    to: Annotated[Some, Field(min_length=1)] | None = None
    cc: Some | None = None
    bcc: Some | None = None
    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)] | None = None
    markdown: Annotated[
        Markdown | None, Field(validation_alias=AliasChoices("markdown", "body"))
    ] = None
    attachments: list[AttachmentBody] | None = None
    content_hash: Annotated[str, Field(max_length=128)] | None = None

    @model_validator(mode="after")
    def _small_enough(self) -> ScheduleBody:
        check_size(self.attachments or [])
        return self

    def rewrite(self) -> DraftEdit:
        """Return what is to change."""
        files = self.attachments
        return DraftEdit(
            to=_tuple(self.to),
            cc=_tuple(self.cc),
            bcc=_tuple(self.bcc),
            subject=self.subject,
            markdown=self.markdown,
            files=None if files is None else tuple(file.file() for file in files),
            send_at=self.send_at,
        )


def _tuple(addresses: list[str] | None) -> tuple[str, ...] | None:
    return None if addresses is None else tuple(addresses)


class ReviseBody(Body):
    """POST /v1/oversight/revise (ours)."""

    email_id: Annotated[
        str,
        Field(max_length=100, validation_alias=AliasChoices("email_id", "message_id", "id")),
    ]
    content_hash: Annotated[str, Field(max_length=128)]
    subject: Annotated[Line, Field(max_length=MAX_SUBJECT)] | None = None
    markdown: Annotated[
        Markdown | None, Field(validation_alias=AliasChoices("markdown", "body"))
    ] = None
    drop: Annotated[
        Some, Field(description="Who is not to get it any more; nobody can be added.")
    ] = []

    def edit(self) -> ReviewerEdit:
        """Return what is to change."""
        return ReviewerEdit(self.subject, self.markdown, frozenset(map(str.lower, self.drop)))


class DecideBody(Body):
    """API: POST /v1/oversight/decide."""

    email_id: Annotated[
        str,
        Field(max_length=100, validation_alias=AliasChoices("email_id", "message_id", "id")),
    ]
    action: Annotated[
        Literal["approve", "reject"],
        Field(validation_alias=AliasChoices("action", "decision")),
    ]
    reason: Annotated[str, AfterValidator(_no_null), Field(max_length=2000)] | None = None
    content_hash: Annotated[str, Field(max_length=128)] | None = None


class LinkBody(Body):
    """POST /v1/oversight/{email}/approval-link (ours)."""

    expires_in: Annotated[int, Field(ge=60, le=7 * 24 * 3600)] | None = None
    """Seconds."""
    content_hash: Annotated[str, Field(max_length=128)] | None = None


class LinkDecideBody(Body):
    """API: POST /v1/approve/{token}."""

    action: Annotated[
        Literal["approve", "reject"],
        Field(validation_alias=AliasChoices("action", "decision")),
    ]
    reason: Annotated[str, AfterValidator(_no_null), Field(max_length=2000)] | None = None
    content_hash: Annotated[str, Field(max_length=128)] | None = None


class TagsBody(Body):
    """API: PUT …/emails/{id}/tags."""

    tags: Annotated[
        dict[
            Annotated[Line, Field(min_length=1, max_length=64)],
            Annotated[Line, Field(max_length=256)],
        ],
        Field(max_length=50),
    ]


class ContactBody(Body):
    """API: POST /v1/contacts."""

    email: Annotated[Address, Field(validation_alias=AliasChoices("email", "address"))]
    name: Name | None = None
    tags: Annotated[
        list[Annotated[Line, Field(max_length=64)]],
        BeforeValidator(_none_as_empty),
        Field(max_length=50),
    ] = []


class DomainBody(Body):
    """API: POST /v1/domains."""

    domain: Annotated[
        Line,
        Field(min_length=1, max_length=253, validation_alias=AliasChoices("domain", "name")),
    ]


class KeyBody(Body):
    """API: POST /v1/api-keys."""

    name: Annotated[Name, Field(min_length=1)]
    scopes: Annotated[list[str], Field(max_length=10)] = ["read"]
    mailbox_id: Annotated[
        str | None, Field(max_length=254, validation_alias=AliasChoices("mailbox_id", "mailbox"))
    ] = None
    live: bool | None = None


class KeyChangeBody(Body):
    """API: PATCH /v1/api-keys/{id}."""

    name: Annotated[Name, Field(min_length=1)] | None = None
    scopes: Annotated[list[str], Field(max_length=10)] | None = None


class AccountBody(Body):
    """API: PATCH /v1/account."""

    name: Annotated[Name, Field(min_length=1)]


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+[^\s]*", _one_line(text)):
        raise ValueError("it is not an http or https address")
    return text


Url = Annotated[str, Field(max_length=2000), AfterValidator(_url)]
_COLUMNS = frozenset({"display_name", "oversight_mode", "address", "address_local", "local_part"})
_WEBHOOKS = ("webhook_url", "oversight_webhook_url")


class MailboxChangeBody(Body):
    """API: PATCH /v1/mailboxes/{mailbox} and …/configure."""

    display_name: Name | None = None
    oversight_mode: Mode | None = Field(default=None, strict=False)
    auto_cc: Recipients | None = None
    auto_bcc: Recipients | None = None
    forward_inbound: Annotated[
        Recipients | bool | None, Field(description="Addresses; false or null for none.")
    ] = None
    webhook_url: Url | None = None
    oversight_webhook_url: Url | None = None
    signature_block: Annotated[str, AfterValidator(_no_null), Field(max_length=4000)] | None = None
    default_gate_timing: Literal["gate_first", "schedule_first"] | None = None
    scheduling_enabled: bool | None = None
    ai_disclosure: bool | None = None
    mcp_configured: bool | None = None
    approver_emails: Recipients | None = None
    spam_filter: Literal["off", "flag", "quarantine"] | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    def changes(self) -> MailboxChanges:
        """Return what was named; a setting named as null is removed."""
        named = self.model_dump(mode="json", exclude_unset=True)
        settings = {name: value for name, value in named.items() if name not in _COLUMNS}
        hooks = {
            name: mint_signing_secret() if named[name] else ""
            for name in _WEBHOOKS
            if name in named
        }
        return MailboxChanges(self.display_name, self.oversight_mode, settings, hooks)


class MailboxBody(MailboxChangeBody):
    """API: POST /v1/mailboxes."""

    address: Annotated[
        str,
        Field(
            min_length=1,
            max_length=254,
            validation_alias=AliasChoices("address_local", "address", "local_part"),
        ),
    ]
