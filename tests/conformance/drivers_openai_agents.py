"""Drivers of the OpenAI Agents SDK, answering at once or in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.driver import TASK, Driver
from tests.frameworks.agents_openai_agents import agents_model

MAX_TURNS = 20


class OpenAIAgents(Driver):
    """The SDK's `Runner` with an agent that has the tools."""

    framework, way, package = "openai_agents", "run", "openai_agents_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from agents import Agent

        agent = Agent(name="clerk", model=agents_model(url), tools=self.tools(toolkit, session))

        async def within() -> str:
            try:
                return await self.answer(agent)
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())

    async def answer(self, agent: Any) -> str:
        """Run the agent once."""
        from agents import Runner

        return str((await Runner.run(agent, TASK, **self.build_options())).final_output)

    def build_options(self) -> dict[str, Any]:
        """Return options of a run; by default it ends with an unknown tool, or after ten turns."""
        from agents import RunConfig

        config = RunConfig(tool_not_found_behavior="return_error_to_model")
        return {"max_turns": MAX_TURNS, "run_config": config}

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        return [*toolkit.get_tools(session), *self.list_own(toolkit, session)]

    def native(self, function: Callable[..., Any]) -> Any:
        from agents import function_tool

        return function_tool(function)


class StreamingOpenAIAgents(OpenAIAgents):
    """The same, its model's and its own answers in a stream."""

    way = "run_streamed"

    async def answer(self, agent: Any) -> str:
        from agents import Runner

        done = Runner.run_streamed(agent, TASK, **self.build_options())
        async for _ in done.stream_events():
            pass
        return str(done.final_output)
