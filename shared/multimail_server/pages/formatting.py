"""Template filters: times, states, sizes, sender evidence, and characters that do not show."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ..oversight import Direction, Mode, State
from ..services.review import ReviewItem, Risk

if TYPE_CHECKING:
    from multimail.trust import Authentication

_STATES = {
    State.PENDING_SCAN: "being checked",
    State.PENDING_SEND_APPROVAL: "awaiting a decision",
    State.PENDING_INBOUND_APPROVAL: "awaiting a decision",
    State.SCHEDULED: "scheduled",
    State.SCHEDULED_FIRST: "scheduled; a decision is due then",
    State.SENDING: "being sent",
    State.SENT: "sent",
    State.SEND_FAILED: "could not be delivered",
    State.REJECTED: "rejected",
    State.CANCELLED: "cancelled by the sender",
    State.EXPIRED: "expired",
    State.UNREAD: "unread",
    State.READ: "read",
    State.ARCHIVED: "archived",
    State.DELETED: "deleted",
    State.SPAM_FLAGGED: "flagged as spam",
    State.SPAM_QUARANTINED: "quarantined as spam",
}
_ACTIONS = {
    "oversight.approve": "Approved",
    "oversight.reject": "Rejected",
    "oversight.revise": "Edited",
    "oversight.link": "Made an approval link",
    "oversight.undo": "Took an approval back",
    "email.send": "Wrote",
    "email.reply": "Wrote a reply",
    "email.forward": "Forwarded",
    "email.deliver": "Delivered",
    "email.fail": "Could not be delivered",
    "email.receive": "Received",
    "email.cancel": "Cancelled",
    "email.expire": "Expired without a decision",
    "email.bounce": "Bounced",
    "email.read": "Read",
    "session.begin": "Signed in",
    "session.end": "Signed out",
}
_NOT_PLAIN = re.compile(r"[^\n\t\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class SenderEvidence:
    """How well the sender is proven: `good`, `weak` or `bad`, and why."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class RiskWords:
    """A risk in words, and how it looks: `bad` or `warn`."""

    level: str
    message: str


_RISKS = {
    Risk.FRAUD: RiskWords("bad", "Possible payment fraud"),
    Risk.FORGERY: RiskWords("bad", "Possible forgery"),
    Risk.CHECK: RiskWords("warn", "Look closely"),
}


@dataclass(frozen=True, slots=True)
class InvisibleCharacter:
    """An invisible character of a text, and how often it occurs."""

    code: str
    name: str
    count: int


def state(value: State) -> str:
    """Return a message's state in plain words."""
    return _STATES.get(value, value.value.replace("_", " "))


def describe_risk(risk: Risk) -> RiskWords | None:
    """Return a risk in words; None for what is routine."""
    return _RISKS.get(risk)


def list_reasons(item: ReviewItem) -> list[str]:
    """Return why a message waits for a person, as sentences for that person."""
    reasons = str(item.message.metadata.get("guard_reasons") or "").split("; ")
    sentences = [f"The agent's guard says: {reason}" for reason in reasons if reason.strip()]
    new = [recipient.address for recipient in item.recipients if recipient.is_new]
    if new:
        names = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
        sentences.append(f"This mailbox has never written to {names} with approval before.")
    if item.message.direction is Direction.INBOUND:
        sentences.append("Every message to this mailbox needs approval before the agent reads it.")
    elif not sentences and item.mailbox.oversight_mode in (Mode.GATED_ALL, Mode.GATED_SEND):
        sentences.append("Every message from this mailbox needs approval.")
    return sentences or ["The agent asked for approval of this message."]


def shorten_text(text: str, limit: int, *, is_markdown: bool = False) -> str:
    """Return the beginning of a text, in whole words, with a mark where it was cut."""
    from ..mail.rendering import shorten

    return shorten(text, limit, is_markdown=is_markdown)[0]


def split_quoted(text: str) -> tuple[str, str]:
    """Return what the author of a text wrote, and the earlier mail that it quotes at its end."""
    # Imported late, as below.
    from multimail.trust.quotes import split_quoted as split

    own, quoted = split(text)
    return (own.strip("\n"), quoted.strip("\n")) if own.strip() else (text.strip("\n"), "")


def datetime_minutes(value: datetime) -> str:
    """Return a time to the minute, in UTC."""
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M UTC")


def datetime_seconds(value: datetime) -> str:
    """Return a time to the second, in UTC."""
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def audit_action(action: str) -> str:
    """Return an action of the audit log in words."""
    return _ACTIONS.get(action) or action.replace("_", " ").replace(".", ": ").capitalize()


def audit_value(value: object) -> str:
    """Return a value of the audit log as text."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {audit_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(audit_value, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def duration(length: timedelta) -> str:
    """Return a duration in its two largest units, to the minute."""
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def ago(length: timedelta) -> str:
    """Return how long ago something was, in its two largest units."""
    return "just now" if length < timedelta(minutes=1) else f"{duration(length)} ago"


def size(count: int) -> str:
    """Return a number of bytes with a fitting unit."""
    if count < 1024:
        return f"{count} bytes"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KB"
    return f"{count / 1024 / 1024:.1f} MB"


def sender_evidence(evidence: dict[str, Any]) -> SenderEvidence:
    """Return how well From is proven, by the rule that also labels the message for an agent."""
    # Imported late: the server's start does not wait for the client library.
    from multimail.trust import Authentication, Label, assess

    authentication = Authentication.model_validate(evidence)
    match assess(authentication).label:
        case Label.FAILED if authentication.structure:
            message = f"The header is forged or broken: {authentication.structure[0]}."
            return SenderEvidence("bad", message)
        case Label.FAILED:
            dmarc = authentication.dmarc
            domain = (dmarc and dmarc.domain) or "the sender's domain"
            message = f"This looks forged: {domain} says to distrust mail that fails its checks."
            return SenderEvidence("bad", message)
        case Label.AUTHENTICATED:
            return SenderEvidence("good", f"Verified: signed by {_get_signer(authentication)}.")
        case Label.AUTHENTICATED_PATH:
            spf = authentication.spf
            allowed_by = spf.domain if spf else "its domain"
            message = f"Sent by a server that {allowed_by} allows, but not signed."
            return SenderEvidence("weak", message)
        case Label.UNKNOWN:
            message = "We couldn't check who sent this: DNS did not answer."
            return SenderEvidence("weak", message)
        case _:
            message = "We can't verify who sent this: anyone can write this address."
            return SenderEvidence("weak", message)


def _get_signer(authentication: Authentication) -> str:
    passed = (check for check in authentication.dkim if check.result == "pass" and check.aligned)
    return next((check.domain for check in passed), "its domain")


@cache
def _load_is_invisible() -> Any:
    # Imported late, as above.
    from multimail.trust.text import is_invisible

    return is_invisible


def reveal(text: str) -> Markup:
    """Return text as HTML with each invisible character replaced by a mark with its number."""
    escaped = str(escape(text.replace("\r\n", "\n")))
    return Markup(_NOT_PLAIN.sub(_build_mark, escaped))  # noqa: S704 - escaped


def reveal_plain(text: str) -> str:
    """Return text with its invisible characters spelled out, for places that take no HTML."""
    is_invisible = _load_is_invisible()
    return _NOT_PLAIN.sub(
        lambda match: f"[{_get_code(match[0])}]" if is_invisible(match[0]) else match[0], text
    )


def find_invisible(texts: Iterable[str]) -> list[InvisibleCharacter]:
    """Return the invisible characters of the texts, the most frequent first."""
    is_invisible = _load_is_invisible()
    counts: Counter[str] = Counter()
    for text in texts:
        characters = _NOT_PLAIN.findall(text.replace("\r\n", "\n"))
        counts.update(filter(is_invisible, characters))
    return [
        InvisibleCharacter(_get_code(character), _get_name(character), count)
        for character, count in counts.most_common()
    ]


def _build_mark(match: re.Match[str]) -> str:
    character = match[0]
    if not _load_is_invisible()(character):
        return character
    name = escape(_get_name(character))
    return f'<span class="invisible" title="{name}">{_get_code(character)}</span>'


def _get_code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _get_name(character: str) -> str:
    category = unicodedata.category(character)
    fallback = {"Cc": "control character", "Co": "private use", "Cs": "half of a pair"}
    return unicodedata.name(character, fallback.get(category, "unassigned")).lower()
