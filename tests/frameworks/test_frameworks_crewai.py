"""CrewAI: its tools, its result cache, its JSON, its failures, its copies and its ways to run."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from crewai import tools as crewai_tools
from crewai.tools import BaseTool
from tests.frameworks.agents import (
    SEND,
    TASK,
    conversation,
    crew,
    crew_agent,
    model,
)
from tests.tools.support import FaultyTransport, Inbox, fenced

from crewai_multimail import MultiMailApproverToolkit, MultiMailToolkit
from multimail import MultiMail
from multimail.tools import APPROVER_TOOLS, DEFAULT_TOOLS
from multimail_cli.demo.scripted_model import ScriptedModel, call

QUOTES = ('"' * 58 + "\n") * 5200
WAYS = ["kickoff", "kickoff_async", "akickoff"]


@pytest.fixture
def tools(box: Inbox) -> Iterator[dict[str, BaseTool]]:
    """The agent's tools by name."""
    toolkit = MultiMailToolkit(box.agent_key, base_url=box.server.url)
    yield {tool.name: tool for tool in toolkit.get_tools()}
    toolkit.close()


async def start(runner: Any, way: str, *given: Any) -> Any:
    """Run an agent or a crew; a synchronous way runs in a thread, where it belongs."""
    if way == "kickoff":
        return await asyncio.to_thread(runner.kickoff, *given)
    return await getattr(runner, way)(*given)


def tool_messages(served: ScriptedModel) -> list[str]:
    """Return what the tools answered, as the model was shown it last."""
    return [result.text for result in conversation(served).results]


def test_they_are_tools_of_crewai(tools: dict[str, BaseTool], box: Inbox) -> None:
    approver = MultiMailApproverToolkit(box.reviewer_key, base_url=box.server.url).get_tools()
    assert list(tools) == [spec.name for spec in DEFAULT_TOOLS]
    assert [item.name for item in approver] == [spec.name for spec in APPROVER_TOOLS]
    for tool in [*tools.values(), *approver]:
        assert isinstance(tool, BaseTool)
        assert [variable.name for variable in tool.env_vars] == [
            "MULTIMAIL_API_KEY",
            "MULTIMAIL_API_URL",
            "MULTIMAIL_MAILBOX",
        ]
        assert not any(variable.required for variable in tool.env_vars)


def test_no_result_may_be_cached(tools: dict[str, BaseTool]) -> None:
    for tool in tools.values():
        never: Any = tool.cache_function
        assert never.__qualname__ == never.__name__ == "never_cache"
        assert never() is never({}, "result") is False


def test_the_same_call_twice_reaches_the_server_twice(box: Inbox) -> None:
    way = FaultyTransport()
    steps = [call("check_inbox", limit=5)] * 2
    with (
        MultiMail(box.agent_key, base_url=box.server.url, transport=way) as client,
        model(*steps) as served,
    ):
        crew(served, MultiMailToolkit(client=client).get_tools(), cache=True).kickoff()
    assert len([request for request in way.requests if request.url.path.endswith("/emails")]) == 2


@pytest.mark.parametrize("limit", [2500, 8000, 30_000])
def test_json_stays_json_within_the_budget(box: Inbox, limit: int) -> None:
    mail = box.receive(QUOTES)
    toolkit = MultiMailToolkit(box.agent_key, base_url=box.server.url, max_chars=limit)
    with model(call("read_email", email_id=mail["id"])) as served:
        crew(served, toolkit.get_tools()).kickoff()
    (text,) = tool_messages(served)
    assert len(text) <= limit
    answer = json.loads(text)
    assert answer["ok"] is True
    assert answer["id"] == mail["id"]
    shown = fenced(answer["text"]).partition("\n\n")[2]
    # What was shown is what the offset to go on from says: nothing is lost between the pieces.
    assert shown == QUOTES.strip()[: answer["next_offset"]].strip()
    toolkit.close()


def test_a_failure_is_recorded_with_the_task(box: Inbox, tools: dict[str, BaseTool]) -> None:
    with model(call("read_email", email_id="msg_none"), call("check_inbox")) as served:
        done: Any = crew(served, tools.values()).kickoff()
    (failure,) = done.tasks_output[0].tool_failures
    error = failure.failure
    assert (failure.tool_name, error.code, error.retryable) == ("read_email", "not_found", False)
    message, _ = tool_messages(served)
    assert message.startswith("Error (not_found): ")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["agent", "crew"])
async def test_every_way_to_run(
    box: Inbox, tools: dict[str, BaseTool], kind: str, way: str
) -> None:
    mail = box.receive("What does it cost?")
    steps = [
        call("read_email", email_id=mail["id"]),
        call("reply_email", email_id=mail["id"], body="Nothing."),
        call("reply_email", email_id=mail["id"], body="Nothing."),
    ]
    with model(*steps) as served:
        if kind == "agent":
            await start(crew_agent(served, tools.values()), way, TASK)
        else:
            await start(crew(served, tools.values()), way)
    read, sent, again = map(json.loads, tool_messages(served))
    assert "What does it cost?" in read["text"]
    assert (sent["held"], sent["duplicate"], again["duplicate"]) == (True, False, True)
    assert [message["id"] for message in box.mails()] == [sent["id"]]


@pytest.mark.parametrize("how", ["crew.copy", "agent.copy", "deepcopy", "copy", "model_copy"])
def test_a_copy_works_on_the_same_mailbox(box: Inbox, tools: dict[str, BaseTool], how: str) -> None:
    with model(call("send_email", **SEND)) as served:
        if how == "crew.copy":
            crew(served, tools.values()).copy().kickoff()
        elif how == "agent.copy":
            crew_agent(served, tools.values()).copy().kickoff(TASK)
        else:
            ways: Any = {
                "deepcopy": copy.deepcopy,
                "copy": copy.copy,
                "model_copy": lambda original: original.model_copy(deep=True),
            }
            crew(served, [ways[how](tool) for tool in tools.values()]).kickoff()
    assert [mail["subject"] for mail in box.mails()] == ["Offer"]


def test_the_key_is_in_nothing_that_is_shown(box: Inbox, tools: dict[str, BaseTool]) -> None:
    with model() as served:
        agent = crew_agent(served, tools.values())
        shown = [repr(agent), str(agent)]
    for tool in tools.values():
        shown += [repr(tool), str(tool), repr(tool.model_dump())]
        if hasattr(crewai_tools, "ToolFailure"):  # older tools cannot be written as JSON at all
            shown.append(tool.model_dump_json())
        shown += [repr(tool.to_structured_tool()), str(vars(tool.to_structured_tool()))]
    assert not [text for text in shown if box.agent_key in text]
