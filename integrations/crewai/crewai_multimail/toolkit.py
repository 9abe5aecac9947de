"""The catalogue's tools as CrewAI tools. Only translation: `multimail` says what they do."""

from __future__ import annotations

from typing import Any, Self

from crewai.execution import get_execution_uuid
from crewai.tools import BaseTool, EnvVar, ToolFailure
from pydantic import PrivateAttr

from multimail.tools import ApproverToolkit, Toolkit, ToolResult, ToolSession, ToolSpec

# JSON doubles a text of nothing but quotes and line breaks, and half of this is a useful text.
_LEAST_JSON = 2500
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

    def __init__(self, spec: ToolSpec, session: ToolSession) -> None:
        super().__init__(
            name=spec.name,
            description=spec.description,
            args_schema=spec.args,
            env_vars=_ENVIRONMENT,
            cache_function=never_cache,
        )
        self._spec, self._session = spec, session

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that works on the same session: connections cannot be copied."""
        return self.__copy__()

    def _run(self, **arguments: Any) -> Any:
        return _answer(
            self._session.call_json(self._spec, arguments, session_id=get_execution_uuid())
        )

    async def _arun(self, **arguments: Any) -> Any:
        answer = await self._session.acall_json(
            self._spec, arguments, session_id=get_execution_uuid()
        )
        return _answer(answer)


def _answer(answer: tuple[ToolResult, str]) -> str | ToolFailure:
    result, text = answer
    if result.error is None:
        return text
    return ToolFailure(
        message=result.text, code=result.error.code, retryable=result.error.retryable
    )


class MultiMailToolkit(Toolkit):
    """The agent's tools for a crew: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.Toolkit`. Conversations are told apart by the crew's
    run, its kickoff.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, an unknown tool name, or `max_chars`
            under 2,500.
    """

    least_chars = _LEAST_JSON

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, as `Agent(tools=…)` takes them."""
        return [MultiMailTool(spec, self.session) for spec in self.specs]


class MultiMailApproverToolkit(ApproverToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    least_chars = _LEAST_JSON

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, as `Agent(tools=…)` takes them."""
        return [MultiMailTool(spec, self.session) for spec in self.specs]
