"""Drivers of LlamaIndex's agent, answering at once or in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.driver import TASK, Driver
from tests.frameworks.agents_llama_index import llama_agent


class LlamaIndex(Driver):
    """LlamaIndex's `FunctionAgent` with the tools."""

    framework, way, package = "llama_index", "run", "llama_index_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        async def within() -> str:
            agent = llama_agent(url, self.tools(toolkit, session))
            try:
                return await self.answer(agent)
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())

    async def answer(self, agent: Any) -> str:
        """Run the agent once."""
        return str(await agent.run(TASK))

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        return [*toolkit.get_tools(session), *self.list_own(toolkit, session)]

    def native(self, function: Callable[..., Any]) -> Any:
        from llama_index.core.tools import FunctionTool

        return FunctionTool.from_defaults(function)


class StreamingLlamaIndex(LlamaIndex):
    """The same, its model's and its own answers in a stream."""

    way = "stream_events"

    async def answer(self, agent: Any) -> str:
        agent.streaming = True
        handler = agent.run(TASK)
        async for _ in handler.stream_events():
            pass
        return str(await handler)
