"""The lifecycle of a client: closing and cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.client.support import AT_ONCE, BASE, KEY, Connect, FakeApi, json_response

import multimail
from multimail import AsyncMultiMail, Call, MultiMail, MultiMailError
from multimail.endpoints import read_email, send_email


def build_http_client(kind: str) -> Any:
    http_class = httpx.Client if kind == "sync" else httpx.AsyncClient
    return http_class(transport=httpx.MockTransport(FakeApi()))


async def test_client_closes_its_own_connections(connect: Connect) -> None:
    client = connect(FakeApi())
    assert await client.list_mailboxes()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.list_mailboxes()


async def test_client_leaves_a_given_http_client_open(connect: Connect) -> None:
    http_client = build_http_client(connect.kind)
    client = connect(http_client=http_client)
    assert await client.list_mailboxes()
    await client.close()
    assert not http_client.is_closed
    assert await connect(http_client=http_client).list_mailboxes()
    assert "authorization" not in http_client.headers
    if connect.kind == "sync":
        http_client.close()
    else:
        await http_client.aclose()


async def test_async_client_closes_when_its_block_ends() -> None:
    client = AsyncMultiMail(KEY, base_url=BASE, transport=httpx.MockTransport(FakeApi()))
    async with client as entered:
        assert entered is client
    with pytest.raises(RuntimeError, match="closed"):
        await client.list_mailboxes()


def test_client_closes_when_its_block_fails() -> None:
    client = MultiMail(KEY, base_url=BASE, transport=httpx.MockTransport(FakeApi()))
    with pytest.raises(ZeroDivisionError), client:
        _ = 1 / 0
    with pytest.raises(RuntimeError, match="closed"):
        client.list_mailboxes()


async def test_run_accepts_any_operation(connect: Connect) -> None:
    fake_api = FakeApi()
    api = connect(fake_api)
    sent = await api.run(send_email("bob@y.test", "S", "B"))
    assert (await api.run(read_email(sent.id))).id == sent.id
    custom = Call("mine", "GET", "/mine", dict)
    assert await connect(lambda request: json_response({"n": 1})).run(custom) == {"n": 1}


async def test_request_headers(connect: Connect) -> None:
    fake_api = FakeApi()
    await connect(fake_api).list_mailboxes()
    headers = fake_api.requests[0].headers
    assert headers["user-agent"] == f"multimail-python/{multimail.__version__}"
    assert headers["accept"] == "application/json"


async def test_client_works_after_a_cancelled_call() -> None:
    started = asyncio.Event()

    async def serve(request: httpx.Request) -> httpx.Response:
        if started.is_set():
            return json_response({"mailboxes": []})
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with AsyncMultiMail(
        KEY, base_url=BASE, retry=AT_ONCE, transport=httpx.MockTransport(serve)
    ) as client:
        task = asyncio.create_task(_listing(client))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.list_mailboxes() == []


async def _listing(client: AsyncMultiMail) -> object:
    return await client.list_mailboxes()


def test_all_errors_derive_from_multimail_error() -> None:
    family = [value for value in vars(multimail.errors).values() if isinstance(value, type)]
    errors = [error for error in family if issubclass(error, Exception)]
    assert len(errors) == 18
    assert all(issubclass(error, MultiMailError) for error in errors)
    assert all(getattr(multimail, error.__name__) is error for error in errors)
