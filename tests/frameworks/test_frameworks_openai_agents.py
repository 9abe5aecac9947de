"""What is particular to the OpenAI Agents SDK: conversations, handoffs, approvals, facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from agents import Agent, FunctionTool, Runner, RunState, function_tool, handoff
from tests.frameworks.agents import NOTE, POLICIES, SEND, TASK, Step, model, post_note, reading
from tests.frameworks.agents_openai_agents import agents_agent, agents_model
from tests.tools.support import Inbox

from multimail import ConfigurationError
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import ScriptedModel, call
from openai_agents_multimail import MultiMailToolkit

Make = Callable[..., MultiMailToolkit]


@dataclass
class Job:
    """What an application passes to a run."""

    ticket: str


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


def list_outputs(done: Any) -> list[Any]:
    """Return the results of a run's tools."""
    return [item for item in done.new_items if item.type == "tool_call_output_item"]


def run(tools: list[FunctionTool], *steps: Step, **options: Any) -> Any:
    """Run an agent with these tools once."""
    with model(*steps) as served:
        return Runner.run_sync(agents_agent(served, tools), TASK, **options)


def test_results_have_facts_for_code(open_toolkit: Make) -> None:
    done = run(open_toolkit().get_tools(), call("send_email", **SEND))
    (output,) = list_outputs(done)
    assert output.custom_data["id"].startswith("msg_")
    assert output.custom_data["decision"]["operation"] == "send_email"


def test_a_conversation_is_that_of_the_runs_context(
    open_toolkit: Make, auto_box: Inbox, decisions: list[GuardDecision]
) -> None:
    tools = open_toolkit(find_session=lambda job: job.ticket).get_tools()
    run(tools, reading(auto_box), context=Job("one"))
    run(tools, call("send_email", **SEND), context=Job("one"))
    run(tools, call("send_email", **{**SEND, "subject": "Two"}), context=Job("two"))
    assert [decision.action.value for decision in decisions[-2:]] == ["hold", "allow"]


def test_agents_that_hand_off_share_what_they_were_shown(
    open_toolkit: Make, auto_box: Inbox, decisions: list[GuardDecision]
) -> None:
    kit = open_toolkit()
    steps = (reading(auto_box), call("transfer_to_writer"), call("send_email", **SEND))
    with model(*steps) as served:
        writer = Agent(
            name="writer", model=agents_model(served.base_url), tools=[*kit.get_tools("job-1")]
        )
        reader = agents_agent(served, kit.get_tools("job-1"), handoffs=[handoff(writer)])
        Runner.run_sync(reader, TASK)
    assert decisions[-1].action.value == "hold"


@pytest.mark.parametrize("approved", [True, False])
def test_a_tool_can_wait_for_an_approval_of_the_run(
    open_toolkit: Make, auto_box: Inbox, approved: bool
) -> None:
    tools = open_toolkit(needs_approval=["send_email"]).get_tools()
    with model(call("send_email", **SEND)) as served:
        assert auto_box.mails() == []
        done = decide(served, tools, approved)
    assert done.final_output == "Done."
    assert len(auto_box.mails()) == approved
    with pytest.raises(ConfigurationError, match="has no tool 'send_mail'"):
        open_toolkit(needs_approval=["send_mail"])


def decide(
    served: ScriptedModel, tools: list[FunctionTool], approved: bool, *, always: bool = False
) -> Any:
    """Run an agent, decide on the call that interrupts it, and go on from the stored state."""
    agent = agents_agent(served, tools)

    async def within() -> Any:
        waiting = await Runner.run(agent, TASK)
        state = await RunState.from_json(agent, waiting.to_state().to_json())
        (asked,) = state.get_interruptions()
        if approved:
            state.approve(asked, always_approve=always)
        else:
            state.reject(asked)
        return await Runner.run(agent, state)

    return asyncio.run(within())


@pytest.mark.parametrize("approved", [True, False])
def test_a_held_call_of_another_tool_interrupts_where_that_is_chosen(
    open_toolkit: Make, auto_box: Inbox, approved: bool
) -> None:
    kit = open_toolkit(interrupts=True)
    tools = [*kit.get_tools(), *kit.guarded([function_tool(post_note)], POLICIES)]
    with model(reading(auto_box), NOTE) as served:
        done = decide(served, tools, approved)
    outputs = [str(item.output) for item in list_outputs(done)]
    assert ("Posted in sales: Hello." in outputs) is approved


def test_an_approval_that_stands_for_all_calls_is_none_for_a_held_one(
    open_toolkit: Make, auto_box: Inbox
) -> None:
    kit = open_toolkit(interrupts=True)
    tools = [*kit.get_tools(), *kit.guarded([function_tool(post_note)], POLICIES)]
    with model(reading(auto_box), NOTE) as served:
        done = decide(served, tools, True, always=True)
    assert "post_note was not run" in list_outputs(done)[-1].output


def test_elsewhere_it_is_refused_and_the_run_goes_on(open_toolkit: Make, auto_box: Inbox) -> None:
    kit = open_toolkit()
    tools = [*kit.get_tools(), *kit.guarded([function_tool(post_note)], POLICIES)]
    done = run(tools, reading(auto_box), NOTE)
    assert done.final_output == "Done."
    assert "post_note was not run" in list_outputs(done)[-1].output


def test_only_function_tools_can_be_guarded(open_toolkit: Make) -> None:
    with pytest.raises(ConfigurationError, match="cannot guard"):
        open_toolkit().guarded([lambda text: text])
