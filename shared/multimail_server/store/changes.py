"""The changes of the store in SQL: a method for each change of `protocol.Tx`.

A table that holds mail goes into `_MAIL_TABLES`, and one that refers to a message into
`_PURGE_CONTENT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from ..oversight import State
from .queries import SqlReader
from .records import Attachment, Content, DeliveryStatus, Message, Record, Tag, WebhookDelivery
from .sql import (
    encode_all,
    encode_record,
    insert_statement,
    to_microseconds,
    upsert_statement,
)

_MAIL_TABLES = (
    "contents",
    "attachment_contents",
    "attachments",
    "tags",
    "idempotency",
    "free_sends",
    "outbox",
    "test_deliveries",
    "revisions",
    "approval_links",
    "stamps",
    "notices",
    "message_references",
    "messages",
    "contacts",
    "webhook_bodies",
    "webhook_deliveries",
    "approved_recipients",
    "events",
)
"""The tables that hold mail, each before those that it refers to."""

_PURGE_CONTENT = (
    """DELETE FROM attachment_contents
    WHERE attachment_id IN (SELECT id FROM attachments WHERE message_id = ?)""",
    "DELETE FROM attachments WHERE message_id = ?",
    "DELETE FROM tags WHERE message_id = ?",
    "DELETE FROM test_deliveries WHERE message_id = ?",
    "DELETE FROM idempotency WHERE message_id = ?",
    "DELETE FROM contents WHERE message_id = ?",
    "DELETE FROM webhook_deliveries WHERE message_id = ?",
    "DELETE FROM approval_links WHERE message_id = ?",
    "DELETE FROM revisions WHERE message_id = ?",
    "DELETE FROM stamps WHERE message_id = ?",
    "DELETE FROM message_references WHERE message_id = ?",
    "UPDATE events SET details = '{}' WHERE message_id = ?",
    "UPDATE notices SET facts = '{}', recipients = '[]', due_at = NULL WHERE message_id = ?",
)
"""Removes the content of one message, in the order that foreign keys allow."""


_KEEP_LOSSES = """INSERT INTO event_losses
    SELECT account_id, mailbox_id, kind, max(position) FROM events WHERE position <= ?
    GROUP BY account_id, mailbox_id, kind
    ON CONFLICT (mailbox_id, kind) DO UPDATE SET position = excluded.position"""


class SqlTx(SqlReader):
    """The changes. See `protocol.Tx`."""

    def insert(self, record: Record) -> None:
        self._connection.execute(insert_statement(type(record)), encode_record(record))

    def put(self, record: Record) -> None:
        self._connection.execute(upsert_statement(type(record)), encode_record(record))

    def _run(self, sql: str, *values: Any) -> None:
        """Run a statement, without waiting for its result where statements are sent ahead."""
        self._connection.execute(sql, encode_all(values))

    def _count(self, sql: str, *values: Any) -> int:
        """Run a statement; return how many rows it changed."""
        return self._connection.execute(sql, encode_all(values)).rowcount

    def set_setting(self, name: str, value: str) -> None:
        sql = (
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self._run(sql, name, value)

    def lock_setting(self, name: str) -> str | None:
        if not self._dialect.row_lock:
            return self.setting(name)
        # The row must be there to be locked: an empty value stands for none.
        self._run("INSERT INTO settings VALUES (?, '') ON CONFLICT (name) DO NOTHING", name)
        lock = self._dialect.row_lock
        value = self._value(f"SELECT value FROM settings WHERE name = ? {lock}", name)  # noqa: S608
        return value or None

    def remove_contact(self, contact_id: str) -> None:
        self._run("DELETE FROM contacts WHERE id = ?", contact_id)

    def insert_message(self, message: Message, content: Content) -> None:
        self.insert(message)
        self.insert(content)

    def update_message(self, message: Message, to: State, /, **changes: Any) -> Message | None:
        changed = replace(message, status=to, **changes)
        names = ["status", *changes]
        assignments = ", ".join(f'"{name}" = ?' for name in names)
        sql = f"UPDATE messages SET {assignments} WHERE id = ? AND status = ?"  # noqa: S608
        values = [getattr(changed, name) for name in names]
        return changed if self._count(sql, *values, message.id, message.status) == 1 else None

    def remove_message_references(self, mailbox_id: str, thread_id: str, rfc_id: str) -> None:
        # Two statements: for an OR, SQLite reads all references of the mailbox.
        waiting = "AND kind IN ('parent', 'root')"
        index = self._dialect.use_index("reference_thread")
        delete = "DELETE FROM message_references"
        self._run(
            f"{delete} {index} WHERE mailbox_id = ? AND thread_id = ? {waiting}",
            mailbox_id,
            thread_id,
        )
        self._run(f"{delete} WHERE mailbox_id = ? AND rfc_id = ? {waiting}", mailbox_id, rfc_id)

    def merge_thread(self, mailbox_id: str, thread_id: str, into: str) -> int:
        where = "SET thread_id = ? WHERE mailbox_id = ? AND thread_id = ?"
        for table, index in (
            ("message_references", "reference_thread"),
            ("messages", "message_thread"),
        ):
            named = f"{table} {self._dialect.use_index(index)}"
            count = self._count(f"UPDATE {named} {where}", into, mailbox_id, thread_id)
        return count

    def insert_attachment(self, attachment: Attachment, content: bytes) -> None:
        self.insert(attachment)
        self._run("INSERT INTO attachment_contents VALUES (?, ?)", attachment.id, content)

    def remove_attachments(self, message_id: str) -> None:
        for sql in _PURGE_CONTENT[:2]:
            self._run(sql, message_id)

    def set_tags(self, message_id: str, tags: Iterable[Tag]) -> None:
        self._run("DELETE FROM tags WHERE message_id = ?", message_id)
        self._connection.executemany(insert_statement(Tag), map(encode_record, tags))

    def add_approved_recipients(self, mailbox_id: str, addresses: Sequence[str]) -> None:
        sql = "INSERT INTO approved_recipients VALUES (?, ?) ON CONFLICT DO NOTHING"
        rows = [(mailbox_id, address.lower()) for address in addresses]
        self._connection.executemany(sql, rows)

    def purge_idempotency(self, before: datetime) -> None:
        self._purge("idempotency", "created_at < ?", before)

    def purge_free_sends(self, before: datetime) -> None:
        self._purge("free_sends", "created_at <= ?", before)

    def _purge(self, table: str, condition: str, before: datetime) -> None:
        """Remove rows of every mailbox, but for those that another write is removing."""
        where = condition
        if self._dialect.skip_locked:
            old = f"SELECT ctid FROM {table} WHERE {condition} {self._dialect.skip_locked}"  # noqa: S608
            where = f"ctid = ANY(ARRAY({old}))"
        self._run(f"DELETE FROM {table} WHERE {where}", before)  # noqa: S608

    def remove_outbox(self, message_id: str) -> None:
        self._run("DELETE FROM outbox WHERE message_id = ?", message_id)

    def remove_domain(self, domain_id: str) -> None:
        self._run("DELETE FROM domains WHERE id = ?", domain_id)

    def remove_suppression(self, account_id: str, address: str) -> None:
        sql = "DELETE FROM suppressions WHERE account_id = ? AND address = ?"
        self._run(sql, account_id, address.lower())

    def insert_webhook_delivery(self, delivery: WebhookDelivery, body: bytes) -> None:
        self.insert(delivery)
        self._run("INSERT INTO webhook_bodies VALUES (?, ?)", delivery.id, body)

    def fail_webhook_deliveries(self, webhook_id: str, error: str) -> None:
        sql = (
            "UPDATE webhook_deliveries SET status = ?, due_at = NULL, error = ? "
            "WHERE webhook_id = ? AND due_at IS NOT NULL"
        )
        self._run(sql, DeliveryStatus.FAILED, error, webhook_id)

    def purge_webhook_deliveries(self, before: datetime) -> None:
        sql = "DELETE FROM webhook_deliveries WHERE due_at IS NULL AND created_at < ?"
        self._run(sql, before)

    def number_events(self, limit: int) -> int:
        # The counter's row stays locked until the commit: who numbers next sees these numbers, and
        # whatever is not committed by now gets greater ones.
        self._run("UPDATE event_counter SET last = last")
        sql = "SELECT seq FROM events WHERE position IS NULL AND seq > 0 ORDER BY seq LIMIT ?"
        rows = self._connection.execute(sql, (limit,)).fetchall()
        if rows:
            last = self.last_event_position()
            numbered = [(last + index, row[0]) for index, row in enumerate(rows, start=1)]
            self._connection.executemany("UPDATE events SET position = ? WHERE seq = ?", numbered)
            self._run("UPDATE event_counter SET last = ?", last + len(rows))
        return len(rows)

    def purge_events(self, before: datetime, limit: int) -> int:
        sql = "SELECT position, created_at FROM events WHERE position > 0 ORDER BY position LIMIT ?"
        rows = self._connection.execute(sql, encode_all((limit,))).fetchall()
        end = to_microseconds(before)
        old = [position for position, _ in takewhile(lambda row: row[1] < end, rows)]
        if old:
            self._run(_KEEP_LOSSES, old[-1])
            self._run("DELETE FROM events WHERE position <= ?", old[-1])
        return len(old)

    def purge_content(self, message_id: str) -> None:
        for sql in _PURGE_CONTENT:
            self._run(sql, message_id)

    def purge_mail(self) -> None:
        for table in _MAIL_TABLES:
            self._run(f"DELETE FROM {table}")  # noqa: S608
