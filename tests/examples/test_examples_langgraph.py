"""The inbox graph: what is held survives the end of its process, be it orderly or not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.examples.running import answers_the_newest, environment, held, run, start

from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn
from multimail_server.testing import ServerUnderTest

pytest.importorskip(
    "langgraph.checkpoint.sqlite", reason="needs pip install langgraph-checkpoint-sqlite"
)
NAME = "langgraph_inbox"


@pytest.fixture
def server(multimail_server: ServerUnderTest) -> ServerUnderTest:
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    return multimail_server


@pytest.mark.parametrize(("verb", "status"), [("approve", "sent"), ("reject", "rejected")])
def test_another_process_decides_on_what_one_process_left_waiting(
    server: ServerUnderTest, tmp_path: Path, verb: str, status: str
) -> None:
    with ScriptedModel(answers_the_newest()) as model:
        agent = environment(server, tmp_path, model.base_url)
        printed = run(NAME, "start", "ticket-1", env=agent, folder=tmp_path)
        reply = held(server, "Re: Order 7")
        assert "ticket-1 waits for a decision" in printed
        assert "It is on its way." in printed
        before = len(model.requests)
    reviewer = {**agent, "MULTIMAIL_REVIEWER_KEY": server.keys.reviewer, "MULTIMAIL_API_KEY": ""}
    run(NAME, verb, "ticket-1", env=reviewer, folder=tmp_path)
    decided = server.wait_for_message("Re: Order 7", direction="outbound", status=status)
    assert decided["id"] == reply["id"]
    assert len(server.outbox()) == (status == "sent")
    assert len(model.requests) == before
    again = run(NAME, verb, "ticket-1", env=reviewer, folder=tmp_path, status=1)
    assert "ticket-1 does not wait" in again


def test_a_process_that_is_killed_after_its_reply_replies_once(
    server: ServerUnderTest, tmp_path: Path
) -> None:
    replied, may_go_on = threading.Event(), threading.Event()
    answers = answers_the_newest()

    def script(conversation: Conversation) -> Turn:
        if len(conversation.results) == 3 and not may_go_on.is_set():
            replied.set()
            may_go_on.wait(240)
        return answers(conversation)

    with ScriptedModel(script) as model:
        env = environment(server, tmp_path, model.base_url)
        with start(NAME, "start", "ticket-1", env=env, folder=tmp_path) as process:
            assert replied.wait(240), process.communicate()[0]
            process.kill()
        may_go_on.set()
        reply = held(server, "Re: Order 7")
        printed = run(NAME, "start", "ticket-1", env=env, folder=tmp_path)
        assert str(reply["id"]) in printed
        rows = server.http("agent").get(f"/v1/mailboxes/{server.mailbox.id}/emails").json()
        assert [row["direction"] for row in rows["emails"]].count("outbound") == 1
        assert run(NAME, "start", "ticket-1", env=env, folder=tmp_path) == printed
        assert model.errors == []
    reviewer = {**env, "MULTIMAIL_REVIEWER_KEY": server.keys.reviewer}
    run(NAME, "approve", "ticket-1", env=reviewer, folder=tmp_path)
    assert len(server.outbox()) == 1


def test_the_agents_own_key_decides_nothing(server: ServerUnderTest, tmp_path: Path) -> None:
    with ScriptedModel(answers_the_newest()) as model:
        env = environment(server, tmp_path, model.base_url)
        run(NAME, "start", "ticket-1", env=env, folder=tmp_path)
    own = {**env, "MULTIMAIL_REVIEWER_KEY": server.keys.agent}
    printed = run(NAME, "approve", "ticket-1", env=own, folder=tmp_path, status=1)
    assert "PermissionDeniedError" in printed
    held(server, "Re: Order 7")
