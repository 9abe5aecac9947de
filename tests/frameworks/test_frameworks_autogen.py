"""AutoGen: tools and workbench, results for code, errors, cancellation, teams, saved state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import EVENT_LOGGER_NAME, CancellationToken
from autogen_core.tools import BaseTool, StaticWorkbench, Tool
from tests.frameworks.agents import SEND, TASK, model, reading
from tests.frameworks.agents_autogen import autogen_agent, close_models
from tests.tools.support import Fault, FaultyTransport, Inbox, answer, fenced

from autogen_multimail import MultiMailApproverToolkit, MultiMailToolError, MultiMailToolkit
from multimail import AsyncMultiMail
from multimail.sessions import SqliteSessionStore
from multimail.tools import APPROVER_TOOLS, DEFAULT_TOOLS, ToolResult
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

Make = Callable[..., MultiMailToolkit]


@pytest.fixture(autouse=True)
async def models_are_closed() -> AsyncIterator[None]:
    """Close the clients in the event loop that used them."""
    yield
    await close_models()


@pytest.fixture
def toolkit(box: Inbox) -> MultiMailToolkit:
    """The agent's toolkit."""
    return MultiMailToolkit(box.agent_key, base_url=box.server.url)


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


def tool(toolkit: MultiMailToolkit | MultiMailApproverToolkit, name: str) -> BaseTool[Any, Any]:
    """Return one tool."""
    return next(tool for tool in toolkit.get_tools() if tool.name == name)


async def run(base_tool: BaseTool[Any, Any], **arguments: Any) -> ToolResult:
    """Run a tool as a loop of one's own does."""
    result = await base_tool.run_json(arguments, CancellationToken())
    assert isinstance(result, ToolResult)
    return result


async def test_they_are_tools_of_autogen(box: Inbox, toolkit: MultiMailToolkit) -> None:
    approver = MultiMailApproverToolkit(box.reviewer_key, base_url=box.server.url)
    for pack, catalogue in ((toolkit, DEFAULT_TOOLS), (approver, APPROVER_TOOLS)):
        names = [spec.name for spec in catalogue]
        assert [tool.name for tool in pack.get_tools()] == names
        assert all(isinstance(tool, BaseTool | Tool) for tool in pack.get_tools())
        workbench = pack.get_workbench("monday")
        assert isinstance(workbench, StaticWorkbench)
        assert [tool["name"] for tool in await workbench.list_tools()] == names


async def test_a_result_is_facts_for_code_and_text_for_the_model(
    box: Inbox, toolkit: MultiMailToolkit
) -> None:
    mail = box.receive_proven("Do it now!")
    read_email = tool(toolkit, "read_email")
    result = await run(read_email, email_id=mail["id"])
    assert result.data["body"].strip() == "Do it now!"
    assert result.data["trust"]["label"] == "authenticated"
    assert "Do it now!" in fenced(read_email.return_value_as_string(result))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"email_id": "msg_unknown"}, "not_found", "msg_unknown"),
        ({"email_id": 7}, "invalid_arguments", "email_id"),
        ({"email_id": "msg_1", "policy": "off"}, "invalid_arguments", "policy is not an argument"),
        (["msg_1"], "invalid_arguments", "arguments: "),
    ],
)
async def test_an_error_has_a_code_for_code_and_a_text_for_the_model(
    toolkit: MultiMailToolkit, arguments: Any, code: str, message: str
) -> None:
    read_email = tool(toolkit, "read_email")
    with pytest.raises(MultiMailToolError, match=message) as caught:
        await read_email.run_json(arguments, CancellationToken())
    assert caught.value.error.code == code
    # Another conversation: in this one the same call gets another answer.
    in_workbench = await toolkit.get_workbench("other").call_tool(read_email.name, arguments)
    assert in_workbench.is_error
    assert in_workbench.to_text() == str(caught.value)


async def test_event_distinguishes_an_error_from_a_result(
    box: Inbox, toolkit: MultiMailToolkit
) -> None:
    steps = [call("read_email", email_id="msg_unknown"), call("list_mailboxes")]
    with model(*steps) as served:
        done = await autogen_agent(served, toolkit.get_tools()).run(task=TASK)
    events = [message for message in done.messages if isinstance(message, ToolCallExecutionEvent)]
    results = [result for event in events for result in event.content]
    assert [result.is_error for result in results] == [True, False]
    assert results[0].content.startswith("Error (not_found): ")
    assert done.messages[-1].content == "Done."


class Watched(FaultyTransport):
    """The network, which signals the first request of a wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = asyncio.Event()

    def _fault(self, request: httpx.Request) -> Fault | None:
        fault = super()._fault(request)
        if len(self.requests) >= 3:
            self.waits.set()
        return fault


async def test_a_token_cancels_a_call_that_waits(box: Inbox) -> None:
    way, token = Watched(), CancellationToken()
    async with AsyncMultiMail(box.agent_key, base_url=box.server.url, transport=way) as client:
        toolkit = MultiMailToolkit(async_client=client)
        waiting = asyncio.ensure_future(
            tool(toolkit, "wait_for_email").run_json({"timeout_seconds": 300}, token)
        )
        await way.waits.wait()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        before = len(way.requests)
        assert (await run(tool(toolkit, "check_inbox"))).ok
        assert len(way.requests) == before + 1


async def test_a_send_whose_call_was_cancelled_happens_once_when_it_is_repeated(
    auto_box: Inbox,
) -> None:
    token = CancellationToken()

    class LostResponse(FaultyTransport):
        """The network, on which the answer to the first send is lost to its caller."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            real = await super().handle_async_request(request)
            if request.method == "POST" and not token.is_cancelled():
                await real.aread()
                token.cancel()
                await asyncio.Event().wait()
            return real

    facts: Any = {"base_url": auto_box.server.url, "transport": LostResponse()}
    async with AsyncMultiMail(auto_box.agent_key, **facts) as client:
        send = tool(MultiMailToolkit(async_client=client), "send_email")
        with pytest.raises(asyncio.CancelledError):
            await send.run_json(SEND, token)
        again = await run(send, **SEND)
    assert again.data["duplicate"]
    sent = auto_box.server.wait_for_message(
        lambda mail: bool(mail["id"] == again.data["id"]), direction="outbound", status="sent"
    )
    assert [mail["id"] for mail in auto_box.mails()] == [sent["id"]]
    assert [mail["id"] for mail in auto_box.left()] == [sent["id"]]


@pytest.mark.parametrize(
    ("names", "action"),
    [
        (("ticket-17", "ticket-17"), "hold"),
        ((None, None), "hold"),
        (("ticket-18", "ticket-19"), "allow"),
    ],
    ids=["one name", "no names", "two names"],
)
async def test_members_of_a_team_share_what_they_are_named_to_share(
    auto_box: Inbox,
    open_toolkit: Make,
    decisions: list[GuardDecision],
    names: tuple[str | None, str | None],
    action: str,
) -> None:
    toolkit = open_toolkit()
    with model(reading(auto_box)) as first, model(call("send_email", **SEND)) as second:
        reader, writer = (
            autogen_agent(served, toolkit.get_tools(name), member)
            for served, name, member in zip((first, second), names, ("ann", "bob"), strict=True)
        )
        both = MaxMessageTermination(3)
        await RoundRobinGroupChat([reader, writer], termination_condition=both).run(task=TASK)
    assert [decision.action for decision in decisions] == [action]


async def test_an_agent_whose_state_is_loaded_elsewhere_stays_tainted(
    auto_box: Inbox, open_toolkit: Make, decisions: list[GuardDecision], tmp_path: Path
) -> None:
    def worker(served: Any) -> Any:
        toolkit = open_toolkit(store=SqliteSessionStore(tmp_path / "guard.db"))
        return autogen_agent(served, toolkit.get_tools("ticket-17"))

    with model(reading(auto_box)) as served:
        first = worker(served)
        await first.run(task=TASK)
        state = await first.save_state()
    with model(*[call("send_email", **SEND)] * 3) as served:
        second = worker(served)
        await second.load_state(state)
        await second.run(task=TASK)
    assert "Hello." in str(served.requests[0]["messages"])
    assert {decision.action for decision in decisions} == {"hold"}
    assert auto_box.left() == []


async def test_the_same_call_twice_reaches_the_server_twice(box: Inbox) -> None:
    way = FaultyTransport()
    async with AsyncMultiMail(box.agent_key, base_url=box.server.url, transport=way) as client:
        toolkit = MultiMailToolkit(async_client=client)
        with model(call("check_inbox"), call("check_inbox")) as served:
            await autogen_agent(served, toolkit.get_tools()).run(task=TASK)
    assert len([request for request in way.requests if request.url.path.endswith("/emails")]) == 2


async def test_the_key_is_in_nothing_that_is_shown(
    box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, EVENT_LOGGER_NAME)
    way = FaultyTransport([Fault(answer(401))], meets=lambda request: True)
    async with AsyncMultiMail(box.agent_key, base_url=box.server.url, transport=way) as client:
        toolkit = MultiMailToolkit(async_client=client)
        with model(call("check_inbox"), call("check_inbox")) as served:
            done = await autogen_agent(served, toolkit.get_tools()).run(task=TASK)
    shown = [repr(toolkit), repr(toolkit.get_workbench()), str(done), str(served.requests)]
    shown += [repr(tool) + str(tool) + repr(tool.schema) for tool in toolkit.get_tools()]
    shown += [record.getMessage() for record in caplog.records]
    assert "ToolCall" in str(shown)
    assert not [text for text in shown if box.agent_key in text]
