"""Agents of Pydantic AI; beside the others', since this is checked in its environment alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel


def pydantic_model(url: str) -> Any:
    """Return Pydantic AI's client."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=url, api_key="x"))


def pydantic_agent(served: ScriptedModel, toolsets: Sequence[Any], **more: Any) -> Any:
    """Return an agent of Pydantic AI."""
    from pydantic_ai import Agent

    return Agent(pydantic_model(served.base_url), toolsets=[*toolsets], **more)


def run_pydantic_ai(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent with the toolkit's toolset."""
    from pydantic_ai_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    pydantic_agent(served, pack(**options).get_tools()).run_sync(TASK)
