"""Faults over real sockets, and clients shared between threads and tasks."""

from __future__ import annotations

import asyncio
import socket
import threading
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
from tests.client.support import KEY, Connect, FakeApi

from multimail import AsyncMultiMail, MultiMail, NetworkError, OutcomeUnknownError

PARTIAL = b'HTTP/1.1 202 Accepted\r\ncontent-length: 500\r\n\r\n{"id": "ms'


def apply(fake_api: FakeApi, raw: bytes) -> httpx.Response:
    """Let the fake API handle a raw request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
    return fake_api(httpx.Request(method, f"http://x.test{path}", content=body))


def respond(fake_api: FakeApi) -> Act:
    return lambda connection, raw: send_answer(connection, apply(fake_api, raw))


def break_off(fake_api: FakeApi, fault: str) -> Act:
    """Return an act that applies the request and then breaks the connection."""

    def act(connection: socket.socket, raw: bytes) -> None:
        apply(fake_api, raw)
        if fault != "reset at once":
            connection.sendall(PARTIAL)
        if fault != "end in the body":
            reset(connection)

    return act


FAULTS = ["reset at once", "reset in the body", "end in the body"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_send_over_a_broken_connection_sends_once(connect: Connect, fault: str) -> None:
    fake_api = FakeApi()
    with raw_server([break_off(fake_api, fault), respond(fake_api)]) as url:
        result = await connect(base_url=url, mailbox="mb_1").send_email("bob@y.test", "S", "B")
    assert result.duplicate
    assert list(fake_api.emails) == ["msg_1"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_decision_over_a_broken_connection_has_an_unknown_outcome(
    connect: Connect, fault: str
) -> None:
    fake_api = FakeApi()
    server = raw_server([break_off(fake_api, fault), respond(fake_api)])
    with server as url, pytest.raises(OutcomeUnknownError) as caught:
        await connect(base_url=url).decide_email("msg_1", "approve")
    assert caught.value.operation == "decide_email"
    assert len(fake_api.done) == 1


async def test_closed_port_is_a_network_error(connect: Connect) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    api = connect(base_url=url, mailbox="mb_1")
    with pytest.raises(NetworkError) as caught:
        await api.send_email("bob@y.test", "S", "B")
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert f"{url[7:]}: the connection was refused" in str(caught.value)


async def test_read_timeout_repeats_the_send_with_the_same_key(connect: Connect) -> None:
    fake_api, over = FakeApi(), threading.Event()

    def stay_silent(connection: socket.socket, raw: bytes) -> None:
        apply(fake_api, raw)
        over.wait(60)

    def handle(connection: socket.socket, act: Act) -> None:
        with connection:
            act(connection, read_request(connection))

    def serve() -> None:
        for act in (stay_silent, respond(fake_api)):
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection, act), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        api = connect(base_url=url, mailbox="mb_1", timeout=httpx.Timeout(5.0, read=0.2))
        result = await api.send_email("bob@y.test", "S", "B")
    finally:
        over.set()
        server.join(60)
        listener.close()
    assert result.duplicate
    assert len(fake_api.emails) == 1


def test_sixteen_threads_share_one_client_and_its_connections() -> None:
    with echo_server() as server, MultiMail(KEY, base_url=server.url) as client:
        start = threading.Barrier(16)

        def work(worker: int) -> list[bool]:
            start.wait()
            ids = [f"em_{worker}_{n}" for n in range(20)]
            return [
                client.read_email(email_id).markdown == f"Text of {email_id}" for email_id in ids
            ]

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


async def test_sequential_calls_use_one_connection(connect: Connect) -> None:
    with echo_server() as server:
        api = connect(base_url=server.url)
        for n in range(10):
            await api.read_email(f"em_{n}")
        await api.close()
        assert (server.accepted, server.served) == (1, 11)
