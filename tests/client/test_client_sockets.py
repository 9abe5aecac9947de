"""Faults over real sockets, and clients shared between threads and tasks."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.client.sockets import (
    Act,
    echo_server,
    free_port,
    raw_server,
    read_request,
    reset,
    send_answer,
)
from tests.client.support import KEY, ClientFactory, FakeApi

from multimail import AsyncMultiMail, MultiMail, NetworkError, OutcomeUnknownError


def through(fake_api: FakeApi) -> Callable[[bytes], httpx.Response]:
    """Let a raw request be served by the API in memory."""

    def serve(raw: bytes) -> httpx.Response:
        head, _, body = raw.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        return fake_api(httpx.Request(method, f"http://x.test{path}", content=body))

    return serve


def answered(fake_api: FakeApi) -> Act:
    serve = through(fake_api)
    return lambda connection, raw: send_answer(connection, serve(raw))


def reset_at_once(fake_api: FakeApi) -> Act:
    serve = through(fake_api)

    def act(connection: socket.socket, raw: bytes) -> None:
        serve(raw)
        reset(connection)

    return act


def reset_in_the_body(fake_api: FakeApi) -> Act:
    serve = through(fake_api)

    def act(connection: socket.socket, raw: bytes) -> None:
        serve(raw)
        connection.sendall(b'HTTP/1.1 202 Accepted\r\ncontent-length: 500\r\n\r\n{"id": "ms')
        reset(connection)

    return act


def end_in_the_body(fake_api: FakeApi) -> Act:
    serve = through(fake_api)

    def act(connection: socket.socket, raw: bytes) -> None:
        serve(raw)
        connection.sendall(b'HTTP/1.1 202 Accepted\r\ncontent-length: 500\r\n\r\n{"id": "ms')

    return act


FAULTS = [reset_at_once, reset_in_the_body, end_in_the_body]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_send_over_a_broken_connection_sends_once(
    connect: ClientFactory, fault: Callable[[FakeApi], Act]
) -> None:
    fake_api = FakeApi()
    with raw_server([fault(fake_api), answered(fake_api)]) as url:
        result = await connect(base_url=url, mailbox="mb_1").send_email("bob@y.test", "S", "B")
    assert result.duplicate
    assert list(fake_api.emails) == ["msg_1"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_decision_over_a_broken_connection_has_an_unknown_outcome(
    connect: ClientFactory, fault: Callable[[FakeApi], Act]
) -> None:
    fake_api = FakeApi()
    server = raw_server([fault(fake_api), answered(fake_api)])
    with server as url, pytest.raises(OutcomeUnknownError) as caught:
        await connect(base_url=url).decide_email("msg_1", "approve")
    assert caught.value.operation == "decide_email"
    assert len(fake_api.done) == 1


async def test_closed_port_is_a_network_error(
    connect: ClientFactory,
) -> None:
    api = connect(base_url=f"http://127.0.0.1:{free_port()}", mailbox="mb_1")
    with pytest.raises(NetworkError) as caught:
        await api.send_email("bob@y.test", "S", "B")
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert "ConnectError after 4 tries" in str(caught.value)


async def test_read_timeout_repeats_the_send_with_the_same_key(
    connect: ClientFactory,
) -> None:
    fake_api, over = FakeApi(), threading.Event()
    serve = through(fake_api)

    def late(connection: socket.socket, raw: bytes) -> None:
        serve(raw)

    class Quiet:
        """Holds the first connection open and silent until the test is over."""

        def __init__(self) -> None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.threads: list[threading.Thread] = []

        def run(self) -> None:
            for act in (late, answered(fake_api)):
                connection, _ = self.listener.accept()
                thread = threading.Thread(target=self.email_id, args=(connection, act), daemon=True)
                thread.start()
                self.threads.append(thread)

        def email_id(self, connection: socket.socket, act: Act) -> None:
            with connection:
                act(connection, read_request(connection))
                over.wait(60)

    quiet = Quiet()
    runner = threading.Thread(target=quiet.run, daemon=True)
    runner.start()
    try:
        port = quiet.listener.getsockname()[1]
        timeout = httpx.Timeout(5.0, read=0.2)
        api = connect(base_url=f"http://127.0.0.1:{port}", mailbox="mb_1", timeout=timeout)
        result = await api.send_email("bob@y.test", "S", "B")
    finally:
        over.set()
        runner.join(60)
        quiet.listener.close()
    assert result.duplicate
    assert len(fake_api.emails) == 1


def test_sixteen_threads_share_one_client_and_its_connections() -> None:
    with echo_server() as server, MultiMail(KEY, base_url=server.url) as client:
        start = threading.Barrier(16)

        def work(worker: int) -> list[bool]:
            start.wait()
            ids = [f"em_{worker}_{n}" for n in range(20)]
            return [client.read_email(one).markdown == f"Text of {one}" for one in ids]

        with ThreadPoolExecutor(16) as pool:
            results = [right for email_id in pool.map(work, range(16)) for right in email_id]
        assert results == [True] * 320
        assert server.served >= 320
        assert server.accepted <= 32


async def test_many_tasks_share_one_client_and_its_connections() -> None:
    with echo_server() as server:
        async with AsyncMultiMail(KEY, base_url=server.url) as client:
            await client.list_mailboxes()

            async def work(worker: int) -> list[bool]:
                ids = [f"em_{worker}_{n}" for n in range(10)]
                return [(await client.read_email(email_id)).id == email_id for email_id in ids]

            results = await asyncio.gather(*(work(n) for n in range(16)))
        assert all(right for email_id in results for right in email_id)
        assert server.accepted <= 32


async def test_sequential_calls_use_one_connection(connect: ClientFactory) -> None:
    with echo_server() as server:
        api = connect(base_url=server.url)
        for n in range(10):
            await api.read_email(f"em_{n}")
        await api.close()
        assert (server.accepted, server.served) == (1, 11)
