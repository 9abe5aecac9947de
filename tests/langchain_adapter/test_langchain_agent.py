"""LangChain's agent at work on a mailbox, run in all four ways, to what ends in the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from tests.langchain_adapter.agents import Step, ids_in, model, results, run, work
from tests.tools.support import Fault, FaultyTransport, Inbox, ids

from langchain_multimail import MultiMailApproverToolkit, MultiMailToolkit
from multimail import AsyncMultiMail, MultiMail
from multimail_cli.demo.scripted_model import Conversation, ToolCall, Turn, call

SEND: dict[str, Any] = {"to": ["ann@example.org"], "subject": "Offer", "body": "It is ready."}


def toolkit(box: Inbox, **options: Any) -> MultiMailToolkit:
    return MultiMailToolkit(box.agent_key, base_url=box.server.url, **options)


def approver(box: Inbox) -> MultiMailApproverToolkit:
    return MultiMailApproverToolkit(box.reviewer_key, base_url=box.server.url)


def read_newest(seen: Conversation) -> Turn:
    return call("read_email", email_id=ids_in(seen.last_tool_text)[0])


def its_thread(seen: Conversation) -> Turn:
    return call("get_thread", thread_id=ids_in(seen.last_tool_text, "msg")[0])


def answer_it(seen: Conversation) -> Turn:
    return call("reply_email", email_id=ids_in(seen.last_tool_text)[0], body="Yes, it is.")


def approve_it(seen: Conversation) -> Turn:
    return call("decide_email", email_id=ids_in(seen.last_tool_text)[0], decision="approve")


ANSWER: tuple[Step, ...] = (call("check_inbox"), read_newest, its_thread, answer_it)
REVIEW: tuple[Step, ...] = (call("list_pending"), read_newest, approve_it)


async def test_an_agent_answers_and_another_approves(box: Inbox, way: str) -> None:
    mail = box.receive("Is it ready?", subject="Order 7")
    with model(*ANSWER) as (chat, _):
        messages = await work(chat, toolkit(box).get_tools(), way)
    inbox, read, thread, reply = results(messages)
    assert [result.status for result in results(messages)] == ["success"] * 4
    assert inbox.artifact["emails"][0]["trust"]["label"] == "unauthenticated"
    assert "Is it ready?" in read.text
    assert thread.artifact["message_count"] == 1
    assert reply.text.startswith("Held for approval")
    assert reply.artifact["held"] is True
    assert reply.artifact["decision"]["action"] == "hold"
    assert ids(box.mails()) == [reply.artifact["id"]]
    assert box.left() == []

    with model(*REVIEW) as (chat, _):
        messages = await work(chat, approver(box).get_tools(), way)
    assert results(messages)[-1].artifact["decision"] == "approve"
    (left,) = box.left()
    assert left["recipients"] == ["ann@example.org"]
    assert left["thread_id"] == mail["thread_id"]
    assert "Yes, it is." in left["raw"]

    with model(call("get_thread", thread_id=mail["thread_id"])) as (chat, _):
        messages = await work(chat, toolkit(box).get_tools(), way)
    assert f"{reply.artifact['id']} | outbound | sent" in results(messages)[0].text


async def test_many_calls_in_one_turn_are_all_answered(box: Inbox, way: str) -> None:
    mail = box.receive()
    turn = (
        call("check_inbox")
        + call("read_email", email_id=mail["id"])
        + call("read_email", email_id="msg_unknown")
        + call("send_email", **SEND)
    )
    with model(turn) as (chat, _):
        messages = await work(chat, toolkit(box).get_tools(), way)
    assert [result.status for result in results(messages)] == [
        "success",
        "success",
        "error",
        "success",
    ]
    assert len(box.mails()) == 1


async def test_arguments_that_are_no_json_send_nothing(box: Inbox, way: str) -> None:
    broken = Turn(calls=(ToolCall("send_email", '{"to": ["ann@example.org"'),))
    with model(broken) as (chat, _):
        state = await run(create_agent(chat, toolkit(box).get_tools()), way)
    assert state["messages"]
    assert box.mails() == []


def test_one_toolkit_serves_one_event_loop_after_another(box: Inbox) -> None:
    kit = toolkit(box)
    tools = kit.get_tools()

    async def once() -> list[Any]:
        with model(call("check_inbox"), call("send_email", **SEND)) as (chat, _):
            messages = await work(chat, tools, "ainvoke", "same")
        await kit.aclose()
        return results(messages)

    first, second = asyncio.run(once()), asyncio.run(once())
    assert (first[1].artifact["duplicate"], second[1].artifact["duplicate"]) == (False, True)
    assert len(box.mails()) == 1


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_an_asynchronous_run_never_blocks_its_loop(box: Inbox, way: str) -> None:
    blocking = FaultyTransport(
        [Fault(AssertionError("the loop was blocked"))] * 9, lambda request: True
    )
    facts: Any = {"base_url": box.server.url}
    tools = MultiMailToolkit(
        client=MultiMail(box.agent_key, transport=blocking, **facts),
        async_client=AsyncMultiMail(box.agent_key, **facts),
    ).get_tools()
    with model(call("check_inbox") + call("list_mailboxes")) as (chat, _):
        messages = await work(chat, tools, way)
    assert [result.status for result in results(messages)] == ["success", "success"]
    assert blocking.requests == []


def test_a_sync_tool_works_within_a_running_loop(box: Inbox) -> None:
    async def within() -> str:
        return str(toolkit(box).get_tools()[0].invoke({}))

    assert box.address in asyncio.run(within())


def test_a_tool_says_who_may_hold_it(box: Inbox) -> None:
    access = {tool.name: tool.metadata for tool in toolkit(box).get_tools()}
    assert access["send_email"] == {"multimail_access": "write"}
    assert {tool.metadata["multimail_access"] for tool in approver(box).get_tools()} == {  # type: ignore[index]
        "approve"
    }


def test_the_attachments_bytes_are_in_the_artifact(box: Inbox) -> None:
    mail = box.receive_proven(files={"a.bin": b"\x00\xff"})
    (tool,) = toolkit(box, include=["download_attachment"]).get_tools()
    result = tool.invoke(
        {
            "type": "tool_call",
            "id": "1",
            "name": tool.name,
            "args": {"email_id": mail["id"], "filename": "a.bin"},
        }
    )
    assert result.artifact["files"][0]["content_base64"] == "AP8="
    assert "AP8=" not in result.text


async def test_the_schemas_arrive_as_they_were_written(box: Inbox, way: str) -> None:
    kit = toolkit(box)
    with model() as (chat, served):
        await work(chat, kit.get_tools(), way)
    sent = {tool["function"]["name"]: tool["function"] for tool in served.requests[0]["tools"]}
    assert sent.keys() == {spec.name for spec in kit.specs}
    for tool in kit.get_tools():
        spec = tool._spec  # type: ignore[attr-defined]
        wire, own = sent[tool.name], spec.schema("nullable")
        assert wire["description"] == spec.description
        parameters = wire["parameters"]
        assert parameters["properties"] == own["properties"]
        assert parameters.get("required", []) == own.get("required", [])
        assert parameters["type"] == "object"
    assert sent["send_email"]["parameters"]["required"] == ["to", "subject", "body"]
    assert sent["send_email"]["parameters"]["properties"]["to"]["type"] == "array"
    assert "$ref" not in str(served.requests[0]["tools"])


async def test_the_key_is_nowhere_that_a_model_or_a_log_looks(
    box: Inbox, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    kit = toolkit(box)
    with model(call("list_mailboxes"), call("read_email", email_id="msg_1")) as (chat, served):
        messages = await work(chat, kit.get_tools(), way)
    everything = f"{messages!r}{served.requests}{kit!r}{kit.get_tools()!r}{caplog.text}"
    assert box.agent_key not in everything
