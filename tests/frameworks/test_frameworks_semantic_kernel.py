"""Semantic Kernel: the plugin, facts for code, filters, threads, copies of a kernel."""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from semantic_kernel import Kernel
from semantic_kernel.agents import ChatHistoryAgentThread
from semantic_kernel.contents import ChatHistory
from semantic_kernel.filters import FilterTypes, FunctionInvocationContext
from semantic_kernel.functions import (
    FunctionResult,
    KernelArguments,
    KernelFunction,
    KernelPlugin,
)
from tests.frameworks.agents import SEND, TASK, Step, call_as_offered, conversation, model
from tests.frameworks.agents_semantic_kernel import close_models, kernel_agent
from tests.tools.support import Fault, FaultyTransport, Inbox, answer, fenced

from multimail import AsyncMultiMail
from multimail.sessions import SqliteSessionStore
from multimail.tools import APPROVER_TOOLS, DEFAULT_TOOLS
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import Conversation, Turn
from semantic_kernel_multimail import MultiMailApproverToolkit, MultiMailToolkit

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
def kernel(toolkit: MultiMailToolkit) -> Kernel:
    """A kernel with the plugin."""
    instance = Kernel()
    instance.add_plugin(toolkit.get_plugin())
    return instance


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


def calls(name: str, **arguments: Any) -> Callable[[Conversation], Turn]:
    """Return the step that calls a function of the plugin."""
    return lambda seen: call_as_offered(seen, name, **arguments)


def reading(box: Inbox) -> Step:
    """Receive a mail without proof, and return the step that reads it."""
    return calls("read_email", email_id=box.receive("Hello.")["id"])


async def invoke(kernel: Kernel, name: str, **arguments: Any) -> FunctionResult:
    """Call a function as an application does."""
    result = await kernel.invoke(plugin_name="multimail", function_name=name, **arguments)
    assert result is not None
    return result


def test_it_is_a_plugin_of_kernel_functions(box: Inbox, toolkit: MultiMailToolkit) -> None:
    approver = MultiMailApproverToolkit(box.reviewer_key, base_url=box.server.url)
    for pack, catalogue in ((toolkit, DEFAULT_TOOLS), (approver, APPROVER_TOOLS)):
        plugin = pack.get_plugin(name="mail")
        assert isinstance(plugin, KernelPlugin)
        assert list(plugin.functions) == [spec.name for spec in catalogue]
        assert all(isinstance(tool, KernelFunction) for tool in plugin)
        assert {tool.plugin_name for tool in plugin} == {"mail"}


def test_a_parameter_says_its_type(toolkit: MultiMailToolkit) -> None:
    plugin = toolkit.get_plugin()
    kinds = {parameter.name: parameter.type_ for parameter in plugin["send_email"].parameters}
    assert (kinds["to"], kinds["subject"], kinds["cc"]) == ("array", "string", "array")
    assert {parameter.type_ for parameter in plugin["list_mailboxes"].parameters} == {"integer"}


async def test_a_result_is_text_for_the_model_and_facts_for_code(
    box: Inbox, kernel: Kernel
) -> None:
    mail = box.receive_proven("Do it now!")
    result = await invoke(kernel, "read_email", email_id=mail["id"])
    assert result.metadata["ok"]
    assert result.metadata["body"].strip() == "Do it now!"
    assert "Do it now!" in fenced(str(result))


async def test_a_stream_is_the_same_result(box: Inbox, kernel: Kernel) -> None:
    stream = kernel.invoke_stream(plugin_name="multimail", function_name="list_mailboxes")
    (piece,) = [piece async for piece in stream]
    assert box.address in str(piece)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"email_id": "msg_unknown"}, "not_found", "msg_unknown"),
        ({"email_id": 7}, "invalid_arguments", "email_id"),
        ({}, "invalid_arguments", "email_id"),
    ],
)
async def test_an_error_is_a_result(
    kernel: Kernel, arguments: dict[str, Any], code: str, message: str
) -> None:
    result = await invoke(kernel, "read_email", **arguments)
    assert str(result).startswith(f"Error ({code}): ")
    assert message in str(result)
    assert not result.metadata["ok"]
    assert result.metadata["error"]["code"] == code


async def test_variables_of_a_prompt_are_no_arguments(
    box: Inbox, toolkit: MultiMailToolkit
) -> None:
    with model(calls("list_mailboxes")) as served:
        agent = kernel_agent(served, [toolkit.get_plugin()], instructions="Be {{$mood}}.")
        await agent.get_response(TASK, arguments=KernelArguments(mood="brief"))
    assert served.requests[0]["messages"][0]["content"] == "Be brief."
    assert box.address in conversation(served).last_tool_text


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirm", "reject"])
async def test_a_filter_asks_before_a_send(
    open_toolkit: Make, auto_box: Inbox, confirmed: bool
) -> None:
    kernel, seen = Kernel(), []
    kernel.add_plugin(open_toolkit().get_plugin())

    # Semantic Kernel gives the second argument by this name.
    async def ask(context: FunctionInvocationContext, next: Any) -> None:  # noqa: A002
        seen.append((context.function.name, dict(context.arguments)))
        if confirmed:
            await next(context)
        else:
            context.result = FunctionResult(function=context.function.metadata, value="Not today.")

    kernel.add_filter(FilterTypes.FUNCTION_INVOCATION, ask)
    with model(calls("send_email", **SEND)) as served:
        await kernel_agent(served, [], kernel=kernel).get_response(TASK)
    assert seen == [("send_email", SEND)]
    assert len(auto_box.left()) == int(confirmed)
    assert ("Not today." in conversation(served).last_tool_text) == (not confirmed)


@pytest.mark.parametrize("copied", [copy.deepcopy, Kernel.clone], ids=["deepcopy", "clone"])
async def test_a_copied_kernel_works_on_the_same_conversation(
    box: Inbox, kernel: Kernel, copied: Callable[[Kernel], Kernel]
) -> None:
    first = await invoke(kernel, "send_email", **SEND)
    again = await invoke(copied(kernel), "send_email", **SEND)
    assert again.metadata["id"] == first.metadata["id"]
    assert again.metadata["duplicate"]
    assert len(box.mails()) == 1


async def test_a_thread_that_goes_on_sends_once(open_toolkit: Make, auto_box: Inbox) -> None:
    thread = ChatHistoryAgentThread()
    with model(*[calls("send_email", **SEND)] * 4) as served:
        agent = kernel_agent(served, [open_toolkit().get_plugin()])
        for _ in range(2):
            await agent.get_response(TASK, thread=thread)
    assert len(auto_box.left()) == 1
    assert "Already done" in conversation(served).last_tool_text


async def test_a_thread_that_goes_on_elsewhere_stays_tainted(
    open_toolkit: Make, auto_box: Inbox, decisions: list[GuardDecision], tmp_path: Path
) -> None:
    def worker(served: Any) -> Any:
        toolkit = open_toolkit(store=SqliteSessionStore(tmp_path / "guard.db"))
        return kernel_agent(served, [toolkit.get_plugin("ticket-17")])

    thread = ChatHistoryAgentThread()
    with model(reading(auto_box)) as served:
        await worker(served).get_response(TASK, thread=thread)
    kept = ChatHistory(messages=[message async for message in thread.get_messages()]).serialize()
    resumed = ChatHistoryAgentThread(ChatHistory.restore_chat_history(kept))
    with model(*[calls("send_email", **SEND)] * 4) as served:
        await worker(served).get_response(TASK, thread=resumed)
    assert "Hello." in str(served.requests[0]["messages"])
    assert {decision.action for decision in decisions} == {"hold"}
    assert auto_box.left() == []


@pytest.mark.parametrize(
    ("names", "action"),
    [
        (("ticket-17", "ticket-17"), "hold"),
        ((None, None), "hold"),
        (("ticket-18", "ticket-19"), "allow"),
    ],
    ids=["one name", "no names", "two names"],
)
async def test_agents_share_what_they_are_named_to_share(
    open_toolkit: Make,
    auto_box: Inbox,
    decisions: list[GuardDecision],
    names: tuple[str | None, str | None],
    action: str,
) -> None:
    toolkit = open_toolkit()
    plugins = [toolkit.get_plugin(name) for name in names]
    for plugin, step in zip(plugins, (reading(auto_box), calls("send_email", **SEND)), strict=True):
        with model(step) as served:
            await kernel_agent(served, [plugin]).get_response(TASK)
    assert [decision.action for decision in decisions] == [action]


async def test_the_key_is_in_nothing_that_is_shown(
    box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    way = FaultyTransport([Fault(answer(401))], meets=lambda request: True)
    async with AsyncMultiMail(box.agent_key, base_url=box.server.url, transport=way) as client:
        toolkit = MultiMailToolkit(async_client=client)
        plugin, thread = toolkit.get_plugin(), ChatHistoryAgentThread()
        with model(calls("check_inbox"), calls("check_inbox")) as served:
            agent = kernel_agent(served, [plugin])
            await agent.get_response(TASK, thread=thread)
    messages = [message async for message in thread.get_messages()]
    shown = [repr(toolkit), repr(plugin), plugin.model_dump_json(exclude_none=True), repr(agent)]
    shown += [repr(messages), ChatHistory(messages=messages).serialize(), str(served.requests)]
    shown += [record.getMessage() for record in caplog.records]
    assert "check_inbox" in str(shown)
    assert not [text for text in shown if box.agent_key in text]
