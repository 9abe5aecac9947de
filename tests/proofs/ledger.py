"""The ledger of the proofs: what was asked of the server, and what it acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Wish = Literal["approve", "reject", "cancel"]


@dataclass(slots=True)
class Entry:
    """One message of the load, by its token.

    Attributes:
        token: Its subject.
        inbound: Whether it was handed in by SMTP; else it was sent by HTTP.
        stored: Whether the server acknowledged it.
        id: Where it was answered.
        wish: What was decided; set before the request for it leaves.
        decided: Whether the server acknowledged the decision.
    """

    token: str
    inbound: bool
    stored: bool = False
    id: str = ""
    wish: Wish | None = None
    decided: bool = False


@dataclass(slots=True)
class Ledger:
    """Every message that was ever asked for, and a count of what was acknowledged."""

    entries: dict[str, Entry] = field(default_factory=dict)
    on_acknowledged: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, token: str, *, inbound: bool) -> Entry:
        """Note that a message is about to be handed to the server."""
        with self._lock:
            return self.entries.setdefault(token, Entry(token, inbound))

    def stored(self, entry: Entry, email_id: str = "") -> None:
        """Note that the server said it has the message."""
        entry.stored = True
        entry.id = email_id or entry.id
        self.on_acknowledged()

    def decided(self, entry: Entry) -> None:
        """Note that the server said it has the decision."""
        entry.decided = True
        self.on_acknowledged()
