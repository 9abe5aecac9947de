"""Rendered mail: whole messages as a model may be shown them, for context that app code builds.

The tools answer a model. These functions serve app code, for an index or a chain; they render with
the tools' own functions and under the same policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from .. import endpoints as api
from ..errors import ConfigurationError
from ..models import Email, EmailSummary
from ..trust import OWN, Assessment, Label, Treatment
from ..trust.addresses import extract_address
from ..trust.text import Fence, one_line
from ._context import ToolContext
from ._format import build_body, build_headers, cut_window, format_subject, list_body_notes
from ._guard import LEFT_STATUSES
from ._reading import MAX_HEADER_CHARS, format_head, list_removed_notes
from ._spec import Steps

TRUSTED_LABELS = ("authenticated", "own")
"""The default labels of loaders and retrievers: proven senders, and the mailbox's own mail."""
_MARK_CHARS = Fence.new().width + 1
_CUT_NOTE_CHARS = 100


class MailFilter(TypedDict, total=False):
    """The API's filters of a mailbox; `MultiMail.check_inbox` explains them."""

    unread_only: bool
    sender: str | None
    subject_contains: str | None
    date_after: datetime | str | None
    date_before: datetime | str | None
    direction: str | None
    has_attachments: bool | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some messages of a mailbox or a thread.

    Attributes:
        messages: With their bodies, in the API's order.
        row_count: The number of rows of the listing, those without a wanted label included.
        cursor: Where the next page starts; None at the end.
    """

    messages: list[Email]
    row_count: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """One message as a model may be shown it.

    Attributes:
        message: The message.
        assessment: Of its sender.
        treatment: How much of it the policy shows.
        head: Our own description of it: ids, label, what was left out.
        text: What others wrote, cleaned: header fields, a blank line, the body. Not marked.
    """

    message: Email
    assessment: Assessment
    treatment: Treatment
    head: str
    text: str

    def as_marked(self, max_chars: int | None = None) -> str:
        """Return it for a prompt: the head, then the text between unforgeable marks.

        Args:
            max_chars: The most characters; a cut is noted. Default: all of it.
        """
        if max_chars is None or len(self.head) + len(self.text) + _MARK_CHARS <= max_chars:
            return f"{self.head}\n{Fence.new().around(self.text)}"
        room = max_chars - len(self.head) - _MARK_CHARS - _CUT_NOTE_CHARS
        part = cut_window(self.text, 0, max(1, room))
        note = f"Cut at {part.end} of {part.total} characters: read_email shows the rest."
        return f"{self.head}\n{Fence.new().around(part.text)}\n{note}"

    def as_metadata(self) -> dict[str, str]:
        """Return facts about it as plain texts, which any index can store; unknown ones are absent.

        `label`, `standing` and `reasons` are ours; the others are the message's own words.
        """
        message = self.message
        facts = {
            "id": message.id,
            "thread_id": message.thread_id,
            "mailbox_id": message.mailbox_id,
            "direction": message.direction,
            "status": message.status,
            "received_at": message.received_at and message.received_at.isoformat(),
            "sender": one_line(extract_address(message.sender), 400),
            "to": one_line(", ".join(map(extract_address, message.to)), 1000),
            "subject": format_subject(message, self.treatment, 400),
            "label": self.assessment.label.value,
            "standing": self.assessment.standing.value,
            "reasons": "; ".join(self.assessment.reasons),
        }
        return {name: value for name, value in facts.items() if value}


def parse_labels(names: Iterable[str]) -> frozenset[Label]:
    """Return the labels of these names.

    Raises:
        ConfigurationError: A name is not a label, or there is none.
    """
    texts = [names] if isinstance(names, str) else list(names)
    known = [label.value for label in Label]
    unknown = [text for text in texts if text not in known]
    if unknown or not texts:
        problem = f"no label {', '.join(map(repr, unknown))}" if unknown else "no label is named"
        raise ConfigurationError(f"labels: {problem}. There are: {', '.join(known)}.")
    return frozenset(map(Label, texts))


def render_email(message: Email, context: ToolContext) -> RenderedEmail:
    """Return a message as a model may be shown it; call `mark_all_shown` when it is shown."""
    assessment = context.guard.assess(message)
    treatment = context.guard.policy.treatment(assessment)
    headers = build_headers(message, treatment, MAX_HEADER_CHARS)
    if treatment is Treatment.WITHHELD:
        head = format_head(message, assessment, context.max_chars, "Its body is withheld.")
        return RenderedEmail(message, assessment, treatment, head, headers.text)
    body = build_body(message, treatment, include_quoted=False)
    notes = [*list_body_notes(message), *list_removed_notes(message), *body.notes]
    head = format_head(message, assessment, context.max_chars, *notes)
    text = "\n\n".join(filter(None, [headers.text, body.text, headers.rest]))
    return RenderedEmail(message, assessment, treatment, head, text)


def mark_all_shown(emails: Iterable[RenderedEmail], context: ToolContext) -> None:
    """Record that a model is being shown these messages, which taints the conversation."""
    for email in emails:
        context.guard.mark_shown(email.message, email.text)


def fetch_mailbox_page(
    filters: MailFilter,
    labels: frozenset[Label],
    context: ToolContext,
    *,
    cursor: str | None = None,
    limit: int = 50,
    cached: Mapping[str, Email] | None = None,
) -> Steps[MessagePage]:
    """Return a page of a mailbox's messages with their bodies, newest first.

    Bodies are read by thread, which marks nothing as read; only where the API lists threads
    without bodies is each message read by itself.

    Args:
        filters: The API's filters.
        labels: Only messages with one of these; of the mailbox's own mail, only what has left.
        context: The mailbox and the guard.
        cursor: Where to start, from the page before.
        limit: The number of rows, 1 to 100.
        cached: Messages that are known with their bodies, by id; they are not fetched again.
    """
    mailbox = yield from context.mailbox(None)
    page = yield from api.check_inbox(mailbox.id, limit=limit, cursor=cursor, **filters)
    bodies = dict(cached or {})
    messages: list[Email] = []
    for row in page:
        # A listing may know less of a sender than the message itself, which decides below.
        is_certain = row.direction == "outbound" or row.authentication is not None
        if is_certain and not matches(row, labels, context):
            continue
        if not _is_current(bodies.get(row.id), row):
            bodies |= yield from _fetch_bodies(row, context)
        message = bodies[row.id]
        if matches(message, labels, context):
            messages.append(message)
    return MessagePage(messages, len(page), page.cursor)


def fetch_thread(
    thread_id: str, labels: frozenset[Label], context: ToolContext
) -> Steps[MessagePage]:
    """Return a thread's messages with their bodies, oldest first.

    Args:
        thread_id: The thread.
        labels: Only messages with one of these; of the mailbox's own mail, only what has left.
        context: The mailbox and the guard.
    """
    thread = yield from api.get_thread(thread_id, mailbox=context.pinned)
    messages: list[Email] = []
    for row in thread.messages:
        message = row
        if not _has_body(row):
            message = yield from api.read_email(row.id, mailbox=context.pinned)
        if matches(message, labels, context):
            messages.append(message)
    return MessagePage(messages, len(thread.messages))


def matches(message: EmailSummary, labels: frozenset[Label], context: ToolContext) -> bool:
    """Return whether a message has one of the labels, and is neither a draft nor hidden."""
    assessment = context.guard.assess(message)
    if assessment.label not in labels:
        return False
    # A draft is only a model's text, and a rejected one was never said.
    return message.status in LEFT_STATUSES if assessment is OWN else bool(message.sender)


def _fetch_bodies(row: EmailSummary, context: ToolContext) -> Steps[dict[str, Email]]:
    """Return a row's message, with the other messages of its thread that have bodies."""
    bodies: dict[str, Email] = {}
    if row.thread_id:
        thread = yield from api.get_thread(row.thread_id, mailbox=context.pinned)
        bodies = {message.id: message for message in thread.messages if _has_body(message)}
    if not _is_current(bodies.get(row.id), row):
        bodies[row.id] = yield from api.read_email(row.id, mailbox=context.pinned)
    return bodies


def _has_body(message: Email) -> bool:
    return "markdown" in message.model_fields_set


def _is_current(message: Email | None, row: EmailSummary) -> bool:
    """Return whether a message that was read before is still up to date."""
    if message is None or message.status != row.status:
        return False
    return message.authentication is not None or row.authentication is None
