"""Converts the catalogue's tools into CrewAI tools."""

from __future__ import annotations

from typing import Any, Self

from crewai.execution import get_execution_uuid
from crewai.tools import BaseTool, EnvVar, ToolFailure
from pydantic import PrivateAttr

from multimail.tools import APPROVER_TOOLS, ToolkitBase, ToolResult, ToolSession, ToolSpec

# JSON doubles a text of only quotes and line breaks, and half of this is still a useful text.
_MIN_JSON_CHARS = 2500
_ENVIRONMENT = [
    EnvVar(name="MULTIMAIL_API_KEY", description="The API key", required=False),
    EnvVar(name="MULTIMAIL_API_URL", description="The API, if not hosted", required=False),
    EnvVar(name="MULTIMAIL_MAILBOX", description="The mailbox to use", required=False),
]


def never_cache(_arguments: Any = None, _result: Any = None) -> bool:
    """Keep CrewAI from answering a second call with the result of the first."""
    return False


class MultiMailTool(BaseTool):
    """One tool of the catalogue. Its result is JSON: `text` for the model, and the ids in it."""

    _spec: ToolSpec = PrivateAttr()
    _session: ToolSession = PrivateAttr()
    _session_id: str | None = PrivateAttr()

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str | None = None) -> None:
        super().__init__(
            name=spec.name,
            description=spec.description,
            args_schema=spec.open_args,
            env_vars=_ENVIRONMENT,
            cache_function=never_cache,
        )
        self._spec, self._session, self._session_id = spec, session, session_id

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that uses the same session: connections cannot be copied."""
        return self.__copy__()

    def _run(self, **arguments: Any) -> Any:
        session_id = get_execution_uuid() or self._session_id
        return _convert(*self._session.call_json(self._spec, arguments, session_id=session_id))

    async def _arun(self, **arguments: Any) -> Any:
        session_id = get_execution_uuid() or self._session_id
        call = self._session.acall_json(self._spec, arguments, session_id=session_id)
        return _convert(*await call)


def _convert(result: ToolResult, text: str) -> str | ToolFailure:
    if result.error is None:
        return text
    return ToolFailure(
        message=result.text, code=result.error.code, retryable=result.error.retryable
    )


class MultiMailToolkit(ToolkitBase[BaseTool]):
    """The agent's tools for a crew: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `Agent(tools=…)` takes. A conversation is a run of the crew, its kickoff.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, an unknown tool name, or `max_chars`
            under 2,500.
    """

    min_chars = _MIN_JSON_CHARS

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> BaseTool:
        return MultiMailTool(spec, self.session, session_id)


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
