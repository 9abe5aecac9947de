"""The application context that all services share: its dependencies, and the audit log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..auth import Principal, SecretKey, generate_key
from ..clock import Clock, Ids
from ..config import discard_line
from ..errors import ApiError, forbidden, not_found
from ..sources.account import SecretBox
from ..store.protocol import (
    CommitOutcomeUnknownError,
    FindScope,
    Reader,
    Scope,
    Store,
    StoreUnavailableError,
    Tx,
)
from ..store.records import AuditEntry, Mailbox, Message
from ..wakeups import CommitSignal, LatchedWakeup, WakeupGroup
from ..webhook_targets import WebhookTargets

if TYPE_CHECKING:
    from ..mail.auth.dns import Resolver
    from ..sources.tokens import TokenSource
    from .drafts import OutboundHeaders

T = TypeVar("T")
_log = logging.getLogger(__name__)
DELIVERIES_PAUSED = "deliveries_paused"
"""The setting that holds all mail back, after a backup was restored."""


@dataclass(slots=True)
class RelayHealth:
    """How the relay was when this server last used it.

    Attributes:
        problem: Why it takes no mail; empty if it does, or was not used yet.
        since: When that began.
    """

    problem: str = ""
    since: datetime | None = None

    def report(self, problem: str, now: datetime) -> None:
        """Keep the result of an attempt, and log when it is another one."""
        if problem == self.problem:
            return
        if problem:
            _log.warning("Mail waits, since the relay takes none: %s", problem)
        else:
            _log.warning("The relay takes mail again")
        self.since = (self.since or now) if problem else None
        self.problem = problem


@dataclass(frozen=True, slots=True)
class AppContext:
    """Dependencies and settings that every service uses."""

    store: Store
    clock: Clock
    ids: Ids
    resolver: Resolver
    commits: CommitSignal
    domain: str
    pending_ttl: timedelta
    undo_window: timedelta
    has_relay: bool
    outbound_headers: OutboundHeaders
    relay_host: str | None = None
    wakeups: WakeupGroup = field(default_factory=WakeupGroup)
    """Wake the workers that run due work."""
    webhook_wakeup: LatchedWakeup = field(default_factory=LatchedWakeup)
    generate_key: Callable[..., SecretKey] = field(default=generate_key)
    """Returns a new API key; takes `live`."""
    notify_operator: Callable[[str], None] = field(default=discard_line)
    """Shows a line to the operator alone: it can hold a one-time code."""
    webhook_targets: WebhookTargets = field(default_factory=WebhookTargets)
    approval_codes: bool = False
    """Whether sensitive changes need an approval code."""
    secrets: SecretBox = field(default_factory=lambda: SecretBox(None, in_memory=True), repr=False)
    """Encrypts the logins of connected accounts."""
    relay_health: RelayHealth = field(default_factory=RelayHealth)
    token_sources: dict[str, tuple[bytes, TokenSource]] = field(default_factory=dict, repr=False)
    """By connected mailbox: its encrypted secret, and the source that was made of it."""
    sends_per_day: int | None = None
    """Sends that an account can have accepted in a day (UTC); None for no limit."""
    _committed: threading.local = field(default_factory=threading.local, repr=False)

    def now(self) -> datetime:
        """Return the current time of the server's clock."""
        return self.clock.now()

    def write(self, work: Callable[[Tx], T], scope: Scope | FindScope | None = None) -> T:
        """Run a write transaction, then notify the waiters of commits.

        Args:
            work: Reads, decides and changes; see `Store.write`.
            scope: What that relies on and changes; None for the whole installation.
        """
        result = self.store.write(work, scope)
        self._committed.any = True
        self.commits.notify_all()
        self.webhook_wakeup.committed()
        return result

    def read_settled(self, account_id: str, work: Callable[[Reader], T]) -> T:
        """Run `work` when every write of the account that had begun is committed or undone.

        What is committed later comes later in the account's logs too.
        """
        return self.store.write(work, Scope.of_account(account_id))

    def run_request(self, handle: Callable[[], T]) -> T:
        """Run the handler of one request in this thread.

        Raises:
            CommitOutcomeUnknownError: The database failed after part of it was committed.
        """
        self._committed.any = False
        try:
            return handle()
        except StoreUnavailableError as error:
            if self._committed.any:
                raise CommitOutcomeUnknownError(str(error)) from error
            raise

    def on_remote_commit(self) -> None:
        """Notify the waiters of commits that another process may have made one."""
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
        """Add an entry to the audit log.

        Args:
            tx: The transaction that makes the audited change.
            principal: Who made it.
            action: Such as `email.send`.
            resource: The type and the id of what was changed.
            mailbox_id: The mailbox it belongs to.
            metadata: More facts; None values are left out. Never content or secrets.

        Raises:
            ApiError: The key was revoked or lost a scope after the request was authenticated; the
                transaction is rolled back.
        """
        _check_key(tx, principal)
        tx.insert(
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

    def record_access(
        self,
        principal: Principal,
        action: str,
        resource: tuple[str, str],
        mailbox: str | None,
        **metadata: Any,
    ) -> None:
        """Add an entry about a read or a rejected request to the audit log, durable on return.

        Args:
            principal: The principal of the request.
            action: Such as `email.list`.
            resource: The type and the id of the accessed resource.
            mailbox: The id or address of the mailbox as requested.
            metadata: More facts; never content or secrets.
        """

        def work(tx: Tx) -> None:
            mailbox_id = _find_mailbox_id(tx, principal, mailbox) or principal.mailbox_id
            self.audit(tx, principal, action, resource, mailbox_id=mailbox_id, **metadata)

        self.store.write(work, Scope.of_new_rows(principal.account_id))

    def audit_message(
        self, tx: Tx, principal: Principal, action: str, message: Message, **metadata: Any
    ) -> None:
        """Add an entry about a message to the audit log; see `audit`."""
        resource = ("email", message.id)
        self.audit(tx, principal, action, resource, mailbox_id=message.mailbox_id, **metadata)


def _check_key(tx: Reader, principal: Principal) -> None:
    """Reject a request whose key was revoked or lost a scope since it was authenticated."""
    if not principal.key_id:
        return
    key = tx.key(principal.key_id)
    if key is None or key.revoked_at is not None:
        raise ApiError(
            401,
            "invalid_key",
            "This API key was revoked. Nothing was changed; use another key.",
        )
    if not principal.scopes <= set(key.scopes):
        raise forbidden(
            "missing_scope",
            "The scopes of this key were changed. Nothing was changed; try again.",
        )


def scope_of_message(message_id: str) -> FindScope:
    """Return what finds the scope of a write within a message's mailbox; None for no message."""

    def find(tx: Reader) -> Scope | None:
        message = tx.message(message_id)
        return None if message is None else Scope.of_message(message)

    return find


def is_paused(tx: Reader) -> bool:
    """Return whether all mail is held back until `multimail resume`."""
    return bool(tx.setting(DELIVERIES_PAUSED))


def find_mailbox(tx: Reader, principal: Principal, id_or_address: str) -> Mailbox:
    """Return a mailbox that the key can access; raise a 404 otherwise."""
    mailbox = _get_mailbox(tx, id_or_address)
    if mailbox is None or mailbox.deleted_at or mailbox.account_id != principal.account_id:
        raise not_found("mailbox", id_or_address)
    if not principal.sees(mailbox.id):
        raise not_found("mailbox", id_or_address)
    return mailbox


def find_message(
    tx: Reader, principal: Principal, message_id: str, mailbox_id: str | None = None
) -> Message:
    """Return a message that the key can access, of `mailbox_id` where given; else raise a 404."""
    message = tx.message(message_id)
    if message is None or message.account_id != principal.account_id:
        if message_id.startswith("thr_"):
            remedy = "This is the id of a thread; read the thread for the ids of its messages."
            raise not_found("message", message_id, remedy)
        raise not_found("message", message_id)
    if not principal.sees(message.mailbox_id) or mailbox_id not in (None, message.mailbox_id):
        raise not_found("message", message_id)
    return message


def _find_mailbox_id(tx: Reader, principal: Principal, requested: str | None) -> str | None:
    if requested is None:
        return None
    mailbox = _get_mailbox(tx, requested)
    if mailbox is None or mailbox.account_id != principal.account_id:
        return None
    return mailbox.id if principal.sees(mailbox.id) else None


def _get_mailbox(tx: Reader, id_or_address: str) -> Mailbox | None:
    if "@" in id_or_address:
        return tx.mailbox_by_address(id_or_address.lower())
    return tx.mailbox(id_or_address)
