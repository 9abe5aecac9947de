"""Schemas of messages as they are read: rows of listings, whole messages, threads and tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict

from multimail.endpoints._search import MAX_MARKED

from ...mail.scoring import score_message
from ...oversight import NOT_SENT, Direction, State, hides_content
from ...services import Principal
from ...services.enclosures import Enclosure
from ...services.marks import Mark
from ...services.messages import (
    OpenedMessage,
    ThreadView,
    get_delivery_results,
    may_see,
    shorten_evidence,
)
from ...services.search import SearchResult
from ...store.records import Attachment, Message, Tag
from .base import (
    DirectionName,
    Json,
    LabelName,
    Line,
    ModeName,
    RecipientOut,
    RequestModel,
    StateName,
    Time,
    TrustLabel,
    to_optional_time,
    to_wire_time,
)

TagLabels = Annotated[
    dict[str, LabelName],
    Field(description="By tag, the worst trust label that its writer had read, if any."),
]


SenderOut = TypedDict("SenderOut", {"from": str | None})
"""Its only key is a keyword of Python."""


AnsweredOut = TypedDict("AnsweredOut", {"id": str, "from": str, "authentication": Json})
"""An inbound message that a reply answers or a file came with. One key is a Python keyword."""


class AttachmentOut(TypedDict):
    """A file's description, without its bytes."""

    id: str
    name: str
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    sha256: str
    origin: Annotated[
        AnsweredOut | None,
        Field(description="Of a file to send, the received message that it came with, if any."),
    ]


class EnclosureOut(AttachmentOut):
    """A stored file, with the message that it belongs to."""

    email: EnclosingOut


class FileContentOut(TypedDict, total=False):
    """A file's bytes, or a link to them; and what can be read of it, if `include` asks for it."""

    content_base64: str
    url: str
    expires_at: Time
    text: str | None
    notes: Annotated[list[str], Field(description="Codes of what to know of `text`: `cut` …")]
    removed: list[str]


class FileOut(AttachmentOut, FileContentOut):
    """A file: its bytes below 50 KB, else a link to them."""


class SummaryOut(SenderOut):
    """A row of a listing: no body, and nothing that only reviewers may see."""

    id: str
    message_id: str
    email_id: str
    mailbox_id: str
    thread_id: str
    from_name: str | None
    to: list[str]
    cc: list[str]
    subject: str | None
    direction: DirectionName
    status: StateName
    received_at: Time
    created_at: Time
    has_attachments: bool | None
    delivered_at: Time | None
    bounced_at: Time | None
    bounce_type: str | None
    spam_score: float | None
    spam_verdict: str | None
    answers: Annotated[
        AnsweredOut | None,
        Field(description="Of a reply, the inbound message that its subject comes from."),
    ]
    written_under: Annotated[
        str | None,
        Field(
            description="Of an own message, the worst trust label of what its writer had read: "
            "`guard_taint` in its metadata."
        ),
    ]
    authentication: NotRequired[Json]
    content_hidden: NotRequired[bool]


class DetailsOut(TypedDict, total=False):
    """What a view of a message has unless its content is hidden."""

    bcc: list[str]
    reply_to: list[str]
    rfc_message_id: str | None
    in_reply_to: str | None
    references: list[str]
    auto_submitted: str | None
    list_id: str | None
    list_post: Annotated[list[str], Field(description="The addresses that reach the whole list.")]
    precedence: str | None
    automatic: Annotated[
        str | None,
        Field(description="The sign that a program sent it: `auto_submitted`, `report`, …"),
    ]
    bulk: Annotated[bool, Field(description="Whether a mailing list or a bulk sender sent it.")]
    envelope: Json
    size: int
    approved_at: Time | None
    approved_by: str | None
    decided_at: Time | None
    decided_by: str | None
    decision_reason: str | None
    expires_at: Time | None
    send_at: Time | None
    content_hash: str | None
    bounce_code: int | None
    bounce_reason: str | None
    delivery: Json | None
    removed: list[str]
    notes: Annotated[
        list[str],
        Field(description="Codes of what to know of the body: `html_version`, `smime_signed` …"),
    ]
    oversight_mode: ModeName
    metadata: Json
    forwards_id: Annotated[str | None, Field(description="The message that it sends on.")]
    gate_timing: str | None
    spam_reasons: Annotated[list[str], Field(description="The points of `spam_score`, one by one.")]


class EnclosingOut(SummaryOut):
    """A message that has a file: who wrote it, and who has it."""

    bcc: list[str]


class OpenedOut(SummaryOut, DetailsOut):
    """What every view of a message with its body has, except for its recipients."""

    tags: dict[str, str]
    tag_labels: TagLabels
    markdown: str
    body: str
    attachments: list[AttachmentOut]


class ResultsOut(TypedDict, total=False):
    """The delivery results of an outbound message."""

    recipients: list[RecipientOut]


class EmailOut(OpenedOut, ResultsOut):
    """A message with its body; for an outbound one, what became of it for each recipient."""


class PageOut(TypedDict):
    """A page of a listing; `messages` holds the same rows as `emails`."""

    emails: list[SummaryOut]
    messages: list[SummaryOut]
    cursor: Annotated[str | None, Field(description="Pass it to get the next page.")]


class FoundOut(SummaryOut):
    """A row of a search."""

    snippet: Annotated[
        str | None,
        Field(description="Text around the first match; null unless the body matches."),
    ]


class FoundPageOut(TypedDict):
    """A page of a search, newest first."""

    emails: list[FoundOut]
    cursor: Annotated[str | None, Field(description="Pass it to get the next page.")]
    misread: Annotated[
        list[str],
        Field(description="Terms of `q` that look like filters and were searched for as words."),
    ]


class MarkIn(RequestModel):
    """What to mark messages as."""

    ids: Annotated[
        list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=MAX_MARKED)
    ]
    mark: Annotated[Mark, Field(strict=False)]


class MarkedOut(TypedDict):
    """A message that was marked."""

    id: str
    status: StateName


class MarksOut(TypedDict):
    """The messages that were marked, in the order of the request."""

    emails: list[MarkedOut]


class ThreadInfoOut(TypedDict):
    """A thread without its messages."""

    thread_id: str
    id: str
    mailbox_id: str
    message_count: int
    participants: list[str]
    last_activity: Time
    has_unanswered_inbound: bool


class ThreadOut(ThreadInfoOut):
    """A thread, oldest message first; with bodies if `include=bodies` asked for them."""

    emails: Sequence[EmailOut | SummaryOut]
    messages: Sequence[EmailOut | SummaryOut]


class TagsOut(TypedDict):
    """The tags of a message."""

    tags: dict[str, str]
    tag_labels: TagLabels


class StatusOut(TypedDict):
    """The status of a message after it was cancelled, edited or rescheduled."""

    id: str
    message_id: str
    status: StateName
    send_at: Time | None
    expires_at: Time | None
    content_hash: str | None


class SpamReportOut(StatusOut):
    """The status of a message after it was reported as spam, or as no spam."""

    spam_verdict: str | None


class TagsIn(RequestModel):
    """The tags of a message, which replace all that it has."""

    tags: Annotated[
        dict[
            Annotated[Line, Field(min_length=1, max_length=64)],
            Annotated[Line, Field(max_length=256)],
        ],
        Field(max_length=50),
    ]
    label: TrustLabel = None


def render_attachment(file: Attachment) -> AttachmentOut:
    """Return a file's description, without its bytes."""
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "content_type": file.content_type,
        "sha256": file.sha256,
        "origin": cast("AnsweredOut", file.origin) if file.origin else None,
    }


def render_enclosure(enclosure: Enclosure, principal: Principal) -> EnclosureOut:
    """Return a stored file and its message, with all evidence of that."""
    message = enclosure.message
    outbound = message.direction is Direction.OUTBOUND
    email: EnclosingOut = {
        **render_summary(message, shown=may_see(principal, message)),
        "bcc": _get_bcc(message) if outbound else [],
    }
    if not outbound:
        email["authentication"] = message.authentication
    return {**render_attachment(enclosure.file), "email": email}


def render_file(file: Attachment, content: FileContentOut) -> FileOut:
    """Return a file's description with its bytes or a link."""
    return {**render_attachment(file), **content}


def render_summary(message: Message, *, shown: bool) -> SummaryOut:
    """Return a row of a listing; unless `shown`, without what only reviewers may see."""
    row: SummaryOut = {
        "id": message.id,
        "message_id": message.id,
        "email_id": message.id,
        "mailbox_id": message.mailbox_id,
        "thread_id": message.thread_id,
        "from": message.from_address if shown else None,
        "from_name": message.from_name if shown else None,
        "to": list(message.to) if shown else [],
        "cc": list(message.cc) if shown else [],
        "subject": message.subject if shown else None,
        "direction": message.direction.value,
        "status": message.status.wire,
        "received_at": to_wire_time(message.created_at),
        "created_at": to_wire_time(message.created_at),
        "has_attachments": message.has_attachments if shown else None,
        "delivered_at": to_optional_time(message.delivered_at),
        "bounced_at": to_optional_time(message.bounced_at),
        "bounce_type": message.bounce_type,
        "spam_score": message.spam_score,
        "spam_verdict": message.spam_verdict,
        "answers": cast("AnsweredOut", message.answers) if message.answers else None,
        "written_under": message.metadata.get("guard_taint") if shown else None,
    }
    if shown and message.direction is Direction.INBOUND:
        row["authentication"] = shorten_evidence(message.authentication)
    if not shown:
        row["content_hidden"] = True
    return row


def render_opened(opened: OpenedMessage, *, shown: bool) -> OpenedOut:
    """Return a message with its body and without its recipients."""
    message = opened.message
    markdown = opened.markdown if shown else ""
    details: DetailsOut = _render_details(opened) if shown else {}
    row: OpenedOut = {
        **render_summary(message, shown=shown),
        **details,
        **render_tags(opened.tags),
        "markdown": markdown,
        "body": markdown,
        "attachments": [render_attachment(file) for file in opened.attachments if shown],
    }
    if shown and message.direction is Direction.INBOUND:
        row["authentication"] = message.authentication
        row["spam_reasons"] = list(score_message(message.authentication).reasons)
    return row


def render_email(opened: OpenedMessage, *, shown: bool) -> EmailOut:
    """Return a message with its body and, for an outbound one, the result for each recipient."""
    message, results = opened.message, ResultsOut()
    if message.direction is Direction.OUTBOUND and shown:
        results["recipients"] = [
            _render_recipient(result) for result in get_delivery_results(message)
        ]
    return {**render_opened(opened, shown=shown), **results}


def _render_recipient(result: Json) -> RecipientOut:
    return {
        "address": result["address"],
        "status": result["status"],
        "code": result["code"],
        "text": result["text"],
        "enhanced_code": result["enhanced_code"],
        "bounce_type": result["bounce_type"],
    }


def _render_details(opened: OpenedMessage) -> DetailsOut:
    message = opened.message
    outbound, approved = message.direction is Direction.OUTBOUND, message.decision == "approve"
    scheduled_first = message.status is State.SCHEDULED_FIRST
    return {
        "bcc": _get_bcc(message) if outbound else [],
        "reply_to": list(message.reply_to),
        "rfc_message_id": message.rfc_message_id,
        "in_reply_to": message.in_reply_to,
        "references": list(message.refs),
        "auto_submitted": message.auto_submitted,
        "list_id": message.list_id,
        "list_post": list(message.list_post),
        "precedence": message.precedence,
        "automatic": message.automatic,
        "bulk": message.bulk,
        "envelope": {"mail_from": message.mail_from, "recipients": list(message.recipients)},
        "size": message.size,
        "approved_at": to_optional_time(message.decided_at) if approved else None,
        "approved_by": message.decided_by if approved else None,
        "decided_at": to_optional_time(message.decided_at),
        "decided_by": message.decided_by,
        "decision_reason": message.decision_reason,
        "expires_at": to_optional_time(message.expires_at),
        "send_at": to_optional_time(message.send_at),
        "content_hash": message.content_hash,
        "bounce_code": message.bounce_code,
        "bounce_reason": message.bounce_reason,
        "delivery": message.delivery or None,
        "removed": list(opened.removed),
        "notes": list(opened.notes),
        "oversight_mode": message.mode.value,
        "metadata": message.metadata,
        "forwards_id": message.forwards_id,
        "gate_timing": "schedule_first" if scheduled_first else None,
    }


def _get_bcc(message: Message) -> list[str]:
    """Return the recipients that no header shows, the mailbox's own `auto_bcc` included."""
    shown = {address.lower() for address in (*message.to, *message.cc)}
    return [address for address in message.recipients if address.lower() not in shown]


def render_page(
    messages: Sequence[Message], principal: Principal, limit: int, cursor: str | None
) -> PageOut:
    """Return the first `limit` of these messages as a page."""
    rows = [
        render_summary(message, shown=may_see(principal, message)) for message in messages[:limit]
    ]
    return {"emails": rows, "messages": rows, "cursor": cursor}


def render_found(
    results: Sequence[SearchResult],
    principal: Principal,
    limit: int,
    cursor: str | None,
    misread: Iterable[str] = (),
) -> FoundPageOut:
    """Return the first `limit` results of a search as a page."""
    rows: list[FoundOut] = [
        {
            **render_summary(result.message, shown=may_see(principal, result.message)),
            "snippet": result.snippet or None,
        }
        for result in results[:limit]
    ]
    return {"emails": rows, "cursor": cursor, "misread": list(misread)}


def render_marks(messages: Iterable[Message]) -> MarksOut:
    """Return messages that were marked."""
    return {"emails": [{"id": row.id, "status": row.status.wire} for row in messages]}


def render_thread(thread: ThreadView, principal: Principal) -> ThreadOut:
    """Return a thread; its rows have bodies where the view has them."""
    rows = [
        render_email(thread.bodies[message.id], shown=may_see(principal, message))
        if message.id in thread.bodies
        else render_summary(message, shown=may_see(principal, message))
        for message in thread.messages
    ]
    return {**render_thread_info(thread, principal), "emails": rows, "messages": rows}


def render_thread_info(thread: ThreadView, principal: Principal) -> ThreadInfoOut:
    """Return a thread without its messages."""
    messages = thread.messages
    return {
        "thread_id": thread.thread_id,
        "id": thread.thread_id,
        "mailbox_id": thread.mailbox.id,
        "message_count": len(messages),
        "participants": _get_participants(
            message for message in messages if may_see(principal, message)
        ),
        "last_activity": to_wire_time(messages[-1].created_at),
        "has_unanswered_inbound": _is_unanswered(messages),
    }


def _get_participants(messages: Iterable[Message]) -> list[str]:
    addresses = (
        address
        for message in messages
        for address in (message.from_address, *message.to, *message.cc)
        if address
    )
    return list({address.lower(): address for address in addresses}.values())


def _is_unanswered(messages: Sequence[Message]) -> bool:
    """Return whether the last message is inbound; a reply that awaits approval is a reply."""
    for message in reversed(messages):
        is_answer = message.status not in NOT_SENT and message.forwards_id is None
        if message.direction is Direction.OUTBOUND and is_answer:
            return False
        if message.direction is Direction.INBOUND and not hides_content(
            message.direction, message.status
        ):
            return True
    return False


def render_tags(tags: Sequence[Tag]) -> TagsOut:
    """Return a message's tags."""
    return {
        "tags": {tag.name: tag.value for tag in tags},
        "tag_labels": {tag.name: tag.label for tag in tags if tag.label is not None},
    }


def render_status(message: Message) -> StatusOut:
    """Render the status of a message after a cancellation, an edit or a rescheduling."""
    return {
        "id": message.id,
        "message_id": message.id,
        "status": message.status.wire,
        "send_at": to_optional_time(message.send_at),
        "expires_at": to_optional_time(message.expires_at),
        "content_hash": message.content_hash,
    }


def render_spam_report(message: Message) -> SpamReportOut:
    """Render the status of a message after a report."""
    return {**render_status(message), "spam_verdict": message.spam_verdict}
