"""Spam scoring: points for what is known of a message's sender, and the reason for each point.

There is no learning and no list of words: the same evidence always gives the same score, and
anybody can add it up. A question that DNS did not answer costs no points. Flags are fixed sentences
for a reader; they contain nothing that a sender wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .addresses import to_mailbox_address
from .message import ParsedMessage

SUSPECT_SCORE = 3.0
SPAM_SCORE = 5.0
CLEAN, SUSPECT, SPAM = "clean", "suspect", "spam"
MAX_AGE = timedelta(days=7)
MAX_CLOCK_SKEW = timedelta(days=1)

_POLICY_POINTS = {"reject": 5.0, "quarantine": 4.0, "none": 2.0}
_SPF_POINTS = {"fail": 2.0, "softfail": 1.0}
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")
_Points = list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class SpamScore:
    """The score of a message.

    Attributes:
        score: The sum of all points; 0 when nothing speaks against the message.
        reasons: What each point is for, each beginning with its points.
    """

    score: float
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`clean` below 3 points, `suspect` below 5, else `spam`."""
        if self.score >= SPAM_SCORE:
            return SPAM
        return SUSPECT if self.score >= SUSPECT_SCORE else CLEAN


def score_message(evidence: Mapping[str, Any]) -> SpamScore:
    """Return the score of a message.

    Args:
        evidence: `authentication` as it is stored with the message, with its `flags`.
    """
    points: _Points = [
        *_score_structure(evidence),
        *_score_dmarc(evidence),
        *_score_methods(evidence),
        *((1.0, str(flag)) for flag in evidence.get("flags") or []),
    ]
    return SpamScore(
        score=sum(number for number, _ in points),
        reasons=tuple(f"{number:g}: {reason}" for number, reason in points),
    )


def _score_structure(evidence: Mapping[str, Any]) -> _Points:
    faults = evidence.get("structure") or []
    return [(SPAM_SCORE, "the header block makes From unreliable")] if faults else []


def _score_dmarc(evidence: Mapping[str, Any]) -> _Points:
    dmarc = evidence.get("dmarc") or {}
    policy = dmarc.get("policy") or "none"
    if dmarc.get("result") != "fail":
        return []
    reason = f"DMARC failed, and the domain in From publishes {policy}"
    return [(_POLICY_POINTS.get(policy, 2.0), reason)]


def _score_methods(evidence: Mapping[str, Any]) -> _Points:
    spf = evidence.get("spf") or {}
    signatures = evidence.get("dkim") or []
    points: _Points = []
    spf_result = str(spf.get("result"))
    if spf_result in _SPF_POINTS:
        reason = f"SPF says {spf_result} for the address it came from"
        points.append((_SPF_POINTS[spf_result], reason))
    results = {str(signature.get("result")) for signature in signatures}
    if results and not results & {"pass", "temperror"}:
        points.append((1.0, "it is signed, and no signature holds"))
    if not signatures and spf_result != "pass" and not _dns_failed(evidence):
        points.append((1.0, "nothing vouches for its sender"))
    return points


def _dns_failed(evidence: Mapping[str, Any]) -> bool:
    methods = (evidence.get("spf") or {}, evidence.get("dmarc") or {})
    return any(method.get("result") == "temperror" for method in methods)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when a message arrived.

    Attributes:
        mailbox: The address of the mailbox.
        at: The server's time.
        seen: Whether the mailbox has received a message with this Message-ID before.
        ours: Whether the mailbox has sent a message with this Message-ID.
    """

    mailbox: str
    at: datetime
    seen: bool = False
    ours: bool = False


def find_flags(message: ParsedMessage, arrival: Arrival) -> tuple[str, ...]:
    """Return what a reader should know of a message, in plain words, the most serious first."""
    return (
        *_flag_display_name(message),
        *_flag_message_id(arrival),
        *_flag_date(message.date, arrival.at),
        *_flag_recipients(message, arrival.mailbox),
    )


def _flag_display_name(message: ParsedMessage) -> list[str]:
    # As it looks: full-width characters are plain ones, and invisible ones are not there.
    plain = unicodedata.normalize("NFKC", message.from_name)
    shown = "".join(mark for mark in plain if unicodedata.category(mark) != "Cf")
    own = message.from_address.lower()
    addresses = (address.lower().rstrip(".") for address in _ADDRESS.findall(shown))
    if any(address != own for address in addresses):
        return ["the display name shows another address than the sender's"]
    return []


def _flag_message_id(arrival: Arrival) -> list[str]:
    if arrival.ours:
        return ["it has the Message-ID of a message that this mailbox sent"]
    if arrival.seen:
        return ["a message with the same Message-ID came before"]
    return []


def _flag_date(date: datetime | None, now: datetime) -> list[str]:
    if date is None:
        return []
    age = now - date
    if age > MAX_AGE:
        return [f"it is dated {age.days} days before it came"]
    return ["it is dated more than a day ahead"] if -age > MAX_CLOCK_SKEW else []


def _flag_recipients(message: ParsedMessage, mailbox: str) -> list[str]:
    recipients = {to_mailbox_address(address) for address in (*message.to, *message.cc)}
    return [] if mailbox in recipients else ["neither To nor Cc names this mailbox"]
