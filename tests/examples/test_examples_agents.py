"""The examples in which a model works with tools: each as its reader runs it, on a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.examples.running import ID, answers_the_newest, environment, held, run

from multimail import MultiMail
from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn, call, say
from multimail_server.testing import ServerUnderTest

CODE = """<code>
for row in check_inbox(unread_only=True)["emails"]:
    email = read_email(row["id"])
    print(reply_email(email["id"], body="Your order: " + order_status("7")))
final_answer("Answered.")
</code>"""
ONE_REPLY = """<code>
row = check_inbox(limit=1)["emails"][0]
print(read_email(row["id"]))
print(reply_email(row["id"], body="It is on its way."))
final_answer("Answered.")
</code>"""


@pytest.mark.parametrize("name", ["langchain_agent", "crewai_agent", "agno_agent", "plain_loop"])
def test_an_agent_leaves_a_reply_to_be_approved(
    name: str, server: ServerUnderTest, tmp_path: Path
) -> None:
    with ScriptedModel(answers_the_newest()) as model:
        printed = run(name, env=environment(server, tmp_path, model.base_url), folder=tmp_path)
        assert model.errors == []
    reply = held(server, "Re: Order 7")
    assert "It is on its way." in str(reply["markdown"])
    assert "Answered." in printed


@pytest.mark.parametrize(
    ("name", "code", "body"),
    [
        ("smolagents_agent", ONE_REPLY, "It is on its way."),
        ("smolagents_own_tools", CODE, "Your order: shipped on Monday"),
    ],
)
def test_an_agents_code_leaves_a_reply_to_be_approved(
    name: str, code: str, body: str, server: ServerUnderTest, tmp_path: Path
) -> None:
    with ScriptedModel(lambda _: say(code)) as model:
        run(name, env=environment(server, tmp_path, model.base_url), folder=tmp_path)
    assert body in str(held(server, "Re: Order 7")["markdown"])


def test_a_plain_loop_survives_what_a_model_gets_wrong(
    server: ServerUnderTest, tmp_path: Path
) -> None:
    steps = [
        call("approve_everything"),
        call("read_email", email="msg_1"),
        say("I cannot."),
    ]
    with ScriptedModel(lambda seen: steps[seen.turns]) as model:
        printed = run(
            "plain_loop", env=environment(server, tmp_path, model.base_url), folder=tmp_path
        )
        shown = [
            message["content"]
            for message in model.requests[-1]["messages"]
            if message["role"] == "tool"
        ]
    assert printed == "I cannot.\n"
    assert shown[0].startswith("Error (no_such_tool): There is no tool 'approve_everything'")
    assert shown[1].startswith("Error (invalid_arguments): read_email: email_id: field required")


def test_a_crews_writer_answers_what_its_researcher_read(
    server: ServerUnderTest, tmp_path: Path
) -> None:
    offered: list[set[str]] = []

    def script(conversation: Conversation) -> Turn:
        offered.append(set(conversation.tool_names))
        texts = [result.text for result in conversation.results]
        if conversation.offered("check_inbox"):
            match = ID.search(texts[0]) if texts else None
            if match is None:
                return call("check_inbox", limit=1)
            if len(texts) == 1:
                return call("read_email", email_id=match[0])
            return say(f"Final Answer: {match[0]} asks where order 7 is.")
        if not texts:
            (email_id,) = set(ID.findall(conversation.last_user_text))
            return call("reply_email", email_id=email_id, body="It left on Monday.")
        return say("Final Answer: Held for approval.")

    with ScriptedModel(script) as model:
        run("crewai_crew", env=environment(server, tmp_path, model.base_url), folder=tmp_path)
        assert model.errors == []
    assert "It left on Monday." in str(held(server, "Re: Order 7")["markdown"])
    assert {"check_inbox", "read_email", "get_thread", "search_contacts"} in offered
    assert not any({"check_inbox", "reply_email"} <= names for names in offered)


def test_a_teams_clerk_answers_what_its_researcher_read(
    server: ServerUnderTest, tmp_path: Path
) -> None:
    def leader(conversation: Conversation) -> Turn:
        texts = [result.text for result in conversation.results]
        tool = next(name for name in conversation.tool_names if "delegate" in name)
        if not texts:
            return call(tool, member_id="researcher", task="What does the newest email ask?")
        if len(texts) == 1:
            (email_id,) = set(ID.findall(texts[0]))
            return call(tool, member_id="clerk", task=f"Reply to {email_id}.")
        return say("Answered.")

    def script(conversation: Conversation) -> Turn:
        texts = [result.text for result in conversation.results]
        if conversation.offered("check_inbox"):
            return say(f"{ID.findall(texts[0])[0]} asks.") if texts else call("check_inbox")
        if conversation.offered("reply_email"):
            if texts:
                return say("Held for approval.")
            matches = ID.findall(conversation.last_user_text)
            return call("reply_email", email_id=matches[0], body="It left on Monday.")
        return leader(conversation)

    with ScriptedModel(script) as model:
        run("agno_team", env=environment(server, tmp_path, model.base_url), folder=tmp_path)
        assert model.errors == []
    assert "It left on Monday." in str(held(server, "Re: Order 7")["markdown"])


@pytest.mark.parametrize(("decision", "left"), [("approve", 1), ("reject", 0)])
def test_a_reviewer_agent_decides_with_its_own_key(
    decision: str, left: int, server: ServerUnderTest, tmp_path: Path
) -> None:
    with MultiMail(server.keys.agent, base_url=server.url) as mail:
        sent = mail.send_email(["ann@example.org"], "Order 7", "It left on Monday.")

    def script(conversation: Conversation) -> Turn:
        texts = [result.text for result in conversation.results]
        match = ID.search(texts[0]) if texts else None
        if match is None:
            return call("list_pending")
        if len(texts) == 1:
            return call("read_email", email_id=match[0])
        if len(texts) == 2:
            return call("decide_email", email_id=match[0], decision=decision, reason="By the rule.")
        return say("Reviewed.")

    reviewer = {"MULTIMAIL_REVIEWER_KEY": server.keys.reviewer, "MULTIMAIL_API_KEY": ""}
    with ScriptedModel(script) as model:
        env = environment(server, tmp_path, model.base_url, **reviewer)
        printed = run("reviewer_agent", env=env, folder=tmp_path)
        assert model.errors == []
        assert "send_email" not in str(model.requests[0]["tools"])
    assert "Reviewed." in printed
    status = {"approve": "sent", "reject": "rejected"}[decision]
    server.wait_for_message(lambda row: row["id"] == sent.id, direction="outbound", status=status)
    assert len(server.outbox()) == left


def test_each_of_several_agents_works_in_its_own_mailbox(
    server: ServerUnderTest, tmp_path: Path
) -> None:
    with MultiMail(server.keys.admin, base_url=server.url) as admin:
        boxes = [admin.create_mailbox(name).address for name in ("sales", "support")]
        keys = [admin.create_api_key(box, ["read", "send"], mailbox=box).key for box in boxes]
    for box in boxes:
        server.deliver(f"A question to {box}", subject=f"To {box}", to=box)
    with ScriptedModel(answers_the_newest()) as model:
        env = environment(
            server,
            tmp_path,
            model.base_url,
            MULTIMAIL_API_KEY="",
            **{f"KEY_{number}": str(key) for number, key in enumerate(keys)},
        )
        named = [f"{box}=KEY_{number}" for number, box in enumerate(boxes)]
        printed = run("many_mailboxes", *named, env=env, folder=tmp_path)
        assert model.errors == []
    assert sorted(printed.splitlines()) == [f"{box}: Answered." for box in boxes]
    for box in boxes:
        assert held(server, f"Re: To {box}")["from"] == box


def test_an_agent_cannot_reach_anothers_mailbox(server: ServerUnderTest, tmp_path: Path) -> None:
    with MultiMail(server.keys.admin, base_url=server.url) as admin:
        sales = admin.create_mailbox("sales").address
        key = admin.create_api_key("sales", ["read", "send"], mailbox=sales).key
    steps = [call("check_inbox", mailbox=server.mailbox.address), say("I cannot.")]
    with ScriptedModel(lambda seen: steps[seen.turns]) as model:
        env = environment(server, tmp_path, model.base_url, MULTIMAIL_API_KEY="", SALES=str(key))
        run("many_mailboxes", f"{sales}=SALES", env=env, folder=tmp_path)
        shown = str(model.requests[-1]["messages"])
    assert re.search(r"Error \((no_such_mailbox|other_mailbox)\)", shown)
    assert "Order 7" not in shown
