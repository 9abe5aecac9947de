"""Converts the catalogue's tools into CrewAI tools."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any, Self

from crewai.execution import get_execution_uuid
from crewai.tools import BaseTool, EnvVar, ToolFailure
from pydantic import PrivateAttr

from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolResult,
    ToolSession,
    ToolSpec,
)

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
            args_schema=spec.build_open_args("nullable"),
            env_vars=_ENVIRONMENT,
            cache_function=never_cache,
        )
        self._spec, self._session, self._session_id = spec, session, session_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._spec, self._session, self._session_id)

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


class GuardedTool(BaseTool):
    """Another tool, which runs only if the guard of the toolkit's conversation lets it.

    CrewAI cannot pause a run for one call: a held call is refused unless `approve` asks a human.
    """

    _tool: BaseTool = PrivateAttr()
    _guard: ToolGuard = PrivateAttr()
    _session_id: str | None = PrivateAttr()

    @classmethod
    def wrap(cls, tool: BaseTool, guard: ToolGuard, session_id: str | None) -> Self:
        """Return the tool with the guard around it.

        Args:
            tool: Any tool of CrewAI.
            guard: Of the agent's tools.
            session_id: The conversation of calls outside a crew's run.
        """
        fields = {name: getattr(tool, name) for name in _COPIED_FIELDS if hasattr(tool, name)}
        guarded = cls(**fields, cache_function=never_cache)
        guarded._tool, guarded._guard, guarded._session_id = tool, guard, session_id
        return guarded

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that uses the same tool and conversation."""
        return self.__copy__()

    def _run(self, **arguments: Any) -> Any:
        session_id = get_execution_uuid() or self._session_id
        try:
            return self._guard.call(
                self.name,
                arguments,
                lambda: _settle(self._tool._run(**arguments)),
                session_id=session_id,
            )
        except CallRefusedError as error:
            return ToolFailure(message=error.message, code=error.code, retryable=False)

    async def _arun(self, **arguments: Any) -> Any:
        session_id = get_execution_uuid() or self._session_id
        try:
            return await self._guard.acall(
                self.name,
                arguments,
                lambda: self._start(arguments),
                session_id=session_id,
            )
        except CallRefusedError as error:
            return ToolFailure(message=error.message, code=error.code, retryable=False)

    async def _start(self, arguments: dict[str, Any]) -> Any:
        try:
            return await self._tool._arun(**arguments)
        except NotImplementedError:
            return await asyncio.to_thread(self._tool._run, **arguments)


_COPIED_FIELDS = (
    *("name", "description", "env_vars", "args_schema", "result_schema", "result_as_answer"),
    *("max_usage_count", "tool_failure_policy"),
)


def _settle(result: Any) -> Any:
    """Return the result of a tool whose function may be a coroutine, as CrewAI runs it."""
    return asyncio.run(result) if inspect.iscoroutine(result) else result


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

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[BaseTool]:
        if not isinstance(tool, BaseTool):
            return super()._build_guarded(tool, guard, session_id)
        return [GuardedTool.wrap(tool, guard, session_id)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
