"""Answers about the human's authority: links, codes, notices, spam and the export."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...oversight import Mode
from .account import AuditEntryAnswer, ContactAnswer, KeyAnswer, MailboxAnswer
from .messages import (
    Answered,
    EmailAnswer,
    FateAnswer,
    Json,
    PendingItemAnswer,
    SummaryAnswer,
    Time,
)


class LinkAnswer(Answered):
    """A link that decides on one held message, once. `token` is shown this once."""

    id: str
    message_id: str
    url: str
    token: str
    content_hash: str
    approver: Annotated[str, Field(description="The id of the key that it decides as.")]
    expires_at: Time


class LinkedItemAnswer(PendingItemAnswer):
    """What a link is about: all that the approver decides about."""

    link_expires_at: Time


class LinkForm(Answered):
    """The form on a link's page; `mark` and `csrf` are as that page has them."""

    action: Literal["approve", "reject"]
    csrf: str
    mark: str
    reason: Annotated[str, Field(max_length=2000)] = ""


class CodeFirstAnswer(Answered):
    """Nothing was changed yet. Where the server asks for approval codes, the human has one now.

    Make the same call again with `approval_code` in its body.
    """

    id: None
    approval_id: str
    status: Literal["approval_required"]
    approval_required: Literal[True]
    expires_at: Time
    message: str


class UpgradeAskedAnswer(Answered):
    """A looser mode was asked for: the human has a code for it."""

    id: str
    status: Literal["code_sent"]
    mailbox_id: str
    target_mode: Mode
    expires_at: Time
    message: str


class UpgradedAnswer(MailboxAnswer):
    """The mailbox in its looser mode."""

    status: Literal["upgraded"]


class WaitingAnswer(Answered):
    """What every request that waits for a code has, as the reviewer sees it."""

    id: str
    requested_by: str
    created_at: Time
    expires_at: Time
    code: Annotated[str | None, Field(description="Null after a restart of the server.")]


class UpgradeRequestAnswer(WaitingAnswer):
    """A request for a looser mode."""

    mailbox_id: str
    mailbox: str
    from_mode: Mode
    target_mode: Mode


class UpgradeRequestsAnswer(Answered):
    """The requests that a code can still answer, oldest first."""

    upgrade_requests: list[UpgradeRequestAnswer]


class ChangeRequestAnswer(WaitingAnswer):
    """A sensitive change: the request, and what its body holds."""

    request: str
    body: Json | None


class ChangeRequestsAnswer(Answered):
    """The changes that a code can still allow, oldest first."""

    approval_codes: list[ChangeRequestAnswer]


class NoticeAnswer(Answered):
    """Something that happened without a decision."""

    id: str
    kind: str
    mailbox_id: str
    message_id: str | None
    details: Json
    created_at: Time
    mailed_at: Time | None
    mail_error: str | None


class NoticesAnswer(Answered):
    """A page of the notices, newest first."""

    notifications: list[NoticeAnswer]
    cursor: str | None


class ReportAnswer(FateAnswer):
    """What became of a message that people called spam, or no spam."""

    spam_verdict: str | None


class ExportedAccountAnswer(Answered):
    """The account itself."""

    id: str
    name: str
    created_at: Time


class ExportedEmailAnswer(EmailAnswer):
    """A message with its body and its bytes."""

    raw_base64: str


class ExportAnswer(Answered):
    """A page of the account's data; the first one has the account itself."""

    status: Literal["ok"]
    format: Literal["multimail-export-1"]
    account: ExportedAccountAnswer | None = None
    mailboxes: list[MailboxAnswer] = Field(default_factory=list)
    api_keys: list[KeyAnswer] = Field(default_factory=list)
    contacts: list[ContactAnswer] = Field(default_factory=list)
    emails: list[ExportedEmailAnswer | SummaryAnswer]
    audit_log: list[AuditEntryAnswer]
    cursor: str | None
