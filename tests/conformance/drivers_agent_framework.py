"""Drivers of Microsoft Agent Framework's agent, answering at once or in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.driver import TASK, Driver
from tests.frameworks.agents_agent_framework import framework_client


class AgentFramework(Driver):
    """Agent Framework's `Agent` with the tools."""

    framework, way, package = "agent_framework", "run", "agent_framework_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from agent_framework import Agent, AgentSession

        tools = self.tools(toolkit, session)

        async def within() -> str:
            agent = Agent(client=framework_client(url), name="clerk", tools=tools)
            options: Any = {"session": AgentSession(session_id=session)} if session else {}
            try:
                return await self.answer(agent, options)
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())

    async def answer(self, agent: Any, options: Any) -> str:
        """Run the agent once."""
        return str((await agent.run(TASK, **options)).text)

    def native(self, function: Callable[..., Any]) -> Any:
        from agent_framework import tool

        return tool(function)


class StreamingAgentFramework(AgentFramework):
    """The same, its model's and its own answers in a stream."""

    way = "run_stream"

    async def answer(self, agent: Any, options: Any) -> str:
        pieces = [piece.text async for piece in agent.run(TASK, stream=True, **options)]
        return "".join(pieces)
