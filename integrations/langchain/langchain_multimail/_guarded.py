"""The guard around an agent's other LangChain tools."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self, get_type_hints

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from multimail.tools import Approve, CallRefusedError, ToolGuard
from multimail.trust import GuardDecision

from ._toolkit import get_thread_id


class _RefusedError(ToolException):
    """The guard's refusal, which the model is shown."""


class GuardedTool(BaseTool):
    """Another tool, which runs only if the guard of the toolkit's conversation lets it.

    A held call pauses a LangGraph run that has a `thread_id`, as `HumanInTheLoopMiddleware` does:
    resume it with `Command(resume={"decisions": [{"type": "approve"}]})`, or `reject`. Elsewhere it
    is refused, and so is a second one in the same task, as in a `ToolNode` that runs several calls:
    it could take the answer to the first. `create_agent` has a task for each call.
    """

    _tool: BaseTool = PrivateAttr()
    _guard: ToolGuard = PrivateAttr()
    _session_id: str | None = PrivateAttr()

    @classmethod
    def wrap(cls, tool: BaseTool, guard: ToolGuard, session_id: str | None) -> Self:
        """Return the tool with the guard around it.

        Args:
            tool: Any LangChain tool.
            guard: Of the agent's tools.
            session_id: The conversation of calls without a `thread_id`.
        """
        fields: dict[str, Any] = {name: getattr(tool, name) for name in BaseTool.model_fields}
        fields["args_schema"] = tool.args_schema or tool.get_input_schema()
        fields["handle_tool_error"] = functools.partial(_explain_error, tool.handle_tool_error)
        guarded = cls(**fields)
        guarded._tool, guarded._guard, guarded._session_id = tool, guard, session_id
        return guarded

    def _run(
        self, *args: Any, config: RunnableConfig, run_manager: Any = None, **named: Any
    ) -> Any:
        extra = _select_extra(self._tool._run, config, run_manager)
        try:
            return self._guard.call(
                self.name,
                self._list_arguments(args, named),
                lambda: self._tool._run(*args, **named, **extra),
                session_id=get_thread_id(config) or self._session_id,
                approve=self._get_approve(config),
            )
        except CallRefusedError as error:
            raise _RefusedError(error.message) from None

    async def _arun(
        self, *args: Any, config: RunnableConfig, run_manager: Any = None, **named: Any
    ) -> Any:
        extra = _select_extra(self._tool._arun, config, run_manager)
        try:
            return await self._guard.acall(
                self.name,
                self._list_arguments(args, named),
                lambda: self._tool._arun(*args, **named, **extra),
                session_id=get_thread_id(config) or self._session_id,
                approve=self._get_async_approve(config),
            )
        except CallRefusedError as error:
            raise _RefusedError(error.message) from None

    def _list_arguments(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model's arguments, without what LangChain injects."""
        names = self._tool.args
        fields: Mapping[str, Any] = getattr(self._tool.get_input_schema(), "model_fields", {})
        by_signature: frozenset[str] = getattr(self._tool, "_injected_args_keys", frozenset())
        injected = (fields.keys() | by_signature) - names.keys()
        # A JSON schema lets through arguments that it does not name.
        shown = {name: value for name, value in named.items() if name not in injected}
        return dict(zip(names, args, strict=False)) | shown

    def _get_question(self, config: RunnableConfig) -> tuple[str, bool] | None:
        """Return what an answer to a pause is found by, and whether that is a task's; or None.

        Calls of one task get the answers in the order in which they happen to ask.
        """
        thread = get_thread_id(config)
        if self._guard.asks or thread is None:
            return None
        task = str(config.get("configurable", {}).get("checkpoint_ns", ""))
        return f"{thread}|{task}", bool(task)

    def _get_approve(self, config: RunnableConfig) -> Approve | None:
        if (question := self._get_question(config)) is None:
            return None
        key, is_shared = question

        def ask(name: str, arguments: Mapping[str, Any], decision: GuardDecision) -> bool | None:
            if is_shared and not self._guard.claim(key, name, arguments):
                return None
            return _interrupt(name, arguments, decision)

        return ask

    def _get_async_approve(self, config: RunnableConfig) -> Approve | None:
        if (question := self._get_question(config)) is None:
            return None
        key, is_shared = question

        async def ask(
            name: str, arguments: Mapping[str, Any], decision: GuardDecision
        ) -> bool | None:
            if is_shared and not await self._guard.aclaim(key, name, arguments):
                return None
            return _interrupt(name, arguments, decision)

        return ask


# LangChain reads annotations for every call, and compiles those that are text.
for _method in (GuardedTool._run, GuardedTool._arun):
    _method.__annotations__ = get_type_hints(_method)


def _select_extra(
    method: Callable[..., Any], config: RunnableConfig, run_manager: Any
) -> dict[str, Any]:
    """Return the parameters that LangChain passes to a tool that asks for them."""
    parameters = inspect.signature(method).parameters
    extra = {"config": config, "run_manager": run_manager}
    return {name: value for name, value in extra.items() if name in parameters}


def _explain_error(handle: Any, error: ToolException) -> Any:
    if isinstance(error, _RefusedError) or handle is True:
        return str(error) or "The tool failed."
    if not handle:
        raise error
    return handle if isinstance(handle, str) else handle(error)


def _interrupt(name: str, arguments: Mapping[str, Any], decision: GuardDecision) -> bool | None:
    """Pause the run until a human decides; None where it cannot be paused."""
    try:
        from langgraph.types import interrupt
    except ImportError:
        return None
    description = " ".join(decision.approver_reasons)
    action = {"name": name, "args": dict(arguments), "description": description}
    review = {"action_name": name, "allowed_decisions": ["approve", "reject"]}
    try:
        answer = interrupt({"action_requests": [action], "review_configs": [review]})
    except (KeyError, RuntimeError):
        return None  # it was called outside a graph
    decisions = answer.get("decisions", [{}]) if isinstance(answer, Mapping) else [{}]
    return bool(decisions) and decisions[0].get("type") == "approve"
