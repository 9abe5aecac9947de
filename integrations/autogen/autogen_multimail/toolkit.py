"""The catalogue's tools as AutoGen tools. Only translation: `multimail` says what they do."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, cast

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, ParametersSchema, StaticWorkbench, ToolSchema
from pydantic import ValidationError

from multimail.tools import (
    ApproverToolkit,
    ToolArgs,
    ToolError,
    Toolkit,
    ToolResult,
    ToolSession,
    ToolSpec,
)
from multimail.tools.spec import argument_error


class MultiMailToolError(Exception):
    """What a tool could not do; AutoGen makes of it a result with `is_error` for the model.

    Attributes:
        error: The same for code.
    """

    def __init__(self, error: ToolError) -> None:
        super().__init__(ToolResult.failure(error).text)
        self.error = error


# A result is text for the model and facts for code, where AutoGen's type wants one model.
class MultiMailTool(BaseTool[ToolArgs, Any]):
    """One tool of the catalogue, which AutoGen runs as `run_json`."""

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str) -> None:
        super().__init__(spec.args, ToolResult, spec.name, spec.description)
        self._spec, self._session, self._session_id = spec, session, session_id

    @property
    def schema(self) -> ToolSchema:
        """The catalogue's schema, as every other framework has it."""
        return ToolSchema(
            name=self.name,
            description=self.description,
            parameters=cast(ParametersSchema, self._spec.schema()),
            strict=False,
        )

    async def run_json(
        self,
        args: Mapping[str, Any],
        cancellation_token: CancellationToken,
        call_id: str | None = None,
    ) -> Any:
        """Run the tool with what the model said.

        Args:
            args: The arguments, unchecked.
            cancellation_token: Cancels the call; what is on its way to the API may still happen.
            call_id: The model's id of the call, for AutoGen's traces.

        Returns:
            The `ToolResult`; `return_value_as_string` makes the model's text of it.

        Raises:
            MultiMailToolError: It was not done; the text says why, and what to do next.
        """
        try:
            return await super().run_json(args, cancellation_token, call_id)
        except ValidationError as error:
            raise MultiMailToolError(argument_error(self._spec, error)) from None

    async def run(self, args: ToolArgs, cancellation_token: CancellationToken) -> ToolResult:
        """Run the tool with checked arguments; otherwise as `run_json`."""
        call = self._session.acall(
            self._spec, args.model_dump(exclude_unset=True), session_id=self._session_id
        )
        task = asyncio.ensure_future(call)
        cancellation_token.link_future(task)
        result = await task
        if result.error is not None:
            raise MultiMailToolError(result.error)
        return result

    def return_value_as_string(self, value: Any) -> str:
        """Return what the model reads: the text, with what a sender wrote between marks."""
        return value.text if isinstance(value, ToolResult) else str(value)


class MultiMailToolkit(Toolkit):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.Toolkit`. AutoGen tells a tool nothing of the agent that
    calls it, so each `get_tools()` is a conversation of its own: call it once per agent.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def get_tools(self, session_id: str | None = None) -> list[BaseTool[Any, Any]]:
        """Return the tools, for `AssistantAgent(tools=[*…])`.

        Args:
            session_id: The conversation that they serve; default a new one.
        """
        return _tools(self, session_id)

    def get_workbench(self, session_id: str | None = None) -> StaticWorkbench:
        """Return the same as a workbench, for `AssistantAgent(workbench=…)`."""
        return StaticWorkbench(_tools(self, session_id))


class MultiMailApproverToolkit(ApproverToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    def get_tools(self, session_id: str | None = None) -> list[BaseTool[Any, Any]]:
        """Return the tools; see `MultiMailToolkit.get_tools`."""
        return _tools(self, session_id)

    def get_workbench(self, session_id: str | None = None) -> StaticWorkbench:
        """Return the same as a workbench."""
        return StaticWorkbench(_tools(self, session_id))


def _tools(toolkit: Toolkit, session_id: str | None) -> list[BaseTool[Any, Any]]:
    conversation = session_id or f"agent-{secrets.token_hex(8)}"
    return [MultiMailTool(spec, toolkit.session, conversation) for spec in toolkit.specs]
