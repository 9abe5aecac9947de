"""The stores of seen webhook events: one contract for all, and concurrent processes."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import run

import pytest
from tests.sessions.support import locate
from tests.support.redis_server import RedisServer

from multimail import ConfigurationError, SessionStoreUnavailableError
from multimail.webhooks import MemorySeenStore, RedisSeenStore, SeenStore, SqliteSeenStore
from multimail.webhooks._seen import RETENTION

ROOT = Path(__file__).parents[2]


def open_store_at(where: str) -> SqliteSeenStore | RedisSeenStore:
    """Open a store that others may have open too: a path, or a Redis URL with `#prefix`."""
    if where.startswith("redis:"):
        url, _, prefix = where.partition("#")
        return RedisSeenStore(url, prefix=prefix)
    return SqliteSeenStore(where)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeenStore]:
    """Return each kind of store."""
    if request.param == "memory":
        yield MemorySeenStore()
        return
    with closing(open_store_at(locate(request, tmp_path, request.param))) as store:
        yield store


def test_an_event_is_new_once(seen: SeenStore) -> None:
    assert not seen.has("evt_1")
    assert seen.add("evt_1") is True
    assert seen.has("evt_1")
    assert [seen.add("evt_1"), seen.add("evt_2")] == [False, True]


def test_forgotten_event_is_new_again(seen: SeenStore) -> None:
    seen.add("evt_1")
    seen.forget("evt_1")
    assert not seen.has("evt_1")
    assert seen.add("evt_1") is True
    seen.forget("never seen")


def test_expired_event_is_new_again(seen: SeenStore) -> None:
    now = datetime.now(UTC)
    assert seen.add("evt_1", now - timedelta(seconds=1)) is True
    assert not seen.has("evt_1")
    assert seen.add("evt_1", now + timedelta(hours=1)) is True
    assert seen.add("evt_2", now - timedelta(seconds=1)) is True
    assert [seen.add("evt_1"), seen.add("evt_2")] == [False, True]


@pytest.mark.parametrize("odd", ["x'; DROP TABLE seen; --", "a:b\r\nFLUSHALL", "\ud800", "x" * 999])
def test_an_id_is_only_text(seen: SeenStore, odd: str) -> None:
    assert [seen.add(odd), seen.add(odd), seen.has(odd)] == [True, False, True]


def test_concurrent_threads_claim_an_event_once(seen: SeenStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(seen.add, ["evt_1"] * 40)) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_ids_are_kept_for_the_retention(kind: str, tmp_path: Path) -> None:
    moment = [datetime(2026, 5, 1, tzinfo=UTC)]
    makers: dict[str, Callable[[], SeenStore]] = {
        "memory": lambda: MemorySeenStore(lambda: moment[0]),
        "sqlite": lambda: SqliteSeenStore(tmp_path / "seen.db", lambda: moment[0]),
    }
    seen = makers[kind]()
    assert seen.add("evt_1")
    moment[0] += RETENTION
    assert not seen.add("evt_1")
    moment[0] += timedelta(seconds=1)
    assert seen.add("evt_1")


ADD = """
import sys
from tests.sessions.test_webhook_seen_stores import open_store_at

seen = open_store_at(sys.argv[1])
print(sum(seen.add(f"evt_{number}") for number in range(50)))
seen.close()
"""


def test_concurrent_processes_claim_an_event_once(where: str) -> None:
    def worker(_: int) -> int:
        done = run(
            [sys.executable, "-c", ADD, where],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(worker, range(3))) == 50


def test_seen_store_raises_without_redis(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        seen = RedisSeenStore(server.url)
    for ask in (seen.has, seen.add, seen.forget):
        with pytest.raises(SessionStoreUnavailableError):
            ask("evt_1")
    assert server.password not in repr(seen)


def test_path_must_be_a_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        SqliteSeenStore(":memory:")
    (tmp_path / "seen.db").write_bytes(b"This is no database, and long enough to be none." * 20)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteSeenStore(tmp_path / "seen.db")
