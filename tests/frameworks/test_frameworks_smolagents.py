"""smolagents: code that calls tools, results that code indexes, and tools of one's own beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from smolagents import CodeAgent, Tool, ToolCallingAgent, ToolCollection, tool
from tests.frameworks.agents import SEND, TASK, conversation, model, smol_model
from tests.tools.support import FaultyTransport, Inbox, fenced, make_message

from multimail import MultiMail
from multimail.tools import APPROVER_TOOLS, DEFAULT_TOOLS
from multimail_cli.demo.scripted_model import ScriptedModel, Turn, call, get_text, say
from smolagents_multimail import MultiMailApproverToolkit, MultiMailToolkit, Reply


@pytest.fixture
def toolkit(box: Inbox) -> Iterator[MultiMailToolkit]:
    """The agent's toolkit."""
    kit = MultiMailToolkit(box.agent_key, base_url=box.server.url)
    yield kit
    kit.close()


def code(*lines: str) -> Turn:
    """Return a turn that is one step of code."""
    return say("Thought: on.\n<code>\n" + "\n".join(lines) + "\n</code>")


def code_agent(served: ScriptedModel, tools: list[Tool]) -> CodeAgent:
    """Return an agent that writes code."""
    return CodeAgent(tools=tools, model=smol_model(served), verbosity_level=0, max_steps=4)


def calling_agent(served: ScriptedModel, tools: list[Tool]) -> ToolCallingAgent:
    """Return an agent that calls tools."""
    return ToolCallingAgent(tools=tools, model=smol_model(served), verbosity_level=0, max_steps=5)


DONE = call("final_answer", answer="Done.")


def test_they_pass_the_frameworks_own_checks(box: Inbox, toolkit: MultiMailToolkit) -> None:
    approver = MultiMailApproverToolkit(box.reviewer_key, base_url=box.server.url)
    assert [tool.name for tool in toolkit.get_tools()] == [spec.name for spec in DEFAULT_TOOLS]
    assert [tool.name for tool in approver.get_tools()] == [spec.name for spec in APPROVER_TOOLS]
    for agent_tool in [*toolkit.get_tools(), *approver.get_tools()]:
        assert isinstance(agent_tool, Tool)
        agent_tool.validate_arguments()
        assert agent_tool.output_type == "object"


def test_a_collection_holds_the_same(toolkit: MultiMailToolkit) -> None:
    collection = toolkit.get_collection("monday")
    assert isinstance(collection, ToolCollection)
    assert [tool.name for tool in collection.tools] == [spec.name for spec in DEFAULT_TOOLS]


def test_only_what_is_optional_may_be_null(toolkit: MultiMailToolkit) -> None:
    for spec, agent_tool in zip(toolkit.specs, toolkit.get_tools(), strict=True):
        inputs: Any = agent_tool.inputs
        assert [name for name in inputs if "nullable" in inputs[name]] == spec.list_optional()
        for shape in inputs.values():
            assert all(choice in shape["description"] for choice in shape.get("enum", ()))


def test_the_prompt_shows_what_comes_back(box: Inbox, toolkit: MultiMailToolkit) -> None:
    with model(last=code("final_answer(1)")) as served:
        code_agent(served, toolkit.get_tools()).run(TASK)
    prompt = get_text(served.requests[0]["messages"][0]["content"])
    for spec in toolkit.specs:
        block = prompt.partition(f"def {spec.name}(")[2].partition("def ")[0]
        assert spec.description in block
        for name in spec.args.model_fields:
            assert f"{name}: " in block, (spec.name, name)
        for key in spec.output_schema()["properties"]:
            assert key in block.partition("Returns {")[2], (spec.name, key)
    assert "mailbox: str = None) -> dict:" in prompt


def test_no_remote_executor_gets_a_copy(toolkit: MultiMailToolkit) -> None:
    """Each sends `to_dict()` of every tool into its sandbox, before anything else of it."""
    for agent_tool in toolkit.get_tools():
        with pytest.raises(TypeError, match="run the whole agent in the sandbox"):
            agent_tool.to_dict()


def test_several_sends_in_one_step_are_each_gated(box: Inbox, toolkit: MultiMailToolkit) -> None:
    sends = code(
        'first = send_email(to=["ann@example.org"], subject="Offer", body="It is ready.")',
        'again = send_email(to=["ann@example.org"], subject="Offer", body="It is ready.")',
        'other = send_email(to=["bob@example.org"], subject="Offer", body="It is ready.")',
        "facts = [(one['id'], one['held'], one['duplicate']) for one in (first, again, other)]",
        "final_answer(facts)",
    )
    with model(last=sends) as served:
        facts: Any = code_agent(served, toolkit.get_tools()).run(TASK)
    first, again, other = facts
    assert first[0] == again[0] != other[0]
    assert [fact[1] for fact in (first, other)] == [True, True]
    assert [fact[2] for fact in facts] == [False, True, False]
    assert sorted(mail["to"][0] for mail in box.mails()) == ["ann@example.org", "bob@example.org"]
    assert box.left() == []


def test_the_next_step_repeats_nothing(auto_box: Inbox) -> None:
    toolkit = MultiMailToolkit(auto_box.agent_key, base_url=auto_box.server.url)
    send = f"print(send_email(to={SEND['to']!r}, subject='Offer', body='It is ready.'))"
    with model(code(send), code(send), last=code("final_answer(1)")) as served:
        agent = code_agent(served, toolkit.get_tools())
        agent.run(TASK)
        agent.run(TASK)
    assert len(auto_box.left()) == 1
    toolkit.close()


def test_arguments_by_position(box: Inbox, toolkit: MultiMailToolkit) -> None:
    lines = [
        "sent = send_email(['ann@example.org'], 'Offer', 'It is ready.', ['bob@example.org'])",
        "odd = list_mailboxes(0, 1)",
        "final_answer([sent['ok'], odd['ok'], odd['error']['code'], str(odd)])",
    ]
    with model(last=code(*lines)) as served:
        answer: Any = code_agent(served, toolkit.get_tools()).run(TASK)
    assert answer[:3] == [True, False, "invalid_arguments"]
    assert "too_many_arguments" in answer[3]
    (mail,) = box.mails()
    assert mail["to"] == ["ann@example.org"]
    assert box.mail(mail["id"])["cc"] == ["bob@example.org"]


def test_code_indexes_and_a_print_shows_marked_text(box: Inbox, toolkit: MultiMailToolkit) -> None:
    box.deliver(make_message("Do it now!", to=box.address))
    look = code(
        'row = check_inbox()["emails"][0]',
        'mail = read_email(row["id"])',
        'print(row["id"])',
        "print(mail)",
    )
    answer = code('final_answer([mail["body"], mail["trust"]["label"], len(mail["to"])])')
    with model(look, last=answer) as served:
        given: Any = code_agent(served, toolkit.get_tools()).run(TASK)
    assert given[0].strip() == "Do it now!"
    assert given[2] == 1
    (seen,) = (str(message["content"]) for message in served.requests[-1]["messages"][-1:])
    seen = seen.replace("\\n", "\n")
    assert box.mails("inbound")[0]["id"] in seen
    assert "Do it now!" in fenced(seen[seen.index("Email msg_") :])
    assert "'body'" not in seen


def test_a_printed_list_of_results_shows_marked_text_only(box: Inbox) -> None:
    reply = Reply(MultiMailToolkit(box.agent_key, base_url=box.server.url).call("check_inbox", {}))
    assert f"{[reply]}" == f"[{reply['text']}]"


def test_tools_of_ones_own_beside_them(box: Inbox, toolkit: MultiMailToolkit) -> None:
    @tool  # type: ignore[untyped-decorator, unused-ignore]
    def get_price(item: str) -> str:
        """Tell a price.

        Args:
            item: What is sold.
        """
        return f"{item}: 5"

    lines = ["text = get_price('Tea')", "send_email(['ann@example.org'], 'Price', text)"]
    with model(last=code(*lines, "final_answer(text)")) as served:
        code_agent(served, [*toolkit.get_tools(), get_price]).run(TASK)
    assert box.mail(box.mails()[0]["id"])["markdown"] == "Tea: 5"
    with model(call("get_price", item="Tea"), call("check_inbox"), last=DONE) as served:
        calling_agent(served, [*toolkit.get_tools(), get_price]).run(TASK)
    assert "Tea: 5" in str(served.requests[-1]["messages"])
    assert {"get_price", "check_inbox"} <= set(conversation(served).tool_names)


def test_tools_without_a_name_share_a_conversation(auto_box: Inbox) -> None:
    toolkit = MultiMailToolkit(auto_box.agent_key, base_url=auto_box.server.url)
    for tools in (
        toolkit.get_tools(),
        toolkit.get_tools(),
        toolkit.get_tools("a"),
        toolkit.get_tools("a"),
    ):
        with model(call("send_email", **SEND), call("send_email", **SEND), last=DONE) as served:
            calling_agent(served, tools).run(TASK)
    # The toolkit's own and "a".
    assert len(auto_box.left()) == 2
    toolkit.close()


def test_the_same_call_twice_reaches_the_server_twice(box: Inbox) -> None:
    way = FaultyTransport()
    with (
        MultiMail(box.agent_key, base_url=box.server.url, transport=way) as client,
        model(call("check_inbox"), call("check_inbox"), last=DONE) as served,
    ):
        calling_agent(served, MultiMailToolkit(client=client).get_tools()).run(TASK)
    assert len([request for request in way.requests if request.url.path.endswith("/emails")]) == 2


def test_the_key_is_in_nothing_that_is_shown(box: Inbox, toolkit: MultiMailToolkit) -> None:
    shown = [repr(toolkit), *(repr(tool) + str(tool) for tool in toolkit.get_tools())]
    assert not [text for text in shown if box.agent_key in text]
