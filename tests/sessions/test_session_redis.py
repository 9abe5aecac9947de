"""The session store in Redis: outages, eviction, permissions, key names."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from subprocess import run

import pytest
from tests.sessions.support import token
from tests.support.redis_server import RedisServer

from multimail import ConfigurationError, SessionStoreUnavailableError
from multimail.sessions import RedisSessionStore
from multimail.trust import Assessment, Label, Taint

EVE = "eve@evil.example"
FORGED = Assessment(Label.FAILED)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server that the test can stop."""
    with RedisServer(tmp_path) as server:
        yield server


def test_methods_raise_without_redis(own: RedisServer) -> None:
    with closing(RedisSessionStore(own.url)) as store:
        store.merge_taint("s", Taint.from_assessment(FORGED, [EVE]))
        own.stop()
        for ask in (
            lambda: store.taint("s"),
            lambda: store.taint("s", [EVE]),
            lambda: store.merge_taint("s", Taint.from_assessment(FORGED, [EVE])),
            lambda: store.declare("s", [EVE]),
            lambda: store.declared("s"),
            lambda: store.add_known("box", [EVE]),
            lambda: store.known("box", [EVE]),
            lambda: store.add_held("box", "msg", [EVE]),
            lambda: store.held_to("box", [EVE], 1),
            lambda: store.remove_held("box", "msg"),
            lambda: store.count_send(token("a", thread="t"), 9, 9),
            lambda: store.reset("s"),
        ):
            with pytest.raises(SessionStoreUnavailableError, match="is unavailable") as caught:
                ask()
            assert own.password not in f"{caught.value}{caught.value.__cause__}"
        with pytest.raises(SessionStoreUnavailableError):
            RedisSessionStore(own.url)


def test_data_survives_a_crash_of_redis(own: RedisServer) -> None:
    with closing(RedisSessionStore(own.url)) as store:
        store.merge_taint("s", Taint.from_assessment(FORGED, [EVE]))
        assert store.count_send(token("a"), 1, 9) == ""
        own.stop()
        own.start()
        assert store.taint("s", [EVE]) == Taint.from_assessment(FORGED, [EVE])
        assert store.count_send(token("b"), 1, 9) == "session"


def test_wrong_password_is_not_shown(own: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    url = own.url.replace(own.password, "not-the-password")
    with pytest.raises(SessionStoreUnavailableError, match="AuthenticationError") as caught:
        RedisSessionStore(url)
    assert f"Redis at redis://127.0.0.1:{own.port}/0" in caplog.text
    assert str(own.port) not in str(caught.value)
    assert "not-the-password" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


def test_the_password_shows_nowhere(redis_server: RedisServer) -> None:
    with closing(RedisSessionStore(f"{redis_server.url}?client_name=guard")) as store:
        shown = f"redis://127.0.0.1:{redis_server.port}/0"
        assert repr(store) == f"RedisSessionStore({shown!r}, prefix='multimail:')"


@pytest.mark.parametrize(
    "url", ["redis://:s3cr3t/slash@h/0", "s3cr3t", "http://:s3cr3t@h", "[s3cr3t"]
)
def test_invalid_url_is_not_shown(url: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigurationError, match="URL is invalid") as caught:
        RedisSessionStore(url)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__


WITHOUT = """
import sys
sys.modules["redis"] = None
from multimail.sessions import RedisSessionStore
RedisSessionStore("redis://127.0.0.1")
"""


def test_missing_extra_is_named() -> None:
    done = run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120)
    assert 'ConfigurationError: Redis needs the extra `redis`: pip install "multimail[redis]"' in (
        done.stderr
    )


def test_prefixes_are_separate(redis_server: RedisServer) -> None:
    stores = [RedisSessionStore(redis_server.url, prefix=prefix) for prefix in ("one:", "two:")]
    stores[0].merge_taint("s", Taint.from_assessment(FORGED, [EVE]))
    assert stores[1].taint("s").worst is None
    for store in stores:
        store.close()


def test_key_parts_are_escaped(redis_server: RedisServer) -> None:
    with closing(RedisSessionStore(redis_server.url, prefix="apart:")) as store:
        store.add_held("box:a", "msg", ["b@x.example"])
        assert store.held_to("box", ["a:b@x.example"], 9) == []
        store.add_known("box", ["c@x.example"])
        store.declare("known:box", ["d@x.example"])
        assert store.known("box", ["d@x.example"]) == frozenset()


def test_lone_surrogates_are_stored(redis_server: RedisServer) -> None:
    odd = "\udcff@evil.example"
    with closing(RedisSessionStore(redis_server.url, prefix="odd:")) as store:
        store.merge_taint(odd, Taint.from_assessment(FORGED, [odd]))
        store.add_held("box", "msg", [odd])
        assert store.taint(odd, [odd]) == Taint.from_assessment(FORGED, [odd])
        assert store.held_to("box", [odd], 1) == ["msg"]


def test_remove_held_races_with_add_held(redis_server: RedisServer) -> None:
    start = threading.Barrier(6)
    with closing(RedisSessionStore(redis_server.url, prefix="race:")) as store:

        def work(number: int) -> None:
            start.wait()
            for turn in range(20):
                store.add_held("box", "msg", [f"{number}-{turn}@x.example"])
                store.remove_held("box", "msg")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        every = [f"{number}-{turn}@x.example" for number in range(6) for turn in range(20)]
        assert store.held_to("box", every, 999) == []


def test_evicting_redis_is_rejected(tmp_path: Path) -> None:
    limits = ("--maxmemory", "64mb", "--maxmemory-policy")
    evicting = RedisServer(tmp_path, *limits, "allkeys-lru")
    with evicting, pytest.raises(ConfigurationError, match="allkeys-lru"):
        RedisSessionStore(evicting.url)
    with RedisServer(tmp_path, *limits, "volatile-lru") as server:
        RedisSessionStore(server.url).close()


def test_full_redis_raises_and_keeps_its_data(tmp_path: Path) -> None:
    full = RedisServer(tmp_path, "--maxmemory", "2mb")
    with full, closing(RedisSessionStore(full.url)) as store:
        taken = 0

        def fill() -> None:
            nonlocal taken
            for number in range(100_000):
                store.merge_taint(f"s{number}", Taint.from_assessment(FORGED, [EVE, "x" * 2000]))
                taken += 1

        with pytest.raises(SessionStoreUnavailableError, match="OutOfMemoryError"):
            fill()
        assert taken > 0
        assert all(store.taint(f"s{number}").worst == FORGED for number in range(taken))
        from redis import Redis

        with closing(Redis.from_url(full.url)) as admin:
            admin.config_set("maxmemory", "1")  # Buffers that were given back leave no room now.
        with pytest.raises(SessionStoreUnavailableError, match="OutOfMemoryError"):
            store.count_send(token("a"), 9, 9)


def test_warns_without_append_only_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(tmp_path, "--appendonly", "no") as server, caplog.at_level(logging.WARNING):
        RedisSessionStore(server.url).close()
        assert "append-only" in caplog.text
        assert server.password not in caplog.text


def test_warns_without_permission_for_info(
    own: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    from redis import Redis

    with closing(Redis.from_url(own.url)) as admin:
        admin.acl_setuser(
            "guard",
            enabled=True,
            passwords=["+narrow"],
            keys=["guard:*"],
            categories=["+@all"],
            commands=["-info"],
        )
    url = own.url.replace(f":{own.password}", "guard:narrow")
    with closing(RedisSessionStore(url, prefix="guard:")) as store:
        assert "eviction policy" in caplog.text
        assert store.count_send(token("a"), 1, 9) == ""


def test_other_format_is_rejected(redis_server: RedisServer) -> None:
    from redis import Redis

    with closing(Redis.from_url(redis_server.url)) as redis:
        redis.set("later:sessions:format", "2")
    with pytest.raises(ConfigurationError, match="format '2'"):
        RedisSessionStore(redis_server.url, prefix="later:")
