"""The queries of the store in SQL: a method for each query of `protocol.Reader`.

To add a query, declare it in `protocol` and write it here. Where it searches messages or other
tables that grow, it must use an index: a test reads its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ..oversight import HIDDEN, Direction, State
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
from .search import INDEXES, MAX_BODY
from .sql import (
    Condition,
    Connection,
    Dialect,
    decode_record,
    encode_all,
    from_microseconds,
    optional,
    placeholders,
    select_statement,
    where_clause,
)

R = TypeVar("R", bound=Record)

MAX_REFERENCES = 100
"""Message-IDs that are searched for at once; more are ignored."""

_AWAITS_DECISION = "status IN ('pending_send_approval', 'pending_inbound_approval')"
_IS_VISIBLE = "(direction = 'outbound' OR status NOT IN ({}))".format(
    ", ".join(f"'{state.value}'" for state in sorted(HIDDEN))
)


class SqlReader:
    """The queries. See `protocol.Reader`.

    Args:
        connection: In a transaction.
        dialect: Of its database.
    """

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def _all(self, record: type[R], rest: str, *values: Any) -> list[R]:
        """Return the records that a SELECT finds; `rest` follows the name of the table."""
        rows = self._connection.execute(f"{select_statement(record)} {rest}", encode_all(values))
        return [decode_record(record, row) for row in rows]

    def _one(self, record: type[R], rest: str, *values: Any) -> R | None:
        records = self._all(record, f"{rest} LIMIT 1", *values)
        return records[0] if records else None

    def _value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row; None if there is no row."""
        row = self._connection.execute(sql, encode_all(values)).fetchone()
        return None if row is None else row[0]

    def _moment(self, sql: str, *values: Any) -> datetime | None:
        value = self._value(sql, *values)
        return None if value is None else from_microseconds(value)

    def setting(self, name: str) -> str | None:
        value: str | None = self._value("SELECT value FROM settings WHERE name = ?", name)
        return value

    # Accounts, API keys and mailboxes

    def account(self, account_id: str) -> Account | None:
        return self._one(Account, "WHERE id = ?", account_id)

    def first_account(self) -> Account | None:
        return self._one(Account, "ORDER BY id")

    def key(self, key_id: str) -> Key | None:
        return self._one(Key, "WHERE id = ?", key_id)

    def key_by_sha256(self, sha256: str) -> Key | None:
        return self._one(Key, "WHERE sha256 = ?", sha256)

    def keys(self, account_id: str) -> list[Key]:
        return self._all(Key, "WHERE account_id = ? ORDER BY id", account_id)

    def mailbox(self, mailbox_id: str) -> Mailbox | None:
        return self._one(Mailbox, "WHERE id = ?", mailbox_id)

    def mailbox_by_address(self, address: str) -> Mailbox | None:
        return self._one(Mailbox, "WHERE address = ? AND deleted_at IS NULL", address)

    def mailboxes(self, account_id: str) -> list[Mailbox]:
        rest = "WHERE account_id = ? AND deleted_at IS NULL ORDER BY id"
        return self._all(Mailbox, rest, account_id)

    def mailboxes_with_retention(self) -> list[Mailbox]:
        # PostgreSQL's JSON cannot hold U+0000, which a setting may contain: search the text.
        rest = f"WHERE {self._dialect.contains('settings')} ORDER BY id"
        mailboxes = self._all(Mailbox, rest, '"retention_days":')
        return [box for box in mailboxes if box.settings.get("retention_days") is not None]

    # Messages

    def connected_account(self, mailbox_id: str) -> ConnectedAccount | None:
        return self._one(ConnectedAccount, "WHERE mailbox_id = ?", mailbox_id)

    def connected_accounts(self) -> list[ConnectedAccount]:
        return self._all(ConnectedAccount, "ORDER BY mailbox_id")

    def connected_folder(self, mailbox_id: str, name: str) -> ConnectedFolder | None:
        return self._one(ConnectedFolder, "WHERE mailbox_id = ? AND name = ?", mailbox_id, name)

    def connected_tasks(self, mailbox_id: str, limit: int) -> list[ConnectedTask]:
        rest = "WHERE mailbox_id = ? ORDER BY created_at LIMIT ?"
        return self._all(ConnectedTask, rest, mailbox_id, limit)

    def message(self, message_id: str) -> Message | None:
        return self._one(Message, "WHERE id = ?", message_id)

    def content(self, message_id: str) -> Content | None:
        return self._one(Content, "WHERE message_id = ?", message_id)

    def list_messages(self, where: MessageFilter) -> list[Message]:
        clause, values = where_clause(*_message_conditions(where, self._dialect))
        rest = f"{clause} ORDER BY id DESC LIMIT ? OFFSET ?"
        return self._all(Message, rest, *values, where.limit, where.offset)

    def ask_newest_message_id(self, mailbox_id: str) -> Callable[[], str | None]:
        sql = "SELECT id FROM messages WHERE mailbox_id = ? ORDER BY id DESC LIMIT 1"
        cursor = self._connection.execute(sql, (mailbox_id,))

        def read() -> str | None:
            row = cursor.fetchone()
            return None if row is None else row[0]

        return read

    def search_messages(self, where: SearchFilter) -> list[Message]:
        index = INDEXES[self._dialect.name](self._connection)
        conditions = _search_conditions(where)
        if where.query.has_words:
            source, newest_first = index.source, index.newest_first
            conditions += [*index.build_conditions(where), *_tag_conditions(where, "m.id IN ({})")]
        elif where.query.tag is not None:
            source, newest_first = index.tagged, "t.message_id DESC"
            conditions += [*_plain_conditions(where, "t.message_id"), *_tag_conditions(where)]
        else:
            source, newest_first = "messages m", "m.id DESC"
            conditions += _plain_conditions(where, "m.id")
        clause, values = where_clause(*conditions)
        sql = f"SELECT m.id FROM {source} {clause} ORDER BY {newest_first} LIMIT ?"  # noqa: S608
        rows = self._connection.execute(sql, encode_all((*values, where.limit))).fetchall()
        return self._in_order([message_id for (message_id,) in rows])

    def _in_order(self, message_ids: list[str]) -> list[Message]:
        if not message_ids:
            return []
        rest = f"WHERE id IN ({placeholders(message_ids)})"
        by_id = {message.id: message for message in self._all(Message, rest, *message_ids)}
        return [by_id[message_id] for message_id in message_ids]

    def texts(self, message_ids: Sequence[str]) -> dict[str, str]:
        if not message_ids:
            return {}
        sql = (
            "SELECT message_id, substr(markdown, 1, ?) FROM contents "  # noqa: S608
            f"WHERE message_id IN ({placeholders(message_ids)})"
        )
        return dict(self._connection.execute(sql, (MAX_BODY, *message_ids)).fetchall())

    def thread(self, mailbox_id: str, thread_id: str, limit: int) -> list[Message]:
        rest = "WHERE mailbox_id = ? AND thread_id = ? ORDER BY id DESC LIMIT ?"
        return self._all(Message, rest, mailbox_id, thread_id, limit)[::-1]

    def find_by_rfc_ids(self, mailbox_id: str, rfc_ids: Sequence[str]) -> Message | None:
        rfc_ids = rfc_ids[:MAX_REFERENCES]
        if not rfc_ids:
            return None
        newest = (
            f"SELECT max(id) FROM messages {self._dialect.use_index('message_rfc_id')} "  # noqa: S608
            f"WHERE mailbox_id = ? AND rfc_message_id IN ({placeholders(rfc_ids)})"
        )
        return self._one(Message, f"WHERE id = ({newest})", mailbox_id, *rfc_ids)

    def messages_by_rfc_id(self, mailbox_id: str, rfc_id: str, limit: int) -> list[Message]:
        rest = (
            f"{self._dialect.use_index('message_rfc_id')} "
            "WHERE mailbox_id = ? AND rfc_message_id = ? ORDER BY id DESC LIMIT ?"
        )
        return self._all(Message, rest, mailbox_id, rfc_id, limit)

    def threads_by_rfc_ids(self, mailbox_id: str, rfc_ids: Sequence[str]) -> dict[str, str]:
        rfc_ids = rfc_ids[:MAX_REFERENCES]
        if not rfc_ids:
            return {}
        newest = (
            f"SELECT max(id) FROM messages {self._dialect.use_index('message_rfc_id')} "  # noqa: S608
            f"WHERE mailbox_id = ? AND rfc_message_id IN ({placeholders(rfc_ids)}) "
            "GROUP BY rfc_message_id"
        )
        sql = f"SELECT rfc_message_id, thread_id FROM messages WHERE id IN ({newest})"  # noqa: S608
        return dict(self._connection.execute(sql, (mailbox_id, *rfc_ids)).fetchall())

    def message_references(
        self, mailbox_id: str, rfc_ids: Sequence[str]
    ) -> dict[str, MessageReference]:
        rfc_ids = rfc_ids[: 2 * MAX_REFERENCES]
        if not rfc_ids:
            return {}
        rest = f"WHERE mailbox_id = ? AND rfc_id IN ({placeholders(rfc_ids)})"
        references = self._all(MessageReference, rest, mailbox_id, *rfc_ids)
        return {reference.rfc_id: reference for reference in references}

    def find_by_raw(self, mailbox_id: str, sha256: str, after: datetime) -> Message | None:
        rest = (
            f"{self._dialect.use_index('message_raw')} WHERE mailbox_id = ? AND raw_sha256 = ? "
            "AND direction = 'inbound' AND created_at > ?"
        )
        return self._one(Message, rest, mailbox_id, sha256, after)

    def find_by_fingerprint(
        self, mailbox_id: str, fingerprint: str, after: datetime
    ) -> Message | None:
        rest = (
            f"{self._dialect.use_index('message_fingerprint')} "
            "WHERE mailbox_id = ? AND fingerprint = ? AND created_at > ? ORDER BY id DESC"
        )
        return self._one(Message, rest, mailbox_id, fingerprint, after)

    def pending_messages(
        self, account_id: str, mailbox_id: str | None, now: datetime, after_id: str, limit: int
    ) -> list[Message]:
        clause, values = where_clause(
            ("account_id = ?", account_id),
            ("id > ?", after_id),
            (_AWAITS_DECISION,),
            ("(expires_at IS NULL OR expires_at > ?)", now),
            optional("mailbox_id = ?", mailbox_id),
        )
        rest = f"{self._dialect.use_index('message_held')} {clause} ORDER BY id LIMIT ?"
        return self._all(Message, rest, *values, limit)

    def messages_in_states(self, mailbox_id: str, states: Sequence[State]) -> list[Message]:
        if not states:
            return []
        rest = (
            f"{self._dialect.use_index('message_status')} "
            f"WHERE mailbox_id = ? AND status IN ({placeholders(states)}) ORDER BY id"
        )
        return self._all(Message, rest, mailbox_id, *states)

    def expired_messages(self, now: datetime, limit: int) -> list[Message]:
        rest = "WHERE status = 'pending_send_approval' AND expires_at <= ? LIMIT ?"
        return self._all(Message, rest, now, limit)

    def next_expiry(self) -> datetime | None:
        return self._moment(
            "SELECT min(expires_at) FROM messages "
            "WHERE status = 'pending_send_approval' AND expires_at IS NOT NULL"
        )

    def count_work(self) -> dict[str, int]:
        # A time names the index of what waits: a state alone is looked for in all that ever was.
        counts = {
            "outbox": "FROM outbox WHERE due_at >= 0",
            "retries": "FROM outbox WHERE due_at >= 0 AND attempts > 0",
            "held": "FROM messages WHERE status = 'pending_send_approval' AND expires_at >= 0",
            "webhooks": "FROM webhook_deliveries WHERE due_at >= 0",
        }
        return {name: self._value(f"SELECT count(*) {rest}") for name, rest in counts.items()}

    def count_messages(self, account_id: str, since: datetime) -> dict[str, int]:
        sql = (
            "SELECT direction, count(*) FROM messages "
            "WHERE account_id = ? AND created_at >= ? GROUP BY direction"
        )
        return dict(self._connection.execute(sql, encode_all((account_id, since))).fetchall())

    def oldest_message(self, mailbox_id: str, not_in: Sequence[str]) -> Message | None:
        messages = self._oldest(mailbox_id, not_in, None, 1)
        return messages[0] if messages else None

    def older_messages(
        self, mailbox_id: str, not_in: Sequence[str], until: datetime, limit: int
    ) -> list[Message]:
        return self._oldest(mailbox_id, not_in, until, limit)

    def _oldest(
        self, mailbox_id: str, not_in: Sequence[str], until: datetime | None, limit: int
    ) -> list[Message]:
        conditions: list[Condition] = [("mailbox_id = ?", mailbox_id), ("status <> 'deleted'",)]
        if not_in:
            conditions.append((f"status NOT IN ({placeholders(not_in)})", *not_in))
        clause, values = where_clause(*conditions, optional("created_at <= ?", until))
        return self._all(Message, f"{clause} ORDER BY created_at LIMIT ?", *values, limit)

    def messages_after(self, account_id: str, after_id: str, limit: int) -> list[Message]:
        rest = "WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?"
        return self._all(Message, rest, account_id, after_id, limit)

    # What belongs to a message

    def attachments(self, message_id: str) -> list[Attachment]:
        return self._all(Attachment, "WHERE message_id = ? ORDER BY position", message_id)

    def attachment(self, attachment_id: str) -> Attachment | None:
        return self._one(Attachment, "WHERE id = ?", attachment_id)

    def messages_with_file(self, mailbox_id: str, sha256: str) -> list[Message]:
        rest = (
            "WHERE mailbox_id = ? AND direction = ? AND id IN"
            " (SELECT message_id FROM attachments WHERE sha256 = ?) ORDER BY id LIMIT 10"
        )
        return self._all(Message, rest, mailbox_id, Direction.INBOUND, sha256)

    def attachment_content(self, attachment_id: str) -> bytes:
        sql = "SELECT content FROM attachment_contents WHERE attachment_id = ?"
        return bytes(self._value(sql, attachment_id) or b"")

    def tags(self, message_id: str) -> list[Tag]:
        return self._all(Tag, "WHERE message_id = ? ORDER BY name", message_id)

    def signed_headers(self, message_id: str) -> SignedHeaders | None:
        return self._one(SignedHeaders, "WHERE message_id = ?", message_id)

    def revisions(self, message_id: str) -> list[Revision]:
        return self._all(Revision, "WHERE message_id = ? ORDER BY number", message_id)

    def approval_link(self, sha256: str) -> ApprovalLink | None:
        return self._one(ApprovalLink, "WHERE sha256 = ?", sha256)

    # Sending

    def idempotency(self, mailbox_id: str, key: str) -> IdempotencyRow | None:
        rest = "WHERE mailbox_id = ? AND idempotency_key = ?"
        return self._one(IdempotencyRow, rest, mailbox_id, key)

    def count_free_sends(self, mailbox_id: str, name: str, since: datetime) -> int:
        sql = "SELECT count(*) FROM free_sends WHERE mailbox_id = ? AND name = ? AND created_at > ?"
        count: int = self._value(sql, mailbox_id, name, since)
        return count

    def free_sends(self, mailbox_id: str, message_id: str, names: Sequence[str]) -> list[FreeSend]:
        if not names:
            return []
        rest = f"WHERE mailbox_id = ? AND name IN ({placeholders(names)}) AND message_id = ?"
        return self._all(FreeSend, rest, mailbox_id, *names, message_id)

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxRow]:
        rest = "WHERE due_at <= ? ORDER BY due_at, message_id LIMIT ?"
        return self._all(OutboxRow, rest, now, limit)

    def live_mailboxes(self, message_ids: Sequence[str]) -> dict[str, str]:
        if not message_ids:
            return {}
        sql = (
            "SELECT id, mailbox_id, live FROM messages "  # noqa: S608
            f"WHERE id IN ({placeholders(message_ids)})"
        )
        rows = self._connection.execute(sql, encode_all(tuple(message_ids))).fetchall()
        return {message_id: mailbox_id for message_id, mailbox_id, is_live in rows if is_live}

    def outbox_row(self, message_id: str) -> OutboxRow | None:
        return self._one(OutboxRow, "WHERE message_id = ?", message_id)

    def next_outbox_due(self) -> datetime | None:
        return self._moment("SELECT min(due_at) FROM outbox")

    def test_deliveries(
        self, account_id: str, mailbox_id: str | None, limit: int
    ) -> list[TestDelivery]:
        clause, values = where_clause(
            ("account_id = ?", account_id), optional("mailbox_id = ?", mailbox_id)
        )
        rest = f"{clause} ORDER BY delivered_at DESC, message_id DESC LIMIT ?"
        return self._all(TestDelivery, rest, *values, limit)

    def test_delivery(self, message_id: str) -> TestDelivery | None:
        return self._one(TestDelivery, "WHERE message_id = ?", message_id)

    def approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> set[str]:
        if not addresses:
            return set()
        sql = (
            "SELECT address FROM approved_recipients "  # noqa: S608
            f"WHERE mailbox_id = ? AND address IN ({placeholders(addresses)})"
        )
        lowered = [address.lower() for address in addresses]
        return {address for (address,) in self._connection.execute(sql, (mailbox_id, *lowered))}

    def suppression(self, account_id: str, address: str) -> Suppression | None:
        rest = "WHERE account_id = ? AND address = ?"
        return self._one(Suppression, rest, account_id, address.lower())

    def suppressed(self, account_id: str, addresses: Sequence[str]) -> dict[str, Suppression]:
        if not addresses:
            return {}
        rest = f"WHERE account_id = ? AND address IN ({placeholders(addresses)})"
        lowered = (address.lower() for address in addresses)
        return {row.address: row for row in self._all(Suppression, rest, account_id, *lowered)}

    def suppressions(self, account_id: str, before_id: str | None, limit: int) -> list[Suppression]:
        clause, values = where_clause(("account_id = ?", account_id), optional("id < ?", before_id))
        return self._all(Suppression, f"{clause} ORDER BY id DESC LIMIT ?", *values, limit)

    # Contacts and domains

    def contacts(self, account_id: str, query: str, limit: int) -> list[Contact]:
        email, name = (
            self._dialect.contains(self._dialect.casefold(column)) for column in ("email", "name")
        )
        rest = f"WHERE account_id = ? AND ({email} OR {name}) ORDER BY email LIMIT ?"
        return self._all(Contact, rest, account_id, query.casefold(), query.casefold(), limit)

    def contact_by_email(self, account_id: str, email: str) -> Contact | None:
        return self._one(Contact, "WHERE account_id = ? AND email = ?", account_id, email)

    def contact(self, contact_id: str) -> Contact | None:
        return self._one(Contact, "WHERE id = ?", contact_id)

    def browser_session(self, sha256: str) -> BrowserSession | None:
        return self._one(BrowserSession, "WHERE sha256 = ?", sha256)

    def sign_in_failures(self, host: str, since: datetime, limit: int) -> list[SignInFailure]:
        rest = "WHERE host = ? AND failed_at > ? ORDER BY failed_at DESC LIMIT ?"
        return self._all(SignInFailure, rest, host, since, limit)

    def domain(self, domain_id: str) -> Domain | None:
        return self._one(Domain, "WHERE id = ?", domain_id)

    def domain_by_name(self, name: str) -> Domain | None:
        return self._one(Domain, "WHERE name = ?", name)

    def domains(self, account_id: str) -> list[Domain]:
        return self._all(Domain, "WHERE account_id = ? ORDER BY id", account_id)

    # The audit log, one-time codes and notifications

    def audit(
        self,
        account_id: str,
        mailbox_id: str | None,
        before_id: str | None,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[AuditEntry]:
        clause, values = where_clause(
            ("account_id = ?", account_id),
            optional("mailbox_id = ?", mailbox_id),
            optional(self._dialect.audit_before, before_id),
            (f"action NOT IN ({placeholders(without)})", *without) if without else None,
        )
        rest = f"{clause} ORDER BY {self._dialect.audit_order} DESC LIMIT ?"
        return self._all(AuditEntry, rest, *values, limit)

    def one_time_codes(
        self, account_id: str, purpose: Purpose, mailbox_id: str | None, since: datetime
    ) -> list[OneTimeCode]:
        clause, values = where_clause(
            ("account_id = ?", account_id),
            ("purpose = ?", purpose),
            ("created_at > ?", since),
            optional("mailbox_id = ?", mailbox_id),
        )
        return self._all(OneTimeCode, f"{clause} ORDER BY created_at, id", *values)

    def notifications(
        self, account_id: str, mailbox_id: str | None, before_id: str | None, limit: int
    ) -> list[Notification]:
        clause, values = where_clause(
            ("account_id = ?", account_id),
            optional("mailbox_id = ?", mailbox_id),
            optional("id < ?", before_id),
        )
        return self._all(Notification, f"{clause} ORDER BY id DESC LIMIT ?", *values, limit)

    def notifications_due(self, now: datetime, limit: int) -> list[Notification]:
        return self._all(Notification, "WHERE due_at <= ? ORDER BY due_at, id LIMIT ?", now, limit)

    def next_notification_due(self) -> datetime | None:
        return self._moment("SELECT min(due_at) FROM notices WHERE due_at IS NOT NULL")

    # Webhooks

    def webhook(self, webhook_id: str) -> Webhook | None:
        return self._one(Webhook, "WHERE id = ?", webhook_id)

    def webhooks(self, account_id: str) -> list[Webhook]:
        rest = "WHERE account_id = ? AND deleted_at IS NULL ORDER BY id"
        return self._all(Webhook, rest, account_id)

    def webhooks_of_mailbox(self, account_id: str, mailbox_id: str) -> list[Webhook]:
        rest = (
            "WHERE account_id = ? AND deleted_at IS NULL "
            "AND (mailbox_id IS NULL OR mailbox_id = ?) ORDER BY id"
        )
        return self._all(Webhook, rest, account_id, mailbox_id)

    def has_webhooks(self) -> bool:
        return self._value("SELECT 1 FROM webhooks LIMIT 1") is not None

    def webhook_delivery(self, delivery_id: str) -> WebhookDelivery | None:
        return self._one(WebhookDelivery, "WHERE id = ?", delivery_id)

    def webhook_deliveries(self, where: DeliveryFilter) -> list[WebhookDelivery]:
        clause, values = where_clause(
            ("account_id = ?", where.account_id),
            optional("status = ?", where.status),
            optional("webhook_id = ?", where.webhook_id),
            optional(
                "webhook_id IN (SELECT id FROM webhooks WHERE mailbox_id = ?)", where.bound_to
            ),
            optional("id < ?", where.before_id),
        )
        rest = f"{clause} ORDER BY id DESC LIMIT ?"
        return self._all(WebhookDelivery, rest, *values, where.limit)

    def webhook_body(self, delivery_id: str) -> bytes | None:
        body = self._value("SELECT body FROM webhook_bodies WHERE delivery_id = ?", delivery_id)
        return None if body is None else bytes(body)

    def count_webhook_deliveries(self, message_id: str) -> int:
        sql = "SELECT count(*) FROM webhook_deliveries WHERE message_id = ?"
        count: int = self._value(sql, message_id)
        return count

    def webhooks_due(self, now: datetime, limit: int) -> list[str]:
        # One look into the index for each endpoint, however many deliveries it has waiting.
        sql = (
            "SELECT id FROM (SELECT w.id AS id, (SELECT min(d.due_at) FROM webhook_deliveries d "
            "WHERE d.webhook_id = w.id AND d.due_at IS NOT NULL) AS first FROM webhooks w "
            "WHERE w.deleted_at IS NULL) AS waiting WHERE first <= ? ORDER BY first LIMIT ?"
        )
        rows = self._connection.execute(sql, encode_all((now, limit)))
        return [webhook_id for (webhook_id,) in rows]

    def next_webhook_delivery(self, webhook_id: str, now: datetime) -> WebhookDelivery | None:
        rest = "WHERE webhook_id = ? AND due_at <= ? ORDER BY due_at, id"
        return self._one(WebhookDelivery, rest, webhook_id, now)

    def next_webhook_due(self, now: datetime) -> datetime | None:
        return self._moment("SELECT min(due_at) FROM webhook_deliveries WHERE due_at > ?", now)

    def events(self, where: EventFilter) -> list[LoggedEvent]:
        clause, values = _event_conditions(where)
        return self._all(LoggedEvent, f"{clause} ORDER BY position LIMIT ?", *values, where.limit)

    def last_event_position(self) -> int:
        last: int = self._value("SELECT last FROM event_counter")
        return last

    def has_unnumbered_events(self) -> bool:
        sql = "SELECT 1 FROM events WHERE position IS NULL AND seq > 0 LIMIT 1"
        return self._value(sql) is not None

    def event_time(self, position: int) -> datetime | None:
        return self._moment("SELECT created_at FROM events WHERE position = ?", position)

    def lost_event_position(self, where: EventFilter) -> int:
        clause, values = _event_conditions(where)
        lost = self._value(f"SELECT max(position) FROM event_losses {clause}", *values)  # noqa: S608
        return lost or 0

    def oldest_event_time(self) -> datetime | None:
        return self._moment("SELECT created_at FROM events WHERE seq > 0 ORDER BY seq LIMIT 1")

    def text_start(self, message_id: str, length: int) -> str | None:
        sql = "SELECT substr(markdown, 1, ?) FROM contents WHERE message_id = ?"
        text: str | None = self._value(sql, length, message_id)
        return text


def _event_conditions(where: EventFilter) -> tuple[str, list[Any]]:
    kinds: Condition | None = None
    if where.kinds:
        kinds = (f"kind IN ({placeholders(where.kinds)})", *where.kinds)
    return where_clause(
        ("position > ?", where.after),
        ("account_id = ?", where.account_id),
        optional("mailbox_id = ?", where.mailbox_id),
        kinds,
    )


def _message_conditions(where: MessageFilter, dialect: Dialect) -> list[Condition | None]:
    sender = where.sender.casefold() if where.sender else None
    subject = where.subject_contains.casefold() if where.subject_contains else None
    address, name, title = (
        dialect.contains(dialect.casefold(column))
        for column in ("from_address", "from_name", "subject")
    )
    conditions: list[Condition | None] = [
        ("mailbox_id = ?", where.mailbox_id),
        optional("id < ?", where.before_id),
        optional("id > ?", where.since_id),
        optional("direction = ?", where.direction),
        optional(title, subject),
        optional("created_at >= ?", where.date_after),
        optional("created_at < ?", where.date_before),
        optional("has_attachments = ?", where.has_attachments),
        optional(f"({address} OR {name})", sender, sender),
    ]
    if where.statuses:
        conditions.append((f"status IN ({placeholders(where.statuses)})", *where.statuses))
    else:
        conditions.append(("status NOT IN ('deleted', 'archived')",))
    filters_content = where.has_attachments is not None or sender or subject
    if filters_content and not where.reviewer:
        # A filter that matched hidden mail would reveal its content, one guess at a time.
        conditions.append((_IS_VISIBLE,))
    return conditions


def _search_conditions(where: SearchFilter) -> list[Condition | None]:
    """Return the conditions that no index of words decides."""
    query = where.query
    conditions: list[Condition | None] = [
        ("m.mailbox_id = ?", where.mailbox_id),
        ("status <> 'deleted'",),
        optional("thread_id = ?", query.thread_id),
        optional("created_at >= ?", query.date_after),
        optional("created_at < ?", query.date_before),
    ]
    if query.statuses:
        conditions.append((f"status IN ({placeholders(query.statuses)})", *query.statuses))
    if not where.reviewer:
        conditions.append((_IS_VISIBLE,))
    return conditions


def _tag_conditions(where: SearchFilter, within: str = "") -> list[Condition | None]:
    """Return the conditions of a search by tag: of its rows, or `within` a set of messages."""
    if where.query.tag is None:
        return []
    name, value = where.query.tag
    conditions = [("name = ?", name), optional("value = ?", value)]
    if not within:
        return conditions
    clause, values = where_clause(*conditions)
    return [(within.format(f"SELECT message_id FROM tags {clause}"), *values)]  # noqa: S608


def _plain_conditions(where: SearchFilter, key: str) -> list[Condition | None]:
    """Return the conditions that the index of words would decide, for a search without words."""
    return [
        optional(f"{key} < ?", where.before_id),
        optional("direction = ?", where.query.direction),
        optional("has_attachments = ?", where.query.has_attachments),
    ]
