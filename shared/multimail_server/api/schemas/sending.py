"""Schemas of sending: sends, replies, edits before a message leaves, and what they answer."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Literal, NotRequired

from pydantic import AliasChoices, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from multimail.trust.addresses import normalize_addresses
from multimail.trust.daily_caps import DailyCaps
from multimail.trust.providers import PUBLIC_PROVIDERS
from multimail.trust.reasons import CAP_PER_ADDRESS, CAP_PER_ORGANISATION

from ...mail.compose import OutgoingAttachment
from ...oversight import Mode, State
from ...services.daily_caps import CODE_KEY
from ...services.drafts import MAX_ENVELOPE_RECIPIENTS, MAX_RECIPIENTS, Draft
from ...services.enclosures import MAX_ATTACHMENT_BYTES
from ...services.revisions import DraftEdit
from ...services.sending import Sent
from .base import (
    AddressList,
    ContentHash,
    Line,
    Markdown,
    ModeName,
    Moment,
    Recipients,
    RequestModel,
    StateName,
    Subject,
    Time,
    none_to_empty,
    to_optional_time,
)

_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_MARKDOWN_NAMES = AliasChoices("markdown", "body")

Metadata = Annotated[
    dict[Annotated[Line, Field(max_length=100)], Annotated[str, Field(max_length=2000)]],
    Field(max_length=50),
]


class AttachmentIn(RequestModel):
    """A file to send: its name and its bytes, or the `id` of a file of this mailbox's mail."""

    id: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    name: Annotated[
        Line, Field(max_length=255, validation_alias=AliasChoices("name", "filename"))
    ] = ""
    content_base64: Annotated[
        str, Field(validation_alias=AliasChoices("content_base64", "content"))
    ] = ""
    content_type: str = "application/octet-stream"

    @model_validator(mode="after")
    def _check(self) -> AttachmentIn:
        given = self.model_fields_set
        if self.id is not None:
            if "content_base64" in given:
                raise ValueError("name either the id of a stored file or content_base64")
            return self
        if not self.name or "content_base64" not in given:
            raise ValueError("a file needs name and content_base64, or the id of a stored file")
        if _CONTENT_TYPE.fullmatch(self.content_type) is None:
            raise ValueError("content_type is not a media type such as application/pdf")
        if "/" in self.name or "\\" in self.name:
            raise ValueError("name has a slash in it; give a plain file name")
        self.decode()
        return self

    def decode(self) -> OutgoingAttachment:
        """Return the file with its bytes."""
        try:
            content = base64.b64decode(self.content_base64, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("content_base64 is not base64 (RFC 4648 section 4)") from None
        return OutgoingAttachment(self.name, self.content_type, content)


Attachments = Annotated[list[AttachmentIn], Field(max_length=100)]


def decode_uploaded(files: list[AttachmentIn]) -> tuple[OutgoingAttachment, ...]:
    """Return the files that came with the request."""
    return tuple(file.decode() for file in files if file.id is None)


def list_enclosed(files: list[AttachmentIn]) -> tuple[str, ...]:
    """Return the ids of the stored files that the request names."""
    return tuple(file.id for file in files if file.id is not None)


def _check_total_size(files: list[AttachmentIn]) -> None:
    encoded = sum(len(file.content_base64) for file in files)
    if encoded * 3 // 4 > MAX_ATTACHMENT_BYTES:
        raise ValueError("attachments are larger than 20 MB in total")


class DailyCapsIn(RequestModel):
    """How many messages may leave without a human within 24 hours; beyond it this one is held.

    A client's guard sends it with a message that it lets through. Messages without it don't count.
    """

    per_address: Annotated[int, Field(ge=0)] = 20
    per_organisation: Annotated[int, Field(ge=0)] = 60
    exempt: Recipients = Field(default=[])
    public_providers: Annotated[
        list[Annotated[Line, Field(max_length=253)]],
        Field(max_length=MAX_ENVELOPE_RECIPIENTS),
    ] = Field(default=[])

    def build_caps(self) -> DailyCaps:
        """Return the caps."""
        providers = PUBLIC_PROVIDERS.union(map(str.lower, self.public_providers))
        exempt = normalize_addresses(self.exempt)
        return DailyCaps(self.per_address, self.per_organisation, exempt, providers)


class ReplyIn(RequestModel):
    """A reply."""

    markdown: Annotated[Markdown, Field(validation_alias=_MARKDOWN_NAMES)]
    cc: Recipients = Field(default=[])
    bcc: Recipients = Field(default=[])
    attachments: Annotated[Attachments, BeforeValidator(none_to_empty)] = Field(default=[])
    idempotency_key: Annotated[Line, Field(min_length=1, max_length=255)] | None = None
    send_at: Moment | None = None
    gate_timing: Literal["gate_first", "schedule_first"] | None = None
    metadata: Metadata | None = None
    oversight_mode: Mode | None = Field(default=None, strict=False)
    daily_caps: DailyCapsIn | None = None
    reply_all: bool = False

    @model_validator(mode="after")
    def _check(self) -> ReplyIn:
        _check_total_size(self.attachments)
        return self

    def build_draft(self, to: tuple[str, ...] = (), subject: str = "") -> Draft:
        """Return the draft that the body describes."""
        return Draft(
            to=to,
            subject=subject,
            markdown=self.markdown,
            cc=tuple(self.cc),
            bcc=tuple(self.bcc),
            attachments=decode_uploaded(self.attachments),
            enclosed=list_enclosed(self.attachments),
            idempotency_key=self.idempotency_key,
            send_at=self.send_at,
            metadata=dict(self.metadata or {}),
            mode=self.oversight_mode,
            gate_timing=self.gate_timing,
            caps=self.daily_caps.build_caps() if self.daily_caps else None,
        )


class SendIn(ReplyIn):
    """A new message."""

    to: Annotated[
        AddressList,
        Field(
            min_length=1,
            max_length=MAX_RECIPIENTS,
            description="A single address can stand without a list, also in cc and bcc.",
        ),
    ]
    subject: Subject


class ForwardIn(ReplyIn):
    """A forward: to whom, with which note above it. `reply_all` is ignored."""

    to: Annotated[AddressList, Field(min_length=1, max_length=MAX_RECIPIENTS)]
    markdown: Annotated[Markdown, Field(validation_alias=_MARKDOWN_NAMES)] = ""
    include_attachments: bool = True


class ScheduleIn(RequestModel):
    """Changes to a message that has not left. A field that is missing or null stays as it is."""

    send_at: Moment | None = None
    to: Annotated[AddressList, Field(min_length=1)] | None = None
    cc: AddressList | None = None
    bcc: AddressList | None = None
    subject: Subject | None = None
    markdown: Annotated[Markdown | None, Field(validation_alias=_MARKDOWN_NAMES)] = None
    attachments: Attachments | None = None
    content_hash: ContentHash | None = None

    @model_validator(mode="after")
    def _check(self) -> ScheduleIn:
        _check_total_size(self.attachments or [])
        return self

    def build_edit(self) -> DraftEdit:
        """Return the edit that the body describes."""
        files = self.attachments
        return DraftEdit(
            to=_to_tuple(self.to),
            cc=_to_tuple(self.cc),
            bcc=_to_tuple(self.bcc),
            subject=self.subject,
            markdown=self.markdown,
            files=None if files is None else decode_uploaded(files),
            enclosed=list_enclosed(files or []),
            send_at=self.send_at,
        )


class ReviseDraftIn(ScheduleIn):
    """Its author's changes to a message that awaits a decision, with what the guard says of it."""

    metadata: Metadata | None = None


def _to_tuple(addresses: list[str] | None) -> tuple[str, ...] | None:
    return None if addresses is None else tuple(addresses)


class AcceptedOut(TypedDict):
    """Fields that all send responses share, except `status`."""

    id: str
    message_id: str
    to: list[str]
    thread_id: str
    mailbox_id: str
    oversight_mode: ModeName
    message_status: StateName
    held: bool
    expires_at: Time | None
    send_at: Time | None
    content_hash: str | None
    approval_url: str | None
    suppressed: Annotated[
        list[str], Field(description="Recipients on the suppression list, who get nothing.")
    ]
    hold_code: NotRequired[
        Annotated[str, Field(description="Why it is held although its mailbox holds nothing.")]
    ]
    idempotent: NotRequired[bool]


class SentOut(AcceptedOut):
    """A message that was accepted; `message_status` is its status."""

    status: Literal["pending_scan", "already_sent"]


def render_accepted(result: Sent, public_url: str) -> AcceptedOut:
    """Render the response to a send or reply; the approval URL begins with `public_url`."""
    message = result.message
    held = message.status is State.PENDING_SEND_APPROVAL
    response: AcceptedOut = {
        "id": message.id,
        "message_id": message.id,
        "to": list(message.to),
        "thread_id": message.thread_id,
        "mailbox_id": message.mailbox_id,
        "oversight_mode": message.mode.value,
        "message_status": message.status.wire,
        "held": held,
        "expires_at": to_optional_time(message.expires_at) if held else None,
        "send_at": to_optional_time(message.send_at),
        "content_hash": message.content_hash,
        "approval_url": f"{public_url}/review/{message.id}" if held else None,
        "suppressed": list(result.suppressed),
    }
    if held and message.metadata.get(CODE_KEY) in (CAP_PER_ADDRESS, CAP_PER_ORGANISATION):
        response["hold_code"] = message.metadata[CODE_KEY]
    if result.replayed:
        response["idempotent"] = True
    return response


def render_sent(result: Sent, public_url: str) -> SentOut:
    """Return the same with version 1's `status`."""
    status: Literal["pending_scan", "already_sent"]
    status = "already_sent" if result.replayed else "pending_scan"
    return {**render_accepted(result, public_url), "status": status}
