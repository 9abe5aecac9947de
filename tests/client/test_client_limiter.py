"""The request limiter of the async client: concurrency, timeouts and cancellation."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from tests.client.sockets import echo_server
from tests.client.support import AT_ONCE, KEY

from multimail import AsyncMultiMail, NetworkError, Retry
from multimail._limiter import RequestLimiter


class SlowTransport(httpx.AsyncBaseTransport):
    """Responds once `release` is set, and counts concurrent requests."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.release = asyncio.Event()
        self.came: asyncio.Queue[str] = asyncio.Queue()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        self.came.put_nowait(request.url.path)
        try:
            await self.release.wait()
        finally:
            self.now -= 1
        return httpx.Response(200, text=request.url.path)


def build_options(
    client: httpx.AsyncClient, path: str, *, pool: float | None = 5.0
) -> dict[str, object]:
    timeout = httpx.Timeout(5.0, pool=pool)
    return {"request": client.build_request("GET", f"https://x.test{path}", timeout=timeout)}


async def under_way(slow: SlowTransport, count: int) -> None:
    for _ in range(count):
        await slow.came.get()


async def test_limits_concurrent_requests() -> None:
    slow, limiter = SlowTransport(), RequestLimiter(3)
    async with httpx.AsyncClient(transport=slow) as client:
        work = [
            asyncio.create_task(limiter.send(client, build_options(client, f"/{n}")))
            for n in range(9)
        ]
        await under_way(slow, 3)
        await asyncio.sleep(0.01)
        assert slow.now == 3
        slow.release.set()
        answers = [(await task).text for task in work]
    assert answers == [f"/{n}" for n in range(9)]
    assert slow.most == 3


async def test_pool_timeout_does_not_block_others() -> None:
    slow, limiter = SlowTransport(), RequestLimiter(1)
    async with httpx.AsyncClient(transport=slow) as client:
        first = asyncio.create_task(limiter.send(client, build_options(client, "/1")))
        await under_way(slow, 1)
        with pytest.raises(httpx.PoolTimeout) as late:
            await limiter.send(client, build_options(client, "/2", pool=0.02))
        assert late.value.request.url.path == "/2"
        third = asyncio.create_task(limiter.send(client, build_options(client, "/3", pool=None)))
        slow.release.set()
        assert ((await first).text, (await third).text) == ("/1", "/3")


async def test_cancelled_request_frees_its_slot() -> None:
    slow, limiter = SlowTransport(), RequestLimiter(1)
    async with httpx.AsyncClient(transport=slow) as client:
        first = asyncio.create_task(limiter.send(client, build_options(client, "/1")))
        waiting = asyncio.create_task(limiter.send(client, build_options(client, "/2")))
        await under_way(slow, 1)
        for task in (waiting, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        slow.release.set()
        assert (await limiter.send(client, build_options(client, "/3"))).text == "/3"


async def test_failed_request_frees_its_slot() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset", request=request)

    limiter = RequestLimiter(1)
    async with httpx.AsyncClient(transport=httpx.MockTransport(broken)) as client:
        for _ in range(3):
            with pytest.raises(httpx.ReadError):
                await limiter.send(client, build_options(client, "/"))


async def test_more_reads_than_connections_are_all_answered() -> None:
    with echo_server() as server:
        async with AsyncMultiMail(KEY, base_url=server.url, retry=AT_ONCE) as client:
            await client.list_mailboxes()
            ids = [f"em_{n}" for n in range(250)]
            found = await asyncio.gather(*(client.read_email(email_id) for email_id in ids))
    assert [email.id for email in found] == ids


async def test_pool_timeout_is_a_network_error() -> None:
    accepted: list[asyncio.StreamWriter] = []
    enough, over = asyncio.Event(), asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        if len(accepted) == 100:
            enough.set()
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
        with pytest.raises(NetworkError, match="PoolTimeout after 1 try"):
            await client.read_email("em_100")
        for task in reads:
            task.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        over.set()
