"""What a message's status implies: lines of the audit log, and events to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

_LINES = {
    "sent": {"email.send", "oversight.approve", "email.deliver"},
    "sending": {"email.send", "oversight.approve"},
    "scheduled": {"email.send"},
    "pending_send_approval": {"email.send"},
    "rejected": {"email.send", "oversight.reject"},
    "cancelled": {"email.send", "email.cancel"},
    "expired": {"email.send", "email.expire"},
    "unread": {"email.receive"},
}
"""The audit log's lines about a message in each status, each of them once."""

_FREE = {"cancelled": {"oversight.approve", "email.hold"}}
"""Lines that may be there or not, each once: of what came before it was cancelled."""

_LATE = {"email.hold"}
"""A send came to its moment, and entered the queue only then."""

_TOLD = {
    "email.receive": ("message.received",),
    "email.hold": ("oversight.pending",),
    "oversight.approve": ("oversight.approved",),
    "oversight.reject": ("oversight.rejected",),
    "email.deliver": ("message.sent", "message.delivered"),
}
"""The events that tell of a line; of a cancellation and an expiry none does."""

SUBSCRIPTIONS = {
    "/first": ("message.received", "message.sent", "oversight.pending"),
    "/second": ("message.delivered", "oversight.approved", "oversight.rejected"),
}
"""Events of `_TOLD`, by the path of the URL that gets them."""


def missing_lines(status: str, began: str | None, lines: Iterable[str]) -> set[str]:
    """Return what the audit log should say of a message and does not.

    Args:
        status: The message's.
        began: The status in which it was accepted, if it was sent.
        lines: What the audit log says of it.
    """
    wanted = set(_LINES[status])
    if began == "scheduled_first" and status not in ("scheduled", "cancelled"):
        wanted |= _LATE
    elif status == "scheduled" and began != "scheduled_first":
        wanted.add("oversight.approve")
    return wanted - set(lines)


def odd_lines(status: str, began: str | None, lines: Counter[str]) -> Counter[str]:
    """Return what the audit log says of a message at rest and should not; see `missing_lines`."""
    allowed = _LINES[status] | _FREE.get(status, set())
    allowed = allowed | _LATE if began == "scheduled_first" else allowed - _LATE
    odd = lines - Counter(allowed)
    del odd["request.refused"]  # A decision was tried too early, or too late.
    return odd


def told(line: dict[str, Any]) -> tuple[str, ...]:
    """Return the events that a line of the audit log implies."""
    if line["action"] == "email.send":
        is_held = line["metadata"]["status"] == "pending_send_approval"
        return ("oversight.pending",) if is_held else ()
    return _TOLD.get(line["action"], ())
