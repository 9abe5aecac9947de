"""Strict mode, and the schemas that each maker of models accepts (`makers.json`, with its source).

A framework makes tools strict where the agent's answer has a schema: all arguments are then
required, and one that may be left out has to take `null`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from tests.frameworks.agents import TASK, agno_model, model
from tests.frameworks.apart import marks

from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS, Toolkit, ToolSpec
from multimail_cli.demo.scripted_model import ScriptedModel, call, say

MAKERS: dict[str, Any] = json.loads(Path(__file__).with_name("makers.json").read_text("utf-8"))
SPECS = [*AGENT_TOOLS, *APPROVER_TOOLS]
OPTIONS: Any = {"api_key": "mm_test_strict", "base_url": "http://127.0.0.1:9"}
Json = dict[str, Any]


class Report(pydantic.BaseModel):
    """What the agent has to answer with."""

    summary: str


ANSWER = say(json.dumps({"summary": "Done."}))


def list_schemas(schema: Json) -> Iterator[Json]:
    """Yield a schema and every schema in it."""
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from list_schemas(inner)
    if "items" in schema:
        yield from list_schemas(schema["items"])


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.access}-{spec.name}")
def test_each_maker_accepts_each_schema(spec: ToolSpec, maker: str) -> None:
    rules = MAKERS[maker]
    assert re.fullmatch(rules["name"], spec.name)
    for form in rules["forms"]:
        top = spec.schema(form)
        assert top["type"] == "object"
        assert top["additionalProperties"] is False
        assert set(top.get("required", ())) <= top["properties"].keys()
        for schema in list_schemas(top):
            assert schema.keys() <= set(rules["keywords"]), (form, schema)
            assert isinstance(schema["type"], str) or rules["type_lists"]
            choices = schema.get("enum", [""])
            assert all(isinstance(choice, str) or rules["type_lists"] for choice in choices)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.access}-{spec.name}")
def test_the_forms_differ_in_what_may_be_left_out(spec: ToolSpec) -> None:
    short, nullable, strict = (spec.schema(form) for form in ("short", "nullable", "strict"))
    optional = set(spec.list_optional())
    assert set(strict.get("required", ())) == strict["properties"].keys()
    assert set(short.get("required", ())) == short["properties"].keys() - optional
    assert nullable.get("required") == short.get("required")
    assert nullable["properties"] == strict["properties"]
    for name, shape in strict["properties"].items():
        assert ("null" in shape["type"]) == (name in optional)
        assert (None in shape.get("enum", ())) == (name in optional and "enum" in shape)
        assert "null" not in json.dumps(short["properties"][name])
    nulls = {name: None for name in strict["properties"] if name in optional}
    assert spec.args.model_validate({**_fill(spec), **nulls}).model_fields_set.isdisjoint(nulls)


def _fill(spec: ToolSpec) -> Json:
    shapes = spec.schema()["properties"]
    values = {"string": "msg_1", "array": ["ann@example.org"]}
    return {
        name: shapes[name].get("enum", [values[shapes[name]["type"]]])[0]
        for name in spec.schema().get("required", ())
    }


def ask_langchain(served: ScriptedModel) -> None:
    from langchain.agents import create_agent
    from langchain.agents.structured_output import ProviderStrategy
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    from langchain_multimail import MultiMailToolkit

    chat = ChatOpenAI(model="gpt-5-mini", base_url=served.base_url, api_key=SecretStr("x"))
    tools = MultiMailToolkit(**OPTIONS).get_tools()
    agent: Any = create_agent(chat, tools, response_format=ProviderStrategy(Report))
    agent.invoke({"messages": [{"role": "user", "content": TASK}]})


def ask_agno(served: ScriptedModel) -> None:
    from agno.agent import Agent

    from agno_multimail import MultiMailToolkit

    chat = agno_model(served)
    chat.supports_native_structured_outputs = True
    agent = Agent(
        model=chat, tools=[MultiMailToolkit(**OPTIONS)], output_schema=Report, telemetry=False
    )
    agent.run(TASK)


def ask_autogen(served: ScriptedModel) -> None:
    from tests.frameworks.agents_autogen import autogen_agent, close_models

    from autogen_multimail import MultiMailToolkit

    async def within() -> None:
        tools = MultiMailToolkit(strict=True, **OPTIONS).get_tools()
        agent = autogen_agent(served, tools, output_content_type=Report)
        await agent.run(task=TASK)
        await close_models()

    asyncio.run(within())


def ask_openai(served: ScriptedModel) -> None:
    """Call OpenAI's own client, which parses only the calls of strict tools."""
    from openai import OpenAI

    tools: Any = [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "parameters": spec.schema("strict"),
                "strict": True,
            },
        }
        for spec in Toolkit(**OPTIONS).specs
    ]
    OpenAI(base_url=served.base_url, api_key="x").chat.completions.parse(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": TASK}],
        tools=tools,
        response_format=Report,
    )


ASKS: dict[str, Callable[[ScriptedModel], None]] = {
    "langchain": ask_langchain,
    "agno": ask_agno,
    "autogen": ask_autogen,
    "openai": ask_openai,
}


@pytest.mark.parametrize("framework", [pytest.param(name, marks=marks(name)) for name in ASKS])
def test_a_strict_tool_can_leave_out_what_is_optional(framework: str) -> None:
    with model(last=ANSWER) as served:
        ASKS[framework](served)
    offered = {tool["function"]["name"]: tool["function"] for tool in served.requests[0]["tools"]}
    for spec in Toolkit(**OPTIONS).specs:
        tool, strict = offered[spec.name], spec.schema("strict")
        assert tool["strict"] is True
        assert sorted(tool["parameters"]["required"]) == sorted(strict["required"])
        assert tool["parameters"]["properties"] == strict["properties"]
        assert tool["parameters"]["additionalProperties"] is False


def test_the_models_of_google_get_the_short_form_from_langchain() -> None:
    """Google's integration reads `args_schema`, and refuses lists of types and choices of null."""
    from langchain_multimail import MultiMailToolkit

    toolkit = MultiMailToolkit(**OPTIONS)
    for spec, tool in zip(toolkit.specs, toolkit.get_tools(), strict=True):
        arguments: Any = tool.args_schema
        assert arguments.model_json_schema() == spec.schema()


@pytest.mark.parametrize("written", [{"unread_only": None, "limit": None, "direction": None}])
def test_nulls_are_taken_in_langchains_loop(written: Json) -> None:
    """A strict model says `null` for what it leaves out; the call runs."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    from langchain_multimail import MultiMailToolkit

    with model(call("check_inbox", **written), last=ANSWER) as served:
        chat = ChatOpenAI(model="gpt-5-mini", base_url=served.base_url, api_key=SecretStr("x"))
        kit = MultiMailToolkit(**OPTIONS)
        agent: Any = create_agent(chat, kit.get_tools(), response_format=Report)
        state = agent.invoke({"messages": [{"role": "user", "content": TASK}]})
    (result,) = [message for message in state["messages"] if message.type == "tool"]
    assert "invalid_arguments" not in result.text
