"""How many characters of schema a model is sent with every request."""

from __future__ import annotations

import importlib
import json
from typing import Any

from multimail.tools import AGENT_TOOLS

from .figures import Figure, Part
from .natives import FRAMEWORKS
from .rival import AGENTMAIL, RETIRED, rival
from .sizes import Sizes

_NOWHERE = {"api_key": "mm_test_schemas", "base_url": "http://127.0.0.1:9"}
_MOST = 8_000
_STATED = ("the vendor's MCP server, 46 tools (stated, not measured here)", 48_963.0)
_NOTE = (
    "Compact JSON of name, description and parameters, as a model's API is sent them; a token"
    f" is some four characters. The target is for twelve tools; ours are {len(AGENT_TOOLS)}, each"
    " argument of which is described."
)


def measure(_sizes: Sizes) -> Part:
    """Measure the tools' schemas as each framework's own client puts them on the wire."""
    figures = []
    for framework in FRAMEWORKS:
        offered = _offered(framework)
        name = f"agent's tools, {len(offered)}, as {framework} sends them"
        figures.append(Figure(name, characters(offered), "characters", target=_MOST))
    for pack, name in (("agentmail", AGENTMAIL), ("retired", RETIRED)):
        with rival(pack) as other:
            schemas = other.schemas()
        described = _described(schemas)
        told = f"{name}, {len(schemas)} tools, {described:.0%} of the arguments described"
        figures.append(Figure(told, characters(schemas), "characters"))
    figures.append(Figure(_STATED[0], _STATED[1], "characters"))
    return Part(
        "schemas",
        "Schema characters",
        figures,
        note=_NOTE,
    )


def _offered(framework: str) -> list[dict[str, Any]]:
    """Run the framework's agent for one turn; return our tools in what it sent."""
    # By name: it knows two more frameworks, whose types stand in environments of their own.
    agents = importlib.import_module("tests.frameworks.agents")
    with agents.model(last=agents.last_turn(framework)) as served:
        agents.RUNS[framework](served, dict(_NOWHERE))
    ours = {spec.name for spec in AGENT_TOOLS}
    sent = [one["function"] for one in served.requests[0]["tools"]]
    offered = [one for one in sent if one["name"] in ours]
    if len(offered) != len(ours) or _described(offered) < 1:
        raise RuntimeError(f"{framework} did not send every tool with every argument described.")
    return offered


def characters(tools: list[dict[str, Any]]) -> int:
    """Return how many characters these tools are as compact JSON."""
    return len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))


def _described(tools: list[dict[str, Any]]) -> float:
    shapes = [shape for one in tools for shape in one["parameters"].get("properties", {}).values()]
    return sum(bool(one.get("description")) for one in shapes) / len(shapes)
