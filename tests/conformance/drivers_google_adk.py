"""Drivers of Google's ADK, answering at once or in a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.conformance.driver import Driver
from tests.frameworks.agents_google_adk import adk_agent, ask

from multimail_cli.demo.scripted_model import Conversation


class GoogleADK(Driver):
    """The ADK's runner with an agent that has the tools."""

    framework, way, package = "google_adk", "run_async", "google_adk_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        agent = adk_agent(url, self.tools(toolkit, session))

        async def within() -> str:
            try:
                return self.join(await ask(agent, session or "", **self.build_options()))
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())

    def build_options(self) -> dict[str, Any]:
        """Return more arguments of the run."""
        return {}

    def join(self, events: Sequence[Any]) -> str:
        """Return the agent's answer."""
        parts = [part for event in events if event.is_final_response() and event.content
                 for part in event.content.parts]  # fmt: skip
        return "".join(part.text or "" for part in parts)

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        """Return what the model was shown: the ADK puts a result into an object."""
        found = []
        for text in super().texts(shown):
            try:
                data = json.loads(text)
            except json.JSONDecodeError:
                data = text
            is_wrapped = isinstance(data, dict) and data.keys() <= {"result", "error"}
            found.append(str(next(iter(data.values()))) if is_wrapped and data else text)
        return found

    def native(self, function: Callable[..., Any]) -> Any:
        from google.adk.tools.function_tool import FunctionTool

        return FunctionTool(function)


class StreamingGoogleADK(GoogleADK):
    """The same, its model's and its own answers in a stream."""

    way = "run_async_stream"

    def build_options(self) -> dict[str, Any]:
        from google.adk.agents.run_config import RunConfig, StreamingMode

        return {"run_config": RunConfig(streaming_mode=StreamingMode.SSE)}
