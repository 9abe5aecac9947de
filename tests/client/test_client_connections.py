"""Connections: how many there are, whose they are, and when they end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import httpx2
import pytest
from tests.client.sockets import echo_server
from tests.client.support import AT_ONCE, BASE, KEY, Connect

from multimail import AsyncMultiMail, ConfigurationError, MultiMail, NetworkError, Retry
from multimail._connections import AsyncConnections, Connections, Outgoing
from multimail.tools import Toolkit

TIMEOUT = 60.0
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


async def test_more_reads_than_connections_are_all_answered() -> None:
    with echo_server() as server:
        async with AsyncMultiMail(KEY, base_url=server.url, retry=AT_ONCE) as client:
            await client.list_mailboxes()
            ids = [f"em_{n}" for n in range(250)]
            messages = await asyncio.gather(*(client.read_email(email_id) for email_id in ids))
    assert [email.id for email in messages] == ids
    assert server.most_open <= 100


async def test_a_call_without_a_free_connection_says_so_and_a_cancelled_one_frees_its_own() -> None:
    accepted: list[asyncio.StreamWriter] = []
    enough, over = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        if len(accepted) == 100:
            enough.set()
        if len(accepted) > 100:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"id": "em_100"}')
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, backlog=200)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    timeout, once = httpx.Timeout(30.0, pool=0.05), Retry(max_attempts=1)
    async with (
        server,
        AsyncMultiMail(KEY, base_url=url, mailbox="mb_1", timeout=timeout, retry=once) as client,
    ):
        reads = [asyncio.ensure_future(client.read_email(f"em_{n}")) for n in range(100)]
        await enough.wait()
        with pytest.raises(NetworkError, match=r"became free within 0.05 s \(1 try\)"):
            await client.read_email("em_100")
        for task in reads:
            task.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        assert (await client.read_email("em_100")).id == "em_100"
        over.set()


class LossyPools:
    """A library whose first pool has lost all its connections, as httpcore's do (#1093)."""

    def __init__(self, library: Any) -> None:
        pools: list[Any] = []
        self.library, self.pools = library, pools

        class Pool:
            build: Any

            def __init__(self, **options: Any) -> None:
                self.inner = self.build(**options)
                self.is_closed = False

            def require_connection(self) -> None:
                if self not in pools:
                    pools.append(self)
                if pools[0] is self:
                    raise library.PoolTimeout("")

        class SyncPool(Pool):
            build = library.HTTPTransport

            def handle_request(self, request: Any) -> Any:
                self.require_connection()
                return self.inner.handle_request(request)

            def close(self) -> None:
                self.is_closed = True
                self.inner.close()

        class AsyncPool(Pool):
            build = library.AsyncHTTPTransport

            async def handle_async_request(self, request: Any) -> Any:
                self.require_connection()
                return await self.inner.handle_async_request(request)

            async def aclose(self) -> None:
                self.is_closed = True
                await self.inner.aclose()

        self.HTTPTransport, self.AsyncHTTPTransport = SyncPool, AsyncPool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)


@pytest.mark.parametrize("way", ["sync", "async"])
@LIBRARIES
async def test_a_pool_that_gives_no_connection_is_replaced(library: Any, way: str) -> None:
    lossy: Any = LossyPools(library)
    timeouts: dict[str, Any] = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT)
    with echo_server() as server:
        outgoing = Outgoing("GET", f"{server.url}/v1/x", {})
        if way == "sync":
            pools = Connections(lossy, http2=False)
            statuses = [pools.send(outgoing, timeouts).status_code for _ in range(2)]
            pools.close()
        else:
            async_pools = AsyncConnections(lossy, http2=False)
            statuses = [(await async_pools.send(outgoing, timeouts)).status_code for _ in range(2)]
            await async_pools.close()
    assert statuses == [200, 200]
    assert [pool.is_closed for pool in lossy.pools] == [True, True]


def run_by_runner(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner() as runner:
        runner.run(work)


def run_in_own_loop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def run_in_new_thread(work: Coroutine[Any, Any, None]) -> None:
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join(TIMEOUT)


@pytest.mark.parametrize(
    "run",
    [asyncio.run, run_by_runner, run_in_own_loop, run_in_new_thread],
    ids=lambda f: f.__name__,
)
@LIBRARIES
def test_connections_end_with_their_loop(
    monkeypatch: pytest.MonkeyPatch,
    library: Any,
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    monkeypatch.setenv("MULTIMAIL_HTTP_LIBRARY", library.__name__)
    with echo_server() as server:
        client = AsyncMultiMail(KEY, base_url=server.url, mailbox="mb_1")

        async def job() -> None:
            emails = await asyncio.gather(*(client.read_email(f"em_{n}") for n in range(3)))
            assert [email.id for email in emails] == ["em_0", "em_1", "em_2"]

        for _ in range(5):
            run(job())
        server.wait_until_open(0)
    assert server.accepted == 15


def test_many_loops_after_each_other_leave_no_connection() -> None:
    with echo_server() as server:
        toolkit = Toolkit(KEY, base_url=server.url, mailbox="mb_1")
        for n in range(200):
            result = asyncio.run(toolkit.acall("read_email", {"email_id": f"em_{n}"}))
            assert result.data["id"] == f"em_{n}"
        server.wait_until_open(0)
    assert server.accepted == 200


def test_loops_that_are_only_closed_leave_few_connections() -> None:
    with echo_server() as server:
        client = AsyncMultiMail(KEY, base_url=server.url, mailbox="mb_1")
        for _ in range(40):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(client.read_email("em_1"))
            loop.close()
        server.wait_until_open(10)
    gc.collect()


async def test_a_client_that_nobody_holds_closes_its_connections() -> None:
    with echo_server() as server:
        await AsyncMultiMail(KEY, base_url=server.url, mailbox="mb_1").read_email("em_1")
        gc.collect()
        await asyncio.to_thread(server.wait_until_open, 0)


async def test_a_client_goes_on_in_other_loops_when_one_closes_its_own() -> None:
    with echo_server() as server:
        client = AsyncMultiMail(KEY, base_url=server.url, mailbox="mb_1")
        await client.read_email("em_1")

        async def read() -> None:
            await client.read_email("em_2")

        await asyncio.to_thread(asyncio.run, read())
        await client._close_in_loop()
        assert (await client.read_email("em_3")).id == "em_3"
        await client.close()
        with pytest.raises(RuntimeError, match="was closed"):
            await client.read_email("em_4")


@LIBRARIES
async def test_clients_and_transports_of_both_libraries_are_taken(
    connect: Connect, library: Any
) -> None:
    def serve(request: Any) -> Any:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        if request.url.path.endswith("em_2"):
            raise library.ConnectTimeout("late", request=request)
        return library.Response(200, json={"id": "em_1"})

    kind = library.Client if connect.kind == "sync" else library.AsyncClient
    transport = library.MockTransport(serve)
    for options in (
        {"transport": transport, "timeout": library.Timeout(3.0)},
        {"http_client": kind(transport=transport, timeout=3.0)},
    ):
        client = connect(mailbox="mb_1", **options)
        assert (await client.read_email("em_1")).id == "em_1"
        with pytest.raises(NetworkError, match=r"api.multimail.test:443: no connection") as caught:
            await client.read_email("em_2")
        assert isinstance(caught.value.__cause__, library.ConnectTimeout)


@pytest.mark.parametrize("name", ["aiohttp", "httpx3"])
def test_an_unknown_library_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MULTIMAIL_HTTP_LIBRARY", name)
    with pytest.raises(ConfigurationError, match="MULTIMAIL_HTTP_LIBRARY"):
        MultiMail(KEY, base_url=BASE)


def test_many_threads_get_their_own_answers() -> None:
    answers: list[bool] = []

    def work(worker: int, client: MultiMail) -> None:
        for n in range(50):
            email_id = f"em_{worker}_{n}"
            answers.append(client.read_email(email_id).id == email_id)

    with echo_server() as server, MultiMail(KEY, base_url=server.url, mailbox="mb_1") as client:
        threads = [threading.Thread(target=work, args=(n, client)) for n in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
    assert answers == [True] * 64 * 50


def test_without_a_loop_of_asyncio_the_error_says_what_to_do() -> None:
    """As under trio, which steps through a coroutine by itself."""
    with pytest.raises(ConfigurationError, match=r"trio\.to_thread"):
        AsyncMultiMail(KEY, base_url="http://127.0.0.1:9").list_mailboxes().send(None)
    toolkit = Toolkit(KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(StopIteration) as ended:
        toolkit.acall("list_mailboxes", {}).send(None)
    assert "need an event loop of asyncio" in ended.value.value.text
