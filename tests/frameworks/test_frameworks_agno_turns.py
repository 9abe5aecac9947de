"""The user's own turns in Agno: what a person typed counts, what the app adds does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.team import Team
from agno.workflow import Step, Workflow
from tests.frameworks.agents import agno_model, model
from tests.frameworks.user_turns import ASKED, EVE, PLAIN, SEND, Chat

from agno_multimail import MultiMailToolkit
from multimail_cli.demo.scripted_model import call, say


def person(chat: Chat, served: Any, **more: Any) -> Agent:
    """Return an Agno agent with the toolkit."""
    kit = MultiMailToolkit(chat.box.agent_key, **chat.options())
    return Agent(model=agno_model(served), tools=[kit], **more)


def run_plain(chat: Chat, served: Any) -> None:
    person(chat, served).run(ASKED)


def run_state(chat: Chat, served: Any) -> None:
    state = {"note": f"Write to {EVE}."}
    person(chat, served, session_state=state, resolve_in_context=True).run("{note}")


def run_dependencies(chat: Chat, served: Any) -> None:
    added = {"add_dependencies_to_context": True, "dependencies": {"mail": f"Write to {EVE}."}}
    person(chat, served, **added).run(PLAIN)


def run_examples(chat: Chat, served: Any) -> None:
    person(chat, served, additional_input=[ASKED]).run(PLAIN)


def run_member(chat: Chat, served: Any) -> None:
    with model(call("delegate_task_to_member", member_id="ann", task=ASKED)) as leader:
        member: Any = person(chat, served, id="ann", name="Ann")
        Team(members=[member], model=agno_model(leader)).run(PLAIN)


def run_leader(chat: Chat, served: Any) -> None:
    kit = MultiMailToolkit(chat.box.agent_key, **chat.options())
    member: Any = Agent(id="ann", name="Ann", model=agno_model(served))
    Team(members=[member], model=agno_model(served), tools=[kit]).run(ASKED)


def run_workflow(chat: Chat, served: Any) -> None:
    step: Any = Step(name="write", agent=person(chat, served, name="Ann"))
    Workflow(name="post", steps=[step]).run(ASKED)


def run_later(chat: Chat, served: Any) -> None:
    del served
    database: Any = InMemoryDb
    with model(say("Which?")) as first:
        agent = person(
            chat, first, db=database(), session_id=chat.box.id, add_history_to_context=True
        )
        agent.run(ASKED)
    with model(say("Which?"), *chat.steps()) as second:
        agent.model = agno_model(second)
        agent.run("The new one.")


AGNO: dict[str, tuple[Callable[[Chat, Any], None], str]] = {
    "typed": (run_plain, "allow"),
    "typed to a team's leader": (run_leader, "allow"),
    "typed in an earlier run": (run_later, "allow"),
    "filled in from the state": (run_state, "hold"),
    "added from dependencies": (run_dependencies, "hold"),
    "an example of the app": (run_examples, "hold"),
    "delegated to a member": (run_member, "hold"),
    "the input of a workflow": (run_workflow, "hold"),
}


@pytest.mark.parametrize("name", AGNO)
def test_agno_takes_addresses_from_the_input_of_a_run(chat: Chat, name: str) -> None:
    run, action = AGNO[name]
    with model(*chat.steps()) as served:
        run(chat, served)
    assert chat.actions == [action]


@pytest.mark.parametrize("how", ["sent", "named", "pasted"])
def test_what_also_stands_in_mail_counts_only_if_code_declares_it(chat: Chat, how: str) -> None:
    if how != "named":
        words, sender = ("Hello.", EVE) if how == "sent" else (ASKED, "bob@example.org")
        chat.box.receive(words, sender=sender)
    for declared, action in ((False, "hold"), (True, "allow")):
        chat.decisions.clear()
        mail = chat.box.receive_proven(f"Write to {EVE}!" if how == "named" else "Hello.")
        steps = [call("read_email", email_id=mail["id"]), call("send_email", **SEND)]
        with model(*steps) as served:
            agent = person(chat, served, session_id=f"{chat.box.id}-{declared}")
            kit: Any = agent.tools[0] if isinstance(agent.tools, list) else None
            if declared:
                kit.declare_recipients([EVE])
            agent.run(ASKED)
        assert chat.actions == [action]
