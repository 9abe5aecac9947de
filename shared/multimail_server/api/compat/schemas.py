"""Answers of the flat paths: version 1's shapes with the names that the product's pages read."""

from __future__ import annotations

from typing import Literal

from ...oversight import State
from ..schemas.messages import (
    AcceptedAnswer,
    Answered,
    ConversationAnswer,
    DecidedAnswer,
    EmailAnswer,
    PendingItemAnswer,
    SummaryAnswer,
    TagsAnswer,
)


class FlatSummaryAnswer(SummaryAnswer):
    """A row of the inbox."""

    sender: str | None


class FlatInboxAnswer(Answered):
    """A page of the inbox; `emails` holds the same rows as `messages`."""

    messages: list[FlatSummaryAnswer]
    emails: list[FlatSummaryAnswer]
    cursor: str | None


class FlatEmailAnswer(EmailAnswer):
    """A message with its body, which is in `body`, `markdown` and `body_text` alike."""

    sender: str | None
    body_text: str


class FlatThreadAnswer(ConversationAnswer):
    """A conversation with bodies, oldest message first; of held mail there is a row alone."""

    emails: list[FlatEmailAnswer | FlatSummaryAnswer]
    messages: list[FlatEmailAnswer | FlatSummaryAnswer]


class FlatSentAnswer(AcceptedAnswer):
    """A send that was accepted: `pending_approval` where a human decides first."""

    email_id: str
    status: Literal["pending_approval"] | State
    pending_id: str = ""


class FlatTagAnswer(TagsAnswer):
    """A message's labels after one was added."""

    id: str
    email_id: str
    message_id: str
    tag: str


class FlatHeldAnswer(FlatSummaryAnswer):
    """A message that awaits a decision, as its sender sees it."""

    pending_id: str


class FlatItemAnswer(PendingItemAnswer):
    """A message that awaits a decision, as a reviewer sees it."""

    sender: str | None
    body_text: str
    pending_id: str


class FlatQueueAnswer(Answered):
    """What awaits a decision, oldest first; `messages` holds the same rows as `items`."""

    items: list[FlatItemAnswer | FlatHeldAnswer]
    messages: list[FlatItemAnswer | FlatHeldAnswer]
    cursor: str | None


class FlatDecisionAnswer(DecidedAnswer):
    """A decision that was taken; `sent` once the message has left."""

    status: Literal["approved", "approved_and_sent", "sent", "rejected"]
    email_id: str
