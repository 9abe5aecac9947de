"""What is particular to LlamaIndex: outputs for code, calls without a loop, guarded tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from tests.frameworks.agents import POLICIES, SEND, post_note
from tests.tools.support import Inbox

from llama_index_multimail import MultiMailToolkit
from multimail import ConfigurationError
from multimail.trust import GuardDecision

Make = Callable[..., MultiMailToolkit]


@pytest.fixture
def open_toolkit(auto_box: Inbox, decisions: list[GuardDecision]) -> Make:
    """Make a toolkit of a mailbox whose sends leave at once."""

    def make(**options: Any) -> MultiMailToolkit:
        facts: Any = {"base_url": auto_box.server.url, "on_decision": decisions.append, **options}
        return MultiMailToolkit(auto_box.agent_key, **facts)

    return make


def find(kit: MultiMailToolkit, name: str, session: str | None = None) -> Any:
    """Return a tool of a toolkit."""
    return next(tool for tool in kit.get_tools(session) if tool.metadata.name == name)


@pytest.mark.parametrize("is_async", [True, False])
def test_an_output_has_text_for_the_model_and_a_result_for_code(
    open_toolkit: Make, is_async: bool
) -> None:
    tool = find(open_toolkit(), "send_email")
    output = asyncio.run(tool.acall(**SEND)) if is_async else tool.call(**SEND)
    assert output.raw_output.data["id"].startswith("msg_")
    assert (output.content, output.is_error) == (output.raw_output.text, False)
    failed = tool.call(to="nobody at all")
    assert (failed.is_error, failed.raw_output.error is not None) == (True, True)


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("tool", [post_note, FunctionTool.from_defaults(post_note)])
def test_a_held_call_of_another_tool_is_refused_unless_a_person_approves(
    open_toolkit: Make, auto_box: Inbox, tool: Any, is_async: bool
) -> None:
    kit, mail = open_toolkit(), auto_box.receive("Hello.")
    find(kit, "read_email", "job").call(email_id=mail["id"])
    note = {"channel": "sales", "text": "Hello."}
    (refused,) = kit.guarded([tool], POLICIES, session_id="job")
    output = asyncio.run(refused.acall(**note)) if is_async else refused.call(**note)
    assert output.is_error
    assert "post_note was not run" in output.content
    (asking,) = kit.guarded([tool], POLICIES, session_id="job", approve=lambda *_: True)
    output = asyncio.run(asking.acall(**note)) if is_async else asking.call(**note)
    assert output.content == "Posted in sales: Hello."


async def with_context(ctx: Context, text: str) -> str:
    """Take LlamaIndex's context."""
    return text


def test_what_cannot_be_guarded_is_named(open_toolkit: Make) -> None:
    with_context.__annotations__["ctx"] = Context  # LlamaIndex does not read those that are text
    with pytest.raises(ConfigurationError, match="takes LlamaIndex's Context"):
        open_toolkit().guarded([with_context])
    with pytest.raises(ConfigurationError, match="cannot guard 7"):
        open_toolkit().guarded([7])
