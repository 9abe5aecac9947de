"""Caps: how much one conversation and one thread may send, whatever the model says."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
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

from multimail.sessions import MemorySessionStore
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


SMALL = TrustPolicy(
    free_per_address=2, free_per_organisation=3, listed=["boss@big.co.uk"],
    public_providers=["mail.example"],
)  # fmt: skip
FREE, OVER, OVER_ALL = "allowed", "cap_per_address", "cap_per_organisation"
CAPPED: dict[str, list[tuple[str, str]]] = {
    "an address, whatever its tag and case": [
        ("ann@big.co.uk", FREE), ("ANN+x@big.co.uk", FREE), ("ann@big.co.uk", OVER),
        ("bob@big.co.uk", FREE),
    ],
    "an organisation, below its own domain too": [
        ("a@big.co.uk", FREE), ("b@x.big.co.uk", FREE), ("c@y.x.big.co.uk", FREE),
        ("d@big.co.uk", OVER_ALL), ("boss@big.co.uk", FREE), ("d@other.co.uk", FREE),
    ],
    "no organisation at a public provider": [
        (f"{name}@{host}", FREE) for host in ("gmail.com", "mail.example") for name in "abcd"
    ],
}  # fmt: skip


@pytest.mark.parametrize("counts", [True, False], ids=["the server", "the session store"])
@pytest.mark.parametrize("name", CAPPED)
async def test_mail_over_a_daily_cap_is_held(
    auto_box: Inbox, connect: Connect, name: str, counts: bool
) -> None:
    store, left = MemorySessionStore(), 0
    for number, (to, code) in enumerate(CAPPED[name]):
        # The server counts for every process; where it can't, those that share a store do.
        more: dict[str, Any] = {} if counts else {"store": store}
        tools = connect(auto_box, policy=SMALL, **more)
        tools.way.hides = set() if counts else {"counts_free_sends"}
        send = {"to": to, "subject": f"{number} {auto_box.id}", "body": "x"}
        result = await tools.call("send_email", send)
        assert (decided(result).code, result.data["held"]) == (code, code != FREE)
        left += code == FREE
        if code != FREE:
            held = auto_box.mail(result.data["id"])
            assert held["metadata"]["guard_code"] == code
            assert (
                to.rpartition("@")[2].rpartition(".co.uk")[0] in held["metadata"]["guard_reasons"]
            )
            again = await tools.call("send_email", send)
            assert (again.data["id"], again.data["duplicate"]) == (held["id"], True)
    assert len(auto_box.left()) == left
