"""What an approver's session was shown of each message: it decides only on what it saw."""

from __future__ import annotations

import threading
from collections import OrderedDict

from .._forks import reset_after_fork

_MAX_SEEN = 1024


class SeenContent:
    """How much of each message a session was shown: an approver decides only on what it saw."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[str, str], tuple[str, int, int]] = OrderedDict()
        self._withheld: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def record(
        self, key: tuple[str, str], content_hash: str, start: int, end: int, total: int
    ) -> None:
        """Record a piece that was shown. It counts only if it continues where the last one ended.

        Args:
            key: Session id and email id.
            content_hash: Of the message; empty where the API returns none.
            start: The piece's first character.
            end: The character after its last.
            total: The length of the whole text.
        """
        with self._lock:
            known_hash, reached, known_total = self._read.get(key, ("", 0, -1))
            if (known_hash, known_total) != (content_hash, total):
                reached = 0
            if start <= reached:
                reached = max(reached, end)
            self._read[key] = (content_hash, reached, total)
            self._read.move_to_end(key)
            while len(self._read) > _MAX_SEEN:
                self._read.popitem(last=False)

    def record_withheld(self, key: tuple[str, str], content_hash: str) -> None:
        """Record that only a message's header was shown: it can be rejected, not approved."""
        with self._lock:
            self._withheld[key] = content_hash
            while len(self._withheld) > _MAX_SEEN:
                self._withheld.popitem(last=False)

    def get_withheld(self, session_id: str, email_id: str) -> str | None:
        """Return the hash of a message of which only the header was shown, or None."""
        with self._lock:
            return self._withheld.get((session_id, email_id))

    def get_complete(self, session_id: str, email_id: str) -> str | None:
        """Return the hash of a message that was shown to its end, or None if it was not."""
        with self._lock:
            content_hash, reached, total = self._read.get((session_id, email_id), ("", 0, 1))
            return content_hash if reached >= total else None
