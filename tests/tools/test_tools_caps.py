"""Caps: how much one conversation and one thread may send, whatever the model says."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from tests.tools.asking import get_send_decision
from tests.tools.support import (
    ONE_TRY,
    Connect,
    Fault,
    FaultyTransport,
    Inbox,
    Tools,
    answer,
    decided,
    get_error_code,
)

from multimail.tools import ToolResult
from multimail.trust import Action, TrustPolicy

NUMBERS = itertools.count(1)


async def replied(tools: Tools, mail: dict[str, Any], body: str = "", **more: Any) -> ToolResult:
    """Answer a mail with other words each time."""
    return await tools(
        "reply_email", email_id=mail["id"], body=body or f"No. {next(NUMBERS)}", **more
    )


async def test_a_conversation_sends_no_more_than_it_may(auto_box: Inbox, connect: Connect) -> None:
    tools = connect(auto_box, session=f"job-{auto_box.id}", policy=TrustPolicy(sends_per_session=2))
    assert [(await get_send_decision(tools)).action for _ in range(2)] == [Action.ALLOW] * 2
    result = await tools("send_email", to="bob@example.org", subject="3", body="Hello.")
    assert get_error_code(result) == "refused_by_guard"
    assert "this conversation has sent as many messages as it may" in result.text
    assert (decided(result).action, decided(result).code) == (Action.REFUSE, "cap_per_session")
    assert len(auto_box.mails()) == 2


async def test_calls_that_name_no_conversation_have_no_cap_of_one(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box, policy=TrustPolicy(sends_per_session=1))
    assert [(await get_send_decision(tools)).action for _ in range(3)] == [Action.ALLOW] * 3


async def test_a_thread_gets_no_more_than_it_may_from_all_conversations(
    auto_box: Inbox, connect: Connect
) -> None:
    mail, other = auto_box.receive_proven(), auto_box.receive_proven(subject="Other")
    tools = connect(auto_box, policy=TrustPolicy(sends_per_thread=2))
    for session in ("one", "two"):
        assert decided(await replied(tools, mail, session_id=session)).action is Action.ALLOW
    result = await replied(tools, mail, session_id="three")
    assert get_error_code(result) == "refused_by_guard"
    assert "this thread has as many messages within 24 hours as it may" in result.text
    assert decided(result).code == "cap_per_thread"
    assert decided(await replied(tools, other, session_id="three")).action is Action.ALLOW
    assert (await get_send_decision(tools)).action is Action.ALLOW


async def test_repeat_after_the_cap_gets_the_first_result(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box, session=f"job-{auto_box.id}", policy=TrustPolicy(sends_per_session=1))
    send = {"to": "bob@example.org", "subject": "x", "body": "y"}
    first = await tools.call("send_email", send)
    assert (await get_send_decision(tools)).action is Action.REFUSE
    again = await tools.call("send_email", send)
    assert (again.data["duplicate"], again.data["id"]) == (True, first.data["id"])


async def test_a_send_that_the_network_lost_counts_once(auto_box: Inbox, connect: Connect) -> None:
    way = FaultyTransport([Fault(answer(503)), Fault(answer(503), served=True)])
    tools = connect(auto_box, way=way, retry=ONE_TRY, policy=TrustPolicy(sends_per_session=1))
    send = {"to": "bob@example.org", "subject": "x", "body": "y"}
    assert [(await tools.call("send_email", send)).error is None for _ in range(3)] == [
        *(False, False),
        True,
    ]
    assert len(auto_box.mails()) == 1


async def test_calls_at_the_same_time_share_one_cap(auto_box: Inbox, connect: Connect) -> None:
    tools = connect(auto_box, session=f"job-{auto_box.id}", policy=TrustPolicy(sends_per_session=3))
    if tools.mode == "async":
        decisions = await asyncio.gather(*(get_send_decision(tools) for _ in range(8)))
    else:

        def send_one(number: int) -> ToolResult:
            send = {"to": "bob@example.org", "subject": f"P {number}", "body": "y"}
            return tools.toolkit.call("send_email", send)

        some = await asyncio.gather(*(asyncio.to_thread(send_one, number) for number in range(8)))
        decisions = [decided(result) for result in some]
    assert [decision.action for decision in decisions].count(Action.ALLOW) == 3
    assert len(auto_box.mails()) == 3
