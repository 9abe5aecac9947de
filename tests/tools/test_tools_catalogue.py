"""The packs: the tools, their descriptions for a model, and the size of those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from multimail import ConfigurationError
from multimail.models import Health
from multimail.tools import (
    AGENT_TOOLS,
    APPROVER_TOOLS,
    DEFAULT_TOOLS,
    PACKS,
    ApproverToolkit,
    Toolkit,
    ToolSpec,
    list_missing_tools,
)

KEY = "mm_test_nobody"
LOCAL = "http://127.0.0.1:9"
ALL = [*AGENT_TOOLS, *APPROVER_TOOLS]


def pack(*specs: ToolSpec) -> str:
    """The tools as chat/completions carries them."""
    return json.dumps(
        [
            {
                "type": "function",
                "function": {
                    "name": spec.name,
                    "description": spec.description,
                    "parameters": spec.schema(),
                },
            }
            for spec in specs
        ],
        separators=(",", ":"),
    )


def test_no_tool_of_an_agent_decides() -> None:
    names = [spec.name for spec in Toolkit(KEY, include="full", base_url=LOCAL).specs]
    assert names == [spec.name for spec in AGENT_TOOLS]
    assert len(names) == len(set(names))
    assert "decide_email" not in names
    assert {spec.access for spec in AGENT_TOOLS} == {"read", "write"}


@pytest.mark.parametrize(
    ("include", "has", "lacks"),
    [
        (None, {"send_email", "list_pending"}, {"search_contacts", "add_contact"}),
        ("default", {"send_email"}, {"add_contact"}),
        ("triage", {"tag_email", "read_email"}, {"send_email", "reply_email"}),
        ("support", {"send_email", "search_contacts"}, {"add_contact"}),
        ("full", {"add_contact"}, set()),
        (["triage", "add_contact"], {"tag_email", "add_contact"}, {"send_email"}),
    ],
)
def test_a_pack_is_included_by_name(include: Any, has: set[str], lacks: set[str]) -> None:
    names = {spec.name for spec in Toolkit(KEY, include=include, base_url=LOCAL).specs}
    assert has <= names
    assert not lacks & names


def test_a_pack_can_be_left_out() -> None:
    rest = Toolkit(KEY, include="full", exclude="default", base_url=LOCAL)
    assert {spec.name for spec in rest.specs} == set(PACKS["full"]) - set(PACKS["default"])


def test_a_server_that_says_nothing_of_extensions_has_none() -> None:
    needing = tuple(spec.name for spec in AGENT_TOOLS if spec.needs)
    assert list_missing_tools(None) == list_missing_tools(Health(status="ok")) == needing
    assert list_missing_tools(Health(extensions=[spec.needs for spec in AGENT_TOOLS])) == ()


@pytest.mark.parametrize("include", ["default", "full"])
def test_the_hosted_api_is_not_asked_for_what_it_lacks(include: str) -> None:
    hosted = {spec.name for spec in Toolkit(KEY, include=include, base_url=None).specs}
    assert hosted == {spec.name for spec in AGENT_TOOLS if not spec.needs} & set(PACKS[include])


def test_the_approver_has_four_tools_and_none_sends() -> None:
    names = [spec.name for spec in ApproverToolkit(KEY).specs]
    assert names == ["list_pending", "read_email", "get_thread", "decide_email"]
    assert {spec.access for spec in APPROVER_TOOLS} == {"approve"}


@pytest.mark.parametrize("name", ["decide_email", "delete_everything", ""])
@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_a_name_that_is_no_tool_is_a_mistake(argument: str, name: str) -> None:
    chosen: dict[str, Any] = {argument: [name]}
    with pytest.raises(ConfigurationError, match="There are: list_mailboxes"):
        Toolkit(KEY, **chosen)


def test_an_agent_cannot_be_handed_the_approvers_tool_by_name() -> None:
    toolkit = Toolkit(KEY)
    with pytest.raises(ConfigurationError, match="no tool 'decide_email'"):
        toolkit.spec("decide_email")
    refused = toolkit.call("decide_email", {"email_id": "msg_1", "decision": "approve"})
    assert refused.error is not None
    assert refused.error.code == "no_such_tool"
    assert refused.text.startswith("Error (no_such_tool): There is no tool 'decide_email'.")
    assert "There are: list_mailboxes" in refused.text


def test_tools_are_chosen_by_name() -> None:
    some = Toolkit(KEY, include=["send_email", "check_inbox"])
    assert [spec.name for spec in some.specs] == ["check_inbox", "send_email"]
    rest = Toolkit(KEY, exclude=("send_email", "reply_email"), base_url=LOCAL)
    assert len(rest.specs) == len(DEFAULT_TOOLS) - 2
    assert [spec.name for spec in Toolkit(KEY, include="read_email").specs] == ["read_email"]


def test_a_path_is_no_session_store() -> None:
    with pytest.raises(ConfigurationError, match="SqliteSessionStore"):
        Toolkit(KEY, store=cast(Any, "guard.sqlite3"))


def test_a_toolkit_without_tools_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="leave no tool"):
        Toolkit(KEY, include=["read_email"], exclude=["read_email"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_chars": 999}, "at least 1,000"),
        ({"policy": "lenient"}, "strict, standard or off"),
        ({"base_url": "ftp://example.org"}, "not an http"),
    ],
)
def test_settings_that_cannot_work_are_mistakes(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Toolkit(KEY, **options)


def test_a_toolkit_shows_its_tools_and_never_its_key() -> None:
    shown = repr(Toolkit("mm_test_canary_1", mailbox="a@x.test"))
    assert "send_email" in shown
    assert "a@x.test" in shown
    assert "canary" not in shown


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: f"{spec.access}-{spec.name}")
def test_a_schema_is_one_that_every_framework_can_carry(spec: ToolSpec) -> None:
    schema = spec.schema()
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "$ref" not in json.dumps(schema)
    required = set(schema.get("required", []))
    assert required <= set(schema["properties"])
    for name, part in schema["properties"].items():
        assert part["description"], name
        assert "title" not in part
        assert {"anyOf", "default"}.isdisjoint(part), name
        if name in required:
            assert part["type"] in ("string", "array")
    for inner in _types(schema["properties"]):
        assert inner != "object"


def _types(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema["type"]
        for inner in schema.values():
            yield from _types(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _types(inner)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: f"{spec.access}-{spec.name}")
def test_defaults_and_choices_stand_in_the_words_too(spec: ToolSpec) -> None:
    for name, field in spec.schema()["properties"].items():
        for choice in _choices(field):
            assert choice in field["description"], name


def _choices(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("enum", [])
        for inner in schema.get("anyOf", []):
            yield from _choices(inner)


def test_only_what_changes_nothing_claims_to() -> None:
    assert {spec.name for spec in AGENT_TOOLS if spec.hints.destructive} == {
        "send_email",
        "reply_email",
        "forward_email",
        "revise_message",
        "cancel_message",
    }
    for spec in ALL:
        assert not (spec.hints.read_only and spec.access == "write"), spec.name


def test_the_agents_pack_costs_a_model_little(capsys: pytest.CaptureFixture[str]) -> None:
    size = len(pack(*DEFAULT_TOOLS))
    with capsys.disabled():
        print(f"\nThe agent's default pack has {size} characters.")
    assert size <= 8000


def test_what_may_be_left_out_may_be_null_and_what_is_chosen_keeps_to_its_choices() -> None:
    """Strict schemas name every argument: `null` there is as if it had been left out."""
    for spec in ALL:
        raw, shown = spec.args.model_json_schema(), spec.schema()
        for name, shape in raw["properties"].items():
            may = name not in raw.get("required", ())
            accepts = Draft202012Validator(shape).is_valid
            assert accepts(None) == may, (spec.name, name)
            assert not Draft202012Validator(shown["properties"][name]).is_valid(None)
            for choice in shown["properties"][name].get("enum", ()):
                assert accepts(choice)
            assert not accepts({})
            assert not ("enum" in shape and accepts("neither of them"))
