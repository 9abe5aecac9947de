"""Agents of AutoGen; beside the others', since this is checked in AutoGen's environment alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel

_MODELS: list[Any] = []


async def close_models() -> None:
    """Close the clients that were made since this was called last."""
    while _MODELS:
        await _MODELS.pop().close()


def autogen_model(served: ScriptedModel) -> Any:
    """Return AutoGen's client; it asks for a model that it knows."""
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    name = "gpt-4o-mini-2024-07-18"
    _MODELS.append(OpenAIChatCompletionClient(model=name, base_url=served.base_url, api_key="x"))
    return _MODELS[-1]


def autogen_agent(
    served: ScriptedModel, tools: Sequence[Any], name: str = "clerk", **more: Any
) -> Any:
    """Return an agent of AutoGen."""
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(
        name, autogen_model(served), tools=[*tools], max_tool_iterations=9, **more
    )


def run_autogen(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent with the toolkit's tools."""
    from autogen_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit

    async def within() -> None:
        await autogen_agent(served, pack(**options).get_tools()).run(task=TASK)
        await close_models()

    asyncio.run(within())
