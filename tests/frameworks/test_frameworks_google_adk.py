"""What is particular to Google's ADK: the toolset, sessions, confirmations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.adk.runners import InMemoryRunner
from google.adk.tools.base_tool import BaseTool
from google.genai import types
from tests.frameworks.agents import NOTE, POLICIES, SEND, Step, model, post_note, reading
from tests.frameworks.agents_google_adk import adk_agent, ask
from tests.tools.support import Inbox

from google_adk_multimail import MultiMailToolkit, MultiMailToolset
from multimail import ConfigurationError
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

CONFIRM = "adk_request_confirmation"
Make = Callable[..., MultiMailToolkit]


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


class WatchedToolset(MultiMailToolset):
    """A toolset that notes that it was closed."""

    was_closed = False

    async def close(self) -> None:
        await super().close()
        self.was_closed = True


async def run(tools: list[Any], *steps: Step, session: str = "") -> list[Any]:
    """Run an agent with these tools once; return the responses of its tools."""
    with model(*steps) as served:
        return list_responses(await ask(adk_agent(served.base_url, tools), session))


def list_responses(events: list[Any]) -> list[Any]:
    """Return what the tools of a run returned."""
    return [response.response for event in events for response in event.get_function_responses()]


async def test_a_session_is_a_conversation_and_the_runner_closes_the_toolset(
    open_toolkit: Make, auto_box: Inbox, decisions: list[GuardDecision]
) -> None:
    toolset = MultiMailToolset(open_toolkit())
    await run([toolset], reading(auto_box), session="one")
    await run([toolset], call("send_email", **SEND), session="one")
    await run([toolset], call("send_email", **{**SEND, "subject": "Two"}), session="two")
    assert [decision.action.value for decision in decisions[-2:]] == ["hold", "allow"]
    with model() as served:
        watched = WatchedToolset(toolset.toolkit)
        runner = InMemoryRunner(agent=adk_agent(served.base_url, [watched]), app_name="mail")
        await ask(runner.agent, runner=runner)
        assert not watched.was_closed
        await runner.close()
        assert watched.was_closed


async def confirm(tools: list[BaseTool], *steps: Step, confirmed: bool) -> list[Any]:
    """Run an agent, answer its request for a confirmation, return the later responses."""
    with model(*steps) as served:
        agent = adk_agent(served.base_url, tools)
        runner = InMemoryRunner(agent=agent, app_name="mail")
        events = await ask(agent, "one", runner)
        (asked,) = [made for event in events for made in event.get_function_calls()
                    if made.name == CONFIRM]  # fmt: skip
        answer = types.FunctionResponse(
            id=asked.id, name=CONFIRM, response={"confirmed": confirmed}
        )
        part = types.Part(function_response=answer)
        message = types.Content(role="user", parts=[part])
        return list_responses(await ask(agent, "one", runner, message))


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_tool_can_wait_for_a_confirmation(
    open_toolkit: Make, auto_box: Inbox, confirmed: bool
) -> None:
    tools = open_toolkit(require_confirmation=["send_email"]).get_tools()
    await confirm(tools, call("send_email", **SEND), confirmed=confirmed)
    assert len(auto_box.mails()) == confirmed
    with pytest.raises(ConfigurationError, match="has no tool 'send_mail'"):
        open_toolkit(require_confirmation=["send_mail"])


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_held_call_of_another_tool_waits_where_that_is_chosen(
    open_toolkit: Make, auto_box: Inbox, confirmed: bool
) -> None:
    kit = open_toolkit(interrupts=True)
    tools = [*kit.get_tools(), *kit.guarded([post_note], POLICIES)]
    responses = await confirm(tools, reading(auto_box), NOTE, confirmed=confirmed)
    assert ("Posted in sales: Hello." in str(responses)) is confirmed


async def test_elsewhere_it_is_refused(open_toolkit: Make, auto_box: Inbox) -> None:
    kit = open_toolkit()
    tools = [*kit.get_tools(), *kit.guarded([post_note], POLICIES)]
    responses = await run(tools, reading(auto_box), NOTE)
    assert "post_note was not run" in responses[-1]["error"]


def test_only_tools_and_functions_can_be_guarded(open_toolkit: Make) -> None:
    with pytest.raises(ConfigurationError, match="cannot guard 7"):
        open_toolkit().guarded([7])
