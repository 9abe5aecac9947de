"""Converts the catalogue's tools into function tools of the OpenAI Agents SDK."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack

from agents import FunctionTool, RunContextWrapper
from agents.tool import FunctionToolCustomDataContext
from agents.tool_context import ToolContext

from multimail.tools import (
    APPROVER_TOOLS,
    Approve,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolkitOptions,
    ToolSpec,
)
from multimail.trust import Action, GuardDecision

_NO_CALL = "multimail: no call has this id"


class MultiMailToolkit(ToolkitBase[FunctionTool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `Agent(tools=…)` takes. The SDK tells a tool no id of its session: name the conversation,
    `get_tools("ticket-17")`, or let `find_session` find it in the run's context. Agents that hand
    off to each other have to share it.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        find_session: Returns the conversation of a run from what was passed as
            `Runner.run(context=…)`; None for the default.
        needs_approval: Tools before which the run is interrupted until `RunState.approve`.
        interrupts: Whether a held call of a `guarded` tool interrupts the run in the same way. By
            default it is refused. An approval that stands for all calls (`always_approve`) is none.
        strict: Whether OpenAI must keep to the tools' schemas; False for models that cannot.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        find_session: Callable[[Any], str | None] | None = None,
        needs_approval: Iterable[str] = (),
        interrupts: bool = False,
        strict: bool = True,
        **options: Unpack[ToolkitOptions],
    ) -> None:
        super().__init__(api_key, **options)
        self._find_session, self._strict = find_session, strict
        self._interrupts = interrupts
        self._needs_approval = self.check_names(needs_approval)

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> FunctionTool:
        facts: dict[str, dict[str, Any]] = {}

        async def run(context: ToolContext[Any], arguments: str) -> str:
            session = self.get_session_id(context, session_id)
            result = await self.session.acall(spec, arguments, session_id=session)
            facts[context.tool_call_id] = result.as_data()
            return result.text

        def get_facts(given: FunctionToolCustomDataContext) -> Mapping[str, Any] | None:
            return facts.pop(given.tool_context.tool_call_id, None)

        return FunctionTool(
            name=spec.name,
            description=spec.description,
            params_json_schema=spec.schema("strict" if self._strict else "short"),
            on_invoke_tool=run,
            strict_json_schema=self._strict,
            needs_approval=spec.name in self._needs_approval,
            custom_data_extractor=get_facts,
        )

    def get_session_id(self, context: RunContextWrapper[Any], session_id: str | None) -> str | None:
        """Return the conversation of a run; None for the default."""
        return session_id or (self._find_session(context.context) if self._find_session else None)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[FunctionTool]:
        if not isinstance(tool, FunctionTool):
            return super()._build_guarded(tool, guard, session_id)
        return [self._guard_tool(tool, guard, session_id)]

    def _guard_tool(
        self, tool: FunctionTool, guard: ToolGuard, session_id: str | None
    ) -> FunctionTool:
        """Return a function tool that runs only if the guard of the conversation lets it."""
        interrupts = self._interrupts and not guard.asks

        async def needs_approval(
            context: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str
        ) -> bool:
            if await _ask_own(tool, context, arguments, call_id):
                return True
            session = self.get_session_id(context, session_id)
            decision = await guard.acheck(tool.name, arguments, session_id=session)
            return decision.action is Action.HOLD

        async def run(context: ToolContext[Any], arguments: str) -> Any:
            try:
                parsed = json.loads(arguments or "{}")
                return await guard.acall(
                    tool.name, parsed, lambda: tool.on_invoke_tool(context, arguments),
                    session_id=self.get_session_id(context, session_id),
                    approve=_read_approval(context) if interrupts else None,
                )  # fmt: skip
            except CallRefusedError as error:
                return error.message
            except json.JSONDecodeError:
                return "The arguments were not JSON, so nothing was done. Call again."

        asks = needs_approval if interrupts else tool.needs_approval
        return dataclasses.replace(tool, on_invoke_tool=run, needs_approval=asks)


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS


async def _ask_own(
    tool: FunctionTool, context: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str
) -> bool:
    """Return whether a tool asks for an approval by itself."""
    own = tool.needs_approval
    answer = own(context, arguments, call_id) if callable(own) else own
    return bool(await answer if inspect.isawaitable(answer) else answer)


def _read_approval(context: ToolContext[Any]) -> Approve:
    def ask(name: str, arguments: Mapping[str, Any], decision: GuardDecision) -> bool:
        del arguments, decision
        is_standing = context.is_tool_approved(name, _NO_CALL) is True
        return not is_standing and context.is_tool_approved(name, context.tool_call_id) is True

    return ask
