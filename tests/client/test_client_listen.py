"""`listen()` of both clients against a real server: nothing is missed, nothing comes twice."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client.support import AT_ONCE, KEY
from tests.support.server import ServerFixture
from tests.support.server_launcher import ServerLauncher

from multimail import AsyncMultiMail, EventsLostError, MultiMail, NetworkError, errors
from multimail import _listening as listening
from multimail.webhooks import MessageReceived, OversightPending
from multimail_server import ServerConfig

TIMEOUT = 60.0
MEDIA_TYPE = {"Content-Type": "text/event-stream"}


@pytest.fixture
def server() -> Iterator[ServerFixture]:
    with ServerFixture(ServerConfig(port=0, smtp_port=0)) as running:
        yield running


class AnyListener:
    """A listener of either client, which is awaited."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener
        self._is_async = hasattr(listener, "__anext__")

    async def connect(self) -> AnyListener:
        await (self.listener.connect() if self._is_async else self._run(self.listener.connect))
        return self

    async def next(self) -> Any:
        """Return the next event; None at the end."""
        async with asyncio.timeout(TIMEOUT):
            if self._is_async:
                return await anext(self.listener, None)
            return await self._run(next, self.listener, None)

    async def take(self, count: int) -> list[str]:
        """Return the subjects of so many events, in a loop that is left."""
        subjects: list[str] = []

        def has_enough(event: Any) -> bool:
            subjects.append(event.subject)
            return len(subjects) == count

        def loop() -> None:
            for event in self.listener:
                if has_enough(event):
                    break

        async with asyncio.timeout(TIMEOUT):
            if not self._is_async:
                await self._run(loop)
                return subjects
            async for event in self.listener:
                if has_enough(event):
                    break
            return subjects

    async def close(self) -> None:
        await (self.listener.close() if self._is_async else self._run(self.listener.close))

    @staticmethod
    async def _run(function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(function, *arguments)


Listen = Callable[..., AnyListener]


@asynccontextmanager
async def listeners(kind: Any, url: str, key: str) -> AsyncIterator[Listen]:
    client: Any = kind(key, base_url=url, retry=AT_ONCE)
    yield lambda **options: AnyListener(client.listen(**options))
    await (client.close() if kind is AsyncMultiMail else asyncio.to_thread(client.close))


@pytest.fixture(params=[MultiMail, AsyncMultiMail], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def listen(kind: Any, server: ServerFixture) -> AsyncIterator[Listen]:
    async with listeners(kind, server.url, server.keys.agent) as make:
        yield make


async def test_events_come_as_they_happen(listen: Listen, server: ServerFixture) -> None:
    listener = await listen(types=["message.received", "oversight.pending"]).connect()
    server.deliver("The text", subject="In")
    event = await listener.next()
    assert type(event) is MessageReceived
    assert (event.subject, event.body_text.strip(), event.mailbox_id) == (
        *("In", "The text"),
        server.mailbox.id,
    )
    assert event.authentication is not None
    assert listener.listener.cursor == event.id == event.payload["id"]
    server.sent(subject="Out")
    assert type(await listener.next()) is OversightPending


async def test_a_loop_that_is_left_goes_on_where_it_was(
    listen: Listen, server: ServerFixture
) -> None:
    listener = await listen(types="message.received").connect()
    for subject in ("One", "Two", "Three"):
        server.deliver(subject=subject)
    assert await listener.take(1) == ["One"]
    assert await listener.take(2) == ["Two", "Three"]
    other = listen(after=listener.listener.cursor, types="message.received")
    server.deliver(subject="Four")
    assert [(await one.next()).subject for one in (listener, other)] == ["Four", "Four"]
    assert await listen(after="oldest", types="email.received").take(4) == [
        *("One", "Two", "Three", "Four")
    ]


async def test_the_server_can_be_killed_in_between(kind: Any, tmp_path: Path) -> None:
    with ServerLauncher(tmp_path / "log") as launcher, socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        options = ("--data", str(tmp_path / "data.db"), "--port", str(port), "--smtp-port", "0")
        first = launcher.begin(*options)
        launcher.await_banner(first)
        key, url = first.banner["keys"]["agent"], first.banner["url"]
        mailbox = first.banner["mailbox"]["id"]

        def send(subject: str) -> None:
            body = {"to": ["ann@other.test"], "subject": subject, "markdown": "Hello"}
            headers = {"Authorization": f"Bearer {key}"}
            httpx.post(f"{url}/v1/mailboxes/{mailbox}/send", json=body, headers=headers)

        async with listeners(kind, url, key) as listen:
            listener = await listen(types="oversight.pending").connect()
            send("One")
            assert (await listener.next()).subject == "One"
            send("Two")
            first.kill()
            launcher.await_end()
            waiting = asyncio.create_task(listener.take(3))
            second = launcher.begin(*options)
            launcher.await_banner(second)
            await asyncio.to_thread(send, "Three")
            await asyncio.to_thread(send, "Four")
            assert await waiting == ["Two", "Three", "Four"]
        second.kill()
        launcher.await_end()


async def test_every_connection_ends_after_some_bytes_and_nothing_is_lost(
    kind: Any, server: ServerFixture
) -> None:
    subjects = [f"Mail {number}" for number in range(8)]
    for subject in subjects:
        server.deliver(subject=subject)
    with cutting(server, after=2500) as (url, cuts):
        async with listeners(kind, url, server.keys.agent) as listen:
            listener = listen(after="oldest", types="message.received")
            assert await listener.take(8) == subjects
    assert len(cuts) > 3


@contextmanager
def cutting(server: ServerFixture, after: int) -> Iterator[tuple[str, list[int]]]:
    """A proxy that resets each connection after so many bytes of the response."""
    host, port = server.url.removeprefix("http://").split(":")
    cuts: list[int] = []
    open_sockets: list[socket.socket] = []

    def carry(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as upstream, suppress(OSError):
            open_sockets.append(upstream)
            upstream.sendall(client.recv(65536))
            left = after
            while left and (data := upstream.recv(left)):
                client.sendall(data)
                left -= len(data)
            cuts.append(after - left)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    pool.submit(carry, listener.accept()[0])

        pool.submit(accept)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", cuts
        for each in (listener, *open_sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


async def test_silence_ends_a_connection(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is still connected and sends nothing, not even heartbeats."""
    monkeypatch.setattr(listening, "HEARTBEAT_TIMEOUT", 0.1)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\n\n"
    answers = [head, head, head + b'id: 2\ndata: {"type": "message.sent", "subject": "Hi"}\n\n']
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as connections:

        def serve() -> None:
            for answer in answers:
                connection = connections.enter_context(silent.accept()[0])
                requests.append(connection.recv(65536).lower())
                connection.sendall(answer)

        threading.Thread(target=serve).start()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with listeners(kind, url, KEY) as listen:
            assert (await listen().next()).subject == "Hi"
    assert [b"last-event-id: 1" in request for request in requests] == [False, True, True]


async def test_close_ends_the_iteration_from_elsewhere(kind: Any, server: ServerFixture) -> None:
    async with listeners(kind, server.url, server.keys.agent) as listen:
        first, second = await listen().connect(), await listen().connect()
        waiting = [asyncio.create_task(listener.next()) for listener in (first, second)]
        await asyncio.sleep(0)
        await first.close()
        assert await waiting[0] is None
        assert await first.next() is None
        assert not waiting[1].done()
    # Closing the client closes its listeners.
    assert await waiting[1] is None


async def test_cancellation_leaves_a_listener_that_goes_on(server: ServerFixture) -> None:
    async with AsyncMultiMail(server.keys.agent, base_url=server.url, retry=AT_ONCE) as client:
        async with client.listen(types="message.received") as listener:
            for number in range(5):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0):
                        await anext(listener)
                server.deliver(subject=str(number))
                assert (await anext(listener)).subject == str(number)
        assert (await client.check_inbox(limit=5))[0].subject == "4"


async def test_a_revoked_key_ends_it(listen: Listen, server: ServerFixture) -> None:
    listener = await listen().connect()
    waiting = asyncio.create_task(listener.next())
    server.admin.delete(f"/v1/api-keys/{server.key_id('agent')}")
    with pytest.raises(errors.AuthenticationError):
        await waiting


async def test_what_the_server_refuses_is_an_error_at_once(
    listen: Listen, server: ServerFixture
) -> None:
    for options, error, code in (
        ({"types": "mail.read"}, errors.ValidationError, "unknown_event"),
        ({"mailbox": "no@such.test"}, errors.NotFoundError, "not_found"),
        ({"after": "evt_1"}, errors.ValidationError, "invalid_after"),
    ):
        with pytest.raises(error) as raised:
            await listen(**options).next()
        assert (raised.value.code, raised.value.operation) == (code, "listen")


async def test_lost_events_are_an_error_that_says_where_to_go_on(
    listen: Listen, server: ServerFixture
) -> None:
    server.deliver(subject="Kept")
    with pytest.raises(EventsLostError) as raised:
        await listen(after="evt_0000000000000000000000009Z").next()
    server.deliver(subject="Later")
    after = raised.value.resume_after
    assert (await listen(after=after).next()).subject == "Later"


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 404, "json": {"error": "no such path", "code": "unknown_path"}},
        {"status_code": 404, "text": "<h1>Not found</h1>"},
        {"status_code": 405},
        {"status_code": 200, "json": {"emails": []}},
        {"status_code": 200, "html": "<html>"},
    ],
)
async def test_an_api_without_a_stream_is_named(kind: Any, response: dict[str, Any]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(**response))
    client = kind(KEY, base_url="https://api.multimail.test", retry=AT_ONCE, transport=transport)
    with pytest.raises(errors.UnsupportedError) as raised:
        await AnyListener(client.listen()).next()
    assert "wait_for_email" in str(raised.value)


async def test_the_first_connection_is_tried_as_often_as_a_call(kind: Any) -> None:
    tries: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        if len(tries) % 2:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(503, json={"error": "stopping"}, headers={"Retry-After": "0"})

    transport = httpx.MockTransport(refuse)
    client = kind(KEY, base_url="https://api.multimail.test", retry=AT_ONCE, transport=transport)
    with pytest.raises(errors.ServerError):
        await AnyListener(client.listen()).next()
    assert len(tries) == AT_ONCE.max_attempts
    assert KEY not in repr([vars(client), tries[0].url])


async def test_later_ones_are_tried_for_ever_with_the_position(kind: Any) -> None:
    event = json.dumps({"id": "evt_1", "type": "message.sent", "data": {"subject": "Hi"}})
    answers: list[Any] = [
        httpx.Response(200, text="id: evt_0\n\n", headers=MEDIA_TYPE),
        *[httpx.ConnectError("refused")] * 9,
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(200, text=f"id: evt_1\ndata: {event}\n\nid: evt_2\n", headers=MEDIA_TYPE),
        httpx.Response(401, json={"error": "revoked"}),
    ]
    positions: list[str | None] = []

    def respond(request: httpx.Request) -> httpx.Response:
        positions.append(request.headers.get("last-event-id") or request.url.params.get("after"))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(respond)
    client = kind(KEY, base_url="https://api.multimail.test", retry=AT_ONCE, transport=transport)
    listener = AnyListener(client.listen(after="evt_9"))
    assert (await listener.next()).subject == "Hi"
    with pytest.raises(errors.AuthenticationError):
        await listener.next()
    # The id of a block that was cut off is not the position.
    assert positions == ["evt_9", *["evt_0"] * 11, "evt_1"]


@pytest.mark.parametrize("data", ["no JSON", "[]", '{"type": 7}', "[" * 100_000])
async def test_what_is_no_event_is_an_error(kind: Any, data: str) -> None:
    response = httpx.Response(200, text=f"data: {data}\n\n", headers=MEDIA_TYPE)
    transport = httpx.MockTransport(lambda _: response)
    client = kind(KEY, base_url="https://api.multimail.test", retry=AT_ONCE, transport=transport)
    with pytest.raises(errors.InvalidResponseError):
        await AnyListener(client.listen()).next()


def listen_in_child(listener: Any, results: Any) -> None:
    try:
        next(listener)
    except Exception as error:
        results.put(getattr(error, "code", repr(error)))


def test_a_forked_child_does_not_read_its_parents_stream(server: ServerFixture) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with (
        MultiMail(server.keys.agent, base_url=server.url, retry=AT_ONCE) as client,
        client.listen() as listener,
    ):
        child = context.Process(target=listen_in_child, args=(listener, results))
        child.start()
        assert results.get(timeout=TIMEOUT) == "forked"
        child.join()
        server.deliver(subject="For the parent")
        assert next(listener).subject == "For the parent"


def test_no_server_at_all(unused_port: int) -> None:
    client = MultiMail(KEY, base_url=f"http://127.0.0.1:{unused_port}", retry=AT_ONCE)
    with pytest.raises(NetworkError):
        next(client.listen())


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
