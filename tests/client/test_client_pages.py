"""Listings are walked to their end, and new mail is waited for no longer than was said."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from tests.client.support import AT_ONCE, BASE, KEY, Connect, answer

from multimail import AsyncMultiMail, MultiMail, Pause, WaitTimeoutError
from multimail import endpoints as api_of
from multimail._execution import Request, execute
from multimail._mailbox_cache import MailboxCache


class Paged:
    """A listing of seven rows in pages of three."""

    def __init__(self, key: str = "emails", cursor: str = "cursor") -> None:
        self.key, self.cursor = key, cursor
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(dict(request.url.params))
        start = int(request.url.params.get("cursor", "0"))
        rows = [{"id": f"em_{n}"} for n in range(start, min(start + 3, 7))]
        return answer({self.key: rows, self.cursor: str(start + 3) if start + 3 < 7 else None})


ALL = [f"em_{n}" for n in range(7)]


async def test_an_inbox_is_walked_through_all_its_pages(connect: Connect) -> None:
    paged = Paged()
    rows = await connect(paged, mailbox="mb_1").iter_inbox(limit=3, unread_only=True)
    assert [one.id for one in rows] == ALL
    assert [one.get("cursor") for one in paged.asked] == [None, "3", "6"]
    assert all(one["limit"] == "3" and one["status"] == "unread" for one in paged.asked)


async def test_the_audit_log_is_walked_through_all_its_pages(connect: Connect) -> None:
    paged = Paged("entries", "next_cursor")
    assert [one.id for one in await connect(paged).iter_audit_log()] == ALL


async def test_a_walk_may_start_in_the_middle(connect: Connect) -> None:
    rows = await connect(Paged(), mailbox="mb_1").iter_inbox(cursor="6")
    assert [one.id for one in rows] == ["em_6"]


async def test_an_empty_page_is_not_the_end(connect: Connect) -> None:
    pages = iter([{"emails": [], "cursor": "c"}, {"emails": [{"id": "em_1"}]}])
    rows = await connect(lambda request: answer(next(pages)), mailbox="mb_1").iter_inbox()
    assert [one.id for one in rows] == ["em_1"]


def test_a_walk_asks_for_no_page_before_its_rows_are_wanted() -> None:
    paged = Paged()
    with MultiMail(
        KEY, base_url=BASE, mailbox="mb_1", transport=httpx.MockTransport(paged)
    ) as client:
        rows = client.iter_inbox()
        assert not paged.asked
        assert [next(rows).id for _ in range(3)] == ALL[:3]
        assert len(paged.asked) == 1


async def test_an_async_walk_asks_for_no_page_before_its_rows_are_wanted() -> None:
    paged = Paged()
    transport = httpx.MockTransport(paged)
    async with AsyncMultiMail(KEY, base_url=BASE, mailbox="mb_1", transport=transport) as client:
        rows = client.iter_inbox()
        assert not paged.asked
        assert [(await anext(rows)).id for _ in range(3)] == ALL[:3]
        assert len(paged.asked) == 1


class Arriving:
    """An inbox that holds one message, and in which two others arrive at the third look."""

    def __init__(self) -> None:
        self.looks: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        self.looks.append(params)
        if "since_id" not in params:
            return answer({"emails": [{"id": "em_old"}]})
        assert params["since_id"] == "em_old"
        new = [{"id": "em_2"}, {"id": "em_1"}] if len(self.looks) > 3 else []
        return answer({"emails": new})


async def test_the_oldest_new_message_is_waited_for(connect: Connect) -> None:
    inbox = Arriving()
    api = connect(inbox, mailbox="mb_1")
    found = await api.wait_for_email(subject_contains="code", poll_interval=0, timeout=30)
    assert found.id == "em_1"
    assert [one.get("since_id") for one in inbox.looks] == [None, "em_old", "em_old", "em_old"]
    assert all(one["direction"] == "inbound" for one in inbox.looks)
    assert "subject_contains" not in inbox.looks[0]
    assert inbox.looks[1]["subject_contains"] == "code"


async def test_waiting_ends_when_its_time_is_over(connect: Connect) -> None:
    api = connect(lambda request: answer({"emails": []}), mailbox="mb_1")
    with pytest.raises(WaitTimeoutError, match=r"within 0\.02 s") as caught:
        await api.wait_for_email(timeout=0.02, poll_interval=0)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.operation == "wait_for_email"


async def test_waiting_for_no_time_looks_once(connect: Connect) -> None:
    looks: list[Any] = []

    def serve(request: httpx.Request) -> httpx.Response:
        looks.append(request)
        return answer({"emails": []})

    with pytest.raises(WaitTimeoutError):
        await connect(serve, mailbox="mb_1").wait_for_email(since_id="em_0", timeout=0)
    assert len(looks) == 1


def test_a_pause_never_outlasts_the_time_that_is_left() -> None:
    operation = api_of.wait_for_email(since_id="em_0", timeout=5, poll_interval=60)
    steps = execute(operation, MailboxCache("mb_1"), AT_ONCE)
    assert isinstance(next(steps), Request)
    pause = steps.send(answer({"emails": []}))
    assert isinstance(pause, Pause)
    assert 0 < pause.seconds <= 5


async def test_a_client_pauses_for_as_long_as_an_operation_says(connect: Connect) -> None:
    start = time.monotonic()
    assert await connect().run(Pause(0.03)) is None
    assert time.monotonic() - start >= 0.03
