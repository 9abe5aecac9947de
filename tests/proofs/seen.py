"""What a server shows of itself in the kill proof: its messages, and its audit log."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.proofs.load import Api

_RESTLESS = {"sending", "scheduled", "pending_send_approval"}


class Seen:
    """What the server has told about messages and its audit log; it reads on where it stopped.

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

    def look(self, api: Api) -> None:
        """Read what is new, and again what was not at rest."""
        restless = [row["id"] for row in self.rows.values() if row["status"] in _RESTLESS]
        newest = max((row["id"] for row in self.rows.values()), default="")
        for row in api.emails(min(restless, default=newest)[:-1]):
            known = self.rows.get(row["subject"], row)
            if known["id"] != row["id"]:
                self.twice.append(row)
            self.rows[row["subject"]] = row
        for line in api.rows("/v1/audit-log", "entries", max(self.audit, default="")):
            self.audit[line["id"]] = line
            self.lines[line["resource_id"]][line["action"]] += 1
            if line["action"] == "email.send":
                self.began[line["resource_id"]] = line["metadata"]["status"]
