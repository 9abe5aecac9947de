"""Processes and event loops: toolkits cross to other processes, and nothing blocks a loop."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from tests.tools.support import Inbox, OffLoopStore

from multimail import ConfigurationError, MultiMail
from multimail._redis import RedisConnection
from multimail.sessions import MemorySessionStore, RedisSessionStore, SqliteSessionStore
from multimail.tools import Toolkit
from multimail.trust import Taint, TrustPolicy

KEY = "mm_test_canary_0a1b2c3d"
TIMEOUT = 60.0


def get_key(toolkit: Toolkit) -> str:
    return toolkit.session._config.api_key.reveal()


@pytest.mark.parametrize("library", [pickle, cloudpickle], ids=lambda library: library.__name__)
def test_a_pickle_has_everything_but_the_key(
    library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toolkit = Toolkit(
        KEY,
        base_url="http://127.0.0.1:9/mail",
        mailbox="ann@x.test",
        policy=TrustPolicy("strict", listed=frozenset({"bob@y.test"})),
        store=SqliteSessionStore(tmp_path / "guard.db"),
        include=["check_inbox", "send_email"],
        max_chars=5000,
        timeout=3,
    )
    toolkit.declare_recipients(["zoe@y.test"])
    raw = library.dumps(toolkit)
    assert KEY.encode() not in raw
    with pytest.raises(ConfigurationError, match="Set MULTIMAIL_API_KEY"):
        library.loads(raw)
    monkeypatch.setenv("MULTIMAIL_API_KEY", "mm_test_env")
    twin = library.loads(raw)
    assert repr(twin) == repr(toolkit)
    assert get_key(twin) == "mm_test_env"
    assert twin.specs == toolkit.specs
    mine, theirs = (one.session.guard("s") for one in (toolkit, twin))
    assert repr(theirs.policy) == repr(mine.policy)
    assert (theirs.declared, theirs.api) == (mine.declared, mine.api)
    theirs.store.declare("s", ["eve@y.test"])
    assert mine.store.declared("s") == {"eve@y.test"}


def test_a_copy_goes_on_with_the_same_session() -> None:
    toolkit = Toolkit(KEY, client=MultiMail(KEY))
    for twin in (copy.copy(toolkit), copy.deepcopy(toolkit)):
        assert twin.session is toolkit.session


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: Toolkit(KEY, client=MultiMail(KEY)), "build the toolkit in the new process"),
        (lambda: Toolkit(KEY, store=MemorySessionStore()), "Use a SqliteSessionStore"),
    ],
)
def test_what_cannot_cross_says_what_to_do(build: Callable[[], Toolkit], advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        pickle.dumps(build())


def test_a_redis_store_crosses_unless_its_url_has_a_password(redis_server: Any) -> None:
    assert "@" in redis_server.url
    with pytest.raises(TypeError, match="password"):
        pickle.dumps(RedisSessionStore(redis_server.url, prefix="crossing:"))
    url = "redis://127.0.0.1:6379/3"
    assert RedisConnection(url, prefix="crossing:", timeout=1).get_url() == url


def read(toolkit: Toolkit, email_id: str) -> str:
    return toolkit.call("read_email", {"email_id": email_id}).text


def test_a_spawned_process_reads_with_a_toolkit(
    box: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMAIL_API_KEY", box.agent_key)
    mail = box.receive("Only for the spawned.")
    toolkit = Toolkit(base_url=box.server.url)
    assert toolkit.call("list_mailboxes", {}).ok
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert "Only for the spawned." in pool.apply(read, (toolkit, mail["id"]))


class SlowStore(MemorySessionStore):
    """A store that waits until the test says so, as one waits for a lock or a server."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.goes_on = threading.Event(), threading.Event()

    def merge_taint(self, session: str, more: Taint) -> None:
        self.waits.set()
        assert self.goes_on.wait(TIMEOUT), "the event loop was blocked"
        super().merge_taint(session, more)


async def test_a_store_that_waits_does_not_block_the_event_loop(box: Inbox) -> None:
    mail, store = box.receive("Slow."), SlowStore()
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, store=store)
    with toolkit.conversation("job-1"):
        reading = asyncio.create_task(toolkit.acall("read_email", {"email_id": mail["id"]}))
    assert await asyncio.to_thread(store.waits.wait, TIMEOUT)  # only a loop that runs goes on
    assert not reading.done()
    store.goes_on.set()
    result = await reading
    assert "Slow." in result.text
    assert store.taint("job-1").worst is not None
    await toolkit.aclose()


async def test_asynchronous_forms_use_the_store_off_the_event_loop(box: Inbox) -> None:
    store = OffLoopStore()
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, store=store)
    with toolkit.conversation("job-1"):
        await toolkit.adeclare_recipients(["ann@example.org"], session_id="job-1")
        await toolkit.adeclare_user_words("Write to bob@example.org.")
        assert await toolkit.guard().aclaim("question", "pay", {"to": "Ann"})
        assert not await toolkit.guard().aclaim("question", "pay", {"to": "Bob"})
        name = toolkit.session.guard().declared_key
        assert "ann@example.org" in store.kept(name)
        await toolkit.areset()
    assert store.kept(name) == frozenset()
    assert store.on_a_loop == []


async def test_a_call_that_is_cancelled_while_its_store_waits_leaves_a_working_toolkit(
    box: Inbox,
) -> None:
    mail, store = box.receive("Slow."), SlowStore()
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, store=store)
    reading = asyncio.create_task(toolkit.acall("read_email", {"email_id": mail["id"]}))
    assert await asyncio.to_thread(store.waits.wait, TIMEOUT)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    store.goes_on.set()
    assert "Slow." in (await toolkit.acall("read_email", {"email_id": mail["id"]})).text
    await toolkit.aclose()


def test_a_job_for_each_loop_and_synchronous_calls_between(box: Inbox) -> None:
    mail = box.receive("In each loop.")
    toolkit = Toolkit(box.agent_key, base_url=box.server.url)
    for _ in range(10):
        result = asyncio.run(toolkit.acall("read_email", {"email_id": mail["id"]}))
        assert "In each loop." in result.text
        assert "In each loop." in toolkit.call("read_email", {"email_id": mail["id"]}).text
    toolkit.close()


async def test_synchronous_calls_work_in_a_running_loop(box: Inbox) -> None:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url)  # as in a cell of a notebook
    assert toolkit.call("list_mailboxes", {}).ok
    assert (await toolkit.acall("list_mailboxes", {})).ok
    await toolkit.aclose()
