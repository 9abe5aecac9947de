"""Conversion of tools and their results to the protocol's types, as JSON-serializable data."""

from __future__ import annotations

from typing import Any

from multimail.tools import SAFE_FACTS, ToolResult, ToolSpec

FILES_META = "dev.multimail/files"
"""The key in a result's `_meta` for attachments, which are for code and never for a model."""


def build_tool(spec: ToolSpec, *, full_data: bool) -> dict[str, Any]:
    """Return a tool as `tools/list` returns it.

    Args:
        spec: The tool.
        full_data: Whether its results contain all data; see `McpServer`.
    """
    output = spec.output_schema()
    return {
        "name": spec.name,
        "title": spec.title,
        "description": spec.description,
        "inputSchema": spec.schema(),
        "outputSchema": output if full_data else _keep_own_words(output),
        "annotations": {
            "title": spec.title,
            "readOnlyHint": spec.hints.read_only,
            "destructiveHint": spec.hints.destructive,
            "idempotentHint": spec.hints.idempotent,
            "openWorldHint": spec.hints.open_world,
        },
    }


def _keep_own_words(output: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an output schema that never contains a sender's words."""
    properties = {
        name: schema
        for name, schema in output["properties"].items()
        if name in ("ok", "text", *SAFE_FACTS)
    }
    without_definitions = {name: value for name, value in output.items() if name != "$defs"}
    return {**without_definitions, "properties": properties}


def build_result(result: ToolResult, *, full_data: bool) -> dict[str, Any]:
    """Return a result as `tools/call` returns it. An error is a result too.

    Args:
        result: The tool's result.
        full_data: Whether the structured content contains all data; see `McpServer`.
    """
    data = result.as_data() if full_data else result.safe_facts()
    if result.error is not None:
        data["error"] = result.error.as_data()
    response: dict[str, Any] = {
        "content": [{"type": "text", "text": result.text}],
        "structuredContent": {**data, "ok": result.ok, "text": result.text},
        "isError": not result.ok,
    }
    if result.files:
        response["_meta"] = {FILES_META: result.as_artifact()["files"]}
    return response
