"""Forks: each process has connections of its own, and gets its own answers."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.tools.support import Inbox

from multimail import AsyncMultiMail, ConfigurationError, InvalidResponseError, MultiMail
from multimail.sessions import MemorySessionStore, SqliteSessionStore
from multimail.tools import Toolkit
from multimail.trust import Assessment, Label, Taint

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
TIMEOUT = 60.0


def in_child(work: Callable[[], Any]) -> Any:
    """Return what `work` returns in a forked child; fail if it doesn't end."""
    context = multiprocessing.get_context("fork")
    reading, writing = context.Pipe(duplex=False)

    def run() -> None:
        try:
            writing.send(work())
        except BaseException as error:
            writing.send(repr(error))

    child = context.Process(target=run)
    child.start()
    assert reading.poll(TIMEOUT), "the child hangs"
    result = reading.recv()
    child.join(TIMEOUT)
    return result


def test_workers_that_were_forked_read_their_own_mail(box: Inbox) -> None:
    letters = [box.receive(f"Secret of customer {number}.") for number in range(4)]
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, store=MemorySessionStore())
    assert toolkit.call("list_mailboxes", {}).ok
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(letters))
    results = context.Queue()

    def work(number: int) -> None:
        barrier.wait(TIMEOUT)
        for _ in range(8):
            text = toolkit.call("read_email", {"email_id": letters[number]["id"]}).text
            results.put(f"Secret of customer {number}." in text)

    workers = [context.Process(target=work, args=(number,)) for number in range(len(letters))]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=TIMEOUT) for _ in range(32)] == [True] * 32
    for worker in workers:
        worker.join(TIMEOUT)
    assert toolkit.call("list_mailboxes", {}).ok


def test_a_child_uses_no_connection_of_its_parent(box: Inbox) -> None:
    with MultiMail(box.agent_key, base_url=box.server.url) as client:
        client.list_mailboxes()
        before = client._connections
        assert in_child(lambda: client._connections is before) is False
        assert in_child(lambda: client.list_mailboxes()[0].id) == box.id
        assert client._connections is before
        assert client.list_mailboxes()[0].id == box.id


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_lent_client_says_what_to_do_in_a_child(way: str) -> None:
    client = (
        MultiMail("mm_test_x", http_client=httpx.Client())
        if way == "sync"
        else AsyncMultiMail("mm_test_x", http_client=httpx.AsyncClient())
    )

    def send() -> str:
        try:
            client._require_usable()
        except ConfigurationError as error:
            return f"{error.code}: {error}"
        return "sent"

    assert in_child(send).startswith("forked: ")
    assert send() == "sent"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_store_that_is_locked_at_the_fork_works_in_the_child(kind: str, tmp_path: Path) -> None:
    store: Any = MemorySessionStore() if kind == "memory" else SqliteSessionStore(tmp_path / "s.db")
    taint = Taint(Assessment(Label.FAILED))
    store.merge_taint("parent", taint)
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store._lock:
            locked.set()
            done.wait(TIMEOUT)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(TIMEOUT)
    try:

        def work() -> str:
            store.merge_taint("child", taint)
            return str(store.taint("parent").worst.label)

        assert in_child(work) == "failed"
    finally:
        done.set()
        holder.join()
    assert (store.taint("child").worst is None) is (kind == "memory")


def test_a_response_about_another_message_is_an_error(box: Inbox) -> None:
    other = {"id": "msg_2", "subject": "Private", "markdown": "Secret."}
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json=other))
    with (
        MultiMail("mm_test_x", base_url="http://127.0.0.1:9", transport=answer) as client,
        pytest.raises(InvalidResponseError) as error,
    ):
        client.read_email("msg_1", mailbox="mbx_1")
    assert error.value.code == "other_message"
