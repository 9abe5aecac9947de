"""One send is one email, also when the model, a framework or the network repeats it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.tools.support import (
    LATE,
    ONE_TRY,
    REFUSED,
    RESET,
    Connect,
    Fault,
    FaultyTransport,
    Inbox,
    Tools,
    answer,
    get_error_code,
    ids,
)

from multimail.tools import Toolkit, ToolResult

SEND: dict[str, Any] = {
    "to": ["ann@example.org", "bob@example.org"],
    "subject": "Offer",
    "body": "It is ready.",
}


async def test_a_repeat_sends_nothing_and_names_the_first(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    first = await tools.call("send_email", SEND)
    second = await tools.call("send_email", SEND)
    assert second.text.startswith("Already done")
    assert "Nothing was sent now" in second.text
    assert second.data["duplicate"] is True
    assert second.data["id"] == first.data["id"]
    assert ids(auto_box.mails()) == [first.data["id"]]


async def test_a_repeated_reply_sends_nothing(auto_box: Inbox, connect: Connect) -> None:
    mail, tools = auto_box.receive(), connect(auto_box, policy="off")
    reply = {"email_id": mail["id"], "body": "Yes.", "cc": ["carol@example.org"]}
    first = await tools.call("reply_email", reply)
    second = await tools.call("reply_email", {**reply, "cc": "CAROL@example.org"})
    assert (first.data["duplicate"], second.data["duplicate"]) == (False, True)
    assert len(auto_box.mails()) == 1


@pytest.mark.parametrize(
    "same",
    [
        {"to": ["bob@example.org", "ann@example.org"]},
        {"to": "ANN@Example.org, Bob@example.org"},
        {"to": ["Ann <ann@example.org>", "bob@example.org", "ann@example.org"]},
        {"cc": [], "bcc": None},
        {"body": "It is ready.\n"},
    ],
    ids=lambda same: next(iter(same)),
)
async def test_the_same_message_in_other_words_is_a_repeat(
    box: Inbox, connect: Connect, same: dict[str, Any]
) -> None:
    tools = connect(box)
    await tools.call("send_email", SEND)
    assert (await tools.call("send_email", {**SEND, **same})).data["duplicate"] is True
    assert len(box.mails()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"body": "It is ready!"},
        {"subject": "Offer 2"},
        {"to": ["ann@example.org"]},
        {"cc": ["carol@example.org"]},
        {"bcc": ["carol@example.org"]},
        {"send_at": "2027-03-01T09:00:00Z"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_message_is_another_message(
    box: Inbox, connect: Connect, other: dict[str, Any]
) -> None:
    tools = connect(box)
    first = await tools.call("send_email", SEND)
    second = await tools.call("send_email", {**SEND, **other})
    assert second.data["duplicate"] is False
    assert ids(box.mails()) == [second.data["id"], first.data["id"]]


async def test_the_same_moment_in_another_zone_is_a_repeat(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    for moment in ("2027-03-01T09:00:00Z", "2027-03-01T10:00:00+01:00"):
        await tools.call("send_email", {**SEND, "send_at": moment})
    assert len(box.mails()) == 1


async def test_another_conversation_sends_its_own(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    for session in ("one", "two", "one", None):
        await tools.call("send_email", SEND, session)
    assert len(box.mails()) == 3


async def test_an_equal_message_of_another_toolkit_is_another(box: Inbox, connect: Connect) -> None:
    await connect(box).call("send_email", SEND)
    await connect(box).call("send_email", SEND)
    assert len(box.mails()) == 2


async def test_a_conversation_goes_on_in_another_process(box: Inbox, connect: Connect) -> None:
    for _ in range(2):
        await connect(box, session="ticket-7").call("send_email", SEND)
    assert len(box.mails()) == 1


async def _at_once(tools: Tools, count: int) -> list[ToolResult]:
    if tools.mode == "async":
        return await asyncio.gather(*(tools.call("send_email", SEND) for _ in range(count)))
    with ThreadPoolExecutor(count) as threads:
        jobs = [threads.submit(tools.toolkit.call, "send_email", SEND) for _ in range(count)]
        return [job.result() for job in jobs]


async def test_sends_at_the_same_moment_are_one(auto_box: Inbox, connect: Connect) -> None:
    results = await _at_once(connect(auto_box), 8)
    assert all(result.ok for result in results)
    assert sorted(result.data["duplicate"] for result in results) == [False] + [True] * 7
    assert len({result.data["id"] for result in results}) == 1
    assert len(auto_box.mails()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(RESET, served=True),
        Fault(LATE, served=True),
        Fault(httpx.RemoteProtocolError("cut"), served=True),
        Fault(answer(503), served=True),
        Fault(answer(500), served=True),
        Fault(RESET),
        Fault(answer(502)),
        Fault(REFUSED),
    ],
    ids=lambda fault: f"{fault.outcome!r:.24}-{'after' if fault.served else 'before'}",
)
async def test_a_fault_on_the_way_is_overcome(
    auto_box: Inbox, connect: Connect, fault: Fault
) -> None:
    tools = connect(auto_box, way=FaultyTransport([fault]))
    result = await tools.call("send_email", SEND)
    assert result.ok
    assert ids(auto_box.mails()) == [result.data["id"]]
    assert result.data["id"] in result.text
    assert len(tools.way.posts) == 2
    assert tools.way.posts[0].content == tools.way.posts[1].content


@pytest.mark.parametrize(
    "fault",
    [Fault(RESET, served=True), Fault(LATE, served=True), Fault(answer(503), served=True)],
    ids=["reset", "late", "503"],
)
async def test_ambiguous_send_is_reported_as_unknown(
    auto_box: Inbox, connect: Connect, fault: Fault
) -> None:
    tools = connect(auto_box, way=FaultyTransport([fault]), retry=ONE_TRY)
    result = await tools.call("send_email", SEND)
    assert result.error is not None
    assert not result.error.retryable
    assert "unknown" in result.text
    assert "get_thread or list_pending" in result.text
    assert "failed" not in result.text
    assert "nothing was sent" not in result.text.casefold()
    (stored,) = auto_box.mails()
    again = await tools.call("send_email", SEND)
    assert again.data["duplicate"] is True
    assert again.data["id"] == stored["id"]
    assert len(auto_box.mails()) == 1


async def test_unreadable_response_is_reported_as_unknown(
    auto_box: Inbox, connect: Connect
) -> None:
    page = httpx.Response(200, content=b"<html>Welcome</html>")
    tools = connect(auto_box, way=FaultyTransport([Fault(page, served=True)]))
    result = await tools.call("send_email", SEND)
    assert not result.ok
    assert "unknown whether this happened" in result.text
    assert (await tools.call("send_email", SEND)).data["duplicate"] is True
    assert len(auto_box.mails()) == 1


async def test_a_fault_after_another_stays_unknown(auto_box: Inbox, connect: Connect) -> None:
    way = FaultyTransport(
        [Fault(RESET, served=True), Fault(answer(429)), Fault(REFUSED), Fault(REFUSED)]
    )
    result = await connect(auto_box, way=way).call("send_email", SEND)
    assert "unknown" in result.text
    assert len(auto_box.mails()) == 1


async def test_a_refused_connection_means_that_nothing_happened(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box, way=FaultyTransport([Fault(REFUSED)] * 4))
    result = await tools.call("send_email", SEND)
    assert get_error_code(result) == "network"
    assert result.error is not None
    assert result.error.retryable
    assert "unknown" not in result.text
    assert auto_box.mails() == []
    assert (await tools.call("send_email", SEND)).data["duplicate"] is False
    assert len(auto_box.mails()) == 1


async def test_a_decision_lost_on_the_way_is_made_once(box: Inbox, connect: Connect) -> None:
    sent = await connect(box).call("send_email", SEND)
    way = FaultyTransport([Fault(RESET, served=True)])
    approver = connect.approver(box, way=way, retry=ONE_TRY)
    decide = {"email_id": sent.data["id"], "decision": "approve"}
    await approver("read_email", email_id=sent.data["id"])
    first = await approver.call("decide_email", decide)
    assert "unknown" in first.text
    assert (await approver.call("decide_email", decide)).ok
    assert len(box.left()) == 1


async def test_a_toolkit_of_its_own_serves_threads_and_loops(box: Inbox) -> None:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: toolkit.call("send_email", SEND), range(4)))
    for _ in range(2):
        await asyncio.to_thread(asyncio.run, toolkit.acall("send_email", SEND))
    assert (await toolkit.acall("send_email", SEND)).data["duplicate"] is True
    assert len(box.mails()) == 1
    await toolkit.aclose()
