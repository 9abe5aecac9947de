"""The verbs of `authority_protocol` in SQL, and their tables, which are a step of the schema."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from .connection import Connection
from .records import Mailbox, Message, Notice, OneTimeCode, Purpose
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
CREATE TABLE one_time_codes (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id), purpose TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys(id), sha256 TEXT NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, mailbox_id TEXT REFERENCES mailboxes(id), from_mode TEXT,
    target_mode TEXT, subject TEXT NOT NULL, fingerprint TEXT NOT NULL, tries INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX code_newest ON one_time_codes(account_id, purpose, created_at);

CREATE TABLE notices (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts(id),
    mailbox_id TEXT NOT NULL REFERENCES mailboxes(id), kind TEXT NOT NULL,
    created_at INTEGER NOT NULL, message_id TEXT REFERENCES messages(id), facts TEXT NOT NULL,
    recipients TEXT NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL, mailed_at INTEGER,
    error TEXT
) STRICT;
CREATE INDEX notice_newest ON notices(account_id, id DESC);
CREATE INDEX notice_due ON notices(due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_message ON notices(message_id) WHERE message_id IS NOT NULL;

CREATE INDEX message_age ON messages(mailbox_id, created_at) WHERE status <> 'deleted';
CREATE INDEX message_account ON messages(account_id, id);
"""

_CONTENT = (
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
    "UPDATE notices SET facts = '{}', recipients = '[]', due_at = NULL WHERE message_id = ?",
)
"""What goes with a message's content, in the order that foreign keys allow."""


class SqliteAuthorityReader:
    """The verbs that change nothing. See `protocol.Reader`."""

    _connection: Connection

    def one_time_codes(
        self, account_id: str, purpose: Purpose, mailbox_id: str | None, since: datetime
    ) -> list[OneTimeCode]:
        rest = (
            "WHERE account_id = ? AND purpose = ? AND created_at > ? "
            "AND (? IS NULL OR mailbox_id = ?) ORDER BY created_at, id"
        )
        values = (account_id, purpose.value, to_microseconds(since), mailbox_id, mailbox_id)
        return _all(self._connection, OneTimeCode, rest, *values)

    def notifications(
        self, account_id: str, mailbox_id: str | None, before_id: str | None, limit: int
    ) -> list[Notice]:
        rest = (
            "WHERE account_id = ? AND (? IS NULL OR mailbox_id = ?) AND (? IS NULL OR id < ?) "
            "ORDER BY id DESC LIMIT ?"
        )
        values = (account_id, mailbox_id, mailbox_id, before_id, before_id, limit)
        return _all(self._connection, Notice, rest, *values)

    def notices_due(self, now: datetime, limit: int) -> list[Notice]:
        rest = "WHERE due_at <= ? ORDER BY due_at, id LIMIT ?"
        return _all(self._connection, Notice, rest, to_microseconds(now), limit)

    def next_notice_due(self) -> datetime | None:
        sql = "SELECT min(due_at) FROM notices WHERE due_at IS NOT NULL"
        found = self._connection.execute(sql).fetchone()[0]
        return None if found is None else from_microseconds(found)

    def mailboxes_with_retention(self) -> list[Mailbox]:
        rest = "WHERE json_extract(settings, '$.retention_days') IS NOT NULL ORDER BY id"
        return _all(self._connection, Mailbox, rest)

    def oldest_message(self, mailbox_id: str, not_in: Sequence[str]) -> Message | None:
        found = _all(self._connection, Message, *_ageing(mailbox_id, not_in, None, 1))
        return found[0] if found else None

    def older_messages(
        self, mailbox_id: str, not_in: Sequence[str], until: datetime, limit: int
    ) -> list[Message]:
        return _all(self._connection, Message, *_ageing(mailbox_id, not_in, until, limit))

    def messages_after(self, account_id: str, after_id: str, limit: int) -> list[Message]:
        rest = "WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?"
        return _all(self._connection, Message, rest, account_id, after_id, limit)


class SqliteAuthorityTx(SqliteAuthorityReader):
    """The verbs of a transaction that changes things. See `protocol.Tx`."""

    def put_code(self, code: OneTimeCode) -> None:
        _put(self._connection, code)

    def put_notice(self, notice: Notice) -> None:
        _put(self._connection, notice)

    def purge_content(self, message_id: str) -> None:
        for sql in _CONTENT:
            self._connection.execute(sql, (message_id,))


_NAMES: dict[type[Any], str] = {
    Mailbox: "mailboxes",
    Message: "messages",
    Notice: "notices",
    OneTimeCode: "one_time_codes",
}


def _ageing(
    mailbox_id: str, not_in: Sequence[str], until: datetime | None, limit: int
) -> tuple[Any, ...]:
    marks = ", ".join("?" * len(not_in))
    rest = (
        f"WHERE mailbox_id = ? AND status <> 'deleted' AND status NOT IN ({marks}) "
        "AND (? IS NULL OR created_at <= ?) ORDER BY created_at LIMIT ?"
    )
    limit_at = None if until is None else to_microseconds(until)
    return rest, mailbox_id, *not_in, limit_at, limit_at, limit


def _all(connection: Connection, record: type[R], rest: str, *values: Any) -> list[R]:
    sql = f"SELECT {column_list(record)} FROM {_NAMES[record]} {rest}"  # noqa: S608
    return [decode_record(record, row) for row in connection.execute(sql, values)]


def _put(connection: Connection, record: Any) -> None:
    names = column_names(type(record))
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name != "id")
    connection.execute(
        f"INSERT INTO {_NAMES[type(record)]} ({column_list(type(record))}) "  # noqa: S608
        f"VALUES ({', '.join('?' * len(names))}) ON CONFLICT (id) DO UPDATE SET {changes}",
        encode_record(record),
    )
