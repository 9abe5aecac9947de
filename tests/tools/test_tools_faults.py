"""Faults: an API that says no, a network that fails, a bug of our own. All of them are answers."""

from __future__ import annotations

import logging

import httpx
import pytest
from tests.tools.support import (
    LATE,
    REFUSED,
    RESET,
    Connect,
    Fault,
    FaultyTransport,
    Inbox,
    answer,
    get_error_code,
)

ANY = [
    ("list_mailboxes", {}),
    ("check_inbox", {}),
    ("read_email", {"email_id": "msg_1"}),
    ("get_thread", {"thread_id": "thr_1"}),
    ("wait_for_email", {"timeout_seconds": 1}),
    ("download_attachment", {"email_id": "msg_1", "filename": "a"}),
    ("search_contacts", {}),
    ("add_contact", {"email": "a@b.test"}),
    ("send_email", {"to": "a@b.test", "subject": "x", "body": "y"}),
    ("reply_email", {"email_id": "msg_1", "body": "y"}),
    ("tag_email", {"email_id": "msg_1", "tags": ["x"]}),
    ("list_pending", {}),
    ("cancel_message", {"email_id": "msg_1"}),
]


def always(fault: Fault) -> FaultyTransport:
    """A network on which every request meets the fault."""
    return FaultyTransport([fault] * 200, lambda request: True)


@pytest.mark.parametrize(("name", "arguments"), ANY, ids=lambda case: str(case)[:20])
@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "unauthorized", False),
        (403, "missing_scope", False),
        (429, "too_fast", True),
        (503, "unavailable", True),
    ],
)
async def test_a_refusal_of_the_api_is_an_answer(
    box: Inbox,
    connect: Connect,
    name: str,
    arguments: dict[str, object],
    status: int,
    code: str,
    retryable: bool,
) -> None:
    tools = connect(box, way=always(Fault(answer(status, code))))
    result = await tools.call(name, arguments)
    assert get_error_code(result) == code
    assert result.error is not None
    if (name, status) == ("add_contact", 503):
        # A write that nothing makes repeatable: it may have happened.
        assert "unknown" in result.text
        retryable = False
    assert result.error.retryable is retryable
    assert box.agent_key not in str(result.as_data()) + result.text


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(401, "unauthorized", False), (403, "read_only", False), (429, "quota", True)],
)
async def test_a_refused_send_says_whether_to_try_again(
    auto_box: Inbox, connect: Connect, status: int, code: str, retryable: bool
) -> None:
    way = FaultyTransport([Fault(answer(status, code))] * 4)
    result = await connect(auto_box, way=way)("send_email", to="a@b.test", subject="x", body="y")
    assert get_error_code(result) == code
    assert result.error is not None
    assert result.error.retryable is retryable
    assert "unknown" not in result.text
    assert auto_box.mails() == []


@pytest.mark.parametrize(
    ("name", "arguments", "unknown"),
    [
        ("send_email", {"to": "a@b.test", "subject": "x", "body": "y"}, True),
        ("tag_email", {"email_id": "msg_1", "tags": ["x"]}, True),
        ("check_inbox", {}, False),
        ("list_mailboxes", {}, False),
    ],
)
async def test_after_an_unreadable_answer_only_a_write_may_have_happened(
    box: Inbox, connect: Connect, name: str, arguments: dict[str, object], unknown: bool
) -> None:
    page = httpx.Response(200, text="<html>A login page</html>")
    result = await connect(box, way=always(Fault(page))).call(name, arguments)
    assert get_error_code(result) == "unreadable_reply"
    assert ("It is unknown whether this happened." in result.text) is unknown
    assert ("base URL" in result.text) is not unknown
    assert result.error is not None
    assert not result.error.retryable


async def test_a_long_wait_is_not_waited_for(auto_box: Inbox, connect: Connect) -> None:
    way = FaultyTransport([Fault(answer(429, "quota", Retry_After="3600"))])
    result = await connect(auto_box, way=way)("send_email", to="a@b.test", subject="x", body="y")
    assert get_error_code(result) == "quota"
    assert len(way.posts) == 1


async def test_key_without_the_scope_gets_an_error(box: Inbox, connect: Connect) -> None:
    tools = connect(box, key=box.reviewer_key)
    result = await tools("send_email", to="a@b.test", subject="x", body="y")
    assert get_error_code(result) == "missing_scope"
    assert "needs send" in result.text
    assert box.mails() == []


async def test_unknown_key_gets_an_error(box: Inbox, connect: Connect) -> None:
    result = await connect(box, key="mm_test_canary_0000000000000000")("check_inbox")
    assert get_error_code(result) == "invalid_key"
    assert "canary" not in result.text


@pytest.mark.parametrize(("fault", "code"), [(REFUSED, "network"), (RESET, "network"),
                                            (LATE, "network")])  # fmt: skip
async def test_reading_over_a_dead_network_may_be_tried_again(
    box: Inbox, connect: Connect, fault: Exception, code: str
) -> None:
    result = await connect(box, way=always(Fault(fault)))("check_inbox")
    assert get_error_code(result) == code
    assert result.error is not None
    assert result.error.retryable


@pytest.mark.parametrize(("name", "arguments"), ANY, ids=lambda case: str(case)[:20])
async def test_a_bug_is_an_answer_and_a_line_in_the_log(
    box: Inbox,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    name: str,
    arguments: dict[str, object],
) -> None:
    tools = connect(box, way=always(Fault(RuntimeError("boom"))))
    with caplog.at_level(logging.DEBUG):
        result = await tools.call(name, arguments)
    assert get_error_code(result) == "internal"
    assert result.error is not None
    assert not result.error.retryable
    assert "RuntimeError" in result.text
    assert "boom" not in result.text
    (line,) = [one for one in caplog.records if one.name == "multimail.tools"]
    assert name in line.getMessage()
    assert line.exc_info
    assert box.agent_key not in caplog.text


async def test_after_a_fault_the_tools_go_on(box: Inbox, connect: Connect) -> None:
    way = FaultyTransport([Fault(RuntimeError("boom"))], lambda request: True)
    tools = connect(box, way=way)
    assert not (await tools("check_inbox")).ok
    assert (await tools("check_inbox")).ok


async def test_every_error_keeps_to_the_budget(box: Inbox, connect: Connect) -> None:
    tools = connect(box, max_chars=1000)
    wild = {f"argument_{'x' * 200}_{number}": number for number in range(100)}
    result = await tools.call("send_email", wild)
    assert len(result.text) <= 1000
    assert not result.ok
