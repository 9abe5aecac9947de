"""Converts the catalogue's tools into LangChain tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self, Unpack, get_type_hints

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.tools import BaseTool, BaseToolkit, ToolException
from langchain_core.tools import tool as create_tool
from pydantic import PrivateAttr

from multimail.tools import (
    APPROVER_TOOLS,
    Access,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolResult,
    ToolSession,
    ToolSpec,
)

from ._user_turns import STATE_ARGUMENT, add_state, list_user_turns


class ToolCallSchema(dict[str, Any]):
    """The schema that a model is shown. Its optional arguments take `null`.

    LangChain does not say which model will read it, and makes every argument required where it
    makes tools strict: one without `null` could not be left out there.
    """

    def __init__(self, spec: ToolSpec) -> None:
        facts = {"title": spec.name, "description": spec.description}
        super().__init__({**facts, **spec.schema("nullable")})
        self.model_fields = spec.build_open_args().model_fields
        """The arguments as `langchain_mcp_adapters.tools.to_fastmcp` looks for them."""

    def model_json_schema(self) -> dict[str, Any]:
        """Return it as a model's class would, for `to_fastmcp`."""
        return dict(self)


class MultiMailTool(BaseTool):
    """One tool of the catalogue. The artifact of its message holds the facts for code."""

    _spec: ToolSpec = PrivateAttr()
    _session: ToolSession = PrivateAttr()
    _session_id: str | None = PrivateAttr()
    _schema: ToolCallSchema = PrivateAttr()
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str | None = None) -> None:
        # Google's models read the schema of this model, all others that of `tool_call_schema`.
        arguments = spec.build_open_args()
        super().__init__(
            name=spec.name,
            description=spec.description,
            args_schema=add_state(arguments) if session.user_turns else arguments,
            handle_tool_error=True,
            metadata={"multimail_access": spec.access},
        )
        self._spec, self._session, self._session_id = spec, session, session_id
        self._schema = ToolCallSchema(spec)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that uses the same session: connections cannot be copied."""
        del memo
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._spec, self._session, self._session_id)

    @property
    def access(self) -> Access:
        """What an API key must be allowed for it: `read`, `write` or `approve`."""
        return self._spec.access

    @property
    def tool_call_schema(self) -> ToolCallSchema:
        """The schema that a model is shown."""
        return self._schema

    def run(self, tool_input: str | dict[str, Any], *args: Any, **options: Any) -> Any:
        """Run the tool; a text is the value of its first argument, or JSON of all."""
        return super().run(self._spec.read_text(tool_input), *args, **options)

    async def arun(self, tool_input: str | dict[str, Any], *args: Any, **options: Any) -> Any:
        """Run the tool asynchronously; otherwise like `run`."""
        return await super().arun(self._spec.read_text(tool_input), *args, **options)

    def _run(
        self,
        *,
        config: RunnableConfig | None = None,
        run_manager: CallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        session_id = self._begin(config, arguments)
        return _convert(self._session.call(self._spec, arguments, session_id=session_id))

    async def _arun(
        self,
        *,
        config: RunnableConfig | None = None,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        session_id = await self._session.run_off_loop(self._begin, config, arguments)
        return _convert(await self._session.acall(self._spec, arguments, session_id=session_id))

    def _begin(self, config: RunnableConfig | None, arguments: dict[str, Any]) -> str | None:
        """Record the user's turns, which are no argument of the tool; return the conversation."""
        session_id = get_thread_id(config) or self._session_id
        if self._session.user_turns:
            turns = list_user_turns(arguments.pop(STATE_ARGUMENT, None), config)
            self._session.declare_turns(turns, session_id=session_id)
        return session_id


# LangChain reads annotations for every call, and compiles those that are text; it passes a config
# only where the type is exactly this.
for _method in (MultiMailTool._run, MultiMailTool._arun):
    _method.__annotations__ = get_type_hints(_method) | {"config": RunnableConfig}


def _convert(result: ToolResult) -> tuple[str, dict[str, Any]]:
    if result.error is not None:
        raise ToolException(result.text)
    return result.text, result.as_artifact()


def get_thread_id(config: RunnableConfig | None) -> str | None:
    """Return LangGraph's `thread_id`, the id of a conversation, or None if there is none.

    Args:
        config: The run's; None for that of the running code, or none.
    """
    # A config of None in `run` is that of the graph around it, as in all of LangChain.
    thread_id = ensure_config(config).get("configurable", {}).get("thread_id")
    return None if thread_id is None else str(thread_id)


class MultiMailToolkit(BaseToolkit, ToolkitBase[BaseTool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`. A conversation is LangGraph's `thread_id`.
    Loaders and retrievers that are given this toolkit share its session. With `user_turns=True` the
    human messages of the graph's state count as the user's words, for a graph that people chat
    with.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    keeps_user_turns: ClassVar[bool] = True

    def __init__(self, api_key: str | None = None, **options: Unpack[ToolkitOptions]) -> None:
        BaseToolkit.__init__(self)
        ToolkitBase.__init__(self, api_key, **options)

    def get_tools(self, session_id: str | None = None) -> list[BaseTool]:
        """Return the tools, as `create_agent(tools=…)` and `model.bind_tools` take them.

        Args:
            session_id: The conversation of calls without a `thread_id`.
        """
        return ToolkitBase.get_tools(self, session_id)

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> BaseTool:
        return MultiMailTool(spec, self.session, session_id)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[BaseTool]:
        from ._guarded import GuardedTool  # it imports this module

        native = tool if isinstance(tool, BaseTool) else create_tool(tool)
        return [GuardedTool.wrap(native, guard, session_id)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue: ClassVar[tuple[ToolSpec, ...]] = APPROVER_TOOLS

    # Repeated for type checkers: they derive the arguments of a pydantic model from its fields.
    def __init__(self, api_key: str | None = None, **options: Unpack[ToolkitOptions]) -> None:
        super().__init__(api_key, **options)
