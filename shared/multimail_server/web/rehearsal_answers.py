"""Answers of the routes for tests that change the server itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..api.schemas.account import MailboxAnswer
from ..api.schemas.messages import Answered, SummaryAnswer, Time


class ClockAnswer(Answered):
    """The virtual time."""

    now: Time


class ResetAnswer(Answered):
    """All mail was erased."""

    status: Literal["reset"]
    everything: bool


class SeededAnswer(Answered):
    """What a seed made; `messages` holds the same rows as `emails`."""

    mailboxes: list[MailboxAnswer]
    emails: list[SummaryAnswer]
    messages: list[SummaryAnswer]


class FaultAnswer(Answered):
    """Something that is to go wrong."""

    id: str
    operation: str | None
    method: str | None
    path: str | None
    recipient: str | None
    status: int | None
    latency_seconds: float
    retry_after_seconds: int | None
    reset_after_accept: bool
    times: Annotated[int | None, Field(description="How often it is still to happen.")]


class FaultsAnswer(Answered):
    """What is still to go wrong, oldest first."""

    faults: list[FaultAnswer]


class ClearedAnswer(Answered):
    """How many faults were forgotten."""

    cleared: int
