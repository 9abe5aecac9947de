"""Shown mail: whole messages as a model may be shown them, for context that app code builds.

A tool answers a model that asks. Here app code asks: for an index, for a chain. It gets what the
tools would have shown, made by the same functions and under the same policy.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from .. import endpoints as api
from .._call import Call, Pause
from ..errors import ConfigurationError
from ..models import Email, EmailSummary
from ..trust import OWN, Assessment, Label, Treatment
from ..trust.addresses import extract_address
from ..trust.text import Fence, one_line
from .context import ToolContext
from .guard import LEFT_STATUSES
from .reading import MOST_HEADERS, head_of, removed_notes
from .render import body_of, headers_of, subject_of, window

Steps: TypeAlias = Generator[Call[Any] | Pause, Any, "Batch"]

VOUCHED = ("authenticated", "own")
"""Labels that app code gets unless it asks for others: proven senders, and what left from here."""


class MailFilter(TypedDict, total=False):
    """Which mail, by what the API can filter; `MultiMail.check_inbox` says what each is."""

    unread_only: bool
    sender: str | None
    subject_contains: str | None
    date_after: datetime | str | None
    date_before: datetime | str | None
    direction: str | None
    has_attachments: bool | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some messages of a mailbox or a thread.

    Attributes:
        messages: With their bodies, in the API's order.
        looked_at: How many rows were looked at; those that were left out are among them.
        cursor: Where to go on; None at the end.
    """

    messages: list[Email]
    looked_at: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ShownEmail:
    """One message as a model may be shown it.

    Attributes:
        message: The message.
        assessment: What is thought of its sender.
        treatment: How much of it the policy shows.
        head: What it is, in our own words: ids, label, what was left out.
        text: What others wrote, cleaned: header fields, a blank line, the body. Not marked.
    """

    message: Email
    assessment: Assessment
    treatment: Treatment
    head: str
    text: str

    def marked(self, longest: int | None = None) -> str:
        """Return it for a prompt: the head, then the text between marks that nobody can forge.

        Args:
            longest: The most characters; what is cut is said. Default: all of it.
        """
        if longest is None or len(self.head) + len(self.text) + _MARKS <= longest:
            return f"{self.head}\n{Fence.new().around(self.text)}"
        part = window(self.text, 0, max(1, longest - len(self.head) - _MARKS - _CUT))
        said = f"Cut at {part.end} of {part.total} characters: read_email shows the rest."
        return f"{self.head}\n{Fence.new().around(part.text)}\n{said}"


_MARKS = Fence.new().width + 1
_CUT = 100


def labels_of(names: Iterable[str]) -> frozenset[Label]:
    """Return the labels of these names.

    Raises:
        ConfigurationError: There is no such label, or none is named.
    """
    given = [names] if isinstance(names, str) else list(names)
    known = [one.value for one in Label]
    unknown = [one for one in given if one not in known]
    if unknown or not given:
        wrong = f"no label {', '.join(map(repr, unknown))}" if unknown else "no label is named"
        raise ConfigurationError(f"labels: {wrong}. There are: {', '.join(known)}.")
    return frozenset(map(Label, given))


def shown(message: Email, context: ToolContext) -> ShownEmail:
    """Return a message as a model may be shown it. Whoever shows it says so to `note_shown`."""
    assessment = context.guard.assess(message)
    treatment = context.guard.policy.treatment(assessment)
    headers = headers_of(message, treatment, MOST_HEADERS)
    if treatment is Treatment.WITHHELD:
        head = head_of(message, assessment, context.max_chars, "Its body is withheld.")
        return ShownEmail(message, assessment, treatment, head, headers.text)
    body = body_of(message, treatment, include_quoted=False)
    notes = [*removed_notes(message), *body.notes]
    head = head_of(message, assessment, context.max_chars, *notes)
    text = "\n\n".join(filter(None, [headers.text, body.text, headers.rest]))
    return ShownEmail(message, assessment, treatment, head, text)


def note_shown(mail: Iterable[ShownEmail], context: ToolContext) -> None:
    """Tell the guard that a model is being shown these: the conversation is tainted by them."""
    for one in mail:
        context.guard.mark_shown(one.message, one.text)


def newest(
    wanted: MailFilter,
    labels: frozenset[Label],
    context: ToolContext,
    *,
    cursor: str | None = None,
    limit: int = 50,
    have: Mapping[str, Email] | None = None,
) -> Steps:
    """Return some of a mailbox's messages with their bodies, newest first.

    A thread is read as one, which marks nothing as read; only where the API lists threads without
    bodies is each message read by itself.

    Args:
        wanted: Which mail, by the API's filters.
        labels: Only messages with one of these; of a mailbox's own mail, what has left.
        context: The mailbox and the guard.
        cursor: Where to go on, from the batch before.
        limit: How many rows to look at, 1 to 100.
        have: Messages that are known with their bodies, by id; they are not asked for again.
    """
    mailbox = yield from context.mailbox(None)
    page = yield from api.check_inbox(mailbox.id, limit=limit, cursor=cursor, **wanted)
    bodies = dict(have or {})
    found: list[Email] = []
    for row in page:
        # A listing may know less of a sender than the message itself, which decides below.
        is_sure = row.direction == "outbound" or row.authentication is not None
        if is_sure and not is_wanted(row, labels, context):
            continue
        if not _is_same(bodies.get(row.id), row):
            bodies |= yield from _bodies(row, context)
        message = bodies[row.id]
        if is_wanted(message, labels, context):
            found.append(message)
    return Batch(found, len(page), page.cursor)


def of_thread(thread_id: str, labels: frozenset[Label], context: ToolContext) -> Steps:
    """Return a thread's messages with their bodies, oldest first.

    Args:
        thread_id: The thread.
        labels: Only messages with one of these; of a mailbox's own mail, what has left.
        context: The mailbox and the guard.
    """
    thread = yield from api.get_thread(thread_id, mailbox=context.pinned)
    found: list[Email] = []
    for row in thread.messages:
        message = row
        if not _is_whole(row):
            message = yield from api.read_email(row.id, mailbox=context.pinned)
        if is_wanted(message, labels, context):
            found.append(message)
    return Batch(found, len(thread.messages))


def is_wanted(message: EmailSummary, labels: frozenset[Label], context: ToolContext) -> bool:
    """Whether a message has one of the labels and is mail: no draft, nothing that is hidden."""
    assessment = context.guard.assess(message)
    if assessment.label not in labels:
        return False
    # A draft is a model's, and a rejected one a human's no: neither is what was said.
    return message.status in LEFT_STATUSES if assessment is OWN else bool(message.sender)


def _bodies(
    row: EmailSummary, context: ToolContext
) -> Generator[Call[Any] | Pause, Any, dict[str, Email]]:
    """Return a row's message, and what came with it: the whole ones of its thread."""
    found: dict[str, Email] = {}
    if row.thread_id:
        thread = yield from api.get_thread(row.thread_id, mailbox=context.pinned)
        found = {one.id: one for one in thread.messages if _is_whole(one)}
    if not _is_same(found.get(row.id), row):
        found[row.id] = yield from api.read_email(row.id, mailbox=context.pinned)
    return found


def _is_whole(message: Email) -> bool:
    return "markdown" in message.model_fields_set


def _is_same(message: Email | None, row: EmailSummary) -> bool:
    """Whether a message that was read before says all that there is to say now."""
    if message is None or message.status != row.status:
        return False
    return message.authentication is not None or row.authentication is None


def facts_of(mail: ShownEmail) -> dict[str, str]:
    """Return what code may want to know of a message, as plain texts, which any index can keep.

    `label`, `standing` and `reasons` are ours; the rest is what the message says. What is not
    known is absent.
    """
    message, trust = mail.message, mail.assessment
    treatment = mail.treatment
    facts = {
        "id": message.id,
        "thread_id": message.thread_id,
        "mailbox_id": message.mailbox_id,
        "direction": message.direction,
        "status": message.status,
        "received_at": message.received_at and message.received_at.isoformat(),
        "sender": one_line(extract_address(message.sender), 400),
        "to": one_line(", ".join(map(extract_address, message.to)), 1000),
        "subject": subject_of(message, treatment, 400),
        "label": trust.label.value,
        "standing": trust.standing.value,
        "reasons": "; ".join(trust.reasons),
    }
    return {name: value for name, value in facts.items() if value}
