"""Building SQL: the table of each record, the statements that follow from it, and WHERE clauses.

Statements have a `?` for each value; each `Connection` binds them as its database does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    MessageReference,
    Notification,
    OneTimeCode,
    OutboxRow,
    Revision,
    SignedHeaders,
    Suppression,
    TestDelivery,
    Webhook,
    WebhookDelivery,
)
from .rows import column_list, column_names, memo

Condition = tuple[str, *tuple[Any, ...]]
"""A condition of a WHERE clause: its SQL, then the value of each placeholder."""

_TABLES: dict[type[Any], tuple[str, ...]] = {
    Account: ("accounts", "id"),
    ApprovalLink: ("approval_links", "sha256"),
    Attachment: ("attachments", "id"),
    AuditEntry: ("audit", "id"),
    Contact: ("contacts", "id"),
    Content: ("contents", "message_id"),
    Domain: ("domains", "id"),
    IdempotencyRow: ("idempotency", "mailbox_id", "idempotency_key"),
    Key: ("keys", "id"),
    Mailbox: ("mailboxes", "id"),
    Message: ("messages", "id"),
    MessageReference: ("message_references", "mailbox_id", "rfc_id"),
    Notification: ("notices", "id"),
    OneTimeCode: ("one_time_codes", "id"),
    OutboxRow: ("outbox", "message_id"),
    Revision: ("revisions", "message_id", "number"),
    SignedHeaders: ("stamps", "message_id"),
    Suppression: ("suppressions", "account_id", "address"),
    TestDelivery: ("test_deliveries", "message_id"),
    Webhook: ("webhooks", "id"),
    WebhookDelivery: ("webhook_deliveries", "id"),
}
"""The table of each record, and its primary key."""


def placeholders(values: Sequence[object]) -> str:
    """Return the placeholders of a list, such as `?, ?, ?`."""
    return ", ".join("?" * len(values))


def optional(sql: str, *values: Any) -> Condition | None:
    """Return a condition; None, which `where_clause` leaves out, if it has a value of None."""
    return None if None in values else (sql, *values)


def where_clause(*conditions: Condition | None) -> tuple[str, list[Any]]:
    """Return a WHERE clause of the conditions that are not None, and its values."""
    applied = [condition for condition in conditions if condition is not None]
    clause = " AND ".join(sql for sql, *_ in applied)
    return f"WHERE {clause}", [value for _, *values in applied for value in values]


@memo
def select_statement(record: type[Any]) -> str:
    """Return a SELECT of all columns, up to the name of the table."""
    return f"SELECT {column_list(record)} FROM {_TABLES[record][0]}"  # noqa: S608


@memo
def insert_statement(record: type[Any]) -> str:
    """Return an INSERT of all columns."""
    values = placeholders(column_names(record))
    names = column_list(record)
    return f"INSERT INTO {_TABLES[record][0]} ({names}) VALUES ({values})"  # noqa: S608


@memo
def upsert_statement(record: type[Any]) -> str:
    """Return an INSERT that replaces the row with the same primary key."""
    key = _TABLES[record][1:]
    changes = [f'"{name}" = excluded."{name}"' for name in column_names(record) if name not in key]
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
    return f"{insert_statement(record)} {conflict}"
