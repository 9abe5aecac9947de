"""No query or change reads a whole table or a whole mailbox: every plan, on both databases.

The queries and changes are those that the store protocol declares, so a new one is tested too.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
import sqlite3
import typing
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store import rows
from tests.store.test_store_sqlite import ARGUMENTS as READ_ARGUMENTS
from tests.store.test_store_sqlite import FULL_TEXT, SMALL_TABLES

from multimail_server.oversight import State
from multimail_server.store import protocol
from multimail_server.store.changes import SqlTx
from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import Tx
from multimail_server.store.records import (
    TABLES,
    Attachment,
    Content,
    DeliveryFilter,
    Message,
    MessageFilter,
    Record,
    Tag,
    WebhookDelivery,
)
from multimail_server.store.sql import POSTGRES, SQLITE
from multimail_server.store.sqlite import SqliteStore

OWNERS = {"mailbox_id", "account_id"}
"""Columns by which most of a table may be one owner's."""
FULL = {"mailbox_id": "mbx_1", "account_id": "acc_1"}
"""The owners of all rows."""
WHOLE = {"purge_mail", "remove_connected_account"}
"""Changes that are meant to read everything."""
ARGUMENTS: dict[Any, list[Any]] = {
    **READ_ARGUMENTS,
    Record: [rows.MAILBOX, rows.audit(1), rows.outbox(1), rows.SUPPRESSION],
    Message: [rows.message(1)],
    Content: [rows.content(1)],
    State: [State.SENT],
    Attachment: [rows.attachment(1, 1)],
    bytes: [b"x"],
    Iterable[Tag]: [[rows.TAG]],
    WebhookDelivery: [rows.webhook_delivery(1, 1)],
}
ROWS = 3000
IDS = ("id", "thread_id", "rfc_message_id", "raw_sha256", "fingerprint", "message_id", "sha256",
       "address", "email", "rfc_id", "name", "idempotency_key", "attachment_id",
       "delivery_id")  # fmt: skip
MOMENTS = ("created_at", "delivered_at", "due_at", "expires_at")
VARIED = {
    **{name: f"coalesce(r.{name}, '') || '_' || n" for name in IDS},
    **{name: f"r.{name} + n::bigint * 1000000" for name in MOMENTS},
    "place": "n + 10",
    "seq": "n + 10",
    "position": "n + 10",
    "direction": "CASE n % 2 WHEN 0 THEN 'inbound' ELSE r.direction END",
}
"""What differs in the copies of a row, by column."""
TABLES_WITHOUT_RECORD = [("approved_recipients",), ("attachment_contents",), ("webhook_bodies",)]
METHODS = [
    name
    for name, _ in inspect.getmembers(Tx, inspect.isfunction)
    if not name.startswith("_") and name not in WHOLE
]


class NoRows:
    """A result without rows."""

    rowcount = 0

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Explaining:
    """A connection that collects what each statement reads badly, instead of running it."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.faults: list[str] = []

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> NoRows:
        self.statements.append(sql)
        self.faults += [f"{fault}: {sql}" for fault in self.find_faults(sql, values)]
        return NoRows()

    def executemany(self, sql: str, many: Iterable[Sequence[Any]], /) -> None:
        for values in many:
            self.execute(sql, values)

    def find_faults(self, sql: str, values: Sequence[Any]) -> list[str]:
        raise NotImplementedError


class ExplainingSqlite(Explaining):
    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._inner = connection
        connection.create_function("casefold", 1, str)

    def find_faults(self, sql: str, values: Sequence[Any]) -> list[str]:
        plan = self._inner.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        steps = [str(row[-1]) for row in plan]
        ends_early = "LIMIT" in sql and not any("TEMP B-TREE FOR ORDER" in step for step in steps)
        return [step for step in steps if self._is_bad(step, ends_early=ends_early)]

    @staticmethod
    def _is_bad(step: str, *, ends_early: bool) -> bool:
        kind, table, *_ = [*step.split(), ""]
        if table in (*SMALL_TABLES, "CONSTANT") or FULL_TEXT.search(step):
            return False
        if kind == "SCAN":
            return not (ends_early and " USING " in step)
        columns = {part.strip(" ()").rstrip("=<>?") for part in step.partition("(")[2].split("AND")}
        return kind == "SEARCH" and columns <= OWNERS and not ends_early


class ExplainingPostgres(Explaining):
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__()
        self._inner = connection
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")

    def find_faults(self, sql: str, values: Sequence[Any]) -> list[str]:
        text = f"EXPLAIN (FORMAT JSON) {sql.replace('?', '%s')}".encode()
        row = self._inner.execute(text, values).fetchone()
        assert row is not None
        plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
        return list(self._find(plan[0]["Plan"], ends_early=False))

    def _find(self, node: dict[str, Any], *, ends_early: bool) -> Iterator[str]:
        kind = node["Node Type"]
        ends_early = kind == "Limit" or (ends_early and kind not in ("Sort", "Aggregate", "Hash"))
        table = node.get("Relation Name")
        if table and table not in SMALL_TABLES and kind != "ModifyTable":
            condition = str(node.get("Index Cond") or node.get("TID Cond") or "")
            columns = set(re.findall(r'(\w+)"? (?:=|<|>|<=|>=|IS) ', condition))
            if kind == "Seq Scan" or (columns <= OWNERS and not ends_early):
                yield f"{kind} of {table} by {condition or 'nothing'}"
        for below in node.get("Plans", []):
            yield from self._find(below, ends_early=ends_early)


def fill_tables(connection: psycopg.Connection[Any]) -> None:
    """Copy the row of every table, all of one mailbox: the planner goes by what is there."""
    connection.execute("SET session_replication_role = replica")  # no foreign keys, no triggers
    for table, *_ in (*TABLES.values(), *TABLES_WITHOUT_RECORD):
        if table in SMALL_TABLES:
            continue
        found = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,)
        )
        changes = ", ".join(f"'{name}', {VARIED[name]}" for (name,) in found if name in VARIED)
        connection.execute(
            f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(r) || "
            f"jsonb_build_object({changes}))).* FROM (SELECT * FROM {table} LIMIT 1) AS r, "
            f"generate_series(1, {ROWS}) AS n".encode()
        )
    connection.execute("SET session_replication_role = origin")
    connection.execute("ANALYZE")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def explaining(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Explaining, Any]]:
    """A connection that explains, on an empty database, and its dialect."""
    if request.param == "sqlite":
        path = Path(tmp_path_factory.mktemp("plans")) / "data.db"
        SqliteStore(path).close()
        with closing(sqlite3.connect(path)) as connection:
            yield ExplainingSqlite(connection), SQLITE
        return
    cluster = request.getfixturevalue("postgres")
    url = cluster.new_database()
    store = PostgresStore(url)
    store.write(rows.insert_owner)
    store.write(rows.everything)
    store.close()
    with psycopg.connect(url, autocommit=True) as native:
        fill_tables(native)
        yield ExplainingPostgres(native), POSTGRES
    cluster.drop(url)


def list_arguments(name: str, hint: Any) -> list[Any]:
    """Return values for a parameter; those of owners are the ones that own all the rows."""
    values = ARGUMENTS[hint]
    if name in FULL:
        return [value and FULL[name] for value in values]
    return [
        replace(value, **{key: FULL[key] for key in FULL if hasattr(value, key)})
        if isinstance(value, MessageFilter | DeliveryFilter)
        else value
        for value in values
    ]


@pytest.mark.parametrize("name", METHODS)
def test_no_query_and_no_change_reads_a_whole_mailbox(
    name: str, explaining: tuple[Explaining, Any]
) -> None:
    connection, dialect = explaining
    connection.statements, connection.faults = [], []
    hints = typing.get_type_hints(getattr(Tx, name), {**vars(protocol)})
    hints.pop("return")
    hints.pop("changes", None)
    for arguments in itertools.product(*(list_arguments(*hint) for hint in hints.items())):
        getattr(SqlTx(connection, dialect), name)(*arguments)
    assert connection.statements
    assert connection.faults == []
