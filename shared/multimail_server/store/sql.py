"""The store's verbs in SQL: each method is one question or one change, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from ..oversight import State
from .connection import Connection
from .erasing import parents_in_sqlite, tables_of_mail
from .listing import select_messages
from .records import (
    Account,
    ApprovalLink,
    Attachment,
    AuditEntry,
    Contact,
    Content,
    Domain,
    IdempotencyRow,
    Key,
    Mailbox,
    Message,
    MessageFilter,
    OutboxRow,
    Revision,
    SignedHeaders,
    Suppression,
    TestDelivery,
)
from .rows import (
    column_list,
    column_names,
    decode_record,
    encode,
    encode_record,
    from_microseconds,
    to_microseconds,
)
from .sqlite_authority import SqliteAuthorityReader, SqliteAuthorityTx
from .sqlite_webhooks import SqliteWebhookReader, SqliteWebhookTx

R = TypeVar("R")

_MAX_REFERENCES = 100


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


class SqliteReader(SqliteWebhookReader, SqliteAuthorityReader):
    """The verbs that change nothing. See `protocol.Reader`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _value(self, sql: str, *values: Any) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _all(self, record: type[R], rest: str, values: Iterable[Any]) -> list[R]:
        sql = f"SELECT {column_list(record)} FROM {_TABLES[record]} {rest}"  # noqa: S608
        rows = self._connection.execute(sql, tuple(values))
        return [decode_record(record, row) for row in rows]

    def _one(self, record: type[R], rest: str, *values: Any) -> R | None:
        found = self._all(record, f"{rest} LIMIT 1", values)
        return found[0] if found else None

    def setting(self, name: str) -> str | None:
        value: str | None = self._value("SELECT value FROM settings WHERE name = ?", name)
        return value

    def account(self, account_id: str) -> Account | None:
        return self._one(Account, "WHERE id = ?", account_id)

    def first_account(self) -> Account | None:
        return self._one(Account, "ORDER BY id")

    def key(self, key_id: str) -> Key | None:
        return self._one(Key, "WHERE id = ?", key_id)

    def key_by_sha256(self, sha256: str) -> Key | None:
        return self._one(Key, "WHERE sha256 = ?", sha256)

    def keys(self, account_id: str) -> list[Key]:
        return self._all(Key, "WHERE account_id = ? ORDER BY id", (account_id,))

    def mailbox(self, mailbox_id: str) -> Mailbox | None:
        return self._one(Mailbox, "WHERE id = ?", mailbox_id)

    def mailbox_by_address(self, address: str) -> Mailbox | None:
        return self._one(Mailbox, "WHERE address = ? AND deleted_at IS NULL", address)

    def mailboxes(self, account_id: str) -> list[Mailbox]:
        rest = "WHERE account_id = ? AND deleted_at IS NULL ORDER BY id"
        return self._all(Mailbox, rest, (account_id,))

    def message(self, message_id: str) -> Message | None:
        return self._one(Message, "WHERE id = ?", message_id)

    def content(self, message_id: str) -> Content | None:
        return self._one(Content, "WHERE message_id = ?", message_id)

    def list_messages(self, where: MessageFilter) -> list[Message]:
        rest, values = select_messages(where)
        return self._all(Message, rest, values)

    def thread(self, mailbox_id: str, thread_id: str, limit: int) -> list[Message]:
        rest = "WHERE mailbox_id = ? AND thread_id = ? ORDER BY id DESC LIMIT ?"
        return self._all(Message, rest, (mailbox_id, thread_id, limit))[::-1]

    def find_by_rfc_ids(self, mailbox_id: str, rfc_ids: Sequence[str]) -> Message | None:
        wanted = rfc_ids[:_MAX_REFERENCES]
        # SQLite keeps no statistics here: by itself it walks the mailbox, newest message first.
        rest = (
            "WHERE id = (SELECT max(id) FROM messages INDEXED BY message_rfc_id "  # noqa: S608
            f"WHERE mailbox_id = ? AND rfc_message_id IN ({_marks(wanted)}))"
        )
        return self._one(Message, rest, mailbox_id, *wanted) if wanted else None

    def find_by_raw(self, mailbox_id: str, sha256: str, after: datetime) -> Message | None:
        rest = (
            "INDEXED BY message_raw WHERE mailbox_id = ? AND raw_sha256 = ? "
            "AND direction = 'inbound' AND created_at > ?"
        )
        return self._one(Message, rest, mailbox_id, sha256, to_microseconds(after))

    def find_by_fingerprint(
        self, mailbox_id: str, fingerprint: str, after: datetime
    ) -> Message | None:
        rest = (
            "INDEXED BY message_fingerprint "
            "WHERE mailbox_id = ? AND fingerprint = ? AND created_at > ? ORDER BY id DESC"
        )
        return self._one(Message, rest, mailbox_id, fingerprint, to_microseconds(after))

    def pending_messages(
        self, account_id: str, mailbox_id: str | None, now: datetime, after_id: str, limit: int
    ) -> list[Message]:
        rest = (
            "INDEXED BY message_held WHERE account_id = ? AND id > ? "
            "AND status IN ('pending_send_approval', 'pending_inbound_approval') "
            "AND (expires_at IS NULL OR expires_at > ?) AND (? IS NULL OR mailbox_id = ?) "
            "ORDER BY id LIMIT ?"
        )
        values = (account_id, after_id, to_microseconds(now), mailbox_id, mailbox_id, limit)
        return self._all(Message, rest, values)

    def messages_in_states(self, mailbox_id: str, states: Sequence[State]) -> list[Message]:
        rest = f"WHERE mailbox_id = ? AND status IN ({_marks(states)}) ORDER BY id"
        return self._all(Message, rest, (mailbox_id, *map(encode, states)))

    def expired_messages(self, now: datetime, limit: int) -> list[Message]:
        rest = "WHERE status = 'pending_send_approval' AND expires_at <= ? LIMIT ?"
        return self._all(Message, rest, (to_microseconds(now), limit))

    def next_expiry(self) -> datetime | None:
        found = self._value(
            "SELECT min(expires_at) FROM messages "
            "WHERE status = 'pending_send_approval' AND expires_at IS NOT NULL"
        )
        return None if found is None else from_microseconds(found)

    def count_messages(self, account_id: str, since: datetime) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT direction, count(*) FROM messages "
            "WHERE account_id = ? AND created_at >= ? GROUP BY direction",
            (account_id, to_microseconds(since)),
        )
        return dict(rows.fetchall())

    def attachments(self, message_id: str) -> list[Attachment]:
        return self._all(Attachment, "WHERE message_id = ? ORDER BY position", (message_id,))

    def attachment(self, attachment_id: str) -> Attachment | None:
        return self._one(Attachment, "WHERE id = ?", attachment_id)

    def attachment_content(self, attachment_id: str) -> bytes:
        sql = "SELECT content FROM attachment_contents WHERE attachment_id = ?"
        return bytes(self._value(sql, attachment_id) or b"")

    def tags(self, message_id: str) -> dict[str, str]:
        sql = "SELECT name, value FROM tags WHERE message_id = ? ORDER BY name"
        return dict(self._connection.execute(sql, (message_id,)).fetchall())

    def idempotency(self, mailbox_id: str, key: str) -> IdempotencyRow | None:
        rest = "WHERE mailbox_id = ? AND idempotency_key = ?"
        return self._one(IdempotencyRow, rest, mailbox_id, key)

    def outbox_due(self, now: datetime, limit: int) -> list[OutboxRow]:
        rest = "WHERE due_at <= ? ORDER BY due_at, message_id LIMIT ?"
        return self._all(OutboxRow, rest, (to_microseconds(now), limit))

    def outbox_row(self, message_id: str) -> OutboxRow | None:
        return self._one(OutboxRow, "WHERE message_id = ?", message_id)

    def next_outbox_due(self) -> datetime | None:
        found = self._value("SELECT min(due_at) FROM outbox")
        return None if found is None else from_microseconds(found)

    def test_deliveries(
        self, account_id: str, mailbox_id: str | None, limit: int
    ) -> list[TestDelivery]:
        rest = (
            "WHERE account_id = ? AND (? IS NULL OR mailbox_id = ?) "
            "ORDER BY delivered_at DESC, message_id DESC LIMIT ?"
        )
        return self._all(TestDelivery, rest, (account_id, mailbox_id, mailbox_id, limit))

    def test_delivery(self, message_id: str) -> TestDelivery | None:
        return self._one(TestDelivery, "WHERE message_id = ?", message_id)

    def contacts(self, account_id: str, query: str, limit: int) -> list[Contact]:
        rest = (
            "WHERE account_id = ? AND (instr(casefold(email), ?) OR instr(casefold(name), ?)) "
            "ORDER BY email LIMIT ?"
        )
        wanted = query.casefold()
        return self._all(Contact, rest, (account_id, wanted, wanted, limit))

    def contact_by_email(self, account_id: str, email: str) -> Contact | None:
        return self._one(Contact, "WHERE account_id = ? AND email = ?", account_id, email)

    def contact(self, contact_id: str) -> Contact | None:
        return self._one(Contact, "WHERE id = ?", contact_id)

    def audit(
        self, account_id: str, mailbox_id: str | None, before_id: str | None, limit: int
    ) -> list[AuditEntry]:
        rest, values = "WHERE account_id = ?", [account_id]
        if mailbox_id is not None:
            rest, values = f"{rest} AND mailbox_id = ?", [*values, mailbox_id]
        if before_id is not None:
            rest, values = f"{rest} AND id < ?", [*values, before_id]
        return self._all(AuditEntry, f"{rest} ORDER BY id DESC LIMIT {int(limit)}", values)

    def revisions(self, message_id: str) -> list[Revision]:
        return self._all(Revision, "WHERE message_id = ? ORDER BY number", (message_id,))

    def domain(self, domain_id: str) -> Domain | None:
        return self._one(Domain, "WHERE id = ?", domain_id)

    def domain_by_name(self, name: str) -> Domain | None:
        return self._one(Domain, "WHERE name = ?", name)

    def domains(self, account_id: str) -> list[Domain]:
        return self._all(Domain, "WHERE account_id = ? ORDER BY id", (account_id,))

    def suppression(self, account_id: str, address: str) -> Suppression | None:
        rest = "WHERE account_id = ? AND address = ?"
        return self._one(Suppression, rest, account_id, address.lower())

    def suppressions(self, account_id: str, before_id: str | None, limit: int) -> list[Suppression]:
        rest = "WHERE account_id = ? AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
        return self._all(Suppression, rest, (account_id, before_id, before_id, limit))

    def signed_headers(self, message_id: str) -> SignedHeaders | None:
        return self._one(SignedHeaders, "WHERE message_id = ?", message_id)

    def approval_link(self, sha256: str) -> ApprovalLink | None:
        return self._one(ApprovalLink, "WHERE sha256 = ?", sha256)

    def approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> set[str]:
        wanted = [address.lower() for address in addresses]
        sql = (
            "SELECT address FROM approved_recipients "  # noqa: S608
            f"WHERE mailbox_id = ? AND address IN ({_marks(wanted)})"
        )
        return {row[0] for row in self._connection.execute(sql, (mailbox_id, *wanted))}


class SqliteTx(SqliteReader, SqliteWebhookTx, SqliteAuthorityTx):
    """The verbs of a transaction that changes things. See `protocol.Tx`."""

    def _insert(self, record: Any, verb: str = "INSERT") -> None:
        kind = type(record)
        names = column_list(kind)
        sql = f"{verb} INTO {_TABLES[kind]} ({names}) VALUES ({_marks(column_names(kind))})"
        self._connection.execute(sql, encode_record(record))

    def _put(self, record: Any, *key: str) -> None:
        names = [name for name in column_names(type(record)) if name not in key]
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
        kind = type(record)
        sql = (
            f"INSERT INTO {_TABLES[kind]} ({column_list(kind)}) "  # noqa: S608
            f"VALUES ({_marks(column_names(kind))}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )
        self._connection.execute(sql, encode_record(record))

    def set_setting(self, name: str, value: str) -> None:
        sql = (
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self._connection.execute(sql, (name, value))

    def put_account(self, account: Account) -> None:
        self._put(account, "id")

    def put_key(self, key: Key) -> None:
        self._put(key, "id")

    def put_mailbox(self, mailbox: Mailbox) -> None:
        self._put(mailbox, "id")

    def put_contact(self, contact: Contact) -> None:
        self._put(contact, "id")

    def remove_contact(self, contact_id: str) -> None:
        self._connection.execute("DELETE FROM contacts WHERE id = ?", (contact_id,))

    def insert_message(self, message: Message, content: Content) -> None:
        self._insert(message)
        self._insert(content)

    def update_message(self, message: Message, to: State, /, **changes: Any) -> Message | None:
        moved = replace(message, status=to, **changes)
        names = ["status", *changes]
        sets = ", ".join(f'"{name}" = ?' for name in names)
        values = [encode(getattr(moved, name)) for name in names]
        done = self._connection.execute(
            f"UPDATE messages SET {sets} WHERE id = ? AND status = ?",  # noqa: S608
            (*values, message.id, message.status.value),
        )
        return moved if done.rowcount == 1 else None

    def insert_attachment(self, attachment: Attachment, content: bytes) -> None:
        self._insert(attachment)
        sql = "INSERT INTO attachment_contents VALUES (?, ?)"
        self._connection.execute(sql, (attachment.id, content))

    def remove_attachments(self, message_id: str) -> None:
        mine = "SELECT id FROM attachments WHERE message_id = ?"
        sql = f"DELETE FROM attachment_contents WHERE attachment_id IN ({mine})"  # noqa: S608
        self._connection.execute(sql, (message_id,))
        self._connection.execute("DELETE FROM attachments WHERE message_id = ?", (message_id,))

    def set_tags(self, message_id: str, tags: dict[str, str]) -> None:
        self._connection.execute("DELETE FROM tags WHERE message_id = ?", (message_id,))
        rows = [(message_id, name, value) for name, value in tags.items()]
        self._connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", rows)

    def put_idempotency(self, row: IdempotencyRow) -> None:
        self._put(row, "mailbox_id", "idempotency_key")

    def purge_idempotency(self, before: datetime) -> None:
        sql = "DELETE FROM idempotency WHERE created_at < ?"
        self._connection.execute(sql, (to_microseconds(before),))

    def put_outbox(self, row: OutboxRow) -> None:
        self._put(row, "message_id")

    def remove_outbox(self, message_id: str) -> None:
        self._connection.execute("DELETE FROM outbox WHERE message_id = ?", (message_id,))

    def insert_test_delivery(self, delivery: TestDelivery) -> None:
        self._put(delivery, "message_id")

    def add_audit(self, entry: AuditEntry) -> None:
        self._insert(entry)

    def replace_content(self, content: Content) -> None:
        self._put(content, "message_id")

    def insert_revision(self, revision: Revision) -> None:
        self._insert(revision)

    def put_approval_link(self, link: ApprovalLink) -> None:
        self._put(link, "sha256")

    def add_approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> None:
        sql = "INSERT INTO approved_recipients VALUES (?, ?) ON CONFLICT DO NOTHING"
        rows = [(mailbox_id, address.lower()) for address in addresses]
        self._connection.executemany(sql, rows)

    def purge_mail(self) -> None:
        for table in self._tables_of_mail():
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608

    def _tables_of_mail(self) -> list[str]:
        return tables_of_mail(parents_in_sqlite(self._connection))

    def put_domain(self, domain: Domain) -> None:
        self._put(domain, "id")

    def remove_domain(self, domain_id: str) -> None:
        self._connection.execute("DELETE FROM domains WHERE id = ?", (domain_id,))

    def put_suppression(self, entry: Suppression) -> None:
        self._put(entry, "account_id", "address")

    def remove_suppression(self, account_id: str, address: str) -> None:
        sql = "DELETE FROM suppressions WHERE account_id = ? AND address = ?"
        self._connection.execute(sql, (account_id, address.lower()))

    def put_signed_headers(self, headers: SignedHeaders) -> None:
        self._put(headers, "message_id")


_TABLES: dict[type[Any], str] = {
    Account: "accounts",
    ApprovalLink: "approval_links",
    Attachment: "attachments",
    AuditEntry: "audit",
    Contact: "contacts",
    Content: "contents",
    Domain: "domains",
    IdempotencyRow: "idempotency",
    Key: "keys",
    Mailbox: "mailboxes",
    Message: "messages",
    OutboxRow: "outbox",
    Revision: "revisions",
    SignedHeaders: "stamps",
    Suppression: "suppressions",
    TestDelivery: "test_deliveries",
}
