"""Converts the catalogue's tools into LlamaIndex tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llama_index.core.tools import AsyncBaseTool, FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import BaseTool, adapt_to_async_tool

from multimail import ConfigurationError
from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolResult,
    ToolSession,
    ToolSpec,
)


class _CatalogueMetadata(ToolMetadata):
    """What a model is shown of a tool: the catalogue's schema, as in every other framework."""

    def __init__(self, spec: ToolSpec) -> None:
        super().__init__(spec.description, spec.name, spec.build_open_args())
        self._schema = spec.schema()

    def get_parameters_dict(self) -> dict[str, Any]:
        return self._schema


class MultiMailTool(AsyncBaseTool):
    """One tool of the catalogue. Its output is text for the model; `raw_output` is for code."""

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str | None) -> None:
        self._spec, self._session, self._session_id = spec, session, session_id
        self._metadata = _CatalogueMetadata(spec)

    @property
    def metadata(self) -> ToolMetadata:
        """Its name, description and schema."""
        return self._metadata

    def call(self, *args: Any, **arguments: Any) -> ToolOutput:
        """Run the tool; `raw_output` is the `ToolResult`."""
        del args
        return self._convert(
            self._session.call(self._spec, arguments, session_id=self._session_id), arguments
        )

    async def acall(self, *args: Any, **arguments: Any) -> ToolOutput:
        """Run the tool asynchronously; otherwise like `call`."""
        del args
        result = await self._session.acall(self._spec, arguments, session_id=self._session_id)
        return self._convert(result, arguments)

    def _convert(self, result: ToolResult, arguments: dict[str, Any]) -> ToolOutput:
        return ToolOutput(
            self._spec.name, result.text, raw_input=arguments, raw_output=result,
            is_error=not result.ok,
        )  # fmt: skip


class GuardedTool(AsyncBaseTool):
    """Another tool, which runs only if the guard of the conversation lets it.

    A held call is refused unless `approve` asks a human.
    """

    def __init__(self, tool: AsyncBaseTool, guard: ToolGuard, session_id: str | None) -> None:
        self._tool, self._guard, self._session_id = tool, guard, session_id

    @property
    def metadata(self) -> ToolMetadata:
        """The other tool's."""
        return self._tool.metadata

    @property
    def name(self) -> str:
        """The other tool's name."""
        return self._tool.metadata.get_name()

    def call(self, *args: Any, **arguments: Any) -> ToolOutput:
        """Run the other tool, or return why it did not run."""
        try:
            return self._guard.call(
                self.name, arguments, lambda: self._tool.call(*args, **arguments),
                session_id=self._session_id,
            )  # fmt: skip
        except CallRefusedError as error:
            return self._refuse(error, arguments)

    async def acall(self, *args: Any, **arguments: Any) -> ToolOutput:
        """Run the other tool asynchronously; otherwise like `call`."""
        try:
            return await self._guard.acall(
                self.name, arguments, lambda: self._tool.acall(*args, **arguments),
                session_id=self._session_id,
            )  # fmt: skip
        except CallRefusedError as error:
            return self._refuse(error, arguments)

    def _refuse(self, error: CallRefusedError, arguments: dict[str, Any]) -> ToolOutput:
        return ToolOutput(self.name, error.message, raw_input=arguments, is_error=True)


class MultiMailToolkit(ToolkitBase[AsyncBaseTool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `FunctionAgent(tools=…)` takes. LlamaIndex does not tell a tool which context it serves: name
    the conversation, `get_tools("ticket-17")`, for each job.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> AsyncBaseTool:
        return MultiMailTool(spec, self.session, session_id)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[AsyncBaseTool]:
        if callable(tool) and not isinstance(tool, BaseTool):
            tool = FunctionTool.from_defaults(tool)
        if not isinstance(tool, BaseTool):
            return super()._build_guarded(tool, guard, session_id)
        if isinstance(tool, FunctionTool) and tool.requires_context:
            raise ConfigurationError(
                f"{tool.metadata.get_name()} takes LlamaIndex's Context and cannot be guarded.",
                remedy="Guard a function without that parameter.",
            )
        return [GuardedTool(adapt_to_async_tool(tool), guard, session_id)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
