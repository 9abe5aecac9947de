"""Drivers of AutoGen's agent: given the tools, or the workbench that holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.conformance.driver import TASK, Driver

MODEL = "gpt-4o-mini-2024-07-18"  # AutoGen asks for one that it knows
MAX_STEPS = 20


class AutoGen(Driver):
    """AutoGen's `AssistantAgent` with the tools in its list."""

    framework, way, package = "autogen", "tools", "autogen_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        return asyncio.run(self._ask(toolkit, url, session))

    async def _ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from autogen_agentchat.agents import AssistantAgent
        from autogen_ext.models.openai import OpenAIChatCompletionClient

        client = OpenAIChatCompletionClient(model=MODEL, base_url=url, api_key="x")
        given: Any = self.given(toolkit, session)
        agent = AssistantAgent("clerk", client, **given, max_tool_iterations=MAX_STEPS)
        try:
            done: Any = (await agent.run(task=TASK)).messages[-1]
            return str(done.content)
        finally:
            await client.close()
            await self.leave(toolkit)

    def given(self, toolkit: Any, session: str | None) -> dict[str, Any]:
        """Return what the agent is given to act with."""
        return {"tools": self.tools(toolkit, session)}

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        return [*toolkit.get_tools(session), *self.list_own(toolkit, session)]

    def native(self, function: Callable[..., Any]) -> Any:
        from autogen_core.tools import FunctionTool

        return FunctionTool(function, description=function.__doc__ or "")


class AutoGenWorkbench(AutoGen):
    """The same with the tools in a workbench, and the application's own in another."""

    way = "workbench"

    def given(self, toolkit: Any, session: str | None) -> dict[str, Any]:
        from autogen_core.tools import StaticWorkbench

        own = StaticWorkbench(self.list_own(toolkit, session))
        return {"workbench": [toolkit.get_workbench(session), own]}
