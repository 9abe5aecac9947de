"""The PostgreSQL store beyond the contract: several processes, lost connections, rights."""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Barrier, Event

import psycopg
import pytest
from tests.store import rows
from tests.support.cutting_proxy import CuttingProxy, Moment
from tests.support.engines import running_pgbouncer
from tests.support.postgres import PASSWORD, QUOTED, Cluster

from multimail_server.store import postgres_connections
from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import Reader, Scope, StoreUnavailableError, Tx
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


OWN = ("schema_version", "folded_letters", "leases", "message_words", "message_search")


def is_own(column: tuple[object, ...]) -> bool:
    """Whether a column is of one database alone: their full-text indexes differ, for example."""
    return str(column[0]).startswith(OWN) or column == ("audit", "place")


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
    columns = run_sql(
        database_url,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public'",
    )
    assert sorted(row for row in columns if not is_own(row)) == sorted(
        row for row in tables if not is_own(row)
    )
    rows = run_sql(database_url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    assert {*indexes} - {("audit_account",), ("audit_mailbox",)} <= {*rows}


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


def test_the_audit_log_has_the_order_of_insertion_and_misses_no_late_commit(
    store: PostgresStore, database_url: str
) -> None:
    """The clocks of two servers differ, and the slower one commits last."""
    store.write(rows.insert_owner)
    scope, inserted, leave = Scope.of_new_rows("acc_1"), Event(), Event()

    def insert_slowly(tx: Tx) -> None:
        tx.insert(rows.audit(9))
        tx.audit("acc_1", None, None, 1)
        inserted.set()
        assert leave.wait(60)

    def list_entries(before: str | None) -> list[str]:
        def work(tx: Reader) -> list[str]:
            return [entry.id for entry in tx.audit("acc_1", None, before, 2)]

        return store.write(work, Scope.of_account("acc_1"))

    second = PostgresStore(database_url)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(store.write, insert_slowly, scope)
        assert inserted.wait(60)
        for number in (3, 1):
            second.write(lambda tx, n=number: tx.insert(rows.audit(n)), scope)
        listing = pool.submit(list_entries, None)
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not run_sql(database_url, waiting):
            assert not listing.done()
        leave.set()
        assert listing.result(60) == ["aud_1", "aud_3"]
        slow.result(60)
    assert list_entries("aud_3") == ["aud_9"]
    second.close()


def test_writes_of_two_mailboxes_run_at_the_same_time(
    store: PostgresStore, database_url: str
) -> None:
    second = PostgresStore(database_url)
    inside, met = Barrier(3), list[str]()

    def meet(part: str, tx: Tx) -> None:
        tx.setting(part)
        inside.wait(60)
        met.append(part)

    with ThreadPoolExecutor(3) as pool:
        for writer, part in ((store, "mbx_1"), (store, "mbx_2"), (second, "mbx_3")):
            pool.submit(writer.write, partial(meet, part), Scope.of_part("acc_1", part))
    second.close()
    assert sorted(met) == ["mbx_1", "mbx_2", "mbx_3"]


SCOPES = {
    "one mailbox": (Scope.of_part("acc_1", "mbx_1"), Scope.of_part("acc_1", "mbx_1")),
    "its account": (Scope.of_part("acc_1", "mbx_1"), Scope.of_account("acc_1")),
    "new rows and their account": (Scope.of_account("acc_1"), Scope.of_new_rows("acc_1")),
    "everything": (Scope.of_part("acc_1", "mbx_1"), None),
    "everything first": (None, Scope.of_new_rows("acc_1")),
}


@pytest.mark.parametrize("names", SCOPES)
def test_writes_that_rely_on_the_same_wait_for_each_other(
    names: str, store: PostgresStore, database_url: str
) -> None:
    """A write sees what was committed while it waited."""
    first_scope, second_scope = SCOPES[names]
    second = PostgresStore(database_url)
    inside, leave = Event(), Event()

    def change(tx: Tx) -> None:
        tx.set_setting("a", "b")
        tx.setting("a")
        inside.set()
        assert leave.wait(60)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(store.write, change, first_scope)
        assert inside.wait(60)
        later = pool.submit(second.write, lambda tx: tx.setting("a"), second_scope)
        while not run_sql(database_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not later.done()
        leave.set()
        assert later.result(60) == "b"
    second.close()


def test_a_pooler_in_transaction_mode_finds_no_state_of_a_session(database_url: str) -> None:
    own = "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('lock_timeout')"
    store = PostgresStore(f"{database_url}?pool_mode=transaction")
    for number in range(10):
        set_value(store, "a", str(number))
        assert store.read(lambda tx: tx.setting("a")) == str(number)
    timeouts = store.write(lambda tx: tx._connection.execute(own).fetchall())  # type: ignore[attr-defined]
    with store._pool.connection() as reading:
        between = reading.execute(own).fetchall()
    store.close()
    assert timeouts == [(0, "10s")]
    assert between == [(0, "0")]


def test_stores_share_a_database_behind_pgbouncer(database_url: str) -> None:
    """Eight threads of two stores, on three connections of a pooler."""
    with running_pgbouncer(database_url) as url:
        stores = [PostgresStore(url), PostgresStore(url)]
        heard = Event()
        stores[1].on_remote_commit(heard.set)

        def append(number: int) -> None:
            def work(tx: Tx) -> None:
                tx.set_setting("list", f"{tx.setting('list') or ''}{number},")

            stores[number % 2].write(work, Scope.of_account("acc_1"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(append, range(40)))
        listed = stores[0].read(lambda tx: tx.setting("list")) or ""
        assert sorted(listed.split(",")) == sorted(["", *map(str, range(40))])
        assert heard.wait(60)
        with stores[0].claim("one") as first, stores[1].claim("one") as second:
            assert (first, second) == (True, False)
        for store in stores:
            store.close()


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
def test_a_standby_is_refused_until_it_is_the_primary(postgres: Cluster, pooled: bool) -> None:
    direct = postgres.new_database()
    with running_pgbouncer(direct) if pooled else nullcontext(direct) as url:
        store = PostgresStore(url)
        set_value(store, "before", "1")
        postgres.demote()
        try:
            for _ in range(4):
                with pytest.raises(StoreUnavailableError, match="cannot be used now"):
                    set_value(store, "during", "1")
        finally:
            postgres.promote()
        await_primary(store)
        names = ("before", "during", "after")
        assert store.read(lambda tx: [tx.setting(name) for name in names]) == ["1", None, "1"]
        store.close()
    postgres.drop(direct)


def await_primary(store: PostgresStore) -> None:
    """Write, again until it is done: a pooler may not have noticed yet."""
    end = time.monotonic() + 60
    while True:
        try:
            return set_value(store, "after", "1")
        except StoreUnavailableError:
            assert time.monotonic() < end


def test_a_server_of_the_older_version_writes_nothing_after_a_migration(
    store: PostgresStore, database_url: str
) -> None:
    """Also a write that began while the migration ran."""
    migration = psycopg.connect(database_url)
    with migration, ThreadPoolExecutor(1) as pool:
        migration.execute("LOCK TABLE schema_version IN EXCLUSIVE MODE")
        write = pool.submit(set_value, store, "late", "1")
        while not run_sql(database_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not write.done()
        migration.execute("UPDATE schema_version SET taken = taken + 1")
        migration.commit()
        with pytest.raises(StoreUnavailableError, match="newer version"):
            write.result(60)
    assert store.read(lambda tx: tx.setting("late")) is None


def test_u0000_is_replaced(store: PostgresStore) -> None:
    set_value(store, "name", "a\0b")
    assert store.read(lambda tx: tx.setting("name")) == "a\ufffdb"


def test_a_write_runs_again_after_a_deadlock(store: PostgresStore, database_url: str) -> None:
    set_value(store, "a", "0")
    set_value(store, "b", "0")
    runs: list[int] = []

    def work(tx: Tx) -> None:
        runs.append(1)
        tx.lock_setting("a")
        if len(runs) == 1:
            blocker.submit(run_other)
            assert locked.wait(60)
        tx.lock_setting("b")
        tx.set_setting("b", "1")

    def run_other() -> None:
        with psycopg.connect(database_url) as other:
            # It waits longer before it looks for a deadlock, so the store's transaction is undone.
            other.execute("SET deadlock_timeout = '60s'")
            other.execute("UPDATE settings SET value = '2' WHERE name = 'b'")
            locked.set()
            other.execute("UPDATE settings SET value = '2' WHERE name = 'a'")

    locked = Event()
    with ThreadPoolExecutor(1) as blocker:
        store.write(work)
    assert len(runs) == 2
    assert store.read(lambda tx: [tx.setting("a"), tx.setting("b")]) == ["2", "1"]


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


def test_a_commit_notifies_every_other_store(
    store: PostgresStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "POLL_INTERVAL", 3600)
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
    end = "SELECT ends_at FROM leases WHERE name = 'msg_1'"
    with store.claim("msg_1") as ours:
        assert ours
        before = run_sql(database_url, end)
        run_sql(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        store._leases.renew()
        assert run_sql(database_url, end) > before
        # It saw its own connection break, so it gives the holder time to come back.
        run_sql(database_url, "UPDATE leases SET ends_at = now() - interval '1 h' RETURNING 1")
        with second.claim("msg_1") as theirs:
            assert not theirs
    second.close()
    assert run_sql(database_url, end) == []


@pytest.mark.parametrize(("ended", "taken"), [("1 s", True), ("-1 h", False)])
def test_the_claim_of_a_dead_process_is_taken_over_once_it_has_ended(
    store: PostgresStore, database_url: str, ended: str, taken: bool
) -> None:
    sql = "INSERT INTO leases VALUES ('msg_1', 'dead', now() - interval %s) RETURNING 1"
    run_sql(database_url, sql.replace("%s", f"'{ended}'"))
    with store.claim("msg_1") as ours:
        assert ours is taken
        owners = run_sql(database_url, "SELECT holder FROM leases")
    assert (owners != [("dead",)]) is taken


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
