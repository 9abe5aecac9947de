"""The PostgreSQL store beyond the contract: several processes, lost connections, rights."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import psycopg
import pytest
from tests.store import rows
from tests.support.cutting_proxy import CuttingProxy, Moment
from tests.support.postgres import PASSWORD, QUOTED, Cluster

from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import StoreUnavailableError, Tx
from multimail_server.store.records import EventFilter
from multimail_server.store.sqlite import SqliteStore


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresStore]:
    opened = PostgresStore(database_url)
    yield opened
    opened.close()


def run_sql(url: str, sql: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode(), values).fetchall()


def set_value(store: PostgresStore, name: str, value: str) -> None:
    store.write(lambda tx: tx.set_setting(name, value))


def test_the_schema_has_the_tables_columns_and_indexes_of_sqlite(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    SqliteStore(tmp_path / "data.db").close()
    with sqlite3.connect(tmp_path / "data.db") as file:
        tables = file.execute(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c "
            "WHERE m.type = 'table'"
        ).fetchall()
        indexes = file.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
    own = {"schema_version", "folded_letters"}
    columns = run_sql(
        database_url,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public'",
    )
    assert sorted(row for row in columns if row[0] not in own) == sorted(tables)
    rows = run_sql(database_url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    assert {*indexes} <= {*rows}


def test_casefold_is_that_of_python(store: PostgresStore, database_url: str) -> None:
    letters = [chr(point) for point in range(1, 0x30000) if not 0xD800 <= point < 0xE000]
    lines = ["".join(letters[at : at + 500]) for at in range(0, len(letters), 500)]
    sql = "SELECT multimail_casefold(line) FROM unnest(%s::text[]) WITH ORDINALITY AS t(line, n)"
    folded = run_sql(database_url, f"{sql} ORDER BY n", lines)
    assert [row[0] for row in folded] == [line.casefold() for line in lines]


def test_the_audit_log_is_append_only_for_sql_too(store: PostgresStore, database_url: str) -> None:
    store.write(rows.insert_owner)
    store.write(lambda tx: tx.insert(rows.audit(1)))
    for sql in ("DELETE FROM audit", "UPDATE audit SET action = ''", "TRUNCATE audit"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            run_sql(database_url, sql)


def test_u0000_is_replaced(store: PostgresStore) -> None:
    set_value(store, "name", "a\0b")
    assert store.read(lambda tx: tx.setting("name")) == "a\ufffdb"


def test_a_write_runs_again_after_a_serialization_failure(
    store: PostgresStore, database_url: str
) -> None:
    set_value(store, "count", "0")
    runs: list[str | None] = []

    def work(tx: Tx) -> None:
        before = tx.setting("count")
        runs.append(before)
        if len(runs) == 1:
            run_sql(database_url, "UPDATE settings SET value = '10' RETURNING 1")
        tx.set_setting("count", str(int(before or "") + 1))

    store.write(work)
    assert runs == ["0", "10"]
    assert store.read(lambda tx: tx.setting("count")) == "11"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_gets_no_reply_is_made_once(
    moment: Moment, postgres: Cluster, database_url: str
) -> None:
    def work(tx: Tx) -> str:
        value = f"{tx.setting('count') or ''}x"
        tx.set_setting("count", value)
        return value

    with CuttingProxy(postgres.port) as proxy:
        store = PostgresStore(database_url.replace(str(postgres.port), str(proxy.port)))
        proxy.arm(moment)
        assert store.write(work) == "x"
        assert proxy.cut.is_set()
        assert store.read(lambda tx: tx.setting("count")) == "x"
        store.close()


def test_writes_of_several_stores_take_turns(store: PostgresStore, database_url: str) -> None:
    second = PostgresStore(database_url)
    set_value(store, "count", "0")

    def add(which: PostgresStore) -> None:
        which.write(lambda tx: tx.set_setting("count", str(int(tx.setting("count") or "") + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, [store, second] * 50))
    assert second.read(lambda tx: tx.setting("count")) == "100"
    second.close()


def test_stores_can_start_at_once_on_an_empty_database(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(PostgresStore, [database_url] * 4))
    set_value(stores[0], "a", "b")
    assert [store.read(lambda tx: tx.setting("a")) for store in stores] == ["b"] * 4
    for store in stores:
        store.close()


def test_a_commit_notifies_every_other_store(store: PostgresStore, database_url: str) -> None:
    second = PostgresStore(database_url)
    own, others = Event(), Event()
    store.on_remote_commit(own.set)
    second.on_remote_commit(others.set)
    own.clear()
    others.clear()
    set_value(store, "a", "b")
    assert others.wait(60)
    second.close()
    assert not own.is_set()


def test_a_claim_belongs_to_one_store_at_a_time(store: PostgresStore, database_url: str) -> None:
    second = PostgresStore(database_url)
    with second.claim("msg_1") as first, store.claim("msg_1") as ours, store.claim("msg_2") as more:
        assert (first, ours, more) == (True, False, True)
    with store.claim("msg_1") as ours, second.claim("msg_1") as theirs:
        assert (ours, theirs) == (True, False)
    held = second.claim("msg_3")
    assert held.__enter__()
    second.close()
    with store.claim("msg_3") as ours:
        assert ours


def test_claims_survive_a_lost_connection(store: PostgresStore, database_url: str) -> None:
    second = PostgresStore(database_url)
    lost = Event()
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    with store.claim("msg_1") as ours:
        assert ours
        before = run_sql(database_url, holders)
        store.on_remote_commit(lost.set)
        lost.clear()
        run_sql(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert lost.wait(60)
        assert len({*run_sql(database_url, holders)} - {*before}) == 1
        for _ in range(2):
            with suppress(StoreUnavailableError), second.claim("msg_1") as theirs:
                assert not theirs
    second.close()


def test_a_restart_of_the_database_loses_nothing(postgres: Cluster) -> None:
    url = postgres.new_database()
    store = PostgresStore(url)
    set_value(store, "before", "1")
    postgres.stop()
    try:
        with pytest.raises(StoreUnavailableError):
            set_value(store, "during", "1")
        with pytest.raises(StoreUnavailableError):
            store.read(lambda tx: tx.setting("before"))
    finally:
        postgres.start()
    set_value(store, "after", "1")
    names = ("before", "during", "after")
    assert store.read(lambda tx: [tx.setting(name) for name in names]) == ["1", None, "1"]
    store.close()
    postgres.drop(url)


def test_an_integrity_error_does_not_show_the_row(store: PostgresStore) -> None:
    store.write(rows.insert_owner)
    with pytest.raises(psycopg.errors.UniqueViolation) as problem:
        store.write(lambda tx: tx.put(rows.duplicate_key()))
    assert rows.KEY.sha256 not in str(problem.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://user:{}@127.0.0.1/name", "postgresql://user@host:5432/name"),
        ("postgresql://user:{}@127.0.0.1:port/name", "cannot be used"),
        ("postgresql://user:{}@127.0.0.1/name?nonsense=1", "cannot be read"),
        ("postgresql://user:{}@127.0.0.1:1/name", "refused"),
    ],
)
def test_an_error_about_a_url_does_not_show_its_password(url: str, words: str) -> None:
    with pytest.raises(StoreUnavailableError, match=re.escape(words)) as problem:
        PostgresStore(url.format(QUOTED))
    shown = f"{problem.value!r} {problem.value} {problem.value.__cause__}"
    assert PASSWORD not in shown
    assert QUOTED not in shown


def test_the_password_is_shown_nowhere(
    postgres: Cluster, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = postgres.url(database_url.rpartition("/")[2], "another-secret")
    with pytest.raises(StoreUnavailableError, match="authentication failed") as problem:
        PostgresStore(wrong)
    store = PostgresStore(database_url)
    set_value(store, "a", "b")
    shown = f"{problem.value!r} {store!r} {store._database!r} {caplog.text}"
    store.close()
    for secret in (PASSWORD, QUOTED, "another-secret"):
        assert secret not in shown


def test_a_database_of_a_newer_version_is_refused(store: PostgresStore, database_url: str) -> None:
    run_sql(database_url, "UPDATE schema_version SET taken = 1000 RETURNING 1")
    with pytest.raises(StoreUnavailableError, match="newer version"):
        PostgresStore(database_url)


def test_a_database_that_is_not_in_utf8_is_refused(postgres: Cluster) -> None:
    url = postgres.new_database("ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(StoreUnavailableError, match="ENCODING 'UTF8'"):
        PostgresStore(url)
    postgres.drop(url)


def test_a_user_must_be_allowed_to_create_tables(postgres: Cluster, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with (
        guest(postgres, database_url) as url,
        pytest.raises(StoreUnavailableError, match="permission denied"),
    ):
        PostgresStore(url)


def test_a_user_with_rights_on_the_tables_alone_suffices(
    store: PostgresStore, postgres: Cluster, database_url: str
) -> None:
    grants = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest"
    with guest(postgres, database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", grants) as url:
        second = PostgresStore(url)
        set_value(second, "a", "b")
        second.close()
    assert store.read(lambda tx: tx.setting("a")) == "b"


def test_a_server_without_free_connections_is_an_error(
    store: PostgresStore, postgres: Cluster, database_url: str
) -> None:
    with (
        guest(postgres, database_url, "ALTER ROLE guest CONNECTION LIMIT 0") as url,
        pytest.raises(StoreUnavailableError, match="too many connections"),
    ):
        PostgresStore(url)


@contextmanager
def guest(postgres: Cluster, database_url: str, *grants: str) -> Iterator[str]:
    """Create a user with these rights alone, and yield the database's URL for it."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for sql in ("CREATE ROLE guest LOGIN PASSWORD 'guest'", *grants):
            connection.execute(sql.encode())
        yield f"postgresql://guest:guest@127.0.0.1:{postgres.port}/{name}"
        connection.execute("DROP OWNED BY guest")
        connection.execute("DROP ROLE guest")


def test_an_event_that_is_committed_late_is_not_missed(
    store: PostgresStore, database_url: str
) -> None:
    """A writer of another process inserted first and commits last."""
    insert = (
        "INSERT INTO events (account_id, mailbox_id, message_id, kind, created_at, details) "
        "VALUES ('acc_1', 'mbx_1', 'late', 'message.sent', 0, '{}')"
    )

    def list_events() -> list[tuple[int | None, str]]:
        store.write(lambda tx: tx.number_events(100))
        events = store.read(lambda tx: tx.events(EventFilter("acc_1", 100)))
        return [(event.position, event.message_id) for event in events]

    with psycopg.connect(database_url) as late:
        late.execute(insert.encode())
        store.write(lambda tx: tx.insert(rows.event(1)))
        assert list_events() == [(1, "msg_0001")]
    assert list_events() == [(1, "msg_0001"), (2, "late")]
