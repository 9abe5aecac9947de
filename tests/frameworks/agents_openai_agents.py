"""Agents of the OpenAI Agents SDK; beside the others', since this is checked in its environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel


def agents_model(url: str) -> Any:
    """Return the SDK's client of the chat API."""
    from agents import OpenAIChatCompletionsModel, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    return OpenAIChatCompletionsModel("scripted", AsyncOpenAI(base_url=url, api_key="x"))


def agents_agent(served: ScriptedModel, tools: Sequence[Any], **more: Any) -> Any:
    """Return an agent of the SDK."""
    from agents import Agent

    return Agent(name="clerk", model=agents_model(served.base_url), tools=[*tools], **more)


def run_openai_agents(
    served: ScriptedModel, options: dict[str, Any], approver: bool = False
) -> None:
    """Run an agent with the toolkit's tools."""
    from agents import Runner

    from openai_agents_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    Runner.run_sync(agents_agent(served, pack(**options).get_tools()), TASK)
