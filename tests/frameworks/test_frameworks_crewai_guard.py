"""CrewAI and the guard: what tasks of one kickoff share, what names a conversation, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from crewai import Crew, Task
from crewai.execution import clear_execution_uuid, set_execution_uuid
from crewai.flow.flow import Flow, listen, start
from tests.frameworks.agents import SEND, TASK, crew, crew_agent, model, reading
from tests.tools.support import Inbox

from crewai_multimail import MultiMailToolkit
from multimail.sessions import MemorySessionStore
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

# CrewAI warns of its own arguments.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:crewai\..*")


@pytest.fixture
def toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> MultiMailToolkit:
    """Tools of a mailbox whose sends leave at once."""
    return MultiMailToolkit(
        auto_box.agent_key, base_url=auto_box.server.url, on_decision=decisions.append
    )


def test_the_tasks_of_one_kickoff_are_one_conversation(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision]
) -> None:
    with model(reading(auto_box)) as first, model(call("send_email", **SEND)) as second:
        agents = [crew_agent(served, toolkit.get_tools()) for served in (first, second)]
        tasks = [Task(description=TASK, expected_output="A word.", agent=one) for one in agents]
        Crew(agents=agents, tasks=tasks, verbose=False).kickoff()
    assert [one.code for one in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


def test_a_task_in_a_thread_of_its_own_is_of_the_same_conversation(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision]
) -> None:
    with model(reading(auto_box)) as first, model(call("send_email", **SEND)) as second:
        reader = crew_agent(first, toolkit.get_tools(), max_execution_time=60)
        writer = crew_agent(second, toolkit.get_tools(), max_execution_time=60)
        facts: Any = {"description": TASK, "expected_output": "A word."}
        looked = Task(**facts, agent=reader, async_execution=True)
        told = Task(**facts, agent=writer, context=[looked])
        Crew(agents=[reader, writer], tasks=[looked, told], verbose=False).kickoff()
    assert [one.code for one in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


@pytest.mark.parametrize("way", ["kickoff", "kickoff_async"])
async def test_the_crews_of_one_flow_are_one_conversation(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision], way: str
) -> None:
    with model(reading(auto_box)) as first, model(call("send_email", **SEND)) as second:

        class Post(Flow):  # type: ignore[type-arg]
            @start()
            def look(self) -> str:
                return str(crew(first, toolkit.get_tools()).kickoff())

            @listen(look)
            def tell(self) -> str:
                return str(crew(second, toolkit.get_tools()).kickoff())

        if way == "kickoff":
            await asyncio.to_thread(Post().kickoff)
        else:
            await Post().kickoff_async()
    assert [one.code for one in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


def test_two_mailboxes_in_one_kickoff_are_one_conversation(
    create_mailbox: Callable[..., Inbox], decisions: list[GuardDecision]
) -> None:
    boxes, store = [create_mailbox("autonomous") for _ in range(2)], MemorySessionStore()
    packs = [
        MultiMailToolkit(
            box.agent_key,
            base_url=box.server.url,
            mailbox=box.id,
            store=store,
            on_decision=decisions.append,
        )
        for box in boxes
    ]
    with model(reading(boxes[0])) as first, model(call("send_email", **SEND)) as second:
        agents = [
            crew_agent(served, pack.get_tools())
            for served, pack in zip((first, second), packs, strict=True)
        ]
        tasks = [Task(description=TASK, expected_output="A word.", agent=one) for one in agents]
        Crew(agents=agents, tasks=tasks, verbose=False).kickoff()
    assert [one.action for one in decisions] == ["hold"]
    assert boxes[1].left() == []


@pytest.mark.parametrize(("named", "left"), [(True, 0), (False, 1)])
def test_two_kickoffs_are_one_conversation_if_they_are_named_so(
    auto_box: Inbox, toolkit: MultiMailToolkit, named: bool, left: int
) -> None:
    token = set_execution_uuid("ticket-17") if named else None
    for turn in (reading(auto_box), call("send_email", **SEND)):
        with model(turn) as served:
            crew(served, toolkit.get_tools()).kickoff()
    if token:
        clear_execution_uuid(token)
    assert len(auto_box.mails()) == 1
    assert len(auto_box.left()) == left


def test_an_agent_without_a_crew_is_guarded_too(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision]
) -> None:
    with model(reading(auto_box), call("send_email", **SEND)) as served:
        crew_agent(served, toolkit.get_tools()).kickoff(TASK)
    assert [one.action for one in decisions] == ["hold"]
    assert auto_box.left() == []


def test_refusal_is_recorded_with_the_task_and_passed_to_code(
    auto_box: Inbox, toolkit: MultiMailToolkit, decisions: list[GuardDecision]
) -> None:
    mail = auto_box.receive(sender="ceo@bank.com")
    with model(call("reply_email", email_id=mail["id"], body="Paid.")) as served:
        done: Any = crew(served, toolkit.get_tools()).kickoff()
    (failure,) = done.tasks_output[0].tool_failures
    assert (failure.failure.code, failure.failure.retryable) == ("refused_by_guard", False)
    (told,) = decisions
    assert (told.action, told.message_id) == ("refuse", mail["id"])
