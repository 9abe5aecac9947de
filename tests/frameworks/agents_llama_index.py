"""Agents of LlamaIndex; beside the others', since this is checked in its environment alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.conformance.driver import TASK

from multimail_cli.demo.scripted_model import ScriptedModel


def llama_agent(url: str, tools: Sequence[Any]) -> Any:
    """Return an agent of LlamaIndex with its client of the chat API."""
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(
        model="scripted", api_base=url, api_key="x", is_chat_model=True,
        is_function_calling_model=True, max_retries=2,
    )  # fmt: skip
    return FunctionAgent(tools=[*tools], llm=llm, streaming=False)


def run_llama_index(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent with the toolkit's tools."""
    from llama_index_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit

    async def within() -> None:
        await llama_agent(served.base_url, pack(**options).get_tools()).run(TASK)

    asyncio.run(within())
