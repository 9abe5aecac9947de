"""The desk: what every room of the mailroom works with, and who is asking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..clock import Clock, Ids
from ..errors import ApiError, forbidden, not_found
from ..store.protocol import CommitOutcomeUnknownError, Reader, Store, StoreUnavailableError, Tx
from ..store.records import AuditEntry, Mailbox, Message
from ..testing.hooks import TestHooks
from ..wakeups import CommitSignal, LatchedWakeup, WakeupGroup
from .outbound_headers import OutboundHeaders

if TYPE_CHECKING:
    from ..mail.auth.dns import Resolver

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: the key that a request came with."""

    key_id: str
    account_id: str
    name: str
    scopes: frozenset[str]
    live: bool
    mailbox_id: str | None = None
    """The only mailbox that the key may see; None for all of the account."""

    @property
    def is_reviewer(self) -> bool:
        """Whether the key may see what awaits a decision."""
        return "oversight" in self.scopes

    def sees(self, mailbox_id: str | None) -> bool:
        """Return whether the key may see things of this mailbox."""
        return self.mailbox_id is None or self.mailbox_id == mailbox_id


def system_principal(account_id: str) -> Principal:
    """Return the principal of what happens by itself: mail that comes in, time that runs out."""
    return Principal("", account_id, "server", frozenset(), live=False)


def discard_line(line: str) -> None:
    """Drop a line for the human: they look on the reviewer's side."""
    del line


@dataclass(frozen=True, slots=True)
class AppContext:
    """What the rooms share."""

    store: Store
    clock: Clock
    ids: Ids
    resolver: Resolver
    commits: CommitSignal
    domain: str
    pending_ttl: timedelta
    has_relay: bool
    outbound_headers: OutboundHeaders
    relay_host: str | None = None
    wakeups: WakeupGroup = field(default_factory=WakeupGroup)
    """Of the threads that do what is due."""
    webhook_wakeup: LatchedWakeup = field(default_factory=LatchedWakeup)
    test_hooks: TestHooks = field(default_factory=TestHooks)
    notify_operator: Callable[[str], None] = field(default=discard_line)
    """Says a line to whoever runs the server, and to nobody else: codes stand in it."""
    approval_codes: bool = False
    """Whether sensitive changes ask for a code that the human gives."""
    sends_per_day: int | None = None
    """How many sends an account may have accepted in a day (UTC); None for no limit."""
    _committed: threading.local = field(default_factory=threading.local, repr=False)

    def now(self) -> datetime:
        """Return the server's time."""
        return self.clock.now()

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run a transaction, then wake whoever waits for what it did."""
        result = self.store.write(work)
        self._committed.something = True
        self.commits.notify_all()
        self.webhook_wakeup.committed()
        return result

    def run_request(self, answer: Callable[[], T]) -> T:
        """Run what answers one request, in this thread.

        Raises:
            CommitOutcomeUnknownError: The database failed after part of it was committed.
        """
        self._committed.something = False
        try:
            return answer()
        except StoreUnavailableError as error:
            if self._committed.something:
                raise CommitOutcomeUnknownError(str(error)) from error
            raise

    def on_remote_commit(self) -> None:
        """Wake whoever waits for what another process may have committed."""
        self.commits.notify_all()
        self.wakeups.notify()
        self.webhook_wakeup.notify()  # It may have been the first webhook.

    def audit(
        self,
        tx: Tx,
        principal: Principal,
        action: str,
        resource: tuple[str, str],
        *,
        mailbox_id: str | None = None,
        **metadata: Any,
    ) -> None:
        """Add a line to the audit log, about `resource`: its type and its id.

        Raises:
            Refusal: The key was taken away after the request was let in; its change is undone.
        """
        _check_key(tx, principal)
        tx.add_audit(
            AuditEntry(
                id=self.ids.new("aud"),
                account_id=principal.account_id,
                action=action,
                resource_type=resource[0],
                resource_id=resource[1],
                created_at=self.now(),
                mailbox_id=mailbox_id,
                actor_key_id=principal.key_id or None,
                metadata={name: value for name, value in metadata.items() if value is not None},
            )
        )


def _check_key(tx: Reader, principal: Principal) -> None:
    """Refuse what a key asked for before, and would do after, it was revoked or lost a scope."""
    if not principal.key_id:
        return
    key = tx.key(principal.key_id)
    if key is None or key.revoked_at is not None:
        raise ApiError(
            401,
            "invalid_key",
            "This API key was revoked meanwhile. Nothing was done; take another.",
        )
    if not principal.scopes <= set(key.scopes):
        raise forbidden(
            "missing_scope",
            "This key's scopes were changed meanwhile. Nothing was done; try again.",
        )


def find_mailbox(tx: Reader, principal: Principal, which: str) -> Mailbox:
    """Return a mailbox by id or address, if the key may see it; else raise a 404."""
    found = tx.mailbox_by_address(which.lower()) if "@" in which else tx.mailbox(which)
    if found is None or found.deleted_at or found.account_id != principal.account_id:
        raise not_found("mailbox", which)
    if not principal.sees(found.id):
        raise not_found("mailbox", which)
    return found


def find_message(
    tx: Reader, principal: Principal, which: str, mailbox_id: str | None = None
) -> Message:
    """Return a message, of `mailbox_id` if that is given, that the key may see; else a 404."""
    found = tx.message(which)
    if (
        found is None
        or found.account_id != principal.account_id
        or not principal.sees(found.mailbox_id)
    ):
        raise not_found("message", which)
    if mailbox_id is not None and found.mailbox_id != mailbox_id:
        raise not_found("message", which)
    return found
