"""The page of the tools, generated from the catalogue: texts, arguments, annotations, errors."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from docs_site.markdown import code, table
from multimail import errors
from multimail.tools import (
    AGENT_INSTRUCTIONS,
    AGENT_TOOLS,
    APPROVER_TOOLS,
    PACKS,
    ToolError,
    ToolSpec,
)

INTRODUCTION = """# Tools

This page is generated from the catalogue that every framework's toolkit translates: you read what
a model reads.

Each result has `ok` and `text`; the text has at most `max_chars` (8,000) characters. "Returns"
lists the data of the result, for code. Unknown arguments are errors.
"""
ACCESS = {
    "read": "scope `read`",
    "write": "scope `send`, and `read` for look-ups",
    "approve": "scopes `read` and `oversight`, without `send`",
}
ANYWHERE = ("invalid_arguments", "internal")
LIMITS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", ""),
)


def render() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        "## For an agent",
        _packs(),
        f"Toolkits of frameworks with instructions add these:\n\n> {AGENT_INSTRUCTIONS}",
        *(_tool(spec) for spec in AGENT_TOOLS),
        "## For an approver",
        "`MultiMailApproverToolkit` has these four. An agent's toolkit never has `decide_email`.",
        *(_tool(spec, "approver-") for spec in APPROVER_TOOLS),
        "## Errors",
        _errors(),
    ]
    return "\n\n".join(parts) + "\n"


def _packs() -> str:
    """Return the packs with what is in them, as a list."""
    rows = (f"- {code(pack)}: {', '.join(map(code, names))}" for pack, names in PACKS.items())
    start = "A toolkit has the pack `default`; `include=` takes the names of packs and of tools."
    return "\n".join([start, "", *rows])


def _tool(spec: ToolSpec, prefix: str = "") -> str:
    parts = [
        f"### {code(spec.name)} {{ #{prefix}{spec.name} }}",
        f"> {spec.description}",
        f"Needs: {ACCESS[spec.access]}. Annotations: {_annotations(spec)}.",
        _arguments(spec.schema()),
        f"Returns: {', '.join(_result_fields(spec))}.",
    ]
    own = [code(name) for name in own_errors(spec)]
    if own:
        parts.append(f"Own errors: {', '.join(own)}.")
    return "\n\n".join(filter(None, parts))


def _annotations(spec: ToolSpec) -> str:
    hints = spec.hints
    words = {
        "readOnlyHint": hints.read_only,
        "destructiveHint": hints.destructive,
        "idempotentHint": hints.idempotent,
        "openWorldHint": hints.open_world,
    }
    return ", ".join(f"`{name}` {'yes' if value else 'no'}" for name, value in words.items())


def _arguments(schema: dict[str, Any]) -> str:
    if not schema["properties"]:
        return "No arguments."
    required = set(schema.get("required", ()))
    rows = (
        (
            code(name),
            _type(argument) + (", required" if name in required else ""),
            ", ".join(_limits(argument)),
            argument.get("description", ""),
        )
        for name, argument in schema["properties"].items()
    )
    return table(("argument", "type", "limits", "what the model reads"), rows)


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    for part in [schema, *schema.get("anyOf", ())]:
        for minimum, maximum, unit in LIMITS:
            if minimum in part and maximum in part:
                yield f"{part[minimum]:,} to {part[maximum]:,}{unit}"
            elif minimum in part:
                yield f"at least {part[minimum]:,}{unit}"
            elif maximum in part:
                yield f"at most {part[maximum]:,}{unit}"


def _result_fields(spec: ToolSpec) -> list[str]:
    properties = spec.output_schema()["properties"]
    return [code(name) for name in properties if name not in ("ok", "text")]


def own_errors(spec: ToolSpec) -> list[str]:
    """Return the codes of the errors that the tool's own code raises."""
    codes: set[str] = set()
    seen: set[FunctionType] = set()
    waiting = [spec.operation]
    while waiting:
        function = waiting.pop()
        if isinstance(function, FunctionType) and function not in seen:
            seen.add(function)
            names = _get_names(function, codes)
            waiting += [
                item for item in names if getattr(item, "__module__", "").startswith(_TOOLS)
            ]
    return sorted(codes)


_TOOLS = "multimail.tools."


def _get_names(function: FunctionType, codes: set[str]) -> list[Any]:
    """Return what a function refers to, and add the codes of the errors that it raises."""
    names: list[Any] = [cell.cell_contents for cell in function.__closure__ or ()]
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == ToolError.__name__:
            # Where the code is another error's, the API raised it.
            codes.update(str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))
        elif isinstance(node, ast.Name):
            value = function.__globals__.get(node.id)
            names.append(value)
            if isinstance(value, ToolError):
                codes.add(value.code)
    return names


def _errors() -> str:
    rows = []
    for name in errors.__all__:
        kind = getattr(errors, name)
        error = ToolError.from_exception(kind(kind.__doc__.partition("\n")[0].rstrip(".")))
        again = "yes" if error.retryable else "no"
        rows.append((code(error.code), error.message, again, error.next_step))
    rows_table = table(
        ("code", "meaning", "a repeated call can succeed", "what the model reads"), rows
    )
    return (
        "An error is a result with `ok` false: it says what happened and what to do next, and does "
        "not end the run. An error of the API keeps the API's `code` if it has one, such as "
        "`recipient_suppressed`; else it is one of these. Every tool can also return "
        f"{' and '.join(map(code, ANYWHERE))}.\n\n{rows_table}\n\n"
        "`refused_by_guard` comes from the trust policy: its text gives the reason, and "
        "[Trust](../trust.md) explains the rules."
    )
