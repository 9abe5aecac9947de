"""Converts the catalogue's tools into an Agno toolkit."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Self, Unpack

from agno.run import RunContext
from agno.tools import Function
from agno.tools import Toolkit as AgnoToolkit
from agno.tools.function import ToolResult as AgnoResult
from pydantic import Field

from multimail.tools import (
    AGENT_INSTRUCTIONS,
    APPROVER_TOOLS,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolResult,
    ToolSession,
    ToolSpec,
    build_unpickled,
)

from ._guarded import guard_tool
from ._user_turns import list_user_turns


class MultiMailToolkit(ToolkitBase[Function], AgnoToolkit):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`, and Agno's own. A conversation is Agno's
    `session_id`; the members of a team share that of their run. With `user_turns=True` the input of
    a run counts as the user's words, for an agent or a team's leader that people chat with.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        include_tools: Agno's name for `include`.
        exclude_tools: Agno's name for `exclude`.
        requires_confirmation_tools: Tools before which the run pauses until it is confirmed.
        instructions: Instructions for an agent that has these tools; default the catalogue's.
        add_instructions: Whether they are added to the system message.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    keeps_user_turns: ClassVar[bool] = True
    default_instructions: ClassVar[str | None] = AGENT_INSTRUCTIONS

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
        ToolkitBase.__init__(self, api_key, **options)
        # Agno itself only warns of a name that does not exist.
        confirmed = sorted(self.check_names(requires_confirmation_tools or ()))
        instructions = instructions or self.default_instructions
        AgnoToolkit.__init__(
            self,
            name="multimail",
            # Agno keeps the synchronous and the asynchronous functions apart by their entrypoint.
            tools=[
                *(self._build_tool(spec, None) for spec in self.specs),
                *(_build_function(spec, _bind_async(spec, self.session)) for spec in self.specs),
            ],
            instructions=instructions,
            add_instructions=add_instructions and bool(instructions),
            requires_confirmation_tools=confirmed,
        )
        self._arguments = {
            "requires_confirmation_tools": confirmed,
            "instructions": instructions,
            "add_instructions": add_instructions,
        }
        self._keep_strict_parameters(self.functions)
        self._keep_strict_parameters(self.async_functions)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how it was built: Agno's functions are closures."""
        options, declared = self.session.get_pickled()
        names = [spec.name for spec in self.specs]
        options = {**options, **self._arguments, "include_tools": names}
        return build_unpickled, (type(self), options, declared)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def _keep_strict_parameters(self, functions: dict[str, Function]) -> None:
        """Put back what Agno's toolkit drops when it registers a function as its own."""
        for spec in self.specs:
            # Agno sends each flag that is set to the model's API, also one that is false.
            registered = {name: value for name, value in functions[spec.name] if value is not False}
            functions[spec.name] = MultiMailFunction(
                **registered, strict_parameters=spec.schema("strict")
            )

    def get_tools(self, session_id: str | None = None) -> list[Function]:
        """Return the tools one by one, for a list that mixes them with others.

        Args:
            session_id: The conversation of calls for which Agno passes none.
        """
        if session_id is None:
            return list(self.functions.values())
        return super().get_tools(session_id)

    def _drop_tools(self, names: tuple[str, ...]) -> None:
        super()._drop_tools(names)
        for name in names:
            getattr(self, "functions", {}).pop(name, None)
            getattr(self, "async_functions", {}).pop(name, None)

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> Function:
        return _build_function(spec, _bind_sync(spec, self.session, session_id))

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[Function]:
        return guard_tool(tool, guard, session_id) or super()._build_guarded(
            tool, guard, session_id
        )


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
    default_instructions = None


def _bind_sync(
    spec: ToolSpec, session: ToolSession, session_id: str | None
) -> Callable[..., AgnoResult]:
    def call(
        run_context: RunContext | None = None,
        _agno_agent: Any = None,
        _agno_team: Any = None,
        **arguments: Any,
    ) -> AgnoResult:
        conversation = run_context.session_id if run_context is not None else session_id
        turns = list_user_turns(run_context, _agno_agent, _agno_team)
        session.declare_turns(turns, session_id=conversation)
        return _convert(session.call(spec, arguments, session_id=conversation))

    # Agno reads annotations for every call, and compiles those that are text.
    call.__annotations__ = _ANNOTATIONS
    return call


def _bind_async(spec: ToolSpec, session: ToolSession) -> Callable[..., Awaitable[AgnoResult]]:
    async def call(
        run_context: RunContext | None = None,
        _agno_agent: Any = None,
        _agno_team: Any = None,
        **arguments: Any,
    ) -> AgnoResult:
        conversation = run_context.session_id if run_context is not None else None
        turns = list_user_turns(run_context, _agno_agent, _agno_team)
        declare = partial(session.declare_turns, session_id=conversation)
        await session.run_off_loop(declare, turns)
        return _convert(await session.acall(spec, arguments, session_id=conversation))

    call.__annotations__ = _ANNOTATIONS
    return call


_ANNOTATIONS: dict[str, Any] = {
    "run_context": RunContext | None, "_agno_agent": Any, "_agno_team": Any, "arguments": Any
}  # fmt: skip


class MultiMailFunction(Function):
    """One tool of the catalogue, which Agno makes strict where the agent's answer has a schema."""

    strict_parameters: dict[str, Any] = Field(exclude=True)
    """The parameters for that: each is required, and the optional ones take `null`."""

    def process_schema_for_strict(self) -> None:
        """Make each argument required."""
        self.parameters = self.strict_parameters


def _build_function(
    spec: ToolSpec, entrypoint: Callable[..., AgnoResult | Awaitable[AgnoResult]]
) -> MultiMailFunction:
    return MultiMailFunction(
        name=spec.name,
        description=spec.description,
        parameters=spec.schema(),
        strict_parameters=spec.schema("strict"),
        entrypoint=entrypoint,
        skip_entrypoint_processing=True,
        cache_results=False,
    )


def _convert(result: ToolResult) -> AgnoResult:
    return AgnoResult(content=result.text)
