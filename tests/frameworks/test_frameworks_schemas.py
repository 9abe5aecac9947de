"""Schemas: each tool as each framework's own client puts it on the wire.

The stored snapshots are rewritten by
`MULTIMAIL_WRITE_SNAPSHOTS=1 scripts/test tests/frameworks/test_frameworks_schemas.py -n 0`, and
those of the oldest versions (`*-floor.json`, where they differ) by the same with
`scripts/test-floors`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.frameworks.agents import RUNS, last_turn, model
from tests.frameworks.apart import FRAMEWORKS, HERE, marks

from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS, DEFAULT_TOOLS

SNAPSHOTS = Path(__file__).parent / "snapshots"
WRITES = bool(os.environ.get("MULTIMAIL_WRITE_SNAPSHOTS"))
AT_FLOORS = bool(os.environ.get("MULTIMAIL_FLOORS"))
STRICT = ("crewai", "openai_agents")
"""The frameworks whose schemas are strict by default."""
OPTIONS = {"api_key": "mm_test_schemas", "base_url": "http://127.0.0.1:9"}
Json = dict[str, Any]

GEMINI = frozenset(
    {
        *("type", "description", "properties", "required", "items", "enum", "nullable"),
        *("minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength"),
        *("anyOf", "default"),
    }
)
"""What Gemini's function declarations may say. Among what it refuses: `$ref`, `$defs`, `oneOf`,
`allOf`, `not`, `const`, `patternProperties`, `propertyNames`, `prefixItems`, `if`."""


@pytest.fixture(scope="module")
def wire() -> dict[str, dict[str, list[Json]]]:
    """Run an agent and an approver of each framework for one turn; return what was offered."""
    schemas: dict[str, dict[str, list[Json]]] = {}
    for framework in HERE:
        schemas[framework] = {}
        for who, catalogue in (("agent", AGENT_TOOLS), ("approver", APPROVER_TOOLS)):
            with model(last=last_turn(framework)) as served:
                chosen = OPTIONS | ({"include": "full"} if who == "agent" else {})
                RUNS[framework](served, chosen, approver=who == "approver")
            place = {spec.name: number for number, spec in enumerate(catalogue)}
            offered = [tool["function"] for tool in served.requests[0]["tools"]]
            ours = [tool for tool in offered if _own_name(tool) in place]
            # Agno puts tools into an order of its own.
            schemas[framework][who] = sorted(ours, key=lambda schema: place[_own_name(schema)])
    return schemas


def _own_name(tool: Json) -> str:
    """Return a tool's name without its plugin's, which Semantic Kernel puts before it."""
    return str(tool["name"]).removeprefix("multimail-")


def _schemas(schema: Any) -> Iterator[Json]:
    """Yield a schema and every schema in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    if isinstance(schema.get("items"), dict):
        inner.append(schema["items"])
    for part in inner:
        yield from _schemas(part)


def _all(wire: Mapping[str, Mapping[str, list[Json]]], framework: str) -> list[Json]:
    return [tool for tools in wire[framework].values() for tool in tools]


def _plain(schema: Json) -> Json:
    """Return what an argument is, whichever way the framework spells that it may be left out."""
    choices = [
        variant for variant in schema.get("anyOf", [schema]) if variant.get("type") != "null"
    ]
    (only,) = choices
    kinds = only["type"] if isinstance(only["type"], list) else [only["type"]]
    (kind,) = [kind for kind in kinds if kind != "null"]
    plain: Json = {"type": kind}
    if "enum" in only:
        plain["enum"] = [value for value in only["enum"] if value is not None]
    if "items" in only:
        plain["items"] = only["items"]["type"]
    return plain


def _stored(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_goes_over_the_wire_is_what_was_stored(wire: Any, framework: str) -> None:
    path, floor = SNAPSHOTS / f"{framework}.json", SNAPSHOTS / f"{framework}-floor.json"
    if AT_FLOORS and (floor.exists() or (WRITES and _stored(path) != wire[framework])):
        path = floor
    if WRITES:
        text = json.dumps(wire[framework], indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", "utf-8")
    assert _stored(path) == wire[framework]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_tool_is_offered_under_its_own_name(wire: Any, framework: str) -> None:
    for who, catalogue in (("agent", AGENT_TOOLS), ("approver", APPROVER_TOOLS)):
        names = [_own_name(tool) for tool in wire[framework][who]]
        assert names == [spec.name for spec in catalogue]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_frameworks_say_the_same(wire: Any, framework: str) -> None:
    specs = [*AGENT_TOOLS, *APPROVER_TOOLS]
    for spec, tool in zip(specs, _all(wire, framework), strict=True):
        assert tool["description"].strip() == spec.description
        wanted = spec.schema()["properties"]
        given = tool["parameters"]["properties"]
        assert list(given) == list(wanted)
        for name, shape in given.items():
            assert _plain(shape) == _plain(wanted[name]), (spec.name, name)
            assert wanted[name]["description"] in shape["description"], (spec.name, name)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_what_must_be_given_is_required(wire: Any, framework: str) -> None:
    specs = [*AGENT_TOOLS, *APPROVER_TOOLS]
    for spec, tool in zip(specs, _all(wire, framework), strict=True):
        needed = spec.schema().get("required", [])
        if framework in STRICT:
            needed = list(tool["parameters"]["properties"])
        assert sorted(tool["parameters"].get("required", [])) == sorted(needed), spec.name


@pytest.mark.parametrize("framework", [pytest.param(name, marks=marks(name)) for name in STRICT])
def test_strict_schemas_are_as_openai_wants_them(wire: Any, framework: str) -> None:
    for tool in _all(wire, framework):
        assert tool.get("strict", True)
        for schema in _schemas(tool["parameters"]):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert set(schema["required"]) == set(schema["properties"])
                # An object that is closed and has no properties could never say anything.
                assert schema["properties"] or schema is tool["parameters"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_gemini_would_take_it(wire: Any, framework: str) -> None:
    for tool in _all(wire, framework):
        top = tool["parameters"]
        # CrewAI adds titles and rewrites schemas for Gemini itself; it is asked for the rest.
        more = {"title"} if framework == "crewai" else set()
        assert top["type"] == "object"
        for schema in _schemas(top):
            known = GEMINI | more | ({"additionalProperties"} if schema is top else set())
            assert set(schema) <= known, (tool["name"], schema)
            if "anyOf" in schema:
                kinds = [variant.get("type") for variant in schema["anyOf"]]
                assert len(kinds) == 2
                assert "null" in kinds
            if "enum" in schema:
                assert all(isinstance(value, str | None) for value in schema["enum"])


def test_smolagents_types_are_flat(wire: Any) -> None:
    kinds = {"string", "boolean", "integer", "number", "array", "object", "any", "null"}
    for tool in _all(wire, "smolagents"):
        needed = set(tool["parameters"].get("required", ()))
        for name, shape in tool["parameters"]["properties"].items():
            assert shape["type"] in kinds
            assert "anyOf" not in shape
            assert bool(shape.get("nullable")) == (name not in needed), (tool["name"], name)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_how_long_they_are(wire: Any, framework: str, record_property: Any) -> None:
    default = {spec.name for spec in DEFAULT_TOOLS}
    tools = [tool for tool in wire[framework]["agent"] if _own_name(tool) in default]
    assert len(tools) == len(default)
    length = len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False))
    record_property(f"schema characters of {framework}", length)
    assert length <= 8_000
