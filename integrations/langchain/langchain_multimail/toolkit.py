"""The catalogue's tools as LangChain tools. Only translation: `multimail` says what they do."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, BaseToolkit, ToolException
from pydantic import Field, PrivateAttr, ValidationError

from multimail.tools import ApproverToolkit, Toolkit, ToolkitOptions, ToolResult, ToolSession
from multimail.tools.reading import artifact_of
from multimail.tools.spec import ToolSpec, argument_error


class MultiMailTool(BaseTool):
    """One tool of the catalogue. The artifact of its message holds the facts for code."""

    spec: ToolSpec = Field(exclude=True, repr=False)
    session: ToolSession = Field(exclude=True, repr=False)
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def __init__(self, spec: ToolSpec, session: ToolSession) -> None:
        super().__init__(
            name=spec.name,
            description=spec.description,
            args_schema=spec.args,
            spec=spec,
            session=session,
            handle_tool_error=True,
            handle_validation_error=self._explain,
            metadata={"multimail_access": spec.access},
        )

    def _explain(self, error: Any) -> str:
        if not isinstance(error, ValidationError):
            return str(error)
        return ToolResult.failure(argument_error(self.spec, error)).text

    def _run(
        self,
        *,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        return _answer(self.session.call(self.spec, arguments, session_id=_thread(config)))

    async def _arun(
        self,
        *,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        return _answer(await self.session.acall(self.spec, arguments, session_id=_thread(config)))


def _answer(result: ToolResult) -> tuple[str, dict[str, Any]]:
    if result.error is not None:
        raise ToolException(result.text)
    return result.text, artifact_of(result)


def _thread(config: RunnableConfig) -> str | None:
    thread = config.get("configurable", {}).get("thread_id")
    return None if thread is None else str(thread)


class MultiMailToolkit(BaseToolkit):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.Toolkit`; conversations are told apart by LangGraph's
    `thread_id`.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    pack: ClassVar[type[Toolkit]] = Toolkit
    _toolkit: Toolkit = PrivateAttr()

    def __init__(self, api_key: str | None = None, **options: Unpack[ToolkitOptions]) -> None:
        super().__init__()
        self._toolkit = self.pack(api_key, **options)

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, as `create_agent(tools=…)` or `model.bind_tools` takes them."""
        session = self._toolkit.session
        return [MultiMailTool(spec, session) for spec in self._toolkit.specs]

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self._toolkit.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        await self._toolkit.aclose()


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    pack = ApproverToolkit
