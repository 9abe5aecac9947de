"""The guard around an agent's other Agno tools."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from agno.run import RunContext
from agno.tools import Function, Toolkit

from multimail.tools import CallRefusedError, ToolGuard


def guard_tool(tool: Any, guard: ToolGuard, session_id: str | None) -> list[Function]:
    """Return a function or the functions of a toolkit with the guard around each.

    Agno pauses a run only for functions with `requires_confirmation`: their calls were confirmed
    when they run. Other held calls are refused unless `approve` asks a human.

    Args:
        tool: A `Function`, a plain function or a `Toolkit`; one that connects, such as
            `MCPTools`, has to be connected already.
        guard: Of the agent's tools.
        session_id: The conversation of calls for which Agno passes none.

    Returns:
        The guarded functions; none for what is no tool, or has none.
    """
    if isinstance(tool, Toolkit):
        named = {**tool.functions, **tool.async_functions}
        return [_guard_function(function, guard, session_id) for function in named.values()]
    if isinstance(tool, Function):
        return [_guard_function(tool, guard, session_id)]
    if not callable(tool):
        return []
    inner = getattr(tool, "func", tool)  # of a `functools.partial`
    name = getattr(inner, "__name__", type(inner).__name__)  # an object with `__call__` has none
    function = Function(name=name, entrypoint=tool)
    return [_guard_function(function, guard, session_id)]


def _guard_function(function: Function, guard: ToolGuard, session_id: str | None) -> Function:
    guarded = function.model_copy()
    hook = _build_hook(guard, session_id, is_confirmed=bool(function.requires_confirmation))
    guarded.tool_hooks = [hook, *(function.tool_hooks or ())]
    guarded.cache_results = False
    return guarded


def _build_hook(
    guard: ToolGuard, session_id: str | None, *, is_confirmed: bool
) -> Callable[..., Any]:
    """Return a hook for synchronous and asynchronous runs; Agno skips coroutines in the former."""
    approve = _confirm if is_confirmed and not guard.asks else None

    def hook(
        function_name: str,
        function_call: Callable[..., Any],
        arguments: dict[str, Any],
        run_context: RunContext | None = None,
    ) -> Any:
        conversation = run_context.session_id if run_context is not None else session_id

        def work() -> Any:
            return function_call(**arguments)

        options: dict[str, Any] = {"session_id": conversation, "approve": approve}
        try:
            if inspect.iscoroutinefunction(function_call):
                return _explain_refusal(guard.acall(function_name, arguments, work, **options))
            return guard.call(function_name, arguments, work, **options)
        except CallRefusedError as error:
            return error.message

    return hook


async def _explain_refusal(call: Any) -> Any:
    try:
        return await call
    except CallRefusedError as error:
        return error.message


def _confirm(name: str, arguments: Mapping[str, Any], decision: object) -> bool:
    """Let a call run: Agno runs it only after a human confirmed it."""
    del name, arguments, decision
    return True
