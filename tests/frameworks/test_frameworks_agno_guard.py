"""Agno and the guard: teams, and a run that pauses in one worker and goes on in another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.team import Team
from agno.workflow import Step, Workflow
from tests.frameworks.agents import SEND, TASK, agno_model, model, reading
from tests.tools.support import Inbox

from agno_multimail import MultiMailToolkit
from multimail.sessions import SqliteSessionStore
from multimail.trust import GuardDecision
from multimail_cli.demo.scripted_model import call

Tools = Callable[..., MultiMailToolkit]


@pytest.fixture
def tools(auto_box: Inbox, decisions: list[GuardDecision]) -> Tools:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


TOOLKITS = [
    pytest.param(True, id="one toolkit"),
    pytest.param(False, id="a toolkit each"),
]


@pytest.mark.parametrize("shared", TOOLKITS)
@pytest.mark.parametrize("way", ["run", "arun"])
async def test_what_a_member_of_a_team_read_holds_the_sends_of_another(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision], way: str, shared: bool
) -> None:
    reader = tools()
    writer = reader if shared else tools()
    turns = [
        call("delegate_task_to_member", member_id=member, task=TASK) for member in ("ann", "bob")
    ]
    with (
        model(reading(auto_box)) as first,
        model(call("send_email", **SEND)) as second,
        model(*turns) as leader,
    ):
        members: Any = [
            Agent(model=agno_model(first), tools=[reader], id="ann", name="Ann"),
            Agent(model=agno_model(second), tools=[writer], id="bob", name="Bob"),
        ]
        team = Team(members=members, model=agno_model(leader))
        if way == "run":
            team.run(TASK)
        else:
            await team.arun(TASK)
    assert [decision.code for decision in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


@pytest.mark.parametrize("session", [None, "ticket-17"])
def test_the_steps_of_a_workflow_are_one_conversation(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision], session: str | None
) -> None:
    toolkit = tools()
    with model(reading(auto_box)) as first, model(call("send_email", **SEND)) as second:
        steps: Any = [
            Step(name=name, agent=Agent(name=name, model=agno_model(served), tools=[toolkit]))
            for name, served in (("read", first), ("write", second))
        ]
        Workflow(name="post", steps=steps).run(TASK, session_id=session)
    assert [decision.code for decision in decisions] == ["recipient_from_mail"]
    assert auto_box.left() == []


def test_a_paused_run_that_another_worker_resumes_stays_tainted(
    auto_box: Inbox, tools: Tools, decisions: list[GuardDecision], tmp_path: Path
) -> None:
    database: Any = InMemoryDb  # it has no types
    kept = database()
    with model(reading(auto_box), call("send_email", **SEND)) as served:

        def worker() -> Agent:
            toolkit = tools(
                store=SqliteSessionStore(tmp_path / "guard.db"),
                requires_confirmation_tools=["send_email"],
            )
            return Agent(id="clerk", model=agno_model(served), tools=[toolkit], db=kept)

        paused: Any = worker().run(TASK, session_id="ticket-17")
        assert paused.is_paused
        assert decisions == []
        for requirement in paused.active_requirements:
            requirement.confirm()
        worker().continue_run(
            run_id=paused.run_id, requirements=paused.requirements, session_id="ticket-17"
        )
    assert [decision.action for decision in decisions] == ["hold"]
    assert len(auto_box.mails()) == 1
    assert auto_box.left() == []


def test_functions_without_a_name_are_guarded(tools: Tools) -> None:
    class Refund:
        def __call__(self, order: str) -> str:
            return order

    def close(order: str, *, reason: str) -> str:
        return order + reason

    guarded = tools().guarded([Refund(), partial(close, reason="late")])
    assert [function.name for function in guarded] == ["Refund", "close"]
