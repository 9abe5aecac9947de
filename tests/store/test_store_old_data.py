"""Data of an earlier commit: a store opens it, applies the migrations since then, and reads it.

The code of commit b255d8e wrote the dumps, with the rows of `rows.everything`. They are not written
again when the schema changes. Letters that PostgreSQL folds are left out of its dump.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store import rows

from multimail_server.store.migrate import list_migrations
from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import Reader, Store, Tx
from multimail_server.store.query_language import parse_query
from multimail_server.store.records import DeliveryFilter, Purpose, SearchFilter, SignedHeaders
from multimail_server.store.sqlite import SqliteStore

QUERIES: list[tuple[Callable[[Reader], Any], Any]] = [
    (lambda tx: tx.setting("name"), rows.WORDS),
    (lambda tx: tx.account("acc_1"), rows.ACCOUNT),
    (lambda tx: tx.mailboxes("acc_1"), [rows.MAILBOX]),
    (lambda tx: tx.key_by_sha256("5ha"), rows.KEY),
    (
        lambda tx: tx.thread("mbx_1", "thr_1", 10),
        [
            rows.message(1),
            rows.message(
                2,
                replies_to_id="msg_0001",
                answers={"id": "msg_0001", "from": "", "authentication": {}},
            ),
        ],
    ),
    (lambda tx: tx.content("msg_0001"), replace(rows.content(1), notes=())),
    (lambda tx: tx.attachments("msg_0001"), [rows.attachment(1, 0)]),
    (lambda tx: tx.attachment_content("att_1_0"), b"file"),
    (lambda tx: tx.tags("msg_0001"), [rows.TAG]),
    (lambda tx: tx.idempotency("mbx_1", "key"), rows.idempotency("key", 1)),
    (lambda tx: tx.outbox_row("msg_0002"), rows.outbox(2)),
    (lambda tx: tx.test_delivery("msg_0001"), rows.delivery(1)),
    (lambda tx: tx.revisions("msg_0001"), [rows.REVISION]),
    (lambda tx: tx.approval_link("5ha"), rows.LINK),
    (lambda tx: tx.signed_headers("msg_0001"), SignedHeaders("msg_0001", b"\x00head")),
    (lambda tx: tx.approved_recipients("mbx_1", ["A@example.com"]), {"a@example.com"}),
    (lambda tx: tx.notifications("acc_1", None, None, 10), [rows.NOTIFICATION]),
    (
        lambda tx: tx.contacts("acc_1", "A@EXAMPLE", 10),
        [rows.contact(1, "a@example.com", label="unknown")],
    ),
    (lambda tx: tx.audit("acc_1", None, None, 10), [rows.audit(1)]),
    (lambda tx: tx.one_time_codes("acc_1", Purpose.CHANGE, None, rows.NOW), [rows.CODE]),
    (lambda tx: tx.domains("acc_1"), [rows.DOMAIN]),
    (lambda tx: tx.suppression("acc_1", "a@example.com"), rows.SUPPRESSION),
    (lambda tx: tx.webhooks("acc_1"), [rows.WEBHOOK]),
    (
        lambda tx: tx.webhook_deliveries(DeliveryFilter("acc_1", 10)),
        [rows.webhook_delivery(1, 1)],
    ),
    (lambda tx: tx.webhook_body("evt_1"), b"body"),
    (lambda tx: find(tx, "grüße"), ["msg_0002", "msg_0001"]),
    (lambda tx: find(tx, "nothing"), []),
    (lambda tx: tx.last_event_position(), 0),
]


def find(tx: Reader, query: str) -> list[str]:
    """Search the mail, which was stored before there was an index of its words."""
    found = tx.search_messages(SearchFilter("mbx_1", 10, parse_query(query), reviewer=True))
    return [message.id for message in found]


def log_event(tx: Tx) -> int:
    """Add an event to the log that the dump did not have; return how many get a position."""
    tx.insert(rows.event(1))
    return tx.number_events(10)


def read_dump(name: str) -> str:
    return Path(__file__).with_name(f"data_b255d8e.{name}.sql").read_text(encoding="utf-8")


def check_rows(store: Store) -> None:
    """Read every row of the dump, then remove the mail, whose references must be whole."""
    for query, expected in QUERIES:
        assert store.read(query) == expected
    assert store.write(log_event) == 1
    assert store.read(lambda tx: tx.last_event_position()) == 1
    store.write(lambda tx: tx.purge_mail())
    assert store.read(lambda tx: tx.message("msg_0001")) is None
    store.close()


def describe_sqlite(path: Path) -> set[tuple[str, str]]:
    """Return the name and definition of everything in a schema, without white space."""
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == len(list_migrations())
        schema = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return {(name, "".join(sql.split())) for name, sql in schema}


def describe_postgres(url: str) -> set[tuple[Any, ...]]:
    """Return the columns and indexes of a schema."""
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT taken FROM schema_version").fetchone() == (
            len(list_migrations()),
        )
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        ).fetchall()
        return {*columns, *indexes}


def test_a_data_file_of_an_earlier_commit(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(read_dump("sqlite"))
    check_rows(SqliteStore(old))
    SqliteStore(new).close()
    assert describe_sqlite(old) == describe_sqlite(new)


def test_an_old_reply_waits_for_its_original(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    reply = "UPDATE messages SET direction = 'inbound', in_reply_to = ? WHERE id = ?"
    for original, references in (("<gone@x>", 1), ("<1@example.com>", 0)):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(read_dump("sqlite"))
            connection.execute("UPDATE messages SET thread_id = 'thr_2' WHERE id = 'msg_0002'")
            connection.execute(reply, (original, "msg_0002"))
            connection.commit()
        store = SqliteStore(path)
        waiting = store.read(lambda tx: tx.message_references("mbx_1", ["<gone@x>", original]))  # noqa: B023
        assert [row.thread_id for row in waiting.values()] == ["thr_2"] * references
        store.close()


@pytest.fixture
def empty_database(postgres: Any) -> Iterator[str]:
    """The URL of a second database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_a_postgresql_database_of_an_earlier_commit(database_url: str, empty_database: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(read_dump("postgres").encode())
    check_rows(PostgresStore(database_url))
    PostgresStore(empty_database).close()
    assert describe_postgres(database_url) == describe_postgres(empty_database)
