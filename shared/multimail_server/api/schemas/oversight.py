"""Schemas of oversight: the queue, decisions, approval links, codes and notifications."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import AliasChoices, Field
from typing_extensions import TypedDict

from ...oversight import Direction, Mode
from ...services import Principal
from ...services.decisions import NewLink, PendingItem
from ...services.messages import OpenedMessage, may_see
from ...services.one_time_codes import ChangeRequest, UpgradeRequest
from ...services.revisions import ReviewerEdit
from ...store.records import Mailbox, Message, Notification, OneTimeCode
from .account import MailboxOut, render_mailbox
from .base import (
    AddressList,
    ContentHash,
    Json,
    Markdown,
    ModeName,
    RequestModel,
    StateName,
    Subject,
    Text,
    Time,
    to_optional_time,
    to_wire_time,
)
from .messages import OpenedOut, render_opened

MAX_REASON = 2000
EmailId = Annotated[
    str, Field(max_length=100, validation_alias=AliasChoices("email_id", "message_id", "id"))
]
Action = Annotated[
    Literal["approve", "reject"], Field(validation_alias=AliasChoices("action", "decision"))
]
Reason = Annotated[Text, Field(max_length=MAX_REASON)]


class ReviseIn(RequestModel):
    """A reviewer's edit of a held send."""

    email_id: EmailId
    content_hash: ContentHash
    subject: Subject | None = None
    markdown: Annotated[
        Markdown | None, Field(validation_alias=AliasChoices("markdown", "body"))
    ] = None
    drop: Annotated[AddressList, Field(description="Recipients to remove; none can be added.")] = (
        Field(default=[])
    )

    def build_edit(self) -> ReviewerEdit:
        """Return the edit that the body describes."""
        return ReviewerEdit(self.subject, self.markdown, frozenset(map(str.lower, self.drop)))


class DecideIn(RequestModel):
    """A decision on a held message."""

    email_id: EmailId
    action: Action
    reason: Reason | None = None
    content_hash: ContentHash | None = None


class LinkIn(RequestModel):
    """A request for an approval link."""

    expires_in: Annotated[int | None, Field(ge=60, le=7 * 24 * 3600, description="Seconds.")] = None
    content_hash: ContentHash | None = None


class LinkDecideIn(RequestModel):
    """A decision by approval link."""

    action: Action
    reason: Reason | None = None
    content_hash: ContentHash | None = None


class UpgradeRequestIn(RequestModel):
    """A request for a looser mode."""

    target_mode: Annotated[Mode, Field(strict=False)]


class UpgradeIn(RequestModel):
    """A code for a looser mode."""

    code: Annotated[str, Field(min_length=1, max_length=100, repr=False)]


class PendingItemOut(OpenedOut):
    """An item of the queue: everything the approver decides about."""

    body_markdown: str
    quotation: Annotated[
        str, Field(description="What a reply quotes below its text; text of another author.")
    ]
    recipients: list[str]
    suppressed: list[str]
    revision: Annotated[int, Field(description="1 for a message that was never changed.")]
    changes: Annotated[
        list[str],
        Field(description="What the latest revision changed: the header, files, lines of text."),
    ]
    composed_by: str | None


class QueueOut(TypedDict):
    """What awaits a decision, oldest first; `pending` holds the same rows as `emails`."""

    emails: list[PendingItemOut]
    pending: list[PendingItemOut]
    cursor: str | None


class DecidedOut(TypedDict):
    """Fields that all decision responses share, except `status`."""

    id: str
    message_id: str
    message_status: StateName
    delivered: bool
    delivered_at: Time | None


class DecisionOut(DecidedOut):
    """A decision that was taken."""

    status: Literal["approved", "approved_and_sent", "rejected"]


class LinkOut(TypedDict):
    """A link that decides on one held message, once. `token` is shown only here."""

    id: str
    message_id: str
    url: str
    token: str
    content_hash: str
    approver: Annotated[str, Field(description="The id of the key that the link decides as.")]
    expires_at: Time


class LinkedItemOut(PendingItemOut):
    """The message of a link: everything the approver decides about."""

    link_expires_at: Time


class LinkForm(TypedDict):
    """The form on a link's page; `mark` and `csrf` are those of that page."""

    action: Literal["approve", "reject"]
    csrf: str
    mark: str
    reason: NotRequired[Annotated[str, Field(max_length=MAX_REASON)]]


class ApprovalRequiredOut(TypedDict):
    """The server asks for approval codes: nothing was changed, and the approver has a code now.

    Make the same call again with `approval_code` in its body.
    """

    id: None
    approval_id: str
    status: Literal["approval_required"]
    approval_required: Literal[True]
    expires_at: Time
    message: str


class UpgradeRequestedOut(TypedDict):
    """A looser mode was requested: the approver has a code for it."""

    id: str
    status: Literal["code_sent"]
    mailbox_id: str
    target_mode: ModeName
    expires_at: Time
    message: str


class UpgradedOut(MailboxOut):
    """The mailbox in its looser mode."""

    status: Literal["upgraded"]


class CodeRequestOut(TypedDict):
    """What a reviewer sees of every request that waits for a code."""

    id: str
    requested_by: str
    created_at: Time
    expires_at: Time
    code: Annotated[str | None, Field(description="Null after a restart of the server.")]


class UpgradeRequestOut(CodeRequestOut):
    """A request for a looser mode."""

    mailbox_id: str
    mailbox: str
    from_mode: ModeName
    target_mode: ModeName


class UpgradeRequestsOut(TypedDict):
    """The requests that a code can still grant, oldest first."""

    upgrade_requests: list[UpgradeRequestOut]


class ChangeRequestOut(CodeRequestOut):
    """A sensitive change: the request and its body."""

    request: str
    body: Json | None


class ChangeRequestsOut(TypedDict):
    """The changes that a code can still allow, oldest first."""

    approval_codes: list[ChangeRequestOut]


class NotificationOut(TypedDict):
    """Something that happened without a decision."""

    id: str
    kind: str
    mailbox_id: str
    message_id: str | None
    details: Json
    created_at: Time
    mailed_at: Time | None
    mail_error: str | None


class NotificationsOut(TypedDict):
    """A page of notifications, newest first."""

    notifications: list[NotificationOut]
    cursor: str | None


def render_pending(item: PendingItem, principal: Principal) -> PendingItemOut:
    """Return an item of the queue."""
    message = item.message
    opened = OpenedMessage(
        message, item.markdown, item.attachments, removed=item.removed, notes=item.notes
    )
    return {
        **render_opened(opened, shown=may_see(principal, opened.message)),
        "body_markdown": item.markdown,
        "quotation": item.quotation,
        "recipients": list(message.recipients),
        "suppressed": list(item.suppressed),
        "revision": item.revision,
        "changes": list(item.changes),
        "composed_by": message.composer_key_id,
    }


def render_decided(message: Message) -> DecidedOut:
    """Render the response to a decision, without `status`."""
    return {
        "id": message.id,
        "message_id": message.id,
        "message_status": message.status.wire,
        "delivered": message.delivered_at is not None,
        "delivered_at": to_optional_time(message.delivered_at),
    }


def render_decision(message: Message, *, approve: bool) -> DecisionOut:
    """Render the response to a decision."""
    status: Literal["approved", "approved_and_sent", "rejected"] = "rejected"
    if approve:
        left = message.direction is Direction.OUTBOUND and message.delivered_at is not None
        status = "approved_and_sent" if left else "approved"
    return {**render_decided(message), "status": status}


def render_link(created: NewLink, public_url: str) -> LinkOut:
    """Return a new approval link."""
    link = created.link
    return {
        "id": link.message_id,
        "message_id": link.message_id,
        "url": f"{public_url}/v1/approve/{created.token}",
        "token": created.token,
        "content_hash": link.content_hash,
        "approver": link.key_id,
        "expires_at": to_wire_time(link.expires_at),
    }


def render_approval_required(code: OneTimeCode) -> ApprovalRequiredOut:
    """Return the answer to a sensitive change that has no approval code yet."""
    return {
        "id": None,
        "approval_id": code.id,
        "status": "approval_required",
        "approval_required": True,
        "expires_at": to_wire_time(code.expires_at),
        "message": "Nothing was changed: this needs the operator's approval. Make the same call "
        "again with `approval_code`, which the operator reads on the reviewer's side.",
    }


def render_upgrade_requested(code: OneTimeCode) -> UpgradeRequestedOut:
    """Return the answer to the key that requests a looser mode; it never has the code."""
    return {
        "id": code.id,
        "status": "code_sent",
        "mailbox_id": code.mailbox_id or "",
        "target_mode": code.target_mode or "",
        "expires_at": to_wire_time(code.expires_at),
        "message": "The approver has a one-time code. If they agree, they give it to you: redeem "
        f"it with POST /v1/mailboxes/{code.mailbox_id}/upgrade.",
    }


def render_upgraded(mailbox: Mailbox) -> UpgradedOut:
    """Return a mailbox in its looser mode."""
    return {**render_mailbox(mailbox), "status": "upgraded"}


def render_upgrade_request(upgrade: UpgradeRequest) -> UpgradeRequestOut:
    """Return a request for a looser mode as the reviewer sees it, with its code."""
    code = upgrade.code
    return {
        **_render_code(code, upgrade.text.text if upgrade.text else None),
        "mailbox_id": code.mailbox_id or "",
        "mailbox": upgrade.address,
        "from_mode": code.from_mode or "",
        "target_mode": code.target_mode or "",
    }


def render_change_request(change: ChangeRequest) -> ChangeRequestOut:
    """Return a sensitive change as the reviewer sees it, with its code."""
    return {
        **_render_code(change.code, change.text.text if change.text else None),
        "request": change.code.subject,
        "body": change.text.request if change.text else None,
    }


def _render_code(code: OneTimeCode, text: str | None) -> CodeRequestOut:
    return {
        "id": code.id,
        "requested_by": code.key_id,
        "created_at": to_wire_time(code.created_at),
        "expires_at": to_wire_time(code.expires_at),
        "code": text,
    }


def render_notification(notice: Notification) -> NotificationOut:
    """Return a notification to the operator."""
    return {
        "id": notice.id,
        "kind": notice.kind,
        "mailbox_id": notice.mailbox_id,
        "message_id": notice.message_id,
        "details": notice.facts,
        "created_at": to_wire_time(notice.created_at),
        "mailed_at": to_optional_time(notice.mailed_at),
        "mail_error": notice.error,
    }
