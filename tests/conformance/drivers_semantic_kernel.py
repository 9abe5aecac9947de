"""Drivers of Semantic Kernel's agent, answering at once or in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.driver import TASK, Driver

from multimail_cli.demo.scripted_model import Conversation, Turn, call

MAX_STEPS = 20
PREFIX = "multimail-"
"""What stands before a function's name: its plugin's."""


class SemanticKernel(Driver):
    """Semantic Kernel's `ChatCompletionAgent` with the plugin, calling functions by itself."""

    framework, way, package = "semantic_kernel", "get_response", "semantic_kernel_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        return asyncio.run(self._ask(toolkit, url, session))

    async def _ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from openai import AsyncOpenAI
        from semantic_kernel.agents import ChatCompletionAgent
        from semantic_kernel.connectors.ai import FunctionChoiceBehavior
        from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion

        plugin = toolkit.get_plugin(session)
        plugin.add(self.tools(toolkit, session))
        async with AsyncOpenAI(base_url=url, api_key="x") as client:
            agent = ChatCompletionAgent(
                service=OpenAIChatCompletion(ai_model_id="scripted", async_client=client),
                plugins=[plugin],
                function_choice_behavior=FunctionChoiceBehavior.Auto(
                    maximum_auto_invoke_attempts=MAX_STEPS
                ),
            )
            try:
                return await self.answer(agent)
            finally:
                await self.leave(toolkit)

    async def answer(self, agent: Any) -> str:
        """Run the agent once."""
        return str(await agent.get_response(TASK))

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        return self.list_own(toolkit, session)

    def native(self, function: Callable[..., Any]) -> Any:
        from semantic_kernel.functions import KernelFunctionFromMethod, kernel_function

        return KernelFunctionFromMethod(kernel_function(function))

    def calls(self, name: str, arguments: Mapping[str, Any]) -> Turn:
        return call(PREFIX + name, **arguments)

    def offered(self, seen: Conversation) -> list[str]:
        return [name.removeprefix(PREFIX) for name in seen.tool_names]


class StreamingSemanticKernel(SemanticKernel):
    """The same, its model's and its own answers in a stream."""

    way = "invoke_stream"

    async def answer(self, agent: Any) -> str:
        pieces = [str(piece.message) async for piece in agent.invoke_stream(TASK)]
        return "".join(pieces)
