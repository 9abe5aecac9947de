"""Converts the catalogue's tools into smolagents tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from textwrap import indent
from typing import Any

from smolagents import Tool, ToolCollection

from multimail.tools import (
    APPROVER_TOOLS,
    CallRefusedError,
    ToolGuard,
    ToolkitBase,
    ToolResult,
    ToolSession,
    ToolSpec,
)


class Reply(dict[str, Any]):
    """A tool's result: facts for code to index, and text for a model that sees it printed."""

    def __init__(self, result: ToolResult) -> None:
        super().__init__({**result.as_data(), "ok": result.ok, "text": result.text})

    def __str__(self) -> str:
        return str(self["text"])

    __repr__ = __str__


class MultiMailTool(Tool):  # type: ignore[misc]
    """One tool of the catalogue."""

    skip_forward_signature_validation = True
    """The arguments are those of the catalogue's schema, which `inputs` shows."""

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str | None) -> None:
        self.name = spec.name
        self.description = spec.description
        self.inputs = _convert_schema(spec)
        self.output_type = "object"
        self.output_schema = spec.output_schema()
        self._code_prompt = _build_code_prompt(spec)
        self._call = _bind_call(spec, session, session_id)
        super().__init__()

    def to_dict(self) -> dict[str, Any]:
        """Refuse to become source code, which `save` and the remote executors ask for.

        Raises:
            TypeError: Always: the key and the guard stay in this process.
        """
        raise TypeError(
            f"{self.name} can't be copied as source code: it holds a connection and the guard. "
            "With executor_type 'e2b', 'docker', 'modal' or 'blaxel' run the whole agent in the "
            "sandbox, or use executor_type='local' or a ToolCallingAgent."
        )

    def to_code_prompt(self) -> str:
        """Return the tool as a CodeAgent's prompt shows it: a function, and its result's keys.

        smolagents' own form repeats the whole schema of the result for each tool.
        """
        return self._code_prompt

    def to_tool_calling_prompt(self) -> str:
        """Return the tool as a ToolCallingAgent's prompt lists it; its schema is sent beside it."""
        return f"{self.name}({', '.join(self.inputs)}): {self.description}"

    def forward(self, *values: Any, **arguments: Any) -> Reply:
        """Run the tool; code may pass its arguments by position."""
        named = dict(zip(self.inputs, values, strict=False)) | arguments
        if len(values) > len(self.inputs):
            named["too_many_arguments"] = len(values)
        return Reply(self._call(named))


def _bind_call(
    spec: ToolSpec, session: ToolSession, session_id: str | None
) -> Callable[[Mapping[str, Any]], ToolResult]:
    """Return a tool's call as a closure: a CodeAgent's code could read attributes."""

    def call(arguments: Mapping[str, Any]) -> ToolResult:
        return session.call(spec, arguments, session_id=session_id)

    return call


def _build_code_prompt(spec: ToolSpec) -> str:
    schema = spec.schema()
    required = schema.get("required", ())
    shapes: dict[str, dict[str, Any]] = schema["properties"]
    parameters = [
        f"{name}: {_PYTHON_TYPES[shape['type']]}" + ("" if name in required else " = None")
        for name, shape in shapes.items()
    ]
    lines = [
        f'"""{spec.description}',
        *(f"{name}: {shape['description']}" for name, shape in shapes.items()),
        f"Returns {spec.describe_output()}",
        '"""',
    ]
    return (
        f"def {spec.name}({', '.join(parameters)}) -> dict:\n{indent(chr(10).join(lines), '    ')}"
    )


_PYTHON_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list[str]",
}


def _convert_schema(spec: ToolSpec) -> dict[str, dict[str, Any]]:
    """Return the arguments in smolagents' format: flat types, with `nullable` beside them."""
    schema = spec.schema()
    required = schema.get("required", ())
    return {
        name: _flatten(shape) | ({} if name in required else {"nullable": True})
        for name, shape in schema["properties"].items()
    }


def _flatten(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return an argument that takes any value; a model is shown the type in `anyOf` instead.

    The tool checks what it is given; smolagents would refuse what the tool can read.
    """
    flat = {name: shape[name] for name in ("description", "items", "enum") if name in shape}
    return {"type": "any", "anyOf": [{"type": shape["type"]}], **flat}


class GuardedTool(Tool):  # type: ignore[misc]
    """Another tool, which runs only if the guard of the toolkit's conversation lets it.

    smolagents cannot pause a run: a held call is refused unless `approve` asks a human.
    """

    skip_forward_signature_validation = True
    """The arguments are those of the other tool, which `inputs` shows."""

    def __init__(self, tool: Tool, guard: ToolGuard, session_id: str | None) -> None:
        self.name, self.description, self.inputs = tool.name, tool.description, tool.inputs
        self.output_type, self.output_schema = tool.output_type, tool.output_schema
        self._call = _bind_guarded(tool, guard, session_id)
        super().__init__()

    def forward(self, *values: Any, **arguments: Any) -> Any:
        """Run the tool, or return the guard's refusal as text."""
        return self._call(dict(zip(self.inputs, values, strict=False)) | arguments)


def _bind_guarded(
    tool: Tool, guard: ToolGuard, session_id: str | None
) -> Callable[[Mapping[str, Any]], Any]:
    """Return a guarded call as a closure: a CodeAgent's code could read attributes."""

    def call(arguments: Mapping[str, Any]) -> Any:
        try:
            return guard.call(
                tool.name, arguments, lambda: tool(**arguments), session_id=session_id
            )
        except CallRefusedError as error:
            return error.message

    return call


class MultiMailToolkit(ToolkitBase[Tool]):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.ToolkitBase`; `get_tools()` returns what
    `CodeAgent(tools=…)` and `ToolCallingAgent(tools=…)` take. smolagents does not tell a tool
    which agent calls it: name the conversation, `get_tools("ticket-17")`, for each job.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def get_collection(self, session_id: str | None = None) -> ToolCollection:
        """Return the tools as a `ToolCollection`; otherwise like `get_tools`."""
        return ToolCollection(self.get_tools(session_id))

    def _build_tool(self, spec: ToolSpec, session_id: str | None) -> Tool:
        return MultiMailTool(spec, self.session, session_id)

    def _build_guarded(self, tool: Any, guard: ToolGuard, session_id: str | None) -> Iterable[Tool]:
        if not isinstance(tool, Tool):
            return super()._build_guarded(tool, guard, session_id)
        return [GuardedTool(tool, guard, session_id)]


class MultiMailApproverToolkit(MultiMailToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    catalogue = APPROVER_TOOLS
