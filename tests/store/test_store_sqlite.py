"""The SQLite store beyond the contract of every store: group commit, the file, and query plans."""

from __future__ import annotations

import inspect
import itertools
import re
import sqlite3
import threading
import typing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.store import rows

from multimail_server.oversight import Direction, State
from multimail_server.store import protocol
from multimail_server.store.changes import SqlTx
from multimail_server.store.migrate import list_migrations, load_migrations
from multimail_server.store.protocol import Reader, StoreUnavailableError, Tx
from multimail_server.store.queries import SqlReader
from multimail_server.store.query_language import parse_query
from multimail_server.store.records import (
    DeliveryFilter,
    DeliveryStatus,
    EventFilter,
    MessageFilter,
    Purpose,
    SearchFilter,
)
from multimail_server.store.sql import SQLITE
from multimail_server.store.sqlite import SqliteStore

TIMEOUT = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a data file can be created, in a folder that does not exist yet."""
    return tmp_path / "deep" / "data.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def test_jobs_run_again_beside_a_failing_one_count_once(store: SqliteStore) -> None:
    """Hold the writer so that all jobs queue up and share one commit."""
    is_held, release = threading.Event(), threading.Event()

    def hold(_: Tx) -> None:
        is_held.set()
        release.wait(TIMEOUT)

    def count(tx: Tx) -> None:
        tx.set_setting("count", str(int(tx.setting("count") or 0) + 1))

    def fail(tx: Tx) -> None:
        count(tx)
        raise LookupError("on purpose")

    with ThreadPoolExecutor(12) as pool:
        holder = pool.submit(store.write, hold)
        assert is_held.wait(TIMEOUT)
        jobs = [count, count, fail, count, fail, count]
        results = [pool.submit(store.write, job) for job in jobs]
        release.set()
        holder.result(TIMEOUT)
        failed = [result.exception(TIMEOUT) is not None for result in results]
    assert failed == [job is fail for job in jobs]
    assert store.read(lambda tx: tx.setting("count")) == "4"


def test_a_job_that_fails_alone_runs_once(store: SqliteStore) -> None:
    runs: list[Tx] = []

    def fail(tx: Tx) -> None:
        runs.append(tx)
        tx.put(rows.ACCOUNT)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        store.write(fail)
    assert len(runs) == 1
    assert store.read(lambda tx: tx.account("acc_1")) is None


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreUnavailableError, match="newer version"):
        SqliteStore(path)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreUnavailableError, match=r"notes\.txt"):
        SqliteStore(path)


def test_a_locked_file_is_unavailable_until_it_is_unlocked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimail_server.store.sqlite.BUSY_TIMEOUT", 0.05)
    store = SqliteStore(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked"):
            store.write(lambda tx: tx.put(rows.ACCOUNT))
    store.write(lambda tx: tx.put(rows.ACCOUNT))
    store.close()


def test_a_file_has_one_store_at_a_time(path: Path) -> None:
    first = SqliteStore(path)
    with pytest.raises(StoreUnavailableError, match="another server"):
        SqliteStore(path)
    first.close()
    SqliteStore(path).close()


def test_the_audit_log_is_append_only_for_sql_too(path: Path) -> None:
    store = SqliteStore(path)
    store.write(rows.insert_owner)
    store.write(lambda tx: tx.insert(rows.audit(1)))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for change in ("DELETE FROM audit", "UPDATE audit SET action = 'y'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


def test_migrations_are_numbered_from_1_without_a_gap() -> None:
    numbers = [int(file.name.partition("_")[0]) for file in list_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("applied", range(len(list_migrations())))
def test_a_file_of_any_earlier_version_gets_the_whole_schema(path: Path, applied: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        for migration in load_migrations(SQLITE, 0, "old")[:applied]:
            old.executescript(migration)
        old.execute(f"PRAGMA user_version = {applied}")
    SqliteStore(path).close()
    new = path.with_name("new.db")
    SqliteStore(new).close()
    assert read_schema(path) == read_schema(new)


def read_schema(path: Path) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT name, tbl_name, sql FROM sqlite_schema"))


class ExplainingConnection:
    """A connection that records the plan of each statement instead of running it."""

    def __init__(self, path: Path) -> None:
        self._inner = sqlite3.connect(path)
        self._inner.create_function("casefold", 1, str)
        self.plan: list[str] = []

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        plan = self._inner.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        self.plan += [row[-1] for row in plan]
        return self._inner.execute("SELECT 1 WHERE false")

    def executemany(self, sql: str, rows: object, /) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def explaining(path: Path) -> Iterator[ExplainingConnection]:
    """A connection for query plans, on an empty data file."""
    SqliteStore(path).close()
    with closing(ExplainingConnection(path)) as connection:
        yield connection


SMALL_TABLES = (
    *(
        "accounts",
        "connected_accounts",
        "domains",
        "event_counter",
        "event_losses",
        "keys",
        "mailboxes",
    ),
    *("webhooks", "w"),
)
"""Tables with few rows, which may be read as a whole; `w` is the alias of webhooks in a query."""

FULL_TEXT = re.compile(r"VIRTUAL TABLE INDEX \d+:[<>=]*M\d")
"""The plan's words for a search of the full-text index, which SQLite calls a scan."""

MAX_ROWS = "m", 10
ARGUMENTS: dict[Any, list[Any]] = {
    str: ["x"],
    str | None: [None, "x"],
    int: [10],
    datetime: [rows.NOW],
    Purpose: [Purpose.CHANGE],
    Sequence[str]: [["x"], ["x", "y"]],
    Sequence[State]: [[State.SENDING], [State.SENDING, State.SENT]],
    MessageFilter: [
        MessageFilter(*MAX_ROWS),
        MessageFilter(*MAX_ROWS, statuses=(State.SENT, State.UNREAD)),
        MessageFilter(*MAX_ROWS, direction=Direction.INBOUND, before_id="x"),
        MessageFilter(*MAX_ROWS, sender="x", subject_contains="y", since_id="x"),
        MessageFilter(*MAX_ROWS, has_attachments=True, date_after=rows.NOW, date_before=rows.NOW),
    ],
    SearchFilter: [
        SearchFilter(*MAX_ROWS),
        SearchFilter(*MAX_ROWS, parse_query('a "b c" -d e* is:unread')),
        SearchFilter(*MAX_ROWS, parse_query("subject:a in:inbox")),
        SearchFilter(*MAX_ROWS, parse_query("label:own has:attachment"), before_id="x"),
        SearchFilter(*MAX_ROWS, parse_query("tag:a=b after:2026-01-01"), reviewer=True),
        SearchFilter(*MAX_ROWS, parse_query("a tag:a thread:t")),
        SearchFilter(*MAX_ROWS, parse_query("thread:t")),
    ],
    DeliveryFilter: [
        DeliveryFilter(*MAX_ROWS),
        DeliveryFilter(*MAX_ROWS, status=DeliveryStatus.FAILED, before_id="x"),
        DeliveryFilter(*MAX_ROWS, webhook_id="x"),
        DeliveryFilter(*MAX_ROWS, bound_to="x"),
    ],
    EventFilter: [
        EventFilter(*MAX_ROWS),
        EventFilter(*MAX_ROWS, after=7, mailbox_id="x", kinds=("message.sent", "message.bounced")),
    ],
}
"""What each query is called with, by the type of its parameters."""
QUERIES = [
    name
    for name, member in inspect.getmembers(Reader, inspect.isfunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_a_whole_table(name: str, explaining: ExplainingConnection) -> None:
    hints = typing.get_type_hints(getattr(Reader, name), dict(vars(protocol)))
    hints.pop("return")
    for arguments in itertools.product(*(ARGUMENTS[hint] for hint in hints.values())):
        getattr(SqlReader(explaining, SQLITE), name)(*arguments)
    scans = [
        step
        for step in explaining.plan
        if step.startswith("SCAN ") and step.split()[1] not in (*SMALL_TABLES, "CONSTANT")
        if not FULL_TEXT.search(step)
    ]
    assert explaining.plan
    assert scans == []


def test_threads_change_by_their_index(explaining: ExplainingConnection) -> None:
    changes = SqlTx(explaining, SQLITE)
    changes.merge_thread("m", "t", "u")
    changes.remove_message_references("m", "t", "<a>")
    searched = [step for step in explaining.plan if step.startswith(("SEARCH", "SCAN"))]
    assert len(searched) == 4
    assert all("thread_id=?" in step or "rfc_id=?" in step for step in searched), searched


LOOKUPS: dict[str, tuple[Callable[[Reader], object], str]] = {
    "by one Message-ID": (
        lambda tx: tx.find_by_rfc_ids("m", ["<a>"]),
        "COVERING INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "by several Message-IDs": (
        lambda tx: tx.find_by_rfc_ids("m", ["<a>", "<b>", "<c>"]),
        "COVERING INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "copies": (
        lambda tx: tx.messages_by_rfc_id("m", "<a>", 10),
        "INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "threads by Message-ID": (
        lambda tx: tx.threads_by_rfc_ids("m", ["<a>", "<b>"]),
        "COVERING INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "the newest": (
        lambda tx: tx.ask_newest_message_id("m")(),
        "COVERING INDEX message_newest (mailbox_id=?)",
    ),
    "by bytes": (
        lambda tx: tx.find_by_raw("m", "0a", rows.NOW),
        "INDEX message_raw (mailbox_id=? AND raw_sha256=?)",
    ),
    "by fingerprint": (
        lambda tx: tx.find_by_fingerprint("m", "0a", rows.NOW),
        "INDEX message_fingerprint (mailbox_id=? AND fingerprint=?)",
    ),
    "by thread": (
        lambda tx: tx.thread("m", "t", 10),
        "INDEX message_thread (mailbox_id=? AND thread_id=?)",
    ),
    "by state": (
        lambda tx: tx.messages_in_states("m", [State.SENDING]),
        "INDEX message_status (mailbox_id=? AND status=?)",
    ),
    "pending": (
        lambda tx: tx.pending_messages("a", None, rows.NOW, "", 10),
        "INDEX message_held (account_id=? AND id>?)",
    ),
    "expired": (
        lambda tx: tx.expired_messages(rows.NOW, 1),
        "INDEX message_expiry (expires_at<?)",
    ),
    "newest": (
        lambda tx: tx.list_messages(MessageFilter(*MAX_ROWS)),
        "INDEX message_newest (mailbox_id=?)",
    ),
    "next page": (
        lambda tx: tx.list_messages(MessageFilter(*MAX_ROWS, before_id="x")),
        "INDEX message_newest (mailbox_id=? AND id<?)",
    ),
    "a search": (
        lambda tx: tx.search_messages(SearchFilter(*MAX_ROWS, parse_query("a -b"))),
        "SCAN s VIRTUAL TABLE INDEX 192:M6",
    ),
    "a search's next page": (
        lambda tx: tx.search_messages(SearchFilter(*MAX_ROWS, parse_query("a"), before_id="x")),
        "SCAN s VIRTUAL TABLE INDEX 192:M6<",
    ),
    "a thread's mail": (
        lambda tx: tx.search_messages(SearchFilter(*MAX_ROWS, parse_query("thread:t"))),
        "INDEX message_thread (mailbox_id=? AND thread_id=?)",
    ),
    "tagged mail": (
        lambda tx: tx.search_messages(
            SearchFilter(*MAX_ROWS, parse_query("tag:a=b"), before_id="x")
        ),
        "INDEX tag_name (name=? AND message_id<?)",
    ),
    "oldest": (
        lambda tx: tx.older_messages("m", ["sending"], rows.NOW, 10),
        "INDEX message_age (mailbox_id=? AND created_at<?)",
    ),
}


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_messages_are_found_by_their_index(lookup: str, explaining: ExplainingConnection) -> None:
    """It does not read the mailbox: an index finds the rows, in order."""
    query, index = LOOKUPS[lookup]
    query(SqlReader(explaining, SQLITE))
    assert any(index in step for step in explaining.plan), explaining.plan
    others = [step for step in explaining.plan if "messages" in step and index not in step]
    assert all(step.endswith("(id=?)") for step in others), explaining.plan
    if lookup != "by fingerprint":  # few messages have the same
        assert not any("TEMP B-TREE" in step for step in explaining.plan), explaining.plan
