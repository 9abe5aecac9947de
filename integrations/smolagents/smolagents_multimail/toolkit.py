"""The catalogue's tools as smolagents tools. Only translation: `multimail` says what they do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from smolagents import Tool, ToolCollection

from multimail.tools import ApproverToolkit, Toolkit, ToolResult, ToolSession, ToolSpec


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

    def __init__(self, spec: ToolSpec, session: ToolSession, session_id: str) -> None:
        self.name = spec.name
        self.description = spec.description
        self.inputs = _inputs(spec)
        self.output_type = "object"
        self.output_schema = spec.output_schema()
        self._call = _bound(spec, session, session_id)
        super().__init__()

    def forward(self, *values: Any, **arguments: Any) -> Reply:
        """Run the tool; code may pass its arguments by position."""
        named = dict(zip(self.inputs, values, strict=False)) | arguments
        if len(values) > len(self.inputs):
            named["too_many_arguments"] = len(values)
        return Reply(self._call(named))


def _bound(
    spec: ToolSpec, session: ToolSession, session_id: str
) -> Callable[[Mapping[str, Any]], ToolResult]:
    """Return the call of a tool as a function: a CodeAgent's code could read attributes."""

    def call(arguments: Mapping[str, Any]) -> ToolResult:
        return session.call(spec, arguments, session_id=session_id)

    return call


def _inputs(spec: ToolSpec) -> dict[str, dict[str, Any]]:
    """Return the arguments as smolagents spells them: flat types, with `nullable` beside them."""
    schema = spec.schema()
    needed = schema.get("required", ())
    return {
        name: _input(shape) if name in needed else _optional(_input(shape))
        for name, shape in schema["properties"].items()
    }


def _input(shape: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: shape[name] for name in ("type", "description", "items", "enum") if name in shape}
    if "items" in flat:
        flat["description"] = f"List of text. {flat['description']}"
    return flat


def _optional(shape: dict[str, Any]) -> dict[str, Any]:
    """Say so in words too: what smolagents shows a model has no mark for it."""
    said = shape["description"]
    return shape | {
        "description": said if "Default" in said else f"{said} Optional.",
        "nullable": True,
    }


class MultiMailToolkit(Toolkit):
    """The agent's tools: read, draft, send under oversight. None of them can approve.

    Takes the arguments of `multimail.tools.Toolkit`. smolagents tells a tool nothing of the agent
    that calls it, so each `get_tools()` is a conversation of its own: call it once per agent.

    Raises:
        multimail.ConfigurationError: No key, an unusable URL, or an unknown tool name.
    """

    def get_tools(self, session_id: str | None = None) -> list[Tool]:
        """Return the tools, as `CodeAgent(tools=…)` and `ToolCallingAgent(tools=…)` take them.

        Args:
            session_id: The conversation that they serve; default a new one.
        """
        return _tools(self, session_id)

    def get_collection(self, session_id: str | None = None) -> ToolCollection:
        """Return the same as a `ToolCollection`."""
        return ToolCollection(_tools(self, session_id))


class MultiMailApproverToolkit(ApproverToolkit):
    """The reviewer's tools. Their key has the scopes `read` and `oversight`, and not `send`."""

    def get_tools(self, session_id: str | None = None) -> list[Tool]:
        """Return the tools; see `MultiMailToolkit.get_tools`."""
        return _tools(self, session_id)

    def get_collection(self, session_id: str | None = None) -> ToolCollection:
        """Return the same as a `ToolCollection`."""
        return ToolCollection(_tools(self, session_id))


def _tools(toolkit: Toolkit, session_id: str | None) -> list[Tool]:
    conversation = session_id or f"agent-{secrets.token_hex(8)}"
    return [MultiMailTool(spec, toolkit.session, conversation) for spec in toolkit.specs]
