"""The page of the tools, from the catalogue: names, words, arguments, annotations, errors."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from docs_site.markdown import code, table
from multimail import errors
from multimail.tools import AGENT_INSTRUCTIONS, AGENT_TOOLS, APPROVER_TOOLS, ToolError, ToolSpec

INTRODUCTION = """# Tools

This page is written by code from the catalogue that every framework's toolkit translates: what you
read here is what a model is shown.

Each result has `ok` and `text`; the text is at most `max_chars` (8,000) characters. What stands
under "Answers" is the result's data, for code. Arguments that a tool does not know are errors.
"""
ACCESS = {
    "read": "scope `read`",
    "write": "scope `send`, and `read` for what it looks up",
    "approve": "scopes `read` and `oversight`, without `send`",
}
ANYWHERE = ("invalid_arguments", "internal")
LIMITS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", ""),
)


def rendered() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        "## For an agent",
        f"Toolkits that take instructions add these:\n\n> {AGENT_INSTRUCTIONS}",
        *(_tool(spec) for spec in AGENT_TOOLS),
        "## For an approver",
        "`MultiMailApproverToolkit` has these four. An agent's toolkit never has `decide_email`.",
        *(_tool(spec, "approver-") for spec in APPROVER_TOOLS),
        "## Errors",
        _errors(),
    ]
    return "\n\n".join(parts) + "\n"


def _tool(spec: ToolSpec, prefix: str = "") -> str:
    parts = [
        f"### {code(spec.name)} {{ #{prefix}{spec.name} }}",
        f"> {spec.description}",
        f"Needs: {ACCESS[spec.access]}. Annotations: {_annotations(spec)}.",
        _arguments(spec.schema()),
        f"Answers: {', '.join(_answers(spec))}.",
    ]
    own = [code(word) for word in own_errors(spec)]
    if own:
        parts.append(f"Errors of its own: {', '.join(own)}.")
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
            _type(one) + (", required" if name in required else ""),
            ", ".join(_limits(one)),
            one.get("description", ""),
        )
        for name, one in schema["properties"].items()
    )
    return table(("argument", "type", "limits", "what the model reads"), rows)


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    for one in [schema, *schema.get("anyOf", ())]:
        for least, most, unit in LIMITS:
            if least in one and most in one:
                yield f"{one[least]:,} to {one[most]:,}{unit}"
            elif least in one:
                yield f"at least {one[least]:,}{unit}"
            elif most in one:
                yield f"at most {one[most]:,}{unit}"


def _answers(spec: ToolSpec) -> list[str]:
    properties = spec.output_schema()["properties"]
    return [code(name) for name in properties if name not in ("ok", "text")]


def own_errors(spec: ToolSpec) -> list[str]:
    """Return the codes of the errors that a tool's own code makes, beside the API's."""
    found: set[str] = set()
    seen: set[FunctionType] = set()
    waiting = [spec.operation]
    while waiting:
        function = waiting.pop()
        if isinstance(function, FunctionType) and function not in seen:
            seen.add(function)
            names = _names_in(function, found)
            waiting += [one for one in names if getattr(one, "__module__", "").startswith(_TOOLS)]
    return sorted(found)


_TOOLS = "multimail.tools."


def _names_in(function: FunctionType, codes: set[str]) -> list[Any]:
    """Return what a function names, and add the codes of the errors that it makes."""
    named: list[Any] = [cell.cell_contents for cell in function.__closure__ or ()]
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == ToolError.__name__:
            codes.add(ast.literal_eval(node.args[0]))
        elif isinstance(node, ast.Name):
            value = function.__globals__.get(node.id)
            named.append(value)
            if isinstance(value, ToolError):
                codes.add(value.code)
    return named


def _errors() -> str:
    rows = []
    for name in errors.__all__:
        kind = getattr(errors, name)
        made = ToolError.from_exception(kind(kind.__doc__.partition("\n")[0].rstrip(".")))
        again = "yes" if made.retryable else "no"
        rows.append((code(made.code), made.message, again, made.next_step))
    told = table(
        ("code", "means", "the same call may succeed later", "what the model is told"), rows
    )
    return (
        "An error is a result with `ok` false: it says what happened and what to do next, and does "
        "not end the run. An error of the API keeps the API's own `code` where it gives one, such "
        f"as `recipient_suppressed`; else it is one of these. Every tool can also answer "
        f"{' and '.join(map(code, ANYWHERE))}.\n\n{told}\n\n"
        "`refused_by_guard` is the trust policy's: its text names the reason, and "
        "[Trust](../trust.md) says what it follows from."
    )
