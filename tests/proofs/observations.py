"""What the server shows in the kill proof, its messages and audit log, and what these imply."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tests.proofs.load import Api

_UNSETTLED = {"sending", "scheduled", "pending_send_approval"}


class Observations:
    """The messages and the audit log as read so far; `refresh` continues where it stopped.

    Attributes:
        rows: The messages, by their tokens.
        audit: The lines of the audit log, by their ids.
        lines: How often each thing was done, by the message that it was done to.
        began: The status in which each send was accepted, by its id.
        twice: Messages that are there although another one has their token.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.audit: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, Counter[str]] = defaultdict(Counter)
        self.began: dict[str, str] = {}
        self.twice: list[dict[str, Any]] = []

    def about(self, row: dict[str, Any]) -> tuple[str, str | None, Counter[str]]:
        """Return a message's status, the status in which it was accepted, and its audit lines."""
        return row["status"], self.began.get(row["id"]), self.lines[row["id"]]

    def refresh(self, api: Api) -> None:
        """Read what is new, and again what had not settled."""
        unsettled = (row["id"] for row in self.rows.values() if row["status"] in _UNSETTLED)
        oldest = min(unsettled, default="")
        known = {row["id"] for row in self.rows.values() if not oldest or row["id"] < oldest}
        for row in api.emails(lambda row: row["id"] in known):
            if self.rows.setdefault(row["subject"], row)["id"] != row["id"]:
                self.twice.append(row)
            self.rows[row["subject"]] = row
        for line in api.rows("/v1/audit-log", "entries", lambda line: line["id"] in self.audit):
            if line["id"] in self.audit:
                continue
            self.audit[line["id"]] = line
            self.lines[line["resource_id"]][line["action"]] += 1
            if line["action"] == "email.send":
                self.began[line["resource_id"]] = line["metadata"]["status"]


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

_OPTIONAL = {"cancelled": {"oversight.approve", "email.hold"}}
"""Lines that may be there or not, each once: of what came before it was cancelled."""

_LATE = {"email.hold"}
"""A send that entered the queue at its `send_at`."""

_EVENTS = {
    "email.receive": ("message.received",),
    "email.hold": ("oversight.pending",),
    "oversight.approve": ("oversight.approved",),
    "oversight.reject": ("oversight.rejected",),
    "email.deliver": ("message.sent", "message.delivered"),
}
"""The events that a line implies; a cancellation and an expiry imply none."""

SUBSCRIPTIONS = {
    "/first": ("message.received", "message.sent", "oversight.pending"),
    "/second": ("message.delivered", "oversight.approved", "oversight.rejected"),
}
"""Events of `_EVENTS`, by the path of the URL that gets them."""


def missing_lines(status: str, began: str | None, lines: Iterable[str]) -> set[str]:
    """Return the lines about a message that the audit log lacks.

    Args:
        status: The message's.
        began: The status in which it was accepted, if it was sent.
        lines: The actions that the audit log has for it.
    """
    wanted = set(_LINES[status])
    if began == "scheduled_first" and status not in ("scheduled", "cancelled"):
        wanted |= _LATE
    elif status == "scheduled" and began != "scheduled_first":
        wanted.add("oversight.approve")
    return wanted - set(lines)


def unexpected_lines(status: str, began: str | None, lines: Counter[str]) -> Counter[str]:
    """Return the lines about a settled message that should not be there; see `missing_lines`."""
    allowed = _LINES[status] | _OPTIONAL.get(status, set())
    allowed = allowed | _LATE if began == "scheduled_first" else allowed - _LATE
    unexpected = lines - Counter(allowed)
    del unexpected["request.refused"]  # A decision was tried too early, or too late.
    return unexpected


def get_events(line: dict[str, Any]) -> tuple[str, ...]:
    """Return the events that a line of the audit log implies."""
    if line["action"] == "email.send":
        is_held = line["metadata"]["status"] == "pending_send_approval"
        return ("oversight.pending",) if is_held else ()
    return _EVENTS.get(line["action"], ())
