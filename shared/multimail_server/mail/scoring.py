"""The spam score: points for what is known of a message's sender, and the reason for each point.

No learning and no word lists: the same evidence always gives the same score, and anybody can add
it up again. A question that DNS did not answer costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .addresses import to_mailbox_address
from .mime import ParsedMessage

SUSPECT_SCORE = 3.0
SPAM_SCORE = 5.0
CLEAN, SUSPECT, SPAM = "clean", "suspect", "spam"

_POLICY_POINTS = {"reject": 5.0, "quarantine": 4.0, "none": 2.0}
_SPF_POINTS = {"fail": 2.0, "softfail": 1.0}


@dataclass(frozen=True, slots=True)
class SpamScore:
    """What a message's evidence adds up to.

    Attributes:
        score: The sum of all points; 0 when there is nothing against it.
        reasons: What each point is for, the points first.
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
        evidence: `authentication` as it is kept with the message.
    """
    found = [*_structure(evidence), *_dmarc(evidence), *_methods(evidence), *_flags(evidence)]
    return SpamScore(
        sum(points for points, _ in found), tuple(f"{points:g}: {why}" for points, why in found)
    )


def _structure(evidence: Mapping[str, Any]) -> list[tuple[float, str]]:
    faults = evidence.get("structure") or []
    return [(SPAM_SCORE, "the header block makes From unreliable")] if faults else []


def _dmarc(evidence: Mapping[str, Any]) -> list[tuple[float, str]]:
    dmarc = evidence.get("dmarc") or {}
    policy = dmarc.get("policy") or "none"
    if dmarc.get("result") != "fail":
        return []
    why = f"DMARC failed, and the domain in From publishes {policy}"
    return [(_POLICY_POINTS.get(policy, 2.0), why)]


def _methods(evidence: Mapping[str, Any]) -> list[tuple[float, str]]:
    spf = evidence.get("spf") or {}
    signatures = evidence.get("dkim") or []
    found: list[tuple[float, str]] = []
    result = str(spf.get("result"))
    if result in _SPF_POINTS:
        found.append((_SPF_POINTS[result], f"SPF says {result} for the address it came from"))
    results = {str(signature.get("result")) for signature in signatures}
    if results and not results & {"pass", "temperror"}:
        found.append((1.0, "it is signed, and no signature holds"))
    if not signatures and result != "pass" and not _asked_in_vain(evidence):
        found.append((1.0, "nothing vouches for its sender"))
    return found


def _asked_in_vain(evidence: Mapping[str, Any]) -> bool:
    methods = (evidence.get("spf") or {}, evidence.get("dmarc") or {})
    return any(method.get("result") == "temperror" for method in methods)


def _flags(evidence: Mapping[str, Any]) -> list[tuple[float, str]]:
    return [(1.0, str(flag)) for flag in evidence.get("flags") or []]


MAX_AGE = timedelta(days=7)
MAX_CLOCK_SKEW = timedelta(days=1)
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:@]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when a message came in.

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
    """Return what a reader should know, in plain words, the gravest first."""
    found = (
        *_names_another(message),
        *_replayed(arrival),
        *_age(message.date, arrival.at),
        *_misaddressed(message, arrival.mailbox),
    )
    return tuple(found)


def _names_another(message: ParsedMessage) -> list[str]:
    # As it looks: full-width forms are plain, and what cannot be seen is not there.
    plain = unicodedata.normalize("NFKC", message.from_name)
    shown = "".join(mark for mark in plain if unicodedata.category(mark) != "Cf")
    own = message.from_address.lower()
    others = [one for one in _ADDRESS.findall(shown) if one.lower().rstrip(".") != own]
    return ["the display name shows another address than the sender's"] if others else []


def _replayed(arrival: Arrival) -> list[str]:
    if arrival.ours:
        return ["it bears the Message-ID of a message that this mailbox sent"]
    if arrival.seen:
        return ["a message with the same Message-ID came before"]
    return []


def _age(date: datetime | None, now: datetime) -> list[str]:
    if date is None:
        return []
    age = now - date
    if age > MAX_AGE:
        return [f"it is dated {age.days} days before it came"]
    return ["it is dated more than a day ahead"] if -age > MAX_CLOCK_SKEW else []


def _misaddressed(message: ParsedMessage, mailbox: str) -> list[str]:
    named = {to_mailbox_address(address) for address in (*message.to, *message.cc)}
    return [] if mailbox in named else ["neither To nor Cc names this mailbox"]
