"""Agents of Semantic Kernel; beside the others', since this is checked in its environment alone."""

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


def kernel_service(served: ScriptedModel) -> Any:
    """Return Semantic Kernel's client."""
    from openai import AsyncOpenAI
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion

    _MODELS.append(AsyncOpenAI(base_url=served.base_url, api_key="x"))
    return OpenAIChatCompletion(ai_model_id="scripted", async_client=_MODELS[-1])


def kernel_agent(served: ScriptedModel, plugins: Sequence[Any], **more: Any) -> Any:
    """Return an agent of Semantic Kernel."""
    from semantic_kernel.agents import ChatCompletionAgent

    return ChatCompletionAgent(service=kernel_service(served), plugins=[*plugins], **more)


def run_semantic_kernel(
    served: ScriptedModel, options: dict[str, Any], approver: bool = False
) -> None:
    """Run an agent with the toolkit's plugin."""
    from semantic_kernel_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit

    async def within() -> None:
        await kernel_agent(served, [pack(**options).get_plugin()]).get_response(TASK)
        await close_models()

    asyncio.run(within())
