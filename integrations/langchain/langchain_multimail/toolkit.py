"""The catalogue's tools as LangChain tools. Only translation: `multimail` says what they do."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Unpack, get_type_hints

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, BaseToolkit, ToolException
from pydantic import PrivateAttr, ValidationError

from multimail.tools import ApproverToolkit, Toolkit, ToolkitOptions, ToolResult, ToolSession
from multimail.tools.files import artifact_of
from multimail.tools.spec import Access, ToolSpec, argument_error


class MultiMailTool(BaseTool):
    """One tool of the catalogue. The artifact of its message holds the facts for code."""

    _spec: ToolSpec = PrivateAttr()
    _session: ToolSession = PrivateAttr()
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    def __init__(self, spec: ToolSpec, session: ToolSession) -> None:
        super().__init__(
            name=spec.name,
            description=spec.description,
            args_schema=spec.args,
            handle_tool_error=True,
            handle_validation_error=functools.partial(_explain, spec),
            metadata={"multimail_access": spec.access},
        )
        self._spec, self._session = spec, session

    @property
    def access(self) -> Access:
        """What a key must be allowed for it: `read`, `write` or `approve`."""
        return self._spec.access

    @property
    def tool_call_schema(self) -> dict[str, Any]:
        """What a model is shown: an argument that may be left out is said without its `null`."""
        return {"title": self.name, "description": self.description, **self._spec.schema()}

    def _run(
        self,
        *,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        return _answer(self._session.call(self._spec, arguments, session_id=thread_of(config)))

    async def _arun(
        self,
        *,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        del run_manager
        return _answer(
            await self._session.acall(self._spec, arguments, session_id=thread_of(config))
        )


# LangChain reads them again for every call, and compiles the ones that are text.
for _method in (MultiMailTool._run, MultiMailTool._arun):
    _method.__annotations__ = get_type_hints(_method)


def _explain(spec: ToolSpec, error: Any) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return ToolResult.failure(argument_error(spec, error)).text


def _answer(result: ToolResult) -> tuple[str, dict[str, Any]]:
    if result.error is not None:
        raise ToolException(result.text)
    return result.text, artifact_of(result)


def thread_of(config: RunnableConfig) -> str | None:
    """Return LangGraph's `thread_id`, by which conversations are told apart, if there is one."""
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

    @property
    def session(self) -> ToolSession:
        """What runs the tools; loaders and retrievers that are given this toolkit share it."""
        return self._toolkit.session

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, as `create_agent(tools=…)` or `model.bind_tools` takes them."""
        session = self._toolkit.session
        return [MultiMailTool(spec, session) for spec in self._toolkit.specs]

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to these addresses, which app code took from the user's own words.

        Args:
            addresses: The addresses.
            session_id: LangGraph's `thread_id`; default all conversations of this toolkit.
        """
        self._toolkit.declare_recipients(addresses, session_id=session_id)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint; call it where the model's context starts afresh too.

        Args:
            session_id: LangGraph's `thread_id`; default the one of calls that come with none.
        """
        self._toolkit.reset(session_id)

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self._toolkit.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        await self._toolkit.aclose()


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    pack = ApproverToolkit

    # Said again for type checkers: they give a pydantic model without `__init__` one of its fields.
    def __init__(self, api_key: str | None = None, **options: Unpack[ToolkitOptions]) -> None:
        super().__init__(api_key, **options)
