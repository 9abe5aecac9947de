"""What an operation may know of its surroundings: the conversation, the guard, the mailboxes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from .. import endpoints as api
from .._call import Call, Pause
from .._mailbox_cache import MailboxCache
from ..errors import PermissionDeniedError
from ..models import Mailbox
from .guard import Guard

_SEEN = 1024


class SeenContent:
    """How much of which message each session was shown, so that none decides unseen."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[str, str], tuple[str, int, int]] = OrderedDict()
        self._withheld: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def note(
        self, where: tuple[str, str], content_hash: str, start: int, end: int, total: int
    ) -> None:
        """Remember what was shown. Only what goes on where the last piece ended counts.

        Args:
            where: Session id and email id.
            content_hash: Of what; empty where the API gives none.
            start: Where the piece starts, in characters.
            end: Where it ends.
            total: How long the whole is.
        """
        with self._lock:
            known_hash, reached, known_total = self._read.get(where, ("", 0, -1))
            if (known_hash, known_total) != (content_hash, total):
                reached = 0
            if start <= reached:
                reached = max(reached, end)
            self._read[where] = (content_hash, reached, total)
            self._read.move_to_end(where)
            while len(self._read) > _SEEN:
                self._read.popitem(last=False)

    def note_withheld(self, where: tuple[str, str], content_hash: str) -> None:
        """Remember that only a message's header was shown: it can be rejected, not approved."""
        with self._lock:
            self._withheld[where] = content_hash
            while len(self._withheld) > _SEEN:
                self._withheld.popitem(last=False)

    def withheld(self, session_id: str, email_id: str) -> str | None:
        """Return the hash of what was withheld, or None if nothing of it was."""
        with self._lock:
            return self._withheld.get((session_id, email_id))

    def of(self, session_id: str, email_id: str) -> str | None:
        """Return the hash of what was shown to its end, or None if it was not."""
        with self._lock:
            content_hash, reached, total = self._read.get((session_id, email_id), ("", 0, 1))
        return content_hash if reached >= total else None


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What an operation may know of its surroundings.

    Attributes:
        session_id: The conversation that it serves.
        guard: Judges messages and decides on writes.
        max_chars: The most characters that its text may have.
        pinned: The only mailbox that it may use, by address or id; None for any of the key's.
        mailbox_cache: The client's knowledge of mailboxes.
        seen: What was shown of pending messages.
        vetted: Set once the key was found fit for what these tools do.
    """

    session_id: str
    guard: Guard
    max_chars: int
    pinned: str | None = None
    mailbox_cache: MailboxCache = field(default_factory=MailboxCache)
    seen: SeenContent = field(default_factory=SeenContent)
    vetted: threading.Event = field(default_factory=threading.Event)

    def mailbox(
        self, wanted: str | None, *, fresh: bool = False
    ) -> Generator[Call[Any] | Pause, Any, Mailbox]:
        """Return the mailbox to use.

        Args:
            wanted: What the model named, by address or id; None for the default.
            fresh: Ask the API even where the answer is known, for its current mode.

        Raises:
            PermissionDeniedError: The session is pinned to another mailbox.
            NotFoundError: The key has no such mailbox.
            ConfigurationError: There are several and nobody said which.
        """
        found = None if fresh else self.mailbox_cache.find(wanted or self.pinned)
        if found is None:
            self.mailbox_cache.update((yield from api.list_mailboxes()))
            found = self.mailbox_cache.find(wanted or self.pinned)
        if found is None:
            raise self.mailbox_cache.not_found_error(wanted or self.pinned)
        if self.pinned and self.pinned.casefold() not in (
            found.id.casefold(),
            found.address.casefold(),
        ):
            raise PermissionDeniedError(
                f"These tools work on the mailbox {self.pinned} only, not on {wanted}.",
                code="other_mailbox",
                remedy="Leave the mailbox out.",
            )
        return found
