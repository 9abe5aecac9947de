"""The catalogue's tools as an Agno toolkit. Only translation: `multimail` says what they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Unpack

from agno.run import RunContext
from agno.tools import Function
from agno.tools import Toolkit as AgnoToolkit
from agno.tools.function import ToolResult as AgnoResult

from multimail.tools import (
    AGENT_INSTRUCTIONS,
    ApproverToolkit,
    Toolkit,
    ToolkitOptions,
    ToolResult,
    ToolSession,
    ToolSpec,
)


class MultiMailToolkit(AgnoToolkit):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.Toolkit`, and Agno's own. Conversations are told apart
    by Agno's `session_id`; the members of a team share their run's.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        include_tools: Agno's name for `include`.
        exclude_tools: Agno's name for `exclude`.
        requires_confirmation_tools: Tools before which the run pauses until it is confirmed.
        instructions: What an agent that holds them is told; default the catalogue's.
        add_instructions: Whether that is put into the system message.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    pack: ClassVar[type[Toolkit]] = Toolkit
    guidance: ClassVar[str | None] = AGENT_INSTRUCTIONS

    def __init__(
        self,
        api_key: str | None = None,
        *,
        include_tools: Iterable[str] | None = None,
        exclude_tools: Iterable[str] | None = None,
        requires_confirmation_tools: Iterable[str] | None = None,
        instructions: str | None = None,
        add_instructions: bool = True,
        **options: Unpack[ToolkitOptions],
    ) -> None:
        if include_tools is not None:
            options["include"] = include_tools
        if exclude_tools is not None:
            options["exclude"] = exclude_tools
        toolkit = self.pack(api_key, **options)
        confirmed = list(requires_confirmation_tools or ())
        for name in confirmed:
            toolkit.spec(name)  # Agno itself only warns of a name that does not exist.
        self._multimail = toolkit
        super().__init__(
            name="multimail",
            tools=[
                function for spec in toolkit.specs for function in _functions(spec, toolkit.session)
            ],
            instructions=instructions or self.guidance,
            add_instructions=add_instructions and bool(instructions or self.guidance),
            requires_confirmation_tools=confirmed,
        )

    def get_tools(self) -> list[Function]:
        """Return the tools one by one, for a list that mixes them with others."""
        return list(self.functions.values())

    def declare_recipients(
        self, addresses: Iterable[str], *, session_id: str | None = None
    ) -> None:
        """Let the agent write to these addresses, which app code took from the user's own words.

        Args:
            addresses: The addresses.
            session_id: Agno's `session_id`; default all conversations of this toolkit.
        """
        self._multimail.declare_recipients(addresses, session_id=session_id)

    def reset(self, session_id: str | None = None) -> None:
        """Forget a conversation's taint; call it where the model's context starts afresh too.

        Args:
            session_id: Agno's `session_id`; default the one of calls that come with none.
        """
        self._multimail.reset(session_id)

    def close(self) -> None:
        """Close the connections of synchronous calls."""
        self._multimail.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop's calls, and of synchronous ones."""
        await self._multimail.aclose()


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    pack = ApproverToolkit
    guidance = None


def _functions(spec: ToolSpec, session: ToolSession) -> list[Function]:
    """Return the tool for `run` and for `arun`; Agno tells the two apart by their entrypoint."""

    def call(run_context: RunContext | None = None, **arguments: Any) -> AgnoResult:
        return _answer(session.call(spec, arguments, session_id=_conversation(run_context)))

    async def acall(run_context: RunContext | None = None, **arguments: Any) -> AgnoResult:
        result = await session.acall(spec, arguments, session_id=_conversation(run_context))
        return _answer(result)

    # Agno reads them again for every call, and compiles the ones that are text.
    call.__annotations__ = acall.__annotations__ = _ANNOTATIONS
    return [_function(spec, call), _function(spec, acall)]


_ANNOTATIONS: dict[str, Any] = {"run_context": RunContext | None, "arguments": Any}


def _function(
    spec: ToolSpec, entrypoint: Callable[..., AgnoResult | Awaitable[AgnoResult]]
) -> Function:
    return Function(
        name=spec.name,
        description=spec.description,
        parameters=spec.schema(),
        entrypoint=entrypoint,
        skip_entrypoint_processing=True,
        cache_results=False,
    )


def _answer(result: ToolResult) -> AgnoResult:
    return AgnoResult(content=result.text)


def _conversation(context: RunContext | None) -> str | None:
    return context.session_id if context is not None else None
