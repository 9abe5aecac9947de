"""Results: what real calls of every tool answer has the shape that the tool declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.frameworks.agents import SEND
from tests.tools.support import Inbox, make_message

from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS, ApproverToolkit, Toolkit, ToolResult

Call = Callable[..., ToolResult]
FILE = {"list.csv": "a,b\n1,2\n"}


def _read(box: Inbox, tool: Call) -> ToolResult:
    mail = box.receive("Hello.\n\n> Old.\n", files=FILE, In_Reply_To="<1@example.org>")
    tool("tag_email", email_id=mail["id"], tags=["billing", "prio=1"])
    return tool("read_email", email_id=mail["id"])


def _thread(box: Inbox, tool: Call) -> ToolResult:
    mail = box.receive()
    tool("reply_email", email_id=mail["id"], body="Yes.")
    return tool("get_thread", thread_id=mail["thread_id"])


def _wait(box: Inbox, tool: Call) -> ToolResult:
    first = box.receive(subject="First")
    box.receive(subject="Second")
    return tool("wait_for_email", since_id=first["id"], timeout_seconds=10)


def _download(box: Inbox, tool: Call) -> ToolResult:
    return tool(
        "download_attachment", email_id=box.receive_proven(files=FILE)["id"], filename="list.csv"
    )


def _inbox(box: Inbox, tool: Call) -> ToolResult:
    box.deliver(make_message(to=box.address), make_message(to=box.address, subject="More"))
    tool("send_email", **SEND)
    return tool("check_inbox", limit=2)


def _search(box: Inbox, tool: Call) -> ToolResult:
    box.receive(f"Pallets of {box.id}.", files=FILE)
    result = tool("search_email", query=box.id, limit=1)
    assert len(result.data["emails"]) == 1
    return result


def _contacts(box: Inbox, tool: Call) -> ToolResult:
    email = f"{box.id}@example.org"
    tool("add_contact", email=email, tags=["friend"])
    return tool("search_contacts", query=email)


def _pending(box: Inbox, tool: Call) -> ToolResult:
    tool("send_email", **SEND)
    return tool("list_pending")


AGENT_CALLS: dict[str, Callable[[Inbox, Call], ToolResult]] = {
    "list_mailboxes": lambda box, tool: tool("list_mailboxes"),
    "check_inbox": _inbox,
    "search_email": _search,
    "read_email": _read,
    "get_thread": _thread,
    "wait_for_email": _wait,
    "download_attachment": _download,
    "search_contacts": _contacts,
    "add_contact": lambda box, tool: tool("add_contact", email=f"{box.id}@example.com"),
    "send_email": lambda box, tool: tool("send_email", **SEND),
    "reply_email": lambda box, tool: tool("reply_email", email_id=box.receive()["id"], body="Yes."),
    "forward_email": lambda box, tool: tool(
        "forward_email", email_id=box.receive_proven()["id"], to="bob@example.com"
    ),
    "revise_message": lambda box, tool: tool(
        "revise_message", email_id=tool("send_email", **SEND).data["id"], body="Better."
    ),
    "tag_email": lambda box, tool: tool("tag_email", email_id=box.receive()["id"], tags=["a=b"]),
    "mark_email": lambda box, tool: tool(
        "mark_email", email_ids=[box.receive()["id"]], mark="archived"
    ),
    "list_pending": _pending,
    "cancel_message": lambda box, tool: tool(
        "cancel_message", email_id=tool("send_email", **SEND).data["id"]
    ),
}


def _held(box: Inbox) -> Any:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, include="full")
    mail = box.receive()
    reply = toolkit.call("reply_email", {"email_id": mail["id"], "body": "Yes."})
    toolkit.close()
    return reply.data


def _decide(held: Any, tool: Call) -> ToolResult:
    tool("read_email", email_id=held["id"])
    return tool("decide_email", email_id=held["id"], decision="approve")


APPROVER_CALLS: dict[str, Callable[[Any, Call], ToolResult]] = {
    "list_pending": lambda held, tool: tool("list_pending"),
    "read_email": lambda held, tool: tool("read_email", email_id=held["id"]),
    "get_thread": lambda held, tool: tool("get_thread", thread_id=held["thread_id"]),
    "decide_email": _decide,
}


def _check(toolkit: Toolkit, name: str, result: ToolResult) -> None:
    assert result.ok, result.text
    spec = toolkit.spec(name)
    spec.data.model_validate(result.data, strict=True)
    declared = {name for name, field in spec.data.model_fields.items() if field.is_required()}
    assert declared <= set(result.data)
    shown = spec.output_schema()["properties"]
    assert {"ok", "text"} <= set(shown)
    assert set(spec.data.model_fields) <= set(shown)


def _calls(toolkit: Toolkit) -> Call:
    return lambda name, **arguments: toolkit.call(name, arguments)


@pytest.mark.parametrize("name", [spec.name for spec in AGENT_TOOLS])
def test_an_agents_tool_answers_as_it_declares(box: Inbox, name: str) -> None:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, include="full")
    _check(toolkit, name, AGENT_CALLS[name](box, _calls(toolkit)))
    toolkit.close()


@pytest.mark.parametrize("name", [spec.name for spec in APPROVER_TOOLS])
def test_an_approvers_tool_answers_as_it_declares(box: Inbox, name: str) -> None:
    toolkit = ApproverToolkit(box.reviewer_key, base_url=box.server.url)
    _check(toolkit, name, APPROVER_CALLS[name](_held(box), _calls(toolkit)))
    toolkit.close()


@pytest.mark.parametrize("name", ["list_mailboxes", "check_inbox", "search_email", "list_pending"])
def test_nothing_found_has_the_same_shape(box: Inbox, name: str) -> None:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url, include="full")
    _check(toolkit, name, toolkit.call(name, {}))
    toolkit.close()
