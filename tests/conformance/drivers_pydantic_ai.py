"""Drivers of Pydantic AI's agent, answering at once or in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.driver import TASK, Driver
from tests.frameworks.agents_pydantic_ai import pydantic_model


class PydanticAI(Driver):
    """Pydantic AI's `Agent` with the toolset."""

    framework, way, package = "pydantic_ai", "run", "pydantic_ai_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from pydantic_ai import Agent

        agent = Agent(pydantic_model(url), toolsets=self.tools(toolkit, session))

        async def within() -> str:
            try:
                return await self.answer(agent, session)
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())

    async def answer(self, agent: Any, session: str | None) -> str:
        """Run the agent once."""
        return str((await agent.run(TASK, conversation_id=session)).output)

    def native(self, function: Callable[..., Any]) -> Any:
        from pydantic_ai import FunctionToolset

        return FunctionToolset([function])


class StreamingPydanticAI(PydanticAI):
    """The same, its model's and its own answers in a stream."""

    way = "run_stream"

    async def answer(self, agent: Any, session: str | None) -> str:
        async with agent.run_stream(TASK, conversation_id=session) as streamed:
            return str(await streamed.get_output())
