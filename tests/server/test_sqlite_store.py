"""The SQLite store: group commit, durability, and rows that nobody can take back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from multimail_server.oversight import State
from multimail_server.store.dialects import SQLITE
from multimail_server.store.migrate import load_migrations
from multimail_server.store.protocol import Reader, StoreUnavailableError, Tx
from multimail_server.store.queries import SqlReader
from multimail_server.store.records import Account, AuditEntry
from multimail_server.store.sqlite import SqliteStore

MIGRATIONS = load_migrations(SQLITE, 0, "data.db")

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "deep" / "data.db")
    yield opened
    opened.close()


def account(name: str) -> Account:
    return Account(f"acc_{name}", name, NOW)


def stored(store: SqliteStore, name: str) -> Account | None:
    return store.read(lambda tx: tx.account(f"acc_{name}"))


def test_a_record_comes_back_as_it_was(store: SqliteStore) -> None:
    store.write(lambda tx: tx.put_account(account("a")))
    assert store.read(lambda tx: tx.account("acc_a")) == account("a")


def test_a_failing_job_does_not_hurt_the_others_of_its_batch(store: SqliteStore) -> None:
    """Hold the writer so that all jobs queue up and share one commit."""
    inside, release = threading.Event(), threading.Event()

    def hold(_: Tx) -> None:
        inside.set()
        release.wait(10)

    def good(name: str) -> str:
        store.write(lambda tx: tx.put_account(account(name)))
        return name

    def bad(tx: Tx) -> None:
        tx.put_account(account("bad"))
        raise LookupError("on purpose")

    with ThreadPoolExecutor(12) as pool:
        holder = pool.submit(store.write, hold)
        assert inside.wait(10)
        goods = [pool.submit(good, f"g{number}") for number in range(5)]
        failing = pool.submit(store.write, bad)
        goods += [pool.submit(good, f"h{number}") for number in range(5)]
        release.set()
        holder.result(10)
        names = {future.result(10) for future in goods}
        with pytest.raises(LookupError, match="on purpose"):
            failing.result(10)
    for name in names:
        assert stored(store, name) is not None
    assert store.read(lambda tx: tx.account("acc_bad")) is None


def test_what_runs_again_beside_a_failing_job_counts_once(store: SqliteStore) -> None:
    inside, release = threading.Event(), threading.Event()

    def hold(_: Tx) -> None:
        inside.set()
        release.wait(10)

    def count(tx: Tx) -> None:
        tx.set_setting("count", str(int(tx.setting("count") or 0) + 1))

    def bad(tx: Tx) -> None:
        count(tx)
        raise LookupError("on purpose")

    with ThreadPoolExecutor(12) as pool:
        holder = pool.submit(store.write, hold)
        assert inside.wait(10)
        work = [count, count, bad, count, bad, count]
        done = [pool.submit(store.write, one) for one in work]
        release.set()
        holder.result(10)
        problems = [future.exception(10) for future in done]
    assert [problem is not None for problem in problems] == [one is bad for one in work]
    assert store.read(lambda tx: tx.setting("count")) == "4"


def test_a_job_that_fails_alone_is_run_once(store: SqliteStore) -> None:
    runs: list[Tx] = []

    def bad(tx: Tx) -> None:
        runs.append(tx)
        tx.put_account(account("bad"))
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        store.write(bad)
    assert len(runs) == 1
    assert stored(store, "bad") is None


def test_a_constraint_that_fails_undoes_one_job_alone(store: SqliteStore) -> None:
    entry = AuditEntry("aud_1", "acc_nobody", "x", "email", "msg_1", NOW)
    with pytest.raises(sqlite3.IntegrityError):
        store.write(lambda tx: tx.add_audit(entry))
    store.write(lambda tx: tx.put_account(account("later")))


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "data.db")
    first.write(lambda tx: tx.put_account(account("kept")))
    first.close()
    second = SqliteStore(tmp_path / "data.db")
    assert second.read(lambda tx: tx.account("acc_kept")) == account("kept")
    second.close()


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.write(lambda tx: tx.put_account(account("late")))


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StoreUnavailableError, match="newer version"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreUnavailableError, match=r"notes\.txt"):
        SqliteStore(path)


def test_a_locked_database_refuses_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimail_server.store.sqlite.BUSY_TIMEOUT", 0.05)
    path = tmp_path / "data.db"
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.write(lambda tx: tx.put_account(account("a")))
    other.execute("ROLLBACK")
    other.close()
    store.write(lambda tx: tx.put_account(account("a")))
    store.close()


def test_two_stores_cannot_have_one_file(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "data.db")
    with pytest.raises(StoreUnavailableError, match="another server"):
        SqliteStore(tmp_path / "data.db")
    first.close()
    SqliteStore(tmp_path / "data.db").close()


def test_the_audit_log_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    store = SqliteStore(path)
    store.write(lambda tx: tx.put_account(account("a")))
    store.write(lambda tx: tx.add_audit(AuditEntry("aud_1", "acc_a", "x", "email", "m", NOW)))
    store.close()
    connection = sqlite3.connect(path)
    for change in ("DELETE FROM audit", "UPDATE audit SET action = 'y'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(change)
    connection.close()


@pytest.mark.parametrize("order", ["mailbox_id = 'm'", "mailbox_id = 'm' AND id < 'x'"])
def test_listing_walks_an_index_and_sorts_nothing(tmp_path: Path, order: str) -> None:
    SqliteStore(tmp_path / "data.db").close()
    connection = sqlite3.connect(tmp_path / "data.db")
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN SELECT * FROM messages WHERE {order} ORDER BY id DESC LIMIT 20"
    ).fetchall()
    connection.close()
    assert len(plan) == 1
    assert "USING INDEX message_newest" in plan[0][-1]


class Explaining:
    """A connection that tells the plan of each statement instead of carrying it out."""

    def __init__(self, path: Path) -> None:
        self._inner = sqlite3.connect(path)
        self.plans: list[str] = []

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        plan = self._inner.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        self.plans += [row[-1] for row in plan]
        return self._inner.execute("SELECT 1 WHERE false")

    def executemany(self, sql: str, rows: object, /) -> None:
        raise NotImplementedError


SOUGHT: dict[str, tuple[Callable[[Reader], object], str]] = {
    "by one Message-ID": (
        lambda tx: tx.find_by_rfc_ids("m", ["<a>"]),
        "COVERING INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "by several Message-IDs": (
        lambda tx: tx.find_by_rfc_ids("m", ["<a>", "<b>", "<c>"]),
        "COVERING INDEX message_rfc_id (mailbox_id=? AND rfc_message_id=?)",
    ),
    "by its bytes": (
        lambda tx: tx.find_by_raw("m", "0a", NOW),
        "INDEX message_raw (mailbox_id=? AND raw_sha256=?)",
    ),
    "by its fingerprint": (
        lambda tx: tx.find_by_fingerprint("m", "0a", NOW),
        "INDEX message_fingerprint (mailbox_id=? AND fingerprint=?)",
    ),
    "by its thread": (
        lambda tx: tx.thread("m", "t", 10),
        "INDEX message_thread (mailbox_id=? AND thread_id=?)",
    ),
    "by its state": (
        lambda tx: tx.messages_in_states("m", [State.SENDING]),
        "INDEX message_status (mailbox_id=? AND status=?)",
    ),
    "what awaits a decision": (
        lambda tx: tx.pending_messages("a", None, NOW, "", 10),
        "INDEX message_held (account_id=? AND id>?)",
    ),
    "what expires": (lambda tx: tx.expired_messages(NOW, 1), "INDEX message_expiry (expires_at<?)"),
}


@pytest.mark.parametrize("what", SOUGHT)
def test_looking_a_message_up_does_not_read_the_mailbox(tmp_path: Path, what: str) -> None:
    SqliteStore(tmp_path / "data.db").close()
    connection = Explaining(tmp_path / "data.db")
    look, index = SOUGHT[what]
    look(SqlReader(connection, SQLITE))
    assert any(index in line for line in connection.plans), connection.plans
    reading = [line for line in connection.plans if "messages" in line and index not in line]
    assert all(line.endswith("(id=?)") for line in reading), connection.plans


def test_a_file_of_an_older_version_gets_the_indexes(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    old = sqlite3.connect(path)
    for number, step in enumerate(MIGRATIONS[:-1], start=1):
        old.executescript(f"{step};PRAGMA user_version = {number};")
    old.close()
    SqliteStore(path).close()
    connection = Explaining(path)
    SqlReader(connection, SQLITE).find_by_rfc_ids("m", ["<a>"])
    assert any("COVERING INDEX message_rfc_id" in line for line in connection.plans)
