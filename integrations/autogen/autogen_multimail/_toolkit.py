"""Converts the catalogue's tools into AutoGen tools."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Unpack, cast

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, ParametersSchema, StaticWorkbench, ToolSchema
from pydantic import BaseModel, ValidationError

from multimail.tools import (
    APPROVER_TOOLS,
    ToolError,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolResult,
    ToolSession,
    ToolSpec,
)


class MultiMailToolError(Exception):
    """A tool call failed; AutoGen turns it into a result with `is_error` for the model.

    Attributes:
        error: The same for code.
    """

    def __init__(self, error: ToolError) -> None:
        super().__init__(ToolResult.failure(error).text)
        self.error = error


# A result is text for the model and facts for code, where AutoGen's type expects one model.
class MultiMailTool(BaseTool[BaseModel, Any]):
    """One tool of the catalogue, which AutoGen runs as `run_json`."""

    def __init__(
        self, spec: ToolSpec, session: ToolSession, session_id: str | None, *, strict: bool = False
    ) -> None:
        super().__init__(spec.build_open_args(), ToolResult, spec.name, spec.description, strict)
        self._spec, self._session, self._session_id = spec, session, session_id

    def __reduce__(self) -> tuple[Any, ...]:
        build = functools.partial(type(self), strict=self._strict)
        return build, (self._spec, self._session, self._session_id)

    @property
    def schema(self) -> ToolSchema:
        """The catalogue's schema, as every other framework has it."""
        return ToolSchema(
            name=self.name,
            description=self.description,
            parameters=cast(
                ParametersSchema, self._spec.schema("strict" if self._strict else "short")
            ),
            strict=self._strict,
        )

    async def run_json(
        self,
        args: Mapping[str, Any],
        cancellation_token: CancellationToken,
        call_id: str | None = None,
    ) -> Any:
        """Run the tool with what the model wrote, also where that is no object; see `run`."""
        try:
            return await super().run_json(args, cancellation_token, call_id)
        except ValidationError as error:
            raise MultiMailToolError(self._spec.explain_invalid(error)) from None

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> ToolResult:
        """Run the tool with the model's arguments, unchecked.

        Args:
            args: The arguments.
            cancellation_token: Cancels the call; a request that was sent may still take effect.

        Returns:
            The `ToolResult`; `return_value_as_string` converts it to the model's text.

        Raises:
            MultiMailToolError: The call failed; the text says why, and what to do next.
        """
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


class GuardedTool(BaseTool[BaseModel, Any]):
    """Another tool, which runs only if the guard of the toolkit's conversation lets it.

    AutoGen cannot pause a run for one call: a held call is refused unless `approve` asks a human.
    """

    def __init__(self, tool: BaseTool[Any, Any], guard: ToolGuard, session_id: str | None) -> None:
        super().__init__(tool.args_type(), tool.return_type(), tool.name, tool.description)
        self._tool, self._guard, self._session_id = tool, guard, session_id

    @property
    def schema(self) -> ToolSchema:
        """The other tool's schema."""
        return self._tool.schema

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        """Run the other tool.

        Raises:
            multimail.tools.CallRefusedError: It did not run; the model is shown why.
        """
        return await self._guard.acall(
            self.name,
            args.model_dump(exclude_unset=True),
            lambda: self._tool.run(args, cancellation_token),
            session_id=self._session_id,
        )

    def return_value_as_string(self, value: Any) -> str:
        """Return what the model reads of the other tool's result."""
        return self._tool.return_value_as_string(value)


class MultiMailToolkit(ToolkitBase[BaseTool[Any, Any]]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `AssistantAgent(tools=…)` takes. AutoGen does not tell a tool which agent calls it: name the
    conversation, `get_tools("ticket-17")`, for each job.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        strict: Whether OpenAI must keep to the tools' schemas. An agent with an
            `output_content_type` needs it: OpenAI's client takes only strict tools then.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def __init__(
        self, api_key: str | None = None, *, strict: bool = False, **options: Unpack[ToolkitOptions]
    ) -> None:
        super().__init__(api_key, **options)
        self._strict = strict

    def get_workbench(self, session_id: str | None = None) -> StaticWorkbench:
        """Return the tools as `AssistantAgent(workbench=…)` takes them, like `get_tools`."""
        return StaticWorkbench(self.get_tools(session_id))

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> BaseTool[Any, Any]:
        return MultiMailTool(spec, self.session, session_id, strict=self._strict)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[BaseTool[Any, Any]]:
        if not isinstance(tool, BaseTool):
            return super()._build_guarded(tool, guard, session_id)
        return [GuardedTool(tool, guard, session_id)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
