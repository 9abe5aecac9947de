"""Words: times, states and evidence as a person reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..oversight import State

if TYPE_CHECKING:
    from multimail.trust import Authentication

_STATES = {
    State.PENDING_SCAN: "being checked",
    State.PENDING_SEND_APPROVAL: "awaits a decision",
    State.PENDING_INBOUND_APPROVAL: "awaits a decision",
    State.SCHEDULED: "scheduled",
    State.SCHEDULED_FIRST: "scheduled; a decision is due then",
    State.SENDING: "on its way",
    State.SENT: "sent",
    State.SEND_FAILED: "could not be delivered",
    State.REJECTED: "rejected",
    State.CANCELLED: "cancelled by the sender",
    State.EXPIRED: "expired",
    State.UNREAD: "unread",
    State.READ: "read",
    State.ARCHIVED: "archived",
    State.DELETED: "deleted",
    State.SPAM_FLAGGED: "set aside as spam",
    State.SPAM_QUARANTINED: "locked away as spam",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proven about who sent a message: `good`, `weak` or `bad`, and why."""

    level: str
    sentence: str


def state(value: State) -> str:
    """Return a state in plain words."""
    return _STATES.get(value, value.value.replace("_", " "))


def moment(value: datetime) -> str:
    """Return a moment to the minute, in UTC."""
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M UTC")


def exact(value: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return value.astimezone(UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def told(value: object) -> str:
    """Return a value of the audit log as a person reads it."""
    if isinstance(value, dict):
        return "; ".join(f"{name} {told(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(told, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def span(length: timedelta) -> str:
    """Return a length of time by its two largest units; nothing shorter than a minute."""
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, left = divmod(hours, 24)
    return f"{days} days {left} h" if left else f"{days} days"


def size(count: int) -> str:
    """Return a number of bytes as people write it."""
    if count < 1024:
        return f"{count} bytes"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KB"
    return f"{count / 1024 / 1024:.1f} MB"


def proof(evidence: dict[str, Any]) -> Proof:
    """Return what is proven about From, by the rule that labels it for an agent too."""
    # A start of the server does not wait for the client that comes with it.
    from multimail.trust import Authentication, Label, assess

    known = Authentication.model_validate(evidence)
    match assess(known).label:
        case Label.FAILED if known.structure:
            return Proof("bad", f"The header is forged or broken: {known.structure[0]}.")
        case Label.FAILED:
            domain = (known.dmarc and known.dmarc.domain) or "the sender's domain"
            said = f"{domain} says to distrust mail that fails its checks, as this does."
            return Proof("bad", said)
        case Label.AUTHENTICATED:
            return Proof("good", f"Signed by {_signer(known)}, which matches From (DKIM).")
        case Label.AUTHENTICATED_PATH:
            domain = known.spf.domain if known.spf else "its domain"
            said = f"It came from a server that {domain} allows (SPF); the content is not signed."
            return Proof("weak", said)
        case Label.UNKNOWN:
            return Proof("weak", "DNS did not answer, so nothing is known about who sent it.")
        case _:
            return Proof("weak", "Nothing proves who sent it: anybody can write this From.")


def _signer(known: Authentication) -> str:
    passed = (one for one in known.dkim if one.result == "pass" and one.aligned)
    return next((one.domain for one in passed), "its domain")
