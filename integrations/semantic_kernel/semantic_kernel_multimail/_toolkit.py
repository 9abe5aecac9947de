"""Converts the catalogue's tools into a Semantic Kernel plugin."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any

from pydantic import PrivateAttr
from semantic_kernel.filters import FunctionInvocationContext
from semantic_kernel.functions import (
    FunctionResult,
    KernelFunction,
    KernelFunctionFromMethod,
    KernelFunctionMetadata,
    KernelParameterMetadata,
    KernelPlugin,
)

from multimail.errors import ConfigurationError
from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolSession,
    ToolSpec,
)

PLUGIN_NAME = "multimail"
_DESCRIPTION = "A mailbox: read, draft and send mail, which a human may have to approve."


class MultiMailFunction(KernelFunction):
    """One tool of the catalogue. Its value is text for the model, its metadata facts for code."""

    _spec: ToolSpec = PrivateAttr()
    _session: ToolSession = PrivateAttr()
    _session_id: str | None = PrivateAttr()

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str | None) -> None:
        super().__init__(
            metadata=KernelFunctionMetadata(
                name=spec.name,
                description=spec.description,
                parameters=_convert_schema(spec),
                is_prompt=False,
            )
        )
        self._spec, self._session, self._session_id = spec, session, session_id

    async def _invoke_internal(self, context: FunctionInvocationContext) -> None:
        """Run the tool. The kernel's arguments may hold others, such as a prompt's variables."""
        names = self._spec.args.model_fields
        arguments = {name: context.arguments[name] for name in names if name in context.arguments}
        result = await self._session.acall(self._spec, arguments, session_id=self._session_id)
        context.result = FunctionResult(
            function=self.metadata,
            value=result.text,
            metadata={"ok": result.ok, **result.as_data()},
        )

    async def _invoke_internal_stream(self, context: FunctionInvocationContext) -> None:
        await self._invoke_internal(context)


def _convert_schema(spec: ToolSpec) -> list[KernelParameterMetadata]:
    schema = spec.schema()
    return [
        KernelParameterMetadata(
            name=name,
            description=shape["description"],
            type=shape["type"],
            is_required=name in schema.get("required", ()),
            schema_data=shape,
        )
        for name, shape in schema["properties"].items()
    ]


def _guard_function(
    function: KernelFunction, guard: ToolGuard, session_id: str | None
) -> KernelFunction:
    """Return a copy of a function that runs only if the guard lets it.

    Semantic Kernel cannot pause a run for one call: a held call is refused, unless `approve` asks a
    human.
    """
    if not isinstance(function, KernelFunctionFromMethod):
        raise ConfigurationError(f"{function.name} is made from a prompt and cannot be guarded.")
    shown = {parameter.name for parameter in function.parameters}

    async def run(**arguments: Any) -> Any:
        async def work() -> Any:
            result = function.method(**arguments)
            return await result if inspect.isawaitable(result) else result

        plain = {name: value for name, value in arguments.items() if name in shown}
        try:
            return await guard.acall(function.name, plain, work, session_id=session_id)
        except CallRefusedError as error:
            return error.message

    guarded = function.model_copy(deep=False)
    guarded.method = functools.wraps(function.method)(run)
    return guarded


class MultiMailToolkit(ToolkitBase[KernelFunction]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`. Semantic Kernel does not tell a function
    which thread it serves: name the conversation, `get_plugin("ticket-17")`, for each job.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def get_plugin(self, session_id: str | None = None, *, name: str = PLUGIN_NAME) -> KernelPlugin:
        """Return the plugin, for `kernel.add_plugin(…)` or `ChatCompletionAgent(plugins=[…])`.

        Args:
            session_id: The conversation that it serves; default the process's.
            name: What the model sees before each function's name: letters, digits, underscores.
        """
        return KernelPlugin(
            name=name, description=_DESCRIPTION, functions=self.get_tools(session_id)
        )

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> KernelFunction:
        return MultiMailFunction(spec, self.session, session_id)

    def _build_guarded(
        self, tool: Any, guard: ToolGuard, session_id: str | None
    ) -> Iterable[KernelFunction]:
        if isinstance(tool, KernelPlugin):
            functions = tool.functions.values()
            return [_guard_function(function, guard, session_id) for function in functions]
        if isinstance(tool, KernelFunctionFromMethod):
            return [_guard_function(tool, guard, session_id)]
        if callable(tool) and hasattr(tool, "__kernel_function__"):
            function = KernelFunctionFromMethod(tool)
            return [_guard_function(function, guard, session_id)]
        return super()._build_guarded(tool, guard, session_id)


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
