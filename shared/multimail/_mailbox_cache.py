"""Mailbox cache: resolves mailbox addresses, and remembers where messages were seen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from .errors import ConfigurationError, MultiMailError, NotFoundError
from .models import Mailbox

_MAX_ENTRIES = 4096


class MailboxCache:
    """Caches a client's mailboxes, and the mailbox and thread of the messages it has seen.

    Args:
        default: The mailbox to use if a call names none; None for the account's only mailbox.
    """

    def __init__(self, default: str | None = None) -> None:
        self.default = default
        self._mailboxes: tuple[Mailbox, ...] | None = None
        self._mailbox_ids: OrderedDict[str, str] = OrderedDict()
        self._thread_ids: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def update(self, mailboxes: Iterable[Mailbox]) -> None:
        """Replace the listing of the account's mailboxes."""
        self._mailboxes = tuple(mailboxes)

    def clear(self) -> None:
        """Discard the listing, so that the next lookup requests it again."""
        self._mailboxes = None

    def find(self, name: str | None) -> Mailbox | None:
        """Return the mailbox with this address or id; with None, the only one."""
        mailboxes = self._mailboxes or ()
        if name is None:
            return mailboxes[0] if len(mailboxes) == 1 else None
        folded = name.casefold()
        return next(
            (m for m in mailboxes if folded in (m.id.casefold(), m.address.casefold())), None
        )

    def remember(self, mailbox_id: str, email_id: object, thread_id: object) -> None:
        """Cache the mailbox of this email and thread, and the thread of this email."""
        with self._lock:
            for resource_id in (email_id, thread_id):
                if isinstance(resource_id, str) and resource_id:
                    _put(self._mailbox_ids, resource_id, mailbox_id)
            if isinstance(email_id, str) and isinstance(thread_id, str) and email_id and thread_id:
                _put(self._thread_ids, email_id, thread_id)

    def get_mailbox_id(self, resource_id: str | None) -> str | None:
        """Return the mailbox in which an email or thread was seen, or None."""
        with self._lock:
            return self._mailbox_ids.get(resource_id) if resource_id else None

    def get_thread_id(self, email_id: str) -> str | None:
        """Return the thread in which an email was seen, or None."""
        with self._lock:
            return self._thread_ids.get(email_id)

    def not_found_error(self, name: str | None) -> MultiMailError:
        """Return the error for a mailbox that `find` didn't return."""
        names = ", ".join(m.address or m.id for m in self._mailboxes or ()) or "none"
        if name is not None:
            return NotFoundError(
                f"This key has no mailbox {name!r}. It can use: {names}.", code="no_such_mailbox"
            )
        return ConfigurationError(
            f"Which mailbox? This key can use: {names}.",
            remedy="Pass mailbox= or set MULTIMAIL_MAILBOX.",
            code="which_mailbox",
        )


def _put(cache: OrderedDict[str, str], key: str, value: str) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > _MAX_ENTRIES:
        cache.popitem(last=False)
