"""Words: times, states and evidence as a person reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ...oversight import State

_STATES = {
    State.PENDING_SCAN: "being checked",
    State.PENDING_SEND_APPROVAL: "awaits a decision",
    State.PENDING_INBOUND_APPROVAL: "awaits a decision",
    State.SCHEDULED: "scheduled",
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
    """Return what DKIM, SPF and DMARC say about From, the strongest fact first."""
    if evidence.get("structure"):
        return Proof("bad", f"The header is forged or broken: {evidence['structure'][0]}.")
    for signature in evidence.get("dkim") or []:
        if signature.get("result") == "pass" and signature.get("aligned"):
            return Proof("good", f"Signed by {signature.get('domain')}, which matches From (DKIM).")
    spf = evidence.get("spf") or {}
    if spf.get("result") == "pass" and spf.get("aligned"):
        return Proof(
            "weak",
            f"It came from a server that {spf.get('domain')} allows (SPF); the content is not "
            "signed.",
        )
    return _unproven(evidence)


def _unproven(evidence: dict[str, Any]) -> Proof:
    dmarc = evidence.get("dmarc") or {}
    domain = dmarc.get("domain") or "the sender's domain"
    if dmarc.get("result") == "temperror":
        return Proof("weak", "DNS did not answer, so nothing is known about who sent it.")
    if dmarc.get("result") == "fail" and dmarc.get("policy") in ("quarantine", "reject"):
        return Proof("bad", f"{domain} says to distrust mail that fails its checks, as this does.")
    return Proof("weak", "Nothing proves who sent it: anybody can write this From.")
