"""The changes of the store in SQL: a method for each change of `protocol.Tx`.

A table that holds mail goes into `_MAIL_TABLES`, and one that refers to a message into
`_PURGE_CONTENT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from ..oversight import State
from .queries import SqlReader
from .records import (
    Attachment,
    Content,
    DeliveryStatus,
    Message,
    Record,
    Tag,
    WebhookDelivery,
)
from .search import INDEXES, build_words
from .sql import (
    Connection,
    Dialect,
    encode_all,
    encode_record,
    insert_statement,
    to_microseconds,
    upsert_statement,
)

_MAIL_TABLES = (
    "message_words",
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
    "connected_tasks",
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

_INDEXED = frozenset(
    ("from_address", "from_name", "to", "cc", "bcc", "subject", "has_attachments", "authentication")
)
"""The fields of a message that the full-text index holds."""
_BACKFILL = 500
"""Messages that are read at once to be indexed."""


@dataclass(frozen=True, slots=True)
class _NewMessage:
    """A message of this transaction, with what the full-text index needs of it."""

    message: Message
    text: str
    files: list[str] = field(default_factory=list)


class SqlTx(SqlReader):
    """The changes. See `protocol.Tx`.

    A message whose words change is indexed once, by `finish`: it is written in several steps.
    """

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        super().__init__(connection, dialect)
        self._index = INDEXES[dialect.name](connection)
        self._new: dict[str, _NewMessage] = {}
        self._changed: set[str] = set()
        """The messages of earlier transactions whose words changed."""

    def finish(self) -> None:
        """Index the messages whose words changed. Call it at the end of the work."""
        for new in self._new.values():  # what was just written is not read: that costs a trip
            self._index.add(new.message, build_words(new.message, new.text, new.files))
        for message_id in self._changed:
            self._index.remove(message_id)
            message = self.message(message_id)
            text = self.texts([message_id]).get(message_id)
            if message is not None and text is not None:
                self._add_words(message, text)
        self._new.clear()
        self._changed.clear()

    def index_all(self) -> None:
        """Index every message, for a database that has no index yet."""
        last_id = ""
        while messages := self._all(
            Message, "WHERE id > ? ORDER BY id LIMIT ?", last_id, _BACKFILL
        ):
            texts = self.texts([message.id for message in messages])
            for message in messages:
                if message.id in texts:
                    self._add_words(message, texts[message.id])
            last_id = messages[-1].id

    def _add_words(self, message: Message, text: str) -> None:
        names = [file.name for file in self.attachments(message.id)]
        self._index.add(message, build_words(message, text, names))

    def _reindex(self, message_id: str) -> None:
        """Index a message again, from what is stored then."""
        self._new.pop(message_id, None)
        self._changed.add(message_id)

    def insert(self, record: Record) -> None:
        self._connection.execute(insert_statement(type(record)), encode_record(record))

    def put(self, record: Record) -> None:
        self._connection.execute(upsert_statement(type(record)), encode_record(record))
        if isinstance(record, Content):
            self._reindex(record.message_id)

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

    def remove_connected_account(self, mailbox_id: str) -> None:
        for table in ("connected_tasks", "connected_folders", "connected_accounts"):
            self._run(f"DELETE FROM {table} WHERE mailbox_id = ?", mailbox_id)  # noqa: S608

    def remove_connected_task(self, message_id: str, kind: str) -> None:
        sql = "DELETE FROM connected_tasks WHERE message_id = ? AND kind = ?"
        self._run(sql, message_id, kind)

    def insert_message(self, message: Message, content: Content) -> None:
        self.insert(message)
        self.insert(content)
        self._new[message.id] = _NewMessage(message, content.markdown)

    def update_message(self, message: Message, to: State, /, **changes: Any) -> Message | None:
        changed = replace(message, status=to, **changes)
        names = ["status", *changes]
        assignments = ", ".join(f'"{name}" = ?' for name in names)
        sql = f"UPDATE messages SET {assignments} WHERE id = ? AND status = ?"  # noqa: S608
        values = [getattr(changed, name) for name in names]
        if self._count(sql, *values, message.id, message.status) != 1:
            return None
        if not _INDEXED.isdisjoint(changes):
            self._reindex(message.id)
        return changed

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
        if (new := self._new.get(attachment.message_id)) is not None:
            new.files.append(attachment.name)
        else:
            self._reindex(attachment.message_id)

    def remove_attachments(self, message_id: str) -> None:
        self._reindex(message_id)
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

    def remove_browser_session(self, sha256: str) -> None:
        self._run("DELETE FROM browser_sessions WHERE sha256 = ?", sha256)

    def purge_browser_sessions(self, before: datetime) -> None:
        self._purge("browser_sessions", "expires_at < ?", before)

    def purge_sign_in_failures(self, before: datetime) -> None:
        self._purge("sign_in_failures", "failed_at < ?", before)

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
        self._reindex(message_id)

    def purge_mail(self) -> None:
        for table in _MAIL_TABLES:
            self._run(f"DELETE FROM {table}")  # noqa: S608
