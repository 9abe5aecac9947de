"""Results: what each tool's `data` holds, for code that indexes it and for models that write it.

The shapes are descriptions: they are shown as JSON schemas and checked by the tests, and are not
used to build results.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from .spec import ToolData


class _Facts(BaseModel):
    model_config = ConfigDict(defer_build=True)


class Trust(_Facts):
    """How sure it is who sent a message."""

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

    name: str
    content_type: str
    size: int | None


class MailboxFacts(_Facts):
    """A mailbox."""

    id: str
    address: str
    oversight_mode: str | None


class Mailboxes(ToolData):
    """Data of `list_mailboxes`."""

    mailboxes: list[MailboxFacts]


class Inbox(ToolData):
    """Data of `check_inbox`."""

    emails: list[Row]
    cursor: str | None


class Message(ToolData):
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


class Conversation(ToolData):
    """Data of `get_thread`."""

    thread_id: str
    message_count: int
    messages: list[ThreadMessage]
    before: str | None


class Arrival(ToolData):
    """Data of `wait_for_email`."""

    email: Row


class Attachment(ToolData):
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


class Contacts(ToolData):
    """Data of `search_contacts`."""

    contacts: list[ContactFacts]


class AddedContact(ToolData):
    """Data of `add_contact`."""

    contact: ContactFacts


class Sent(ToolData):
    """Data of `send_email` and `reply_email`."""

    id: str
    thread_id: str | None
    status: str
    held: Annotated[bool | None, Field(description="true: a human decides before it leaves")]
    duplicate: Annotated[bool, Field(description="true: sent before, nothing was sent now")]
    to: list[str]


class Tagged(ToolData):
    """Data of `tag_email`."""

    id: str
    tags: dict[str, str]


class Pending(ToolData):
    """Data of `list_pending`."""

    pending: list[dict[str, Any]]


class Changed(ToolData):
    """Data of `cancel_message` and `decide_email`."""

    id: str
    status: str
