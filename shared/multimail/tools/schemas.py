"""The arguments of each tool, and the data of its results.

Arguments are limited to what every framework supports: text, numbers, booleans and lists of text,
optional ones as `T | None`, no nested objects. Defaults and choices are in the descriptions too,
because some frameworks show the model only those.

The models of results are shown as JSON schemas and checked by the tests; they do not build results.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ._arguments import (
    FREE_TEXT,
    check_label,
    read_address,
    read_addresses,
    read_filename,
    read_filter_time,
    read_id,
    read_ids,
    read_labels,
    read_mark,
    read_send_time,
)
from ._spec import ToolArgs, ToolData


def _check_id(value: str) -> str:
    """Reject what cannot be an id and would lead to another path of the API.

    Checked here and not in the schema, which a model reads: it only copies ids.
    """
    if not 0 < len(value) <= 200 or any(char in "/\\?#%" or char.isspace() for char in value):
        raise ValueError(f"{value!r:.80} is not an id")
    return value


def _check_body(value: str) -> str:
    if not value:
        raise ValueError("is empty; write the message in Markdown or plain text")
    return value


def _join_query(value: Any) -> Any:
    """Return a query of any shape as text that can be sent: a search never fails for its words."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    elif isinstance(value, int | float):
        value = str(value)
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


AddressList = Annotated[list[str], BeforeValidator(read_addresses)]
LabelList = Annotated[
    list[Annotated[str, AfterValidator(check_label)]], BeforeValidator(read_labels)
]

Id = Annotated[str, BeforeValidator(read_id), AfterValidator(_check_id)]
Reference = Annotated[str | None, BeforeValidator(read_id)]
Address = Annotated[str | None, BeforeValidator(read_address)]
EmailId = Annotated[Id, Field(description="Email id (msg_…).")]
Filename = Annotated[
    str,
    BeforeValidator(read_filename),
    Field(min_length=1, max_length=300, description="Its name, from read_email."),
]
MailboxName = Annotated[
    Address,
    Field(description="Mailbox address."),
]
Body = Annotated[
    str,
    AfterValidator(_check_body),
    Field(description="Markdown, without quoted history."),
]
Addresses = Annotated[AddressList | None, Field(max_length=50, description="Addresses.")]
Files = Annotated[
    Annotated[list[str], BeforeValidator(read_ids)] | None,
    Field(max_length=20, description="Attachment ids (att_…) or handles."),
]
Offset = Annotated[int | None, Field(ge=0, description="Character to continue from. Default 0.")]
Skip = Annotated[int | None, Field(ge=0, description="Rows to skip. Default 0.")]
DEFAULT_WAIT = 45.0
"""Seconds: clients of the Model Context Protocol give up after 60."""
SendTime = Annotated[
    str | None,
    BeforeValidator(read_send_time),
    Field(description="To send later: ISO 8601 with zone."),
]
Sender = Annotated[Address, Field(description="From this address.")]
SubjectPart = Annotated[str | None, FREE_TEXT, Field(description="Part of the subject.")]
HasAttachments = Annotated[bool | None, Field(description="Only with files. Default false.")]


class ListMailboxes(ToolArgs):
    """Arguments of `list_mailboxes`."""

    offset: Skip = None


class CheckInbox(ToolArgs):
    """Arguments of `check_inbox`."""

    unread_only: Annotated[bool | None, Field(description="Unread only. Default false.")] = None
    sender: Sender = None
    subject_contains: SubjectPart = None
    date_after: Annotated[
        str | None,
        BeforeValidator(read_filter_time),
        Field(description="Such as 2026-01-31T09:00:00Z."),
    ] = None
    date_before: Annotated[
        str | None, BeforeValidator(read_filter_time), Field(description="The same.")
    ] = None
    direction: Annotated[
        Literal["inbound", "outbound", "both"] | None,
        Field(description="inbound, outbound or both (default)."),
    ] = None
    has_attachments: HasAttachments = None
    limit: Annotated[int | None, Field(ge=1, le=50, description="1 to 50. Default 20.")] = None
    cursor: Annotated[Reference, Field(description="For older mail.")] = None
    mailbox: MailboxName = None


class SearchEmail(ToolArgs):
    """Arguments of `search_email`. The language of `query` has the filters."""

    query: Annotated[
        str | None,
        FREE_TEXT,
        BeforeValidator(_join_query),
        Field(
            description='Words, "a phrase", -without, begin*, from: to: subject: tag: label: '
            "thread: after:2026-01-31 before: has:attachment is:unread in:sent"
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=50, description="Default 20.")] = None
    cursor: Annotated[Reference, Field(description="For older mail.")] = None
    mailbox: Annotated[Address, Field(description="Address.")] = None


class ReadEmail(ToolArgs):
    """Arguments of `read_email`."""

    email_id: EmailId
    offset: Offset = None
    include_quoted: Annotated[
        bool | None, Field(description="Show quoted history too. Default false.")
    ] = None
    version: Annotated[Literal["html", "text"] | None, Field(description="html or text.")] = None


class GetThread(ToolArgs):
    """Arguments of `get_thread`."""

    thread_id: Annotated[Id, Field(description="Thread id (thr_…), or an email id in it.")]
    before: Annotated[Reference, Field(description="Only older than this id.")] = None


class WaitForEmail(ToolArgs):
    """Arguments of `wait_for_email`."""

    timeout_seconds: Annotated[
        float | None, Field(ge=0, le=300, description="0 to 300. Default 45.")
    ] = None
    thread: Annotated[Id | None, Field(description="Only a reply in this thread (thr_…).")] = None
    sender: Sender = None
    subject_contains: SubjectPart = None
    since_id: Annotated[Reference, Field(description="Only newer than this id.")] = None
    mailbox: MailboxName = None


class DownloadAttachment(ToolArgs):
    """Arguments of `download_attachment`."""

    email_id: EmailId
    filename: Filename
    offset: Offset = None


class SearchContacts(ToolArgs):
    """Arguments of `search_contacts`."""

    query: Annotated[str | None, FREE_TEXT, Field(description="Part of a name or address.")] = None
    limit: Annotated[int | None, Field(ge=1, le=100, description="1 to 100. Default 20.")] = None
    offset: Skip = None


class AddContact(ToolArgs):
    """Arguments of `add_contact`."""

    email: Annotated[str, BeforeValidator(read_address), Field(description="Email address.")]
    name: Annotated[str | None, FREE_TEXT, Field(description="Name.")] = None
    tags: Annotated[LabelList | None, Field(description="Labels.")] = None


class SendEmail(ToolArgs):
    """Arguments of `send_email`."""

    to: Annotated[AddressList, Field(min_length=1, max_length=50, description="Addresses.")]
    subject: Annotated[str, Field(min_length=1, max_length=998, description="One line.")]
    body: Body
    cc: Addresses = None
    bcc: Addresses = None
    send_at: SendTime = None
    attachments: Files = None
    mailbox: MailboxName = None


class ReplyEmail(ToolArgs):
    """Arguments of `reply_email`."""

    email_id: EmailId
    body: Body
    reply_all: Annotated[bool | None, Field(description="To all recipients. Default false.")] = None
    cc: Addresses = None
    bcc: Addresses = None
    send_at: SendTime = None
    attachments: Files = None


class ForwardEmail(ToolArgs):
    """Arguments of `forward_email`."""

    email_id: EmailId
    to: Annotated[AddressList, Field(min_length=1, max_length=50, description="Addresses.")]
    note: Annotated[
        str | None, FREE_TEXT, Field(description="Markdown, stands above the forwarded email.")
    ] = None
    cc: Addresses = None
    # A model that fills in every argument writes false where it means the default.
    without_attachments: Annotated[
        bool | None, Field(description="Leave its files out. Default false.")
    ] = None


class ReviseMessage(ToolArgs):
    """Arguments of `revise_message`."""

    email_id: EmailId
    body: Annotated[
        str | None,
        FREE_TEXT,
        Field(description="Markdown: the whole new text. Default: as it is."),
    ] = None
    subject: Annotated[str | None, FREE_TEXT, Field(max_length=998, description="One line.")] = None
    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    attachments: Annotated[
        Files, Field(description="Attachment ids (att_…) or handles: all of its files.")
    ] = None


class TagEmail(ToolArgs):
    """Arguments of `tag_email`."""

    email_id: EmailId
    tags: Annotated[
        LabelList, Field(min_length=1, max_length=20, description='Labels: "name" or "name=value".')
    ]


class MarkEmail(ToolArgs):
    """Arguments of `mark_email`."""

    email_ids: Annotated[  # `mark_email` checks how many
        list[Id], BeforeValidator(read_ids), Field(description="Up to 100 ids.")
    ]
    mark: Annotated[
        Literal["read", "unread", "archived", "unarchived", "spam"],
        BeforeValidator(read_mark),
        Field(description="read, unread, archived, unarchived or spam."),
    ]


class ListPending(ToolArgs):
    """Arguments of `list_pending`."""

    limit: Annotated[int | None, Field(ge=1, le=50, description="1 to 50. Default 20.")] = None
    offset: Skip = None
    mailbox: MailboxName = None


class CancelMessage(ToolArgs):
    """Arguments of `cancel_message`."""

    email_id: EmailId


class DecideEmail(ToolArgs):
    """Arguments of `decide_email`."""

    email_id: EmailId
    decision: Annotated[Literal["approve", "reject"], Field(description="approve or reject.")]
    reason: Annotated[
        str | None, FREE_TEXT, Field(max_length=1000, description="Why; the author sees it.")
    ] = None


class _Facts(BaseModel):
    model_config = ConfigDict(defer_build=True)


class Trust(_Facts):
    """Who a message is from, and how certain that is."""

    label: Annotated[
        str,
        Field(
            description="authenticated, authenticated_path, unauthenticated, unknown, failed or own"
        ),
    ]
    standing: Annotated[str, Field(description="of the sender: listed, known or new")]
    reasons: list[str]


class Row(ToolData):
    """A message without its body."""

    id: str
    thread_id: str | None
    sender: str
    to: list[str]
    subject: str
    direction: str | None
    status: str
    received_at: str | None
    trust: Trust


class FileFacts(_Facts):
    """An attachment without its bytes."""

    id: Annotated[str | None, Field(description="names it in attachments of a send")]
    name: str
    content_type: str
    size: int | None


class MailboxFacts(_Facts):
    """A mailbox."""

    id: str
    address: str
    oversight_mode: str | None


class ListMailboxesData(ToolData):
    """Data of `list_mailboxes`."""

    mailboxes: list[MailboxFacts]


class CheckInboxData(ToolData):
    """Data of `check_inbox`."""

    emails: list[Row]
    cursor: str | None


class FoundRow(Row):
    """A message that was found."""

    snippet: Annotated[str, Field(description="text around the match; empty where none is shown")]


class SearchEmailData(ToolData):
    """Data of `search_email`."""

    emails: list[FoundRow]
    cursor: str | None


class ReadEmailData(ToolData):
    """Data of `read_email`; `body` is absent where it is withheld."""

    id: str
    thread_id: str | None
    sender: str
    to: list[str]
    subject: str
    direction: str | None
    status: str
    received_at: str | None
    trust: Trust
    cc: list[str]
    tags: dict[str, str]
    attachments: list[FileFacts]
    body: str | None = None
    next_offset: int | None = None


class ThreadMessage(_Facts):
    """A message of a thread, its body cut to what fits."""

    id: str
    sender: str
    to: list[str]
    subject: str
    direction: str | None
    status: str
    body: str
    trust: Trust


class GetThreadData(ToolData):
    """Data of `get_thread`."""

    thread_id: str
    message_count: int
    messages: list[ThreadMessage]
    before: str | None


class WaitForEmailData(ToolData):
    """Data of `wait_for_email`."""

    email: Row


class DownloadAttachmentData(ToolData):
    """Data of `download_attachment`; `content` is there where it is text."""

    name: str
    content_type: str
    size: int
    content: str | None = None
    next_offset: int | None = None


class ContactFacts(_Facts):
    """An entry of the address book."""

    id: str
    name: str | None
    email: str
    tags: list[str]


class SearchContactsData(ToolData):
    """Data of `search_contacts`."""

    contacts: list[ContactFacts]


class AddContactData(ToolData):
    """Data of `add_contact`."""

    contact: ContactFacts


class SentData(ToolData):
    """Data of `send_email`, `reply_email`, `forward_email` and `revise_message`."""

    id: str
    thread_id: str | None
    status: str
    held: Annotated[bool | None, Field(description="true: a human decides before it leaves")]
    duplicate: Annotated[bool, Field(description="true: sent before, nothing was sent now")]
    to: list[str]


class TagEmailData(ToolData):
    """Data of `tag_email`."""

    id: str
    tags: dict[str, str]


class MarkEmailData(ToolData):
    """Data of `mark_email`."""

    emails: list[dict[str, str]]


class ListPendingData(ToolData):
    """Data of `list_pending`."""

    pending: list[dict[str, Any]]


class StatusData(ToolData):
    """Data of `cancel_message` and `decide_email`."""

    id: str
    status: str
