"""The characters of the tools' schemas, which a model gets with every request."""

from __future__ import annotations

import importlib
import json
from typing import Any

from multimail.tools import DEFAULT_TOOLS

from .comparator import AGENTMAIL, RETIRED, start_comparator
from .framework_calls import FRAMEWORKS
from .metrics import Figure, Part, Sizes

_NOWHERE = {"api_key": "mm_test_schemas", "base_url": "http://127.0.0.1:9"}
_TARGET = 8_000
_STATED = ("the vendor's MCP server, 46 tools (stated, not measured here)", 48_963.0)
_NOTE = (
    "Compact JSON of name, description and parameters, as sent to a model's API; a token is some"
    f" four characters. Measured is the default pack of {len(DEFAULT_TOOLS)} tools; it"
    " describes each argument."
)


def measure_schemas(_sizes: Sizes) -> Part:
    """Measure the tools' schemas as each framework's own client puts them on the wire."""
    figures = []
    for framework in FRAMEWORKS:
        offered = _get_offered(framework)
        name = f"agent's tools, {len(offered)}, as {framework} sends them"
        figures.append(Figure(name, count_characters(offered), "characters", target=_TARGET))
    for package, name in (("agentmail", AGENTMAIL), ("retired", RETIRED)):
        with start_comparator(package) as other:
            schemas = other.schemas()
        described = _share_described(schemas)
        title = f"{name}, {len(schemas)} tools, {described:.0%} of the arguments described"
        figures.append(Figure(title, count_characters(schemas), "characters"))
    figures.append(Figure(_STATED[0], _STATED[1], "characters"))
    return Part(
        "schemas",
        "Schema characters",
        figures,
        note=_NOTE,
    )


def _get_offered(framework: str) -> list[dict[str, Any]]:
    """Run the framework's agent for one turn; return this package's tools in its request."""
    # Imported by name: it also uses two frameworks whose types are in separate environments.
    agents = importlib.import_module("tests.frameworks.agents")
    with agents.model(last=agents.last_turn(framework)) as model:
        agents.RUNS[framework](model, dict(_NOWHERE))
    ours = {spec.name for spec in DEFAULT_TOOLS}
    sent = [tool["function"] for tool in model.requests[0]["tools"]]
    offered = [tool for tool in sent if tool["name"] in ours]
    if len(offered) != len(ours) or _share_described(offered) < 1:
        raise RuntimeError(f"{framework} did not send every tool with every argument described.")
    return offered


def count_characters(tools: list[dict[str, Any]]) -> int:
    """Return the length of these tools as compact JSON."""
    return len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))


def _share_described(tools: list[dict[str, Any]]) -> float:
    arguments = [
        argument for tool in tools for argument in tool["parameters"].get("properties", {}).values()
    ]
    return sum(bool(argument.get("description")) for argument in arguments) / len(arguments)
