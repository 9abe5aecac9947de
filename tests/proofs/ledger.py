"""The ledger of the proofs: what was asked of the server, and what it acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Wish = Literal["approve", "reject", "cancel", "withdraw", "miss"]
"""What is to be decided: `withdraw` approves and then cancels, `miss` approves when it expired."""
Fate = Literal["sent", "rejected", "cancelled", "expired"]
GateTiming = Literal["gate_first", "schedule_first"]

PENDING_TTL = timedelta(seconds=2)
"""How long a send of the load may wait for its decision."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a send may leave at the earliest, and whether it is decided on before or then."""

    send_at: datetime
    gate_timing: GateTiming


@dataclass(slots=True)
class Entry:
    """One message of the load, by its token.

    Attributes:
        token: Its subject.
        inbound: Whether it was handed in by SMTP; else it was sent by HTTP.
        asked_at: When it was first asked for.
        schedule: For a send with `send_at`.
        stored: Whether the server acknowledged it.
        id: Where it was answered.
        waits_since: By when it was seen to wait for a decision.
        wish: What was decided; set before the request for it leaves.
        fate: What the server acknowledged that it has come to, or will come to at its time.
    """

    token: str
    inbound: bool
    asked_at: datetime
    schedule: Schedule | None = None
    stored: bool = False
    id: str = ""
    waits_since: datetime | None = None
    wish: Wish | None = None
    fate: Fate | None = None

    @property
    def is_decided_late(self) -> bool:
        """Whether it enters the queue at its `send_at`."""
        return self.schedule is not None and self.schedule.gate_timing == "schedule_first"

    @property
    def is_approved(self) -> bool:
        """Whether an approval of it was ever asked for."""
        return self.wish in ("approve", "withdraw")

    def can_have_expired(self, now: datetime) -> bool:
        """Return whether it can have waited for its decision in vain by now."""
        begin = self.asked_at
        if self.schedule is not None and self.is_decided_late:
            begin = max(begin, self.schedule.send_at)
        return begin + PENDING_TTL <= now

    def has_expired(self, now: datetime) -> bool:
        """Return whether it has surely waited too long by now, if nobody decided."""
        return self.waits_since is not None and self.waits_since + PENDING_TTL <= now


@dataclass(slots=True)
class Ledger:
    """Every message that was ever asked for, and a count of what was acknowledged.

    Attributes:
        on_acknowledged: Called whenever the server has acknowledged something.
        now: The server's time, or, while it moves, what it moves to.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    on_acknowledged: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, token: str, *, inbound: bool, schedule: Schedule | None = None) -> Entry:
        """Note that a message is about to be handed to the server."""
        with self._lock:
            return self.entries.setdefault(token, Entry(token, inbound, self.now(), schedule))

    def stored(self, entry: Entry, email_id: str = "") -> None:
        """Note that the server said it has the message."""
        entry.stored = True
        entry.id = email_id or entry.id
        if not entry.is_decided_late:
            entry.waits_since = entry.waits_since or self.now()
        self.on_acknowledged()

    def decided(self, entry: Entry, fate: Fate) -> None:
        """Note that the server said what a decision has come to."""
        entry.fate = fate
        self.on_acknowledged()
