"""What is particular to Microsoft Agent Framework: sessions, approval, facts, security labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agent_framework import AgentSession, FunctionTool, Message, tool
from tests.frameworks.agents import NOTE, POLICIES, SEND, TASK, Step, model, post_note, reading
from tests.frameworks.agents_agent_framework import framework_agent
from tests.tools.support import Inbox

from agent_framework_multimail import MultiMailToolkit
from multimail import ConfigurationError
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

Make = Callable[..., MultiMailToolkit]


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


async def run(tools: list[FunctionTool], *steps: Step, session: str) -> Any:
    """Run an agent with these tools once, in a session."""
    with model(*steps) as served:
        agent = framework_agent(served, tools)
        return await agent.run(TASK, session=AgentSession(session_id=session))


def list_results(done: Any) -> list[Any]:
    """Return the results of a run's tools, each as its content items."""
    contents = [item for message in done.messages for item in message.contents]
    return [item.items or [] for item in contents if item.type == "function_result"]


async def test_results_have_facts_and_a_label_for_code(open_toolkit: Make, auto_box: Inbox) -> None:
    tools = open_toolkit().get_tools()
    done = await run(tools, call("send_email", **SEND), session="facts")
    ((item,),) = list_results(done)
    assert item.additional_properties["id"].startswith("msg_")
    label = item.additional_properties["security_label"]
    assert (label["integrity"], label["confidentiality"]) == ("trusted", "private")
    done = await run(tools, reading(auto_box), call("list_mailboxes"), session="label")
    labels = [items[0].additional_properties["security_label"] for items in list_results(done)]
    assert [label["integrity"] for label in labels] == ["untrusted", "untrusted"]
    assert labels[0]["metadata"]["multimail"]["label"] == "unauthenticated"


async def test_agent_frameworks_own_middleware_hides_what_is_labelled_untrusted(
    open_toolkit: Make, auto_box: Inbox
) -> None:
    from agent_framework.security import LabelTrackingFunctionMiddleware

    tools = open_toolkit().get_tools()
    mail = call("read_email", email_id=auto_box.receive("An unusual word: pomegranate.")["id"])
    with model(call("list_mailboxes"), mail) as served:
        tracking = LabelTrackingFunctionMiddleware()
        agent = framework_agent(served, tools, middleware=[tracking])
        await agent.run(TASK, session=AgentSession(session_id="hidden"))
        shown = str(served.requests[-1]["messages"])
    assert auto_box.address in shown
    assert "pomegranate" not in shown


async def test_a_session_is_a_conversation(
    open_toolkit: Make, auto_box: Inbox, decisions: list[GuardDecision]
) -> None:
    tools = open_toolkit().get_tools()
    await run(tools, reading(auto_box), session="one")
    await run(tools, call("send_email", **SEND), session="one")
    await run(tools, call("send_email", **{**SEND, "subject": "Two"}), session="two")
    assert [decision.action.value for decision in decisions[-2:]] == ["hold", "allow"]


async def decide(tools: list[FunctionTool], *steps: Step, approved: bool) -> Any:
    """Run an agent, and answer what it asks its user."""
    with model(*steps) as served:
        agent, session = framework_agent(served, tools), AgentSession()
        waiting = await agent.run(TASK, session=session)
        (asked,) = waiting.user_input_requests
        answer = asked.to_function_approval_response(approved=approved)
        return await agent.run(Message("user", [answer]), session=session)


@pytest.mark.parametrize("approved", [True, False])
async def test_a_tool_can_wait_for_an_approval_of_the_run(
    open_toolkit: Make, auto_box: Inbox, approved: bool
) -> None:
    tools = open_toolkit(requires_approval=["send_email"]).get_tools()
    await decide(tools, call("send_email", **SEND), approved=approved)
    assert len(auto_box.mails()) == approved
    with pytest.raises(ConfigurationError, match="has no tool 'send_mail'"):
        open_toolkit(requires_approval=["send_mail"])


async def test_a_held_call_is_refused_unless_a_person_approves_that_call(
    open_toolkit: Make, auto_box: Inbox
) -> None:
    kit = open_toolkit()
    plain = kit.guarded([post_note], POLICIES)
    done = await run([*kit.get_tools(), *plain], reading(auto_box), NOTE, session="plain")
    assert "post_note was not run" in list_results(done)[-1][0].text
    standing = kit.guarded([tool(post_note, approval_mode="always_require")], POLICIES)
    done = await decide([*kit.get_tools(), *standing], reading(auto_box), NOTE, approved=True)
    assert "post_note was not run" in list_results(done)[-1][0].text
    asking = kit.guarded([post_note], POLICIES, approve=lambda *_: True)
    done = await run([*kit.get_tools(), *asking], reading(auto_box), NOTE, session="asking")
    assert list_results(done)[-1][0].text == "Posted in sales: Hello."


def test_only_tools_and_functions_can_be_guarded(open_toolkit: Make) -> None:
    with pytest.raises(ConfigurationError, match="cannot guard 7"):
        open_toolkit().guarded([7])
