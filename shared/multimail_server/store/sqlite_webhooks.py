"""The store's verbs for webhooks in SQL, and their tables, which are a step of the schema."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from .connection import Connection
from .records import DeliveryFilter, DeliveryStatus, Webhook, WebhookDelivery
from .rows import (
    column_list,
    column_names,
    decode_record,
    encode_record,
    from_microseconds,
    to_microseconds,
)

R = TypeVar("R")

TABLES = """
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), url TEXT NOT NULL,
    events TEXT NOT NULL, signing_secret TEXT NOT NULL, signature_format TEXT NOT NULL,
    source TEXT NOT NULL, created_at INTEGER NOT NULL, mailbox_id TEXT REFERENCES mailboxes(id),
    last_success_at INTEGER, disabled_at INTEGER, disabled_reason TEXT, deleted_at INTEGER
) STRICT;
CREATE INDEX webhook_account ON webhooks(account_id, id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY, webhook_id TEXT NOT NULL REFERENCES webhooks(id),
    account_id TEXT NOT NULL REFERENCES accounts(id), mailbox_id TEXT NOT NULL,
    message_id TEXT NOT NULL, event TEXT NOT NULL, status TEXT NOT NULL,
    created_at INTEGER NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL,
    last_attempt_at INTEGER, delivered_at INTEGER, response_status INTEGER, error TEXT
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_deliveries(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_turn ON webhook_deliveries(webhook_id, due_at, id)
    WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_newest ON webhook_deliveries(account_id, id DESC);
CREATE INDEX webhook_delivery_status ON webhook_deliveries(account_id, status, id DESC);
CREATE INDEX webhook_delivery_message ON webhook_deliveries(message_id);
CREATE INDEX webhook_delivery_over ON webhook_deliveries(created_at) WHERE due_at IS NULL;
CREATE TABLE webhook_bodies (
    delivery_id TEXT PRIMARY KEY REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
    body BLOB NOT NULL
) STRICT;
"""

_LIVE = "deleted_at IS NULL"


class SqliteWebhookReader:
    """The verbs that change nothing. See `protocol.Reader`."""

    _connection: Connection

    def webhook(self, webhook_id: str) -> Webhook | None:
        return _one(self._connection, Webhook, "WHERE id = ?", webhook_id)

    def webhooks(self, account_id: str) -> list[Webhook]:
        rest = f"WHERE account_id = ? AND {_LIVE} ORDER BY id"
        return _all(self._connection, Webhook, rest, account_id)

    def webhooks_of_mailbox(self, account_id: str, mailbox_id: str) -> list[Webhook]:
        rest = (
            f"WHERE account_id = ? AND {_LIVE} AND (mailbox_id IS NULL OR mailbox_id = ?) "
            "ORDER BY id"
        )
        return _all(self._connection, Webhook, rest, account_id, mailbox_id)

    def has_webhooks(self) -> bool:
        return self._connection.execute("SELECT 1 FROM webhooks LIMIT 1").fetchone() is not None

    def webhook_delivery(self, delivery_id: str) -> WebhookDelivery | None:
        return _one(self._connection, WebhookDelivery, "WHERE id = ?", delivery_id)

    def webhook_deliveries(self, where: DeliveryFilter) -> list[WebhookDelivery]:
        clauses, values = ["account_id = ?"], [where.account_id]
        for clause, value in (
            ("status = ?", where.status.value if where.status else None),
            ("webhook_id = ?", where.webhook_id),
            ("webhook_id IN (SELECT id FROM webhooks WHERE mailbox_id = ?)", where.bound_to),
            ("id < ?", where.before_id),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        rest = f"WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ?"
        return _all(self._connection, WebhookDelivery, rest, *values, where.limit)

    def webhook_body(self, delivery_id: str) -> bytes | None:
        sql = "SELECT body FROM webhook_bodies WHERE delivery_id = ?"
        row = self._connection.execute(sql, (delivery_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def count_webhook_deliveries(self, message_id: str) -> int:
        sql = "SELECT count(*) FROM webhook_deliveries WHERE message_id = ?"
        found: int = self._connection.execute(sql, (message_id,)).fetchone()[0]
        return found

    def webhooks_due(self, now: datetime, limit: int) -> list[str]:
        # One look in the index for each subscription, however much waits for a dead one.
        sql = (
            "SELECT id FROM (SELECT w.id AS id, (SELECT min(d.due_at) FROM webhook_deliveries d "
            "WHERE d.webhook_id = w.id AND d.due_at IS NOT NULL) AS first FROM webhooks w "
            "WHERE w.deleted_at IS NULL) AS waiting WHERE first <= ? ORDER BY first LIMIT ?"
        )
        return [row[0] for row in self._connection.execute(sql, (to_microseconds(now), limit))]

    def next_webhook_delivery(self, webhook_id: str, now: datetime) -> WebhookDelivery | None:
        rest = "WHERE webhook_id = ? AND due_at <= ? ORDER BY due_at, id"
        return _one(self._connection, WebhookDelivery, rest, webhook_id, to_microseconds(now))

    def next_webhook_due(self, now: datetime) -> datetime | None:
        sql = "SELECT min(due_at) FROM webhook_deliveries WHERE due_at > ?"
        found = self._connection.execute(sql, (to_microseconds(now),)).fetchone()[0]
        return None if found is None else from_microseconds(found)


class SqliteWebhookTx(SqliteWebhookReader):
    """The verbs of a transaction that changes things. See `protocol.Tx`."""

    def put_webhook(self, webhook: Webhook) -> None:
        _put(self._connection, webhook)

    def insert_webhook_delivery(self, delivery: WebhookDelivery, body: bytes) -> None:
        _put(self._connection, delivery)
        self._connection.execute("INSERT INTO webhook_bodies VALUES (?, ?)", (delivery.id, body))

    def put_webhook_delivery(self, delivery: WebhookDelivery) -> None:
        _put(self._connection, delivery)

    def fail_webhook_deliveries(self, webhook_id: str, error: str) -> None:
        sql = (
            "UPDATE webhook_deliveries SET status = ?, due_at = NULL, error = ? "
            "WHERE webhook_id = ? AND due_at IS NOT NULL"
        )
        self._connection.execute(sql, (DeliveryStatus.FAILED.value, error, webhook_id))

    def purge_webhook_deliveries(self, before: datetime) -> None:
        sql = "DELETE FROM webhook_deliveries WHERE due_at IS NULL AND created_at < ?"
        self._connection.execute(sql, (to_microseconds(before),))


_NAMES: dict[type[Any], str] = {Webhook: "webhooks", WebhookDelivery: "webhook_deliveries"}


def _all(connection: Connection, record: type[R], rest: str, *values: Any) -> list[R]:
    sql = f"SELECT {column_list(record)} FROM {_NAMES[record]} {rest}"  # noqa: S608
    return [decode_record(record, row) for row in connection.execute(sql, values)]


def _one(connection: Connection, record: type[R], rest: str, *values: Any) -> R | None:
    found = _all(connection, record, f"{rest} LIMIT 1", *values)
    return found[0] if found else None


def _put(connection: Connection, record: Any) -> None:
    kind = type(record)
    names = column_names(kind)
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name != "id")
    marks = ", ".join("?" * len(names))
    sql = (
        f"INSERT INTO {_NAMES[kind]} ({column_list(kind)}) VALUES ({marks}) "  # noqa: S608
        f"ON CONFLICT (id) DO UPDATE SET {changes}"
    )
    connection.execute(sql, encode_record(record))
