"""A client closes what it owns, leaves what it was lent, and loads nothing it does not need."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import pytest
from tests.client.support import AT_ONCE, BASE, KEY, Connect, Post, answer

import multimail
from multimail import AsyncMultiMail, Call, MultiMail, MultiMailError
from multimail.endpoints import read_email, send_email


def test_an_own_http_client_closes_with_the_client() -> None:
    client = MultiMail(KEY, base_url=BASE, transport=httpx.MockTransport(Post()))
    with client as same:
        assert same is client
        assert client.list_mailboxes()
    with pytest.raises(RuntimeError, match="closed"):
        client.list_mailboxes()


async def test_an_own_async_http_client_closes_with_the_client() -> None:
    client = AsyncMultiMail(KEY, base_url=BASE, transport=httpx.MockTransport(Post()))
    async with client as same:
        assert same is client
        assert await client.list_mailboxes()
    with pytest.raises(RuntimeError, match="closed"):
        await client.list_mailboxes()


def test_a_lent_http_client_stays_open() -> None:
    lent = httpx.Client(transport=httpx.MockTransport(Post()))
    with MultiMail(KEY, base_url=BASE, http_client=lent) as client:
        assert client.list_mailboxes()
    assert not lent.is_closed
    assert MultiMail(KEY, base_url=BASE, http_client=lent).list_mailboxes()
    assert "authorization" not in lent.headers
    lent.close()


async def test_a_lent_async_http_client_stays_open() -> None:
    lent = httpx.AsyncClient(transport=httpx.MockTransport(Post()))
    async with AsyncMultiMail(KEY, base_url=BASE, http_client=lent) as client:
        assert await client.list_mailboxes()
    await client.aclose()
    assert not lent.is_closed
    await lent.aclose()


def test_a_client_closes_even_when_its_block_fails() -> None:
    client = MultiMail(KEY, base_url=BASE, transport=httpx.MockTransport(Post()))
    with pytest.raises(ZeroDivisionError), client:
        _ = 1 / 0
    with pytest.raises(RuntimeError, match="closed"):
        client.list_mailboxes()


async def test_an_operation_runs_without_a_verb(connect: Connect) -> None:
    post = Post()
    api = connect(post)
    sent = await api.run(send_email("bob@y.test", "S", "B"))
    assert (await api.run(read_email(sent.id))).id == sent.id
    own = await connect(lambda request: answer({"n": 1})).run(Call("mine", "GET", "/mine", dict))
    assert own == {"n": 1}


async def test_a_request_says_who_asks_and_for_what(connect: Connect) -> None:
    post = Post()
    await connect(post).list_mailboxes()
    headers = post.requests[0].headers
    assert headers["user-agent"] == f"multimail-python/{multimail.__version__}"
    assert headers["accept"] == "application/json"


async def test_a_cancelled_call_is_cancelled_and_the_client_lives_on() -> None:
    started = asyncio.Event()

    async def serve(request: httpx.Request) -> httpx.Response:
        if started.is_set():
            return answer({"mailboxes": []})
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


def test_every_error_of_the_package_is_one_of_its_family() -> None:
    family = [value for value in vars(multimail.errors).values() if isinstance(value, type)]
    errors = [one for one in family if issubclass(one, Exception)]
    assert len(errors) == 16
    assert all(issubclass(one, MultiMailError) for one in errors)
    assert all(getattr(multimail, one.__name__) is one for one in errors)


def test_every_name_that_the_package_promises_is_there() -> None:
    assert all(hasattr(multimail, name) for name in multimail.__all__)
    assert len(set(multimail.__all__)) == len(multimail.__all__)


FOREIGN = [
    "agno",
    "crewai",
    "langchain_core",
    "multimail_cli",
    "multimail_server",
    "rich",
    "smolagents",
    "starlette",
    "typer",
    "uvicorn",
]


def loaded_by(statement: str) -> set[str]:
    ask = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = [sys.executable, "-c", ask]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_importing_the_client_loads_no_framework_and_no_server() -> None:
    loaded = loaded_by("from multimail import MultiMail")
    assert {"multimail", "httpx", "pydantic"} <= loaded
    # Where it is installed, httpx loads rich for its own command line.
    assert loaded & set(FOREIGN) <= loaded_by("import httpx") & {"rich"}
