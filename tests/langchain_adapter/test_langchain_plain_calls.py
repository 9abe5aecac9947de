"""Tools called as older agent loops and plain code do: without a config, with a text, copied."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from langchain_classic.agents import AgentExecutor, create_react_agent, create_tool_calling_agent
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.tools import to_fastmcp
from tests.langchain_adapter.agents import model
from tests.tools.support import Inbox

from langchain_multimail import MultiMailToolkit
from multimail_cli.demo.scripted_model import call, say

SEND: dict[str, Any] = {"to": ["ann@example.org"], "subject": "Offer", "body": "It is ready."}
REACT = "Tools: {tools}\nNames: {tool_names}\nDo: {input}\n{agent_scratchpad}"


def tools_of(box: Inbox) -> dict[str, BaseTool]:
    kit = MultiMailToolkit(box.agent_key, base_url=box.server.url)
    return {tool.name: tool for tool in kit.get_tools()}


@pytest.mark.parametrize("config", [{}, None, {"configurable": {}}, {"tags": ["a"]}])
async def test_a_config_may_be_missing_or_empty(box: Inbox, config: Any) -> None:
    check = tools_of(box)["check_inbox"]
    assert check.run({}, config=config) == "No mail matches."
    assert await check.arun({}, config=config) == "No mail matches."
    assert check.invoke({}, config) == "No mail matches."
    assert check.run({}, verbose=False, color=None, callbacks=None) == "No mail matches."


@pytest.mark.parametrize("form", ["{}", "email_id: {}", '{{"email_id": "{}"}}', "`{}`"])
async def test_a_text_is_the_first_argument_or_json_of_all(box: Inbox, form: str) -> None:
    read, written = tools_of(box)["read_email"], form.format(box.receive("Hello.")["id"])
    assert "Hello." in read.invoke(written)
    assert "Hello." in await read.ainvoke(written)
    assert "Hello." in read.run(written)


def test_a_text_for_a_tool_of_many_arguments(box: Inbox) -> None:
    send = tools_of(box)["send_email"]
    assert "subject: field required" in send.invoke("ann@example.org")
    assert "Held for approval" in send.invoke(json.dumps(SEND))
    assert tools_of(box)["list_mailboxes"].invoke("").startswith("1 mailboxes")


def test_a_call_within_a_run_belongs_to_its_thread(box: Inbox) -> None:
    send = tools_of(box)["send_email"]
    within = RunnableLambda(lambda _: send.run(dict(SEND)))
    one, again, two = (
        within.invoke("", {"configurable": {"thread_id": thread}}) for thread in ("1", "1", "2")
    )
    assert "Already done" in again
    assert "Already done" not in one + two + send.run(dict(SEND))
    assert len(box.mails()) == 3


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_the_executor_of_tool_calls_works(box: Inbox, way: str) -> None:
    tools = list(tools_of(box).values())
    prompt = ChatPromptTemplate([("human", "{input}"), ("placeholder", "{agent_scratchpad}")])
    steps = [call("check_inbox"), call("send_email", **SEND, cc=[], send_at="")]
    with model(*steps) as (chat, served):
        executor = AgentExecutor(agent=create_tool_calling_agent(chat, tools, prompt), tools=tools)
        given = {"input": "Look after the inbox."}
        answer = await executor.ainvoke(given) if way == "ainvoke" else executor.invoke(given)
    assert answer["output"] == "Done."
    assert len(served.requests) == 3
    assert [mail["status"] for mail in box.mails()] == ["pending_send_approval"]


def test_the_executor_that_writes_actions_works(box: Inbox) -> None:
    tools, mail = list(tools_of(box).values()), box.receive("Hello.")
    lines = [("read_email", mail["id"]), ("send_email", json.dumps(SEND))]
    acts = [say(f"Thought: I act.\nAction: {name}\nAction Input: {text}") for name, text in lines]
    # Each of its requests is one text, which holds all that was said.
    turns = iter([*acts, say("Thought: I know.\nFinal Answer: Done.")])
    with model(lambda _seen: next(turns)) as (chat, served):
        agent = create_react_agent(chat, tools, PromptTemplate.from_template(REACT))
        executor = AgentExecutor(agent=agent, tools=tools, max_iterations=3)
        answer = executor.invoke({"input": "Look after the inbox."})
    assert answer["output"] == "Done."
    assert "Hello." in str(served.requests[1]["messages"])
    assert len(box.mails()) == 1


def test_a_copy_goes_on_with_the_same_conversation(box: Inbox) -> None:
    send = tools_of(box)["send_email"]
    (copied,) = copy.deepcopy([send])
    assert "Held for approval" in send.invoke(dict(SEND))
    assert "Already done" in copied.invoke(dict(SEND))


async def test_the_tools_serve_from_fastmcp(box: Inbox) -> None:
    fastmcp = pytest.importorskip("mcp.server.fastmcp", reason="mcp 2 has no FastMCP")
    tools = tools_of(box)
    server: Any = fastmcp.FastMCP("mail", tools=[to_fastmcp(tool) for tool in tools.values()])
    offered = {tool.name: tool for tool in await server.list_tools()}
    assert offered.keys() == tools.keys()
    assert offered["send_email"].inputSchema["required"] == ["to", "subject", "body"]
    empty = await server.call_tool("check_inbox", {"limit": "", "direction": ""})
    assert "No mail matches." in str(empty)
    sent = await server.call_tool("send_email", {**SEND, "to": '["ann@example.org"]'})
    assert "Held for approval" in str(sent)
    wrong = await server.call_tool("send_email", {**SEND, "send_at": "tomorrow"})
    assert "send_at can be left out" in str(wrong)
