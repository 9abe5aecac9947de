"""The store protocol: the queries and changes that the server makes, whatever the database.

SQLite and PostgreSQL implement it (`sqlite`, `postgres`), with the same SQL (`queries`, `changes`),
and pass the same tests. To add one, declare it in `Reader` or `Tx`, and write its SQL there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ..oversight import State
from .records import (
    Account,
    ApprovalLink,
    Attachment,
    AuditEntry,
    BrowserSession,
    ConnectedAccount,
    ConnectedFolder,
    ConnectedTask,
    Contact,
    Content,
    DeliveryFilter,
    Domain,
    EventFilter,
    FreeSend,
    IdempotencyRow,
    Key,
    LoggedEvent,
    Mailbox,
    Message,
    MessageFilter,
    MessageReference,
    Notification,
    OneTimeCode,
    OutboxRow,
    Purpose,
    Record,
    Revision,
    SearchFilter,
    SignedHeaders,
    SignInFailure,
    Suppression,
    Tag,
    TestDelivery,
    Webhook,
    WebhookDelivery,
)

T = TypeVar("T")


class StoreUnavailableError(Exception):
    """The database cannot do the work now (full, locked, closed). Nothing was changed."""


class CommitOutcomeUnknownError(StoreUnavailableError):
    """The connection broke during a commit, which may have been made."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a write relies on and changes. Where it runs beside others, nothing else touches that.

    Two writes wait for each other if one has for its own what the other has for its own or shares.
    A write without a scope has the whole installation for its own, so it runs alone.

    Attributes:
        own: No other write changes these meanwhile: mailboxes, a webhook, an account. What
            belongs to an account is changed only by a write that has the account for its own,
            except for what is inserted alone, such as an entry of the audit log.
        shared: These accounts and their keys, mailboxes, webhooks and settings stay as they are.
    """

    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @classmethod
    def of_account(cls, account_id: str) -> Scope:
        """Return the scope of a write that changes what all mailboxes of an account share."""
        return cls(own=(account_id,))

    @classmethod
    def of_part(cls, account_id: str, part_id: str) -> Scope:
        """Return the scope of a write within one mailbox, or of one webhook."""
        return cls(own=(part_id,), shared=(account_id,))

    @classmethod
    def of_mailboxes(cls, mailboxes: Iterable[Mailbox]) -> Scope:
        """Return the scope of a write within several mailboxes."""
        accounts, boxes = set[str](), set[str]()
        for box in mailboxes:
            accounts.add(box.account_id)
            boxes.add(box.id)
        return cls(own=tuple(sorted(boxes)), shared=tuple(sorted(accounts)))

    @classmethod
    def of_message(cls, message: Message) -> Scope:
        """Return the scope of a write that changes one message: its mailbox."""
        return cls.of_part(message.account_id, message.mailbox_id)

    @classmethod
    def of_new_rows(cls, account_id: str) -> Scope:
        """Return the scope of a write that only inserts rows with new ids."""
        return cls(shared=(account_id,))


class Reader(Protocol):
    """Queries. A query for one record returns None where there is none."""

    def setting(self, name: str) -> str | None: ...
    def account(self, account_id: str) -> Account | None: ...
    def first_account(self) -> Account | None: ...

    def key(self, key_id: str) -> Key | None: ...
    def key_by_sha256(self, sha256: str) -> Key | None: ...
    def keys(self, account_id: str) -> list[Key]: ...

    def mailbox(self, mailbox_id: str) -> Mailbox | None: ...
    def mailbox_by_address(self, address: str) -> Mailbox | None: ...
    def mailboxes(self, account_id: str) -> list[Mailbox]: ...
    def mailboxes_with_retention(self) -> list[Mailbox]:
        """Return every mailbox with the setting `retention_days`, deleted ones included."""
        ...

    def connected_account(self, mailbox_id: str) -> ConnectedAccount | None: ...
    def connected_accounts(self) -> list[ConnectedAccount]: ...
    def connected_folder(self, mailbox_id: str, name: str) -> ConnectedFolder | None: ...
    def connected_tasks(self, mailbox_id: str, limit: int) -> list[ConnectedTask]:
        """Return what is to do at the provider of a mailbox, oldest first."""
        ...

    def message(self, message_id: str) -> Message | None: ...
    def content(self, message_id: str) -> Content | None: ...
    def list_messages(self, where: MessageFilter) -> list[Message]: ...
    def ask_newest_message_id(self, mailbox_id: str) -> Callable[[], str | None]:
        """Ask for the greatest id of a mailbox's messages; the result waits for the answer.

        A message takes an id above it, drawn in the transaction that inserts it: a reader that
        pages by id then misses none that another server, or another thread, commits later.
        """
        ...

    def search_messages(self, where: SearchFilter) -> list[Message]:
        """Return the messages that contain the words of a query, newest first."""
        ...

    def texts(self, message_ids: Sequence[str]) -> dict[str, str]:
        """Return the beginning of the text of each message that has one, as far as indexed."""
        ...

    def thread(self, mailbox_id: str, thread_id: str, limit: int) -> list[Message]:
        """Return the newest messages of a thread, oldest first."""
        ...

    def find_by_rfc_ids(self, mailbox_id: str, rfc_ids: Sequence[str]) -> Message | None:
        """Return the newest message that has one of these Message-IDs."""
        ...

    def messages_by_rfc_id(self, mailbox_id: str, rfc_id: str, limit: int) -> list[Message]:
        """Return the newest messages with this Message-ID, newest first."""
        ...

    def threads_by_rfc_ids(self, mailbox_id: str, rfc_ids: Sequence[str]) -> dict[str, str]:
        """Return the thread of the newest message with each of these Message-IDs, by the id."""
        ...

    def message_references(
        self, mailbox_id: str, rfc_ids: Sequence[str]
    ) -> dict[str, MessageReference]:
        """Return what these ids refer to, by the id."""
        ...

    def find_by_raw(self, mailbox_id: str, sha256: str, after: datetime) -> Message | None:
        """Return an inbound message with the same bytes."""
        ...

    def find_by_fingerprint(
        self, mailbox_id: str, fingerprint: str, after: datetime
    ) -> Message | None:
        """Return the newest message that the same request has sent."""
        ...

    def pending_messages(
        self, account_id: str, mailbox_id: str | None, now: datetime, after_id: str, limit: int
    ) -> list[Message]:
        """Return messages that await a decision and have not expired, oldest first."""
        ...

    def messages_in_states(self, mailbox_id: str, states: Sequence[State]) -> list[Message]: ...
    def expired_messages(self, now: datetime, limit: int) -> list[Message]:
        """Return messages whose time to be approved has passed."""
        ...

    def next_expiry(self) -> datetime | None: ...
    def count_messages(self, account_id: str, since: datetime) -> dict[str, int]:
        """Return the number of messages since a moment, by direction."""
        ...

    def oldest_message(self, mailbox_id: str, not_in: Sequence[str]) -> Message | None:
        """Return the oldest message that is neither deleted nor in one of these states."""
        ...

    def older_messages(
        self, mailbox_id: str, not_in: Sequence[str], until: datetime, limit: int
    ) -> list[Message]:
        """Return messages up to a moment as `oldest_message` does, oldest first."""
        ...

    def messages_after(self, account_id: str, after_id: str, limit: int) -> list[Message]:
        """Return an account's messages, oldest first."""
        ...

    def attachments(self, message_id: str) -> list[Attachment]: ...
    def attachment(self, attachment_id: str) -> Attachment | None: ...
    def messages_with_file(self, mailbox_id: str, sha256: str) -> list[Message]:
        """Return the first ten messages that a mailbox received with this file, oldest first."""
        ...

    def attachment_content(self, attachment_id: str) -> bytes: ...
    def tags(self, message_id: str) -> list[Tag]: ...
    def signed_headers(self, message_id: str) -> SignedHeaders | None: ...
    def revisions(self, message_id: str) -> list[Revision]: ...
    def approval_link(self, sha256: str) -> ApprovalLink | None: ...

    def idempotency(self, mailbox_id: str, key: str) -> IdempotencyRow | None: ...
    def count_free_sends(self, mailbox_id: str, name: str, since: datetime) -> int:
        """Return how many messages counted for a name after a moment."""
        ...

    def free_sends(self, mailbox_id: str, message_id: str, names: Sequence[str]) -> list[FreeSend]:
        """Return for which of these names a message counts, in any order."""
        ...

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxRow]: ...
    def live_mailboxes(self, message_ids: Sequence[str]) -> dict[str, str]:
        """Return the mailbox of each of these messages that leaves by the relay."""
        ...

    def outbox_row(self, message_id: str) -> OutboxRow | None: ...
    def next_outbox_due(self) -> datetime | None: ...
    def count_work(self) -> dict[str, int]:
        """Return how much waits: `outbox`, `retries` in it, `held` messages and `webhooks`."""
        ...

    def test_deliveries(
        self, account_id: str, mailbox_id: str | None, limit: int
    ) -> list[TestDelivery]: ...
    def test_delivery(self, message_id: str) -> TestDelivery | None: ...

    def contacts(self, account_id: str, query: str, limit: int) -> list[Contact]:
        """Return contacts whose address or name contains `query`, in any case."""
        ...

    def contact_by_email(self, account_id: str, email: str) -> Contact | None: ...
    def contact(self, contact_id: str) -> Contact | None: ...
    def approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> set[str]:
        """Return which addresses, in lower case, the mailbox has written to with approval."""
        ...

    def browser_session(self, sha256: str) -> BrowserSession | None: ...
    def sign_in_failures(self, host: str, since: datetime, limit: int) -> list[SignInFailure]:
        """Return the newest wrong keys that came from an address after `since`, newest first."""
        ...

    def domain(self, domain_id: str) -> Domain | None: ...
    def domain_by_name(self, name: str) -> Domain | None: ...
    def domains(self, account_id: str) -> list[Domain]: ...
    def suppression(self, account_id: str, address: str) -> Suppression | None: ...
    def suppressed(self, account_id: str, addresses: Sequence[str]) -> dict[str, Suppression]:
        """Return the entries of these addresses, by the address in lower case."""
        ...

    def suppressions(
        self, account_id: str, before_id: str | None, limit: int
    ) -> list[Suppression]: ...

    def audit(
        self,
        account_id: str,
        mailbox_id: str | None,
        before_id: str | None,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[AuditEntry]:
        """Return entries of the audit log, newest first, without those of the actions `without`.

        In a write with the account as its own, no entry comes before these later: a reader that
        begins there and pages on misses none.
        """
        ...

    def one_time_codes(
        self, account_id: str, purpose: Purpose, mailbox_id: str | None, since: datetime
    ) -> list[OneTimeCode]:
        """Return the codes made after `since`, oldest first; of one mailbox if it is given."""
        ...

    def notifications(
        self, account_id: str, mailbox_id: str | None, before_id: str | None, limit: int
    ) -> list[Notification]:
        """Return notifications, newest first."""
        ...

    def notifications_due(self, now: datetime, limit: int) -> list[Notification]: ...
    def next_notification_due(self) -> datetime | None: ...

    def webhook(self, webhook_id: str) -> Webhook | None:
        """Return an endpoint, deleted or not; every other query leaves deleted ones out."""
        ...

    def webhooks(self, account_id: str) -> list[Webhook]: ...
    def webhooks_of_mailbox(self, account_id: str, mailbox_id: str) -> list[Webhook]:
        """Return the endpoints for this mailbox's events, disabled ones included."""
        ...

    def has_webhooks(self) -> bool: ...
    def webhook_delivery(self, delivery_id: str) -> WebhookDelivery | None: ...
    def webhook_deliveries(self, where: DeliveryFilter) -> list[WebhookDelivery]: ...
    def webhook_body(self, delivery_id: str) -> bytes | None: ...
    def count_webhook_deliveries(self, message_id: str) -> int: ...
    def webhooks_due(self, now: datetime, limit: int) -> list[str]:
        """Return the ids of the endpoints with a delivery due, longest waiting first."""
        ...

    def next_webhook_delivery(self, webhook_id: str, now: datetime) -> WebhookDelivery | None: ...
    def next_webhook_due(self, now: datetime) -> datetime | None:
        """Return the first moment after `now` at which a delivery falls due."""
        ...

    def events(self, where: EventFilter) -> list[LoggedEvent]:
        """Return numbered events, by position."""
        ...

    def last_event_position(self) -> int:
        """Return the last position that `number_events` gave; 0 if it gave none."""
        ...

    def has_unnumbered_events(self) -> bool: ...
    def event_time(self, position: int) -> datetime | None:
        """Return when the event at a position happened; None if there is none any more."""
        ...

    def lost_event_position(self, where: EventFilter) -> int:
        """Return the last position of such an event that was removed with age; 0 if none was."""
        ...

    def oldest_event_time(self) -> datetime | None:
        """Return when the first event in the log was inserted."""
        ...

    def text_start(self, message_id: str, length: int) -> str | None:
        """Return the first characters of a message's text."""
        ...


class Tx(Reader, Protocol):
    """Changes, in one transaction."""

    def insert(self, record: Record) -> None:
        """Insert a record. Its primary key must be new."""
        ...

    def put(self, record: Record) -> None:
        """Insert a record, or replace the one with its primary key."""
        ...

    def set_setting(self, name: str, value: str) -> None: ...
    def lock_setting(self, name: str) -> str | None:
        """Return a setting, which no other write changes until the end of this one."""
        ...

    def remove_contact(self, contact_id: str) -> None: ...
    def remove_connected_account(self, mailbox_id: str) -> None:
        """Remove a connected account, how far it was read, and what is to do there."""
        ...

    def remove_connected_task(self, message_id: str, kind: str) -> None: ...

    def insert_message(self, message: Message, content: Content) -> None: ...
    def update_message(self, message: Message, to: State, /, **changes: Any) -> Message | None:
        """Change a message if its status is still `message.status`; return None if it is not."""
        ...

    def remove_message_references(self, mailbox_id: str, thread_id: str, rfc_id: str) -> None:
        """Remove what a thread waits for, and what any thread does under this Message-ID."""
        ...

    def merge_thread(self, mailbox_id: str, thread_id: str, into: str) -> int:
        """Move all messages and references of a thread into another; return how many messages."""
        ...

    def insert_attachment(self, attachment: Attachment, content: bytes) -> None: ...
    def remove_attachments(self, message_id: str) -> None: ...
    def set_tags(self, message_id: str, tags: Iterable[Tag]) -> None:
        """Replace all tags of a message."""
        ...

    def add_approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> None: ...

    def purge_idempotency(self, before: datetime) -> None: ...
    def purge_free_sends(self, before: datetime) -> None: ...
    def remove_outbox(self, message_id: str) -> None: ...

    def remove_browser_session(self, sha256: str) -> None: ...
    def purge_browser_sessions(self, before: datetime) -> None:
        """Remove the sessions that ended before a moment."""
        ...

    def purge_sign_in_failures(self, before: datetime) -> None: ...
    def remove_domain(self, domain_id: str) -> None: ...
    def remove_suppression(self, account_id: str, address: str) -> None: ...

    def insert_webhook_delivery(self, delivery: WebhookDelivery, body: bytes) -> None: ...
    def fail_webhook_deliveries(self, webhook_id: str, error: str) -> None:
        """End every pending delivery to an endpoint as failed."""
        ...

    def purge_webhook_deliveries(self, before: datetime) -> None:
        """Remove the deliveries made before a moment that have ended, with their bodies."""
        ...

    def number_events(self, limit: int) -> int:
        """Give the next positions to committed events that have none; return how many.

        A position that is given is greater than every position that was ever committed before, so
        that a reader who has seen the log up to `last_event_position` misses nothing that is
        committed later, in whatever order writers insert and commit.
        """
        ...

    def purge_events(self, before: datetime, limit: int) -> int:
        """Remove the first numbered events that are older than a moment; return how many.

        `lost_event_position` then returns the last of them.
        """
        ...

    def purge_content(self, message_id: str) -> None:
        """Remove the text, raw bytes, attachments and tags of a message; the message stays."""
        ...

    def purge_mail(self) -> None:
        """Remove every message with all that belongs to it, and the contacts. For tests."""
        ...


FindScope = Callable[[Reader], Scope | None]


class Store(Protocol):
    """A database."""

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on one consistent snapshot.

        Raises:
            StoreUnavailableError: The database cannot be read now.
        """
        ...

    def write(self, work: Callable[[Tx], T], scope: Scope | FindScope | None = None) -> T:
        """Run `work` in one transaction, and return when it is durable.

        If `work` raises, nothing of it stays. It may run more than once, or on another thread, so
        it must have no side effect but through `Tx`.

        Args:
            work: Reads, decides and changes. It sees every change that was committed before within
                its scope, and none while it runs.
            scope: What it relies on and changes; writes with the same scope run in the order of
                their calls. A function that finds it must return the same for as long as its record
                exists. Where a database has one writer (SQLite), it means nothing.

        Raises:
            StoreUnavailableError: The database cannot take the change now; nothing was changed.
            CommitOutcomeUnknownError: The connection broke during the commit.
        """
        ...

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """Return a context in which no other process holds the claim `name` (a message id, say).

        It yields False if another process holds it. A process that dies loses its claims, within
        seconds.
        """
        ...

    def on_remote_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback`, on a thread of the store, after each commit of another process."""
        ...

    def close(self) -> None:
        """Finish the writes that were begun, and close the database."""
        ...


def get_or_create_setting(store: Store, name: str, create: Callable[[], str]) -> str:
    """Return a setting; create it if it is missing.

    Two servers that start at the same time get the same value.
    """
    known = store.read(lambda tx: tx.setting(name))
    if known is not None:
        return known
    value = create()

    def keep(tx: Tx) -> str:
        existing = tx.setting(name)
        if existing is None:
            tx.set_setting(name, value)
        return existing or value

    return store.write(keep)
