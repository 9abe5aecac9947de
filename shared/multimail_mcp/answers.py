"""Answers: a tool and its result in the protocol's words, as JSON-able data."""

from __future__ import annotations

from typing import Any

from multimail.tools import SAFE_FACTS, ToolResult, ToolSpec

FILES_META = "dev.multimail/files"
"""Where a result's `_meta` holds attachments, which are for code and never for a model."""


def tool_of(spec: ToolSpec, *, full_data: bool) -> dict[str, Any]:
    """Return a tool as `tools/list` shows it.

    Args:
        spec: The tool.
        full_data: Whether its results hold all facts; see `McpServer`.
    """
    output = spec.output_schema()
    return {
        "name": spec.name,
        "title": spec.title,
        "description": spec.description,
        "inputSchema": spec.schema(),
        "outputSchema": output if full_data else _own_words_of(output),
        "annotations": {
            "title": spec.title,
            "readOnlyHint": spec.hints.read_only,
            "destructiveHint": spec.hints.destructive,
            "idempotentHint": spec.hints.idempotent,
            "openWorldHint": spec.hints.open_world,
        },
    }


def _own_words_of(output: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a result's schema that never holds a sender's words."""
    kept = {
        name: shape
        for name, shape in output["properties"].items()
        if name in ("ok", "text", *SAFE_FACTS)
    }
    plain = {name: value for name, value in output.items() if name != "$defs"}
    return {**plain, "properties": kept}


def result_of(result: ToolResult, *, full_data: bool) -> dict[str, Any]:
    """Return a result as `tools/call` answers it. An error is a result too.

    Args:
        result: What the tool answered.
        full_data: Whether the structured content holds all facts; see `McpServer`.
    """
    facts = result.as_data() if full_data else result.safe_facts()
    if result.error is not None:
        facts["error"] = result.error.as_data()
    answer: dict[str, Any] = {
        "content": [{"type": "text", "text": result.text}],
        "structuredContent": {**facts, "ok": result.ok, "text": result.text},
        "isError": not result.ok,
    }
    if result.files:
        answer["_meta"] = {FILES_META: result.as_artifact()["files"]}
    return answer
