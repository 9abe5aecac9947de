"""Arguments: what a model may say to each tool.

Kept to what every framework can carry: text, numbers, booleans and lists of text, optional ones
as `T | None`, no nested objects. Defaults that do something, and choices, stand in the descriptions
too, because some frameworks show the model nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from .spec import ToolArgs


def _several(value: Any) -> Any:
    """Read one text, comma-separated perhaps, where a list of texts belongs."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _plain(value: str) -> str:
    """Refuse what no id has and what would lead to another path of the API.

    Here and not in the schema, which a model reads: it copies ids, and makes none.
    """
    if not 0 < len(value) <= 200 or any(char in "/\\?#%" or char.isspace() for char in value):
        raise ValueError(f"{value!r:.80} is not an id")
    return value


Texts = Annotated[list[str], BeforeValidator(_several)]

Id = Annotated[str, AfterValidator(_plain)]
EmailId = Annotated[Id, Field(description="Email id (msg_…).")]
Filename = Annotated[
    str, Field(min_length=1, max_length=300, description="Attachment name, as read_email lists it.")
]
MailboxName = Annotated[
    str | None,
    Field(description="Mailbox address, if you have several."),
]
Body = Annotated[str, Field(description="Markdown. Write only the new text, no quoted history.")]
Addresses = Annotated[Texts | None, Field(max_length=50, description="Email addresses.")]
Offset = Annotated[
    int | None, Field(ge=0, description="Character to go on from where text was cut. Default 0.")
]
Skip = Annotated[int | None, Field(ge=0, description="Rows to skip. Default 0.")]
Sender = Annotated[str | None, Field(description="Only from this address.")]
SubjectPart = Annotated[str | None, Field(description="Only subjects that contain this.")]
HasAttachments = Annotated[
    bool | None, Field(description="Only with (true) or without (false) attachments.")
]


class ListMailboxes(ToolArgs):
    """Arguments of `list_mailboxes`."""

    offset: Skip = None


class CheckInbox(ToolArgs):
    """Arguments of `check_inbox`."""

    unread_only: Annotated[bool | None, Field(description="Only unread mail. Default false.")] = (
        None
    )
    sender: Sender = None
    subject_contains: SubjectPart = None
    date_after: Annotated[
        str | None, Field(description="ISO 8601 with zone, e.g. 2026-01-31T09:00:00Z.")
    ] = None
    date_before: Annotated[str | None, Field(description="ISO 8601 with zone.")] = None
    direction: Annotated[
        Literal["inbound", "outbound"] | None,
        Field(description="inbound or outbound. Default: both."),
    ] = None
    has_attachments: HasAttachments = None
    limit: Annotated[int | None, Field(ge=1, le=50, description="Rows, 1 to 50. Default 20.")] = (
        None
    )
    cursor: Annotated[str | None, Field(description="From the page before, to see older mail.")] = (
        None
    )
    mailbox: MailboxName = None


class ReadEmail(ToolArgs):
    """Arguments of `read_email`."""

    email_id: EmailId
    offset: Offset = None
    include_quoted: Annotated[
        bool | None, Field(description="Show the quoted history too. Default false.")
    ] = None


class GetThread(ToolArgs):
    """Arguments of `get_thread`."""

    thread_id: Annotated[Id, Field(description="Thread id (thr_…), or an email id in it.")]
    before: Annotated[str | None, Field(description="Only messages older than this email id.")] = (
        None
    )


class WaitForEmail(ToolArgs):
    """Arguments of `wait_for_email`."""

    timeout_seconds: Annotated[
        float | None, Field(ge=0, le=300, description="0 to 300. Default 60.")
    ] = None
    sender: Sender = None
    subject_contains: SubjectPart = None
    since_id: Annotated[
        str | None, Field(description="Only newer than this email id. Default: the newest now.")
    ] = None
    mailbox: MailboxName = None


class DownloadAttachment(ToolArgs):
    """Arguments of `download_attachment`."""

    email_id: EmailId
    filename: Filename
    offset: Offset = None


class SearchContacts(ToolArgs):
    """Arguments of `search_contacts`."""

    query: Annotated[str | None, Field(description="Part of a name or address.")] = None
    limit: Annotated[int | None, Field(ge=1, le=100, description="1 to 100. Default 20.")] = None
    offset: Skip = None


class AddContact(ToolArgs):
    """Arguments of `add_contact`."""

    email: Annotated[str, Field(description="Email address.")]
    name: Annotated[str | None, Field(description="Name.")] = None
    tags: Annotated[Texts | None, Field(description="Labels.")] = None


class SendEmail(ToolArgs):
    """Arguments of `send_email`."""

    to: Annotated[Texts, Field(min_length=1, max_length=50, description="Email addresses.")]
    subject: Annotated[str, Field(max_length=998, description="One line.")]
    body: Body
    cc: Addresses = None
    bcc: Addresses = None
    send_at: Annotated[
        str | None, Field(description="ISO 8601 with zone to send later. Default: now.")
    ] = None
    mailbox: MailboxName = None


class ReplyEmail(ToolArgs):
    """Arguments of `reply_email`."""

    email_id: EmailId
    body: Body
    reply_all: Annotated[
        bool | None, Field(description="Answer its other recipients too. Default false.")
    ] = None
    cc: Addresses = None
    bcc: Addresses = None


class TagEmail(ToolArgs):
    """Arguments of `tag_email`."""

    email_id: EmailId
    tags: Annotated[
        Texts, Field(min_length=1, max_length=20, description='Labels: "name" or "name=value".')
    ]


class ListPending(ToolArgs):
    """Arguments of `list_pending`."""

    limit: Annotated[int | None, Field(ge=1, le=50, description="Rows, 1 to 50. Default 20.")] = (
        None
    )
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
        str | None, Field(max_length=1000, description="Why; the author sees it.")
    ] = None
