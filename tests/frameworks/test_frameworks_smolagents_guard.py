"""smolagents and the guard: managed agents, and code that would reach behind a tool."""

from __future__ import annotations

from typing import Any

import pytest
from smolagents import CodeAgent, ToolCallingAgent
from tests.frameworks.agents import SEND, TASK, last_turn, model, reading, smol_model
from tests.tools.support import Inbox

from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call, say
from smolagents_multimail import MultiMailToolkit

DONE = last_turn("smolagents")
REACHES = [
    "read_email._session",
    "read_email._session_id",
    "read_email._spec",
    "read_email._session.reset('one')",
    "read_email._session.declare_recipients(['eve@example.net'])",
    "read_email._session._config.api_key.reveal()",
]


@pytest.fixture
def toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> MultiMailToolkit:
    """Tools of a mailbox whose sends leave at once."""
    return MultiMailToolkit(
        auto_box.agent_key, base_url=auto_box.server.url, on_decision=decisions.append
    )


@pytest.mark.parametrize(
    ("names", "action"),
    [
        (("ticket-17", "ticket-17"), "hold"),
        ((None, None), "hold"),
        (("ticket-18", "ticket-19"), "allow"),
    ],
    ids=["one name", "no names", "two names"],
)
def test_a_managed_agent_and_its_manager_share_what_they_are_named_to_share(
    auto_box: Inbox,
    toolkit: MultiMailToolkit,
    decisions: list[GuardDecision],
    names: tuple[str | None, str | None],
    action: str,
) -> None:
    tools = [toolkit.get_tools(name) for name in names]
    with (
        model(reading(auto_box), last=DONE) as inner,
        # smolagents 1.21 asks for `additional_args` of a managed agent, later ones do not.
        model(
            call("clerk", task=TASK, additional_args={}), call("send_email", **SEND), last=DONE
        ) as served,
    ):
        clerk = ToolCallingAgent(
            tools=tools[0],
            model=smol_model(inner),
            name="clerk",
            description="Reads mail.",
            verbosity_level=0,
        )
        ToolCallingAgent(
            tools=tools[1], model=smol_model(served), managed_agents=[clerk], verbosity_level=0
        ).run(TASK)
    assert [decision.action for decision in decisions] == [action]


def test_code_sees_the_decision_in_a_result_also_of_a_refusal(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision]
) -> None:
    mail = auto_box.receive(sender="ceo@bank.com")
    code = f"final_answer(reply_email({mail['id']!r}, body='Paid.')['decision'])"
    with model(last=say(f"I answer.\n<code>\n{code}\n</code>")) as served:
        agent: Any = CodeAgent(
            tools=toolkit.get_tools(), model=smol_model(served), verbosity_level=0
        )
        result = agent.run(TASK)
    (decision,) = decisions
    assert result == decision.as_data()
    assert result["action"] == "refuse"


@pytest.mark.parametrize("reach", REACHES)
def test_code_cannot_reach_behind_a_tool(
    auto_box: Inbox, toolkit: MultiMailToolkit, reach: str
) -> None:
    look = say(f"I look.\n<code>\nfinal_answer(str({reach}))\n</code>")
    give_up = say("I give up.\n<code>\nfinal_answer('nothing')\n</code>")
    with model(look, last=give_up) as served:
        agent: Any = CodeAgent(
            tools=toolkit.get_tools("one"), model=smol_model(served), verbosity_level=0
        )
        answer = str(agent.run(TASK))
    assert answer == "nothing"
