"""The mailbox book: what a client knows of mailboxes, so that nobody has to name one twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from .errors import ConfigurationError, MultiMailError, NotFoundError
from .models import Mailbox

_REMEMBERED = 4096


class MailboxBook:
    """What a client knows of mailboxes: its default, the ids of addresses, what is whose.

    Args:
        default: The mailbox to use where none is named; None for the account's only one.
    """

    def __init__(self, default: str | None = None) -> None:
        self.default = default
        self._mailboxes: tuple[Mailbox, ...] | None = None
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._threads: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, mailboxes: Iterable[Mailbox]) -> None:
        """Take a fresh listing of the account's mailboxes."""
        self._mailboxes = tuple(mailboxes)

    def forget(self) -> None:
        """Ask the API again at the next need."""
        self._mailboxes = None

    def find(self, wanted: str | None) -> Mailbox | None:
        """Return the mailbox of that address or id; with None, the only one."""
        known = self._mailboxes or ()
        if wanted is None:
            return known[0] if len(known) == 1 else None
        folded = wanted.casefold()
        return next((m for m in known if folded in (m.id.casefold(), m.address.casefold())), None)

    def remember(self, mailbox_id: str, email: object, thread: object) -> None:
        """Note that this email and this thread were seen in that mailbox, the one in the other."""
        with self._lock:
            for one in (email, thread):
                if isinstance(one, str) and one:
                    _note(self._owners, one, mailbox_id)
            if isinstance(email, str) and isinstance(thread, str) and email and thread:
                _note(self._threads, email, thread)

    def owner(self, about: str | None) -> str | None:
        """Return the mailbox in which an email or thread was seen, if it was."""
        with self._lock:
            return self._owners.get(about) if about else None

    def thread_of(self, email: str) -> str | None:
        """Return the thread in which an email was seen, if it was."""
        with self._lock:
            return self._threads.get(email)

    def missing(self, wanted: str | None) -> MultiMailError:
        """Say why no mailbox could be chosen."""
        names = ", ".join(m.address or m.id for m in self._mailboxes or ()) or "none"
        if wanted is not None:
            return NotFoundError(
                f"This key has no mailbox {wanted!r}. It can use: {names}.", code="no_such_mailbox"
            )
        return ConfigurationError(
            f"Which mailbox? This key can use: {names}.",
            remedy="Pass mailbox= or set MULTIMAIL_MAILBOX.",
            code="which_mailbox",
        )


def _note(known: OrderedDict[str, str], name: str, fact: str) -> None:
    known[name] = fact
    known.move_to_end(name)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
