"""LangChain's own conformance suites, for every tool of both packs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from tests.tools.support import Inbox

from langchain_multimail import MultiMailApproverToolkit, MultiMailToolkit
from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS

CASES = [("agent", spec.name) for spec in AGENT_TOOLS]
CASES += [("approver", spec.name) for spec in APPROVER_TOOLS]


class OneByOne:
    """Runs a suite for each tool: the class's own fixture puts the tool and its example in it."""

    under_test: ClassVar[BaseTool]
    example: ClassVar[dict[str, Any]]

    @pytest.fixture(
        scope="class", autouse=True, params=CASES, ids=[f"{pack}-{name}" for pack, name in CASES]
    )
    @classmethod
    def take_one(
        cls, request: pytest.FixtureRequest, create_mailbox: Callable[..., Inbox]
    ) -> Iterator[None]:
        pack, name = request.param
        box = create_mailbox()
        first = box.receive_proven("First.", files={"a.txt": "x"})
        box.receive("Second.")
        url = box.server.url
        agent, approver = (
            MultiMailToolkit(box.agent_key, base_url=url, include="full"),
            MultiMailApproverToolkit(box.reviewer_key, base_url=url),
        )
        tools = {tool.name: tool for tool in agent.get_tools()}
        held = (
            tools["send_email"]
            .invoke({"type": "tool_call", "id": "1", "name": "send_email", "args": _SEND})
            .artifact["id"]
        )
        if pack == "approver":
            tools = {tool.name: tool for tool in approver.get_tools()}
            tools["read_email"].invoke({"email_id": held})
        examples: dict[str, dict[str, Any]] = {
            "read_email": {"email_id": first["id"]},
            "search_email": {"query": "First"},
            "get_thread": {"thread_id": first["thread_id"]},
            "wait_for_email": {"since_id": first["id"], "timeout_seconds": 0},
            "download_attachment": {"email_id": first["id"], "filename": "a.txt"},
            "add_contact": {"email": "ann@example.org", "name": "Ann"},
            "send_email": _SEND,
            "reply_email": {"email_id": first["id"], "body": "Hello."},
            "forward_email": {"email_id": first["id"], "to": ["ann@example.org"]},
            "revise_message": {"email_id": held, "body": "Better."},
            "tag_email": {"email_id": first["id"], "tags": ["seen"]},
            "mark_email": {"email_ids": [first["id"]], "mark": "archived"},
            "cancel_message": {"email_id": held},
            "decide_email": {"email_id": held, "decision": "approve"},
        }
        cls.under_test, cls.example = tools[name], examples.get(name, {})
        yield
        agent.close()
        approver.close()


_SEND = {"to": ["ann@example.org"], "subject": "Hi", "body": "Hello."}


class TestUnit(OneByOne, ToolsUnitTests):
    """The unit suite."""

    @property
    def tool_constructor(self) -> BaseTool:
        return self.under_test

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.example


class TestIntegration(OneByOne, ToolsIntegrationTests):
    """The integration suite, against the server."""

    @property
    def tool_constructor(self) -> BaseTool:
        return self.under_test

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.example
