"""Iteration over pages, and waiting for new mail."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from tests.client.support import AT_ONCE, BASE, KEY, Connect, json_response

from multimail import AsyncMultiMail, MultiMail, Pause, WaitTimeoutError
from multimail import endpoints as endpoints
from multimail._execution import MailboxCache, Request, execute
from multimail._http import Response


class Paged:
    """A listing of seven rows in pages of three."""

    def __init__(self, key: str = "emails", cursor: str = "cursor") -> None:
        self.key, self.cursor = key, cursor
        self.requests: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(dict(request.url.params))
        start = int(request.url.params.get("cursor", "0"))
        rows = [{"id": f"em_{n}"} for n in range(start, min(start + 3, 7))]
        return json_response(
            {self.key: rows, self.cursor: str(start + 3) if start + 3 < 7 else None}
        )


ALL = [f"em_{n}" for n in range(7)]


async def test_iter_inbox_requests_all_pages(connect: Connect) -> None:
    paged = Paged()
    rows = await connect(paged, mailbox="mb_1").iter_inbox(limit=3, unread_only=True)
    assert [row.id for row in rows] == ALL
    assert [params.get("cursor") for params in paged.requests] == [None, "3", "6"]
    assert all(params["limit"] == "3" and params["status"] == "unread" for params in paged.requests)


async def test_iter_audit_log_requests_all_pages(connect: Connect) -> None:
    paged = Paged("entries", "next_cursor")
    assert [row.id for row in await connect(paged).iter_audit_log()] == ALL


async def test_iteration_starts_at_a_cursor(connect: Connect) -> None:
    rows = await connect(Paged(), mailbox="mb_1").iter_inbox(cursor="6")
    assert [row.id for row in rows] == ["em_6"]


async def test_an_empty_page_is_not_the_end(connect: Connect) -> None:
    pages = iter([{"emails": [], "cursor": "c"}, {"emails": [{"id": "em_1"}]}])
    rows = await connect(lambda request: json_response(next(pages)), mailbox="mb_1").iter_inbox()
    assert [row.id for row in rows] == ["em_1"]


def test_pages_are_requested_on_demand() -> None:
    paged = Paged()
    with MultiMail(
        KEY, base_url=BASE, mailbox="mb_1", transport=httpx.MockTransport(paged)
    ) as client:
        rows = client.iter_inbox()
        assert not paged.requests
        assert [next(rows).id for _ in range(3)] == ALL[:3]
        assert len(paged.requests) == 1


async def test_async_pages_are_requested_on_demand() -> None:
    paged = Paged()
    transport = httpx.MockTransport(paged)
    async with AsyncMultiMail(KEY, base_url=BASE, mailbox="mb_1", transport=transport) as client:
        rows = client.iter_inbox()
        assert not paged.requests
        assert [(await anext(rows)).id for _ in range(3)] == ALL[:3]
        assert len(paged.requests) == 1


class Arriving:
    """An inbox that holds one message, and in which two others arrive at the third look."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        self.requests.append(params)
        if "since_id" not in params:
            return json_response({"emails": [{"id": "em_old"}]})
        assert params["since_id"] == "em_old"
        new = [{"id": "em_2"}, {"id": "em_1"}] if len(self.requests) > 3 else []
        return json_response({"emails": new})


async def test_wait_returns_the_oldest_new_message(connect: Connect) -> None:
    inbox = Arriving()
    api = connect(inbox, mailbox="mb_1")
    message = await api.wait_for_email(subject_contains="code", poll_interval=0, timeout=30)
    assert message.id == "em_1"
    assert [params.get("since_id") for params in inbox.requests] == [
        None,
        "em_old",
        "em_old",
        "em_old",
    ]
    assert all(params["direction"] == "inbound" for params in inbox.requests)
    assert "subject_contains" not in inbox.requests[0]
    assert inbox.requests[1]["subject_contains"] == "code"


async def test_wait_for_a_thread_looks_at_all_pages_of_new_mail(connect: Connect) -> None:
    pages = iter([
        {"thread_id": "thr_1", "messages": [{"id": "em_0", "direction": "outbound"}]},
        {"emails": [{"id": "em_9", "thread_id": "thr_2"}], "cursor": "c"},
        {"emails": [], "cursor": "d"},
        {"emails": [{"id": "em_1", "thread_id": "thr_1"}]},
    ])  # fmt: skip
    api = connect(lambda request: json_response(next(pages)), mailbox="mb_1")
    assert (await api.wait_for_email(thread="thr_1", timeout=0)).id == "em_1"


async def test_wait_times_out(connect: Connect) -> None:
    api = connect(lambda request: json_response({"emails": []}), mailbox="mb_1")
    with pytest.raises(WaitTimeoutError, match=r"within 0\.02 s") as caught:
        await api.wait_for_email(timeout=0.02, poll_interval=0)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.operation == "wait_for_email"


async def test_wait_with_timeout_zero_requests_once(connect: Connect) -> None:
    looks: list[Any] = []

    def serve(request: httpx.Request) -> httpx.Response:
        looks.append(request)
        return json_response({"emails": []})

    with pytest.raises(WaitTimeoutError):
        await connect(serve, mailbox="mb_1").wait_for_email(since_id="em_0", timeout=0)
    assert len(looks) == 1


def test_poll_interval_is_cut_to_the_remaining_time() -> None:
    operation = endpoints.wait_for_email(since_id="em_0", timeout=5, poll_interval=60)
    steps = execute(operation, MailboxCache("mb_1"), AT_ONCE)
    assert isinstance(next(steps), Request)
    pause = steps.send(Response(200, {}, b'{"emails": []}'))
    assert isinstance(pause, Pause)
    assert 0 < pause.seconds <= 5


async def test_client_sleeps_for_a_pause(connect: Connect) -> None:
    start = time.monotonic()
    assert await connect().run(Pause(0.03)) is None
    assert time.monotonic() - start >= 0.03
