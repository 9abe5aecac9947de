"""The tools and their guard as one piece for `create_agent(middleware=[…])`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import SystemMessage

from multimail.errors import ConfigurationError
from multimail.tools import AGENT_INSTRUCTIONS, ToolkitOptions

from .toolkit import MultiMailTool, MultiMailToolkit


class MultiMailMiddleware(AgentMiddleware[Any, Any]):
    """Gives an agent the mailbox tools, tells it how to treat mail, and keeps approval apart.

    Before each model call it adds `multimail.tools.AGENT_INSTRUCTIONS` to the system prompt, and
    it stops the run if somebody also gave the agent an approver's tool. Trust and oversight do
    not depend on it: they are enforced inside the tools and on the server.

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
        """Instruct the model, after checking the tools that it is about to be offered."""
        return handler(_instructed(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Do the same for an asynchronous run."""
        return await handler(_instructed(request))


def _instructed(request: ModelRequest[Any]) -> ModelRequest[Any]:
    for tool in request.tools:
        if isinstance(tool, MultiMailTool) and tool.access == "approve":
            raise ConfigurationError(
                f"This agent can send mail and also holds the approver's tool {tool.name}.",
                remedy="Give MultiMailApproverToolkit to another agent, with its own key.",
            )
    said = f"{request.system_prompt}\n\n" if request.system_prompt else ""
    return request.override(system_message=SystemMessage(said + AGENT_INSTRUCTIONS))
