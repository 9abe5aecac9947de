"""Agents of Google's ADK; beside the others', since this is checked in its environment alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel


def adk_model(url: str) -> Any:
    """Return the ADK's client of the chat API."""
    # LiteLLM would fetch a list of prices.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from google.adk.models.lite_llm import LiteLlm

    return LiteLlm(model="openai/scripted", api_base=url, api_key="x")


def adk_agent(url: str, tools: Sequence[Any]) -> Any:
    """Return an agent of the ADK."""
    from google.adk.agents import LlmAgent

    return LlmAgent(name="clerk", model=adk_model(url), tools=[*tools])


async def ask(
    agent: Any, session: str = "", runner: Any = None, message: Any = None, **options: Any
) -> list[Any]:
    """Let an agent answer once, in a session; return its events."""
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    runner = runner or InMemoryRunner(agent=agent, app_name="mail")
    where = {"app_name": "mail", "user_id": "ann"}
    known = await runner.session_service.get_session(**where, session_id=session or "none")
    given = {"session_id": session} if session else {}
    known = known or await runner.session_service.create_session(**where, **given)
    content = message or types.Content(role="user", parts=[types.Part(text=TASK)])
    run = runner.run_async(user_id="ann", session_id=known.id, new_message=content, **options)
    return [event async for event in run]


def run_google_adk(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent with the toolkit's tools."""
    from google_adk_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    asyncio.run(ask(adk_agent(served.base_url, pack(**options).get_tools())))
