"""Agents of Microsoft Agent Framework; beside the others', as it is checked in its environment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel


def framework_client(url: str) -> Any:
    """Return Agent Framework's client of the chat API."""
    from agent_framework.openai import OpenAIChatCompletionClient

    return OpenAIChatCompletionClient(model="scripted", base_url=url, api_key="x")


def framework_agent(served: ScriptedModel, tools: Sequence[Any], **more: Any) -> Any:
    """Return an agent of Agent Framework."""
    from agent_framework import Agent

    client = framework_client(served.base_url)
    return Agent(client=client, name="clerk", tools=[*tools], **more)


def run_agent_framework(
    served: ScriptedModel, options: dict[str, Any], approver: bool = False
) -> None:
    """Run an agent with the toolkit's tools."""
    from agent_framework_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    asyncio.run(framework_agent(served, pack(**options).get_tools()).run(TASK))
