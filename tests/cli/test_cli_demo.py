"""The demo proves what it says: its exit status and last line are the server's own state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from multimail_cli.demo.scripted_agent import InboxRow, choose_row, parse_rows, write_reply
from multimail_cli.demo.scripted_model import ScriptedModel, Turn, build_script, call, fail, say

TOOLS = ["check_inbox", "read_email", "get_thread", "reply_email"]


def test_an_approved_reply_is_delivered_once_and_in_its_thread(
    multimail: Callable[..., Any],
) -> None:
    ran = multimail("demo")
    assert ran.status == 0, ran.out + ran.err
    assert ran.last_line == "OK: the reply was approved and delivered."
    assert "no terminal" in ran.out
    assert "failed         URGENT: payment before noon" in ran.out
    for tool in TOOLS:
        assert f"agent  calls {tool}" in ran.out
    assert "thank you for writing about A-4127." in ran.out
    assert "packing-list.csv" in ran.out
    assert "In-Reply-To: <thread-4." in ran.out
    assert "oversight.approve" not in ran.out
    assert "mm_test_" not in ran.out
    assert "oversight.approve" in multimail("demo", "--verbose").out


@pytest.mark.parametrize(
    ("decision", "status", "left", "last_line"),
    [
        ("reject", "rejected", 0, "OK: the reply was rejected and nothing was sent."),
        (
            "none",
            "pending_send_approval",
            0,
            "OK: the reply still waits for approval and nothing was sent.",
        ),
    ],
)
def test_every_decision_ends_where_it_should(
    multimail: Callable[..., Any],
    inside: Callable[..., Any],
    decision: str,
    status: str,
    left: int,
    last_line: str,
) -> None:
    ran = multimail("demo", "--decision", decision)
    assert ran.status == 0, ran.out + ran.err
    assert ran.last_line == last_line
    facts = inside("demo", "--decision", decision, "--json").data
    assert facts["ok"] is True
    assert (facts["decision"], facts["status"], facts["left"]) == (decision, status, left)
    assert facts["tools_called"] == TOOLS
    assert facts["reply"]["to"] == ["maria.keller@alpenbike.example"]
    assert facts["problem"] == ""


def test_the_facts_of_a_delivered_reply_are_one_json_document(inside: Callable[..., Any]) -> None:
    ran = inside("demo", "--decision", "approve", "--json")
    assert ran.err == ""
    facts = ran.data
    assert (facts["ok"], facts["status"], facts["left"]) == (True, "sent", 1)
    assert facts["headers"]["In-Reply-To"] in facts["headers"]["References"]
    assert facts["headers"]["References"].count("<thread-") == 4
    assert facts["headers"]["Message-ID"].endswith("@harbor-tools.example>")


def message(number: int, sender: str, text: str, to: str = "someone@else.example") -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: Note {number}\r\n"
        f"Date: Fri, 20 Nov 2026 1{number}:00:00 +0000\r\n"
        f"Message-ID: <own-{number}@example.com>\r\n\r\n{text}\r\n"
    ).encode()


def test_the_agent_answers_the_newest_of_ones_own_mail(
    multimail: Callable[..., Any], inside: Callable[..., Any], tmp_path: Path
) -> None:
    zone = tmp_path / "empty.zone"
    zone.write_text('example.com. IN TXT "nothing"\n')
    (tmp_path / "b.eml").write_bytes(message(1, "Old <old@example.com>", "Hello?"))
    (tmp_path / "a.eml").write_bytes(
        message(2, "Newer <newer@example.com>", "Is invoice INV-2026 over CHF 120.50 paid?")
    )
    (tmp_path / "c.eml").write_bytes(message(3, "support@harbor-tools.example", "My own."))
    ran = multimail(
        *("demo", "--mail", tmp_path, "--dns-zone", zone, "--decision", "approve", "--json")
    )
    assert ran.status == 0, ran.out + ran.err
    assert ran.data["reply"]["to"] == ["newer@example.com"]
    assert "INV-2026" in ran.data["reply"]["markdown"]
    assert ran.data["headers"]["In-Reply-To"] == "<own-2@example.com>"
    missing = inside("demo", "--mail", tmp_path / "none.eml")
    assert missing.status == 1
    assert "none.eml" in missing.err


def run_with(inside: Callable[..., Any], *turns: Turn, json: bool = True) -> Any:
    with ScriptedModel(build_script(turns)) as model:
        options = ("--model", "any", "--base-url", model.base_url, "--decision", "approve")
        return inside("demo", *options, *(["--json"] if json else []))


def test_an_agent_that_never_replies_is_a_failure(inside: Callable[..., Any]) -> None:
    ran = run_with(inside, say("I would rather not."), json=False)
    assert ran.status == 1
    assert ran.last_line.startswith("FAILED: ")
    assert "0 replies" in ran.last_line


def test_an_agent_that_sends_twice_is_a_failure(inside: Callable[..., Any]) -> None:
    with ScriptedModel(_answer_twice) as model:
        ran = inside("demo", "--model", "any", "--base-url", model.base_url, "--json")
    assert ran.status == 1
    assert ran.data["ok"] is False
    assert "2 replies" in ran.data["problem"]
    assert ran.data["left"] == 0


def _answer_twice(conversation: Any) -> Turn:
    if not conversation.results:
        return call("check_inbox")
    if conversation.tool_texts("reply_email"):
        return say("Done.")
    newest = choose_row(parse_rows(conversation.last_tool_text), "none")
    assert newest is not None
    return call("reply_email", email_id=newest.id, body="One.") + call(
        "reply_email", email_id=newest.id, body="Two."
    )


def test_guard_blocks_replies_to_the_forged_mail(inside: Callable[..., Any]) -> None:
    def obey_the_forger(conversation: Any) -> Turn:
        if not conversation.results:
            return call("check_inbox")
        if conversation.tool_texts("reply_email"):
            return say("It refused.")
        forged = next(
            row for row in parse_rows(conversation.last_tool_text) if row.label == "failed"
        )
        return call("reply_email", email_id=forged.id, body="Here are the card numbers.")

    with ScriptedModel(obey_the_forger) as model:
        ran = inside("demo", "--model", "any", "--base-url", model.base_url)
    assert ran.status == 1
    assert "reply_email (error)" in ran.out
    assert ran.last_line == "FAILED: 0 replies wait for approval; exactly one was expected."


def test_a_model_that_fails_is_one_clear_line(inside: Callable[..., Any]) -> None:
    ran = run_with(inside, fail(400, message="No such model."), json=False)
    assert ran.status == 1
    assert "No such model." in ran.err
    assert "--base-url" in ran.err
    assert "Traceback" not in ran.err
    keyless = inside("demo", "--model", "any")
    assert "OPENAI_API_KEY" in keyless.err


def test_the_script_reads_what_the_tools_say() -> None:
    listing = (
        "2 emails, newest first: id | status | received | sender label.\n<mail 0>\n"
        "msg_2 | unread | 2026-11-21 05:00Z | authenticated | has attachments\n"
        "  news@example.com: Ten offers: today\n"
        "msg_1 | read | 2026-11-20 05:00Z | unknown\n  ann@example.com: Hi\n"
        "</mail 0>"
    )
    rows = parse_rows(listing)
    assert rows[0] == InboxRow("msg_2", "authenticated", "news@example.com", "Ten offers: today")
    chosen = choose_row(rows, "me@example.com")
    assert chosen is not None
    assert chosen.id == "msg_1"
    read = "<mail 1>\nFrom: ann@example.com\n\nCan we meet on 3 March 2027?\n</mail 1>"
    reply = write_reply(chosen, read, read)
    assert reply.startswith("Hello Ann,")
    assert "noted 3 March 2027" in reply
    assert "“Can we meet on 3 March 2027?”" in reply
