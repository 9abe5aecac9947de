"""The middleware for `create_agent(middleware=[…])`: the tools, with instructions for mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import SystemMessage

from multimail.errors import ConfigurationError
from multimail.tools import AGENT_INSTRUCTIONS, ToolkitOptions

from ._toolkit import MultiMailTool, MultiMailToolkit


class MultiMailMiddleware(AgentMiddleware[Any, Any]):
    """Gives an agent the mailbox tools and their instructions, and rejects an approver's tools.

    Before each model call it adds `multimail.tools.AGENT_INSTRUCTIONS` to the system prompt, and
    it stops the run if the agent also has an approver's tool. Trust and oversight do not depend
    on it: they are enforced inside the tools and on the server.

    Takes the arguments of `MultiMailToolkit`.

    Raises:
        multimail.ConfigurationError: As the toolkit; and, at the model call, where one agent
            could both send and approve.
    """

    def __init__(self, api_key: str | None = None, **options: Unpack[ToolkitOptions]) -> None:
        super().__init__()
        self.toolkit = MultiMailToolkit(api_key, **options)
        self.tools = self.toolkit.get_tools()

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Add the instructions, after checking the tools of the request."""
        return handler(_add_instructions(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Do the same in an asynchronous run."""
        return await handler(_add_instructions(request))


def _add_instructions(request: ModelRequest[Any]) -> ModelRequest[Any]:
    for tool in request.tools:
        if isinstance(tool, MultiMailTool) and tool.access == "approve":
            raise ConfigurationError(
                f"This agent can send mail and also holds the approver's tool {tool.name}.",
                remedy="Give MultiMailApproverToolkit to another agent, with its own key.",
            )
    prompt = f"{request.system_prompt}\n\n" if request.system_prompt else ""
    return request.override(system_message=SystemMessage(prompt + AGENT_INSTRUCTIONS))
