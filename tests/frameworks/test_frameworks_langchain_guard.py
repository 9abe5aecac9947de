"""LangChain and the guard: resumed threads, agents within tools, and what a message keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import SecretStr
from tests.frameworks.agents import SEND, TASK, model, reading
from tests.tools.support import Inbox

from langchain_multimail import MultiMailToolkit
from multimail.sessions import SqliteSessionStore
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import ScriptedModel, call

Tools = Callable[..., list[BaseTool]]
GIVEN: Any = {"messages": [{"role": "user", "content": TASK}]}
THREAD: Any = {"configurable": {"thread_id": "ticket-17"}}


@pytest.fixture
def tools(auto_box: Inbox, decisions: list[GuardDecision]) -> Tools:
    """Make the tools of a mailbox whose sends leave at once."""

    def make(**options: Any) -> list[BaseTool]:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts).get_tools()

    return make


def chat(served: ScriptedModel) -> ChatOpenAI:
    """Return LangChain's client."""
    return ChatOpenAI(model="scripted", base_url=served.base_url, api_key=SecretStr("x"))


def test_a_thread_that_another_worker_resumes_stays_tainted(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision], tmp_path: Path
) -> None:
    kept = InMemorySaver()
    with model(reading(auto_box), call("send_email", **SEND)) as served:

        def worker() -> Any:
            return create_agent(
                chat(served),
                tools(store=SqliteSessionStore(tmp_path / "guard.db")),
                middleware=[HumanInTheLoopMiddleware(interrupt_on={"send_email": True})],
                checkpointer=kept,
            )

        paused = worker().invoke(GIVEN, THREAD)
        assert "__interrupt__" in paused
        assert decisions == []
        worker().invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
    assert [decision.action for decision in decisions] == ["hold"]
    assert len(auto_box.mails()) == 1
    assert auto_box.left() == []


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_what_an_agent_within_a_tool_read_holds_the_sends_of_the_outer_one(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision], way: str
) -> None:
    mine = tools()
    with (
        model(reading(auto_box)) as inner_model,
        model(call("ask_clerk", task=TASK), call("send_email", **SEND)) as served,
    ):
        clerk: Any = create_agent(chat(inner_model), mine)

        @tool
        async def ask_clerk(task: str) -> str:
            """Ask the clerk."""
            state = await clerk.ainvoke({"messages": [{"role": "user", "content": task}]})
            return str(state["messages"][-1].text)

        @tool("ask_clerk")
        def ask_clerk_sync(task: str) -> str:
            """Ask the clerk."""
            return str(clerk.invoke({"messages": [("user", task)]})["messages"][-1].text)

        ask = ask_clerk if way == "ainvoke" else ask_clerk_sync
        outer: Any = create_agent(chat(served), [*mine, ask])
        if way == "invoke":
            outer.invoke(GIVEN, THREAD)
        else:
            await outer.ainvoke(GIVEN, THREAD)
    assert [decision.code for decision in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


def test_tools_without_a_thread_are_one_conversation(auto_box: Inbox, tools: Tools) -> None:
    named = {tool.name: tool for tool in tools()}
    mail = auto_box.receive("Hello.")
    named["read_email"].invoke({"email_id": mail["id"]})
    assert "Held for approval" in named["send_email"].invoke(SEND)
    elsewhere: Any = {"configurable": {"thread_id": auto_box.id}}
    assert "Accepted" in named["send_email"].invoke(SEND, elsewhere)


def test_a_message_keeps_the_decision_and_an_error_message_keeps_none(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision]
) -> None:
    (reply,) = [tool for tool in tools() if tool.name == "reply_email"]
    kept = []
    for sender in ("ann@example.org", "ceo@bank.com"):
        mail = auto_box.receive(sender=sender)
        args = {"email_id": mail["id"], "body": "Paid."}
        wanted: Any = {"type": "tool_call", "id": "1", "name": "reply_email", "args": args}
        message = reply.invoke(wanted)
        assert isinstance(message, ToolMessage)
        kept.append((message.status, message.artifact))
    held, refused = decisions
    assert kept[0][0] == "success"
    assert kept[0][1]["decision"] == held.as_data()
    assert kept[1] == ("error", None)
    assert (refused.action, refused.code) == ("refuse", "sender_failed")
