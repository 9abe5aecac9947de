"""Arguments: whatever a model says, the answer names what is wrong, and nothing leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.tools.support import Connect, Inbox, get_error_code, ids

from multimail import ConfigurationError
from multimail.tools import AGENT_TOOLS, APPROVER_TOOLS, Toolkit, ToolSpec
from multimail.trust import TrustPolicy

SEND: dict[str, Any] = {"to": ["ann@example.org"], "subject": "Hi", "body": "Hello."}
REPLY: dict[str, Any] = {"email_id": "msg_01M7Y97Z259NKR04M4PFEJVRB5", "body": "Hello."}
TAG: dict[str, Any] = {"email_id": REPLY["email_id"], "tags": ["a"]}
FILE: dict[str, Any] = {"email_id": REPLY["email_id"], "filename": "a.txt"}

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("list_mailboxes", {"all": True}, "all is not an argument"),
    ("list_mailboxes", {"offset": -1}, "offset:"),
    ("check_inbox", {"limit": 10**9}, "limit:"),
    ("check_inbox", {"limit": -1}, "limit can be left out"),
    ("check_inbox", {"limit": "many"}, "limit:"),
    ("check_inbox", {"unread_only": "perhaps"}, "unread_only:"),
    ("check_inbox", {"direction": "sideways"}, "direction:"),
    ("check_inbox", {"date_after": "yesterday"}, "date_after:"),
    ("check_inbox", {"date_before": "next week"}, "date_before: 'next week' is not an ISO 8601"),
    ("check_inbox", {"cursor": "nonsense"}, "cursor"),
    ("check_inbox", {"cursor": "../../etc/passwd"}, "cursor"),
    ("check_inbox", {"sender": ["a@b.test", "c@b.test"]}, "sender:"),
    ("check_inbox", {"subject_contains": "x" * 5000}, "subject_contains"),
    ("check_inbox", {"sender": "half \ud800"}, "sender"),
    ("check_inbox", {"mailbox": "nobody@example.org"}, "no mailbox 'nobody@example.org'"),
    ("check_inbox", {"folder": "spam", "page": 2}, "folder is not an argument"),
    ("read_email", {}, "email_id: field required"),
    ("read_email", {"email_id": None}, "email_id:"),
    ("read_email", {"email_id": 7}, "email_id:"),
    ("read_email", {"email_id": ""}, "email_id:"),
    ("read_email", {"email_id": "   "}, "email_id:"),
    ("read_email", {"email_id": "x" * 201}, "email_id:"),
    ("read_email", {"email_id": "msg_1\r\nHost: evil"}, "email_id"),
    ("read_email", {"email_id": ".."}, "email_id"),
    ("read_email", {"email_id": "../../v1/api-keys"}, "email_id:"),
    ("read_email", {"email_id": "msg_1/attachments/x"}, "email_id:"),
    ("read_email", {"email_id": "msg_1%2Fraw"}, "email_id:"),
    ("read_email", {"email_id": "msg_1?peek=1#x"}, "email_id:"),
    ("read_email", {"email_id": "msg_unknown"}, "'msg_unknown'"),
    ("read_email", {"email_id": "half \ud800"}, "email_id"),
    ("read_email", {"email_id": "msg_1", "offset": -5}, "offset:"),
    ("read_email", {"email_id": "msg_1", "offset": 1.5}, "offset:"),
    ("get_thread", {}, "thread_id: field required"),
    ("get_thread", {"thread_id": "thr_unknown"}, "'thr_unknown'"),
    ("get_thread", {"thread_id": "thr/../x"}, "thread_id:"),
    ("wait_for_email", {"timeout_seconds": 10**9}, "timeout_seconds:"),
    ("wait_for_email", {"timeout_seconds": -1}, "timeout_seconds:"),
    ("wait_for_email", {"timeout_seconds": float("nan")}, "timeout_seconds:"),
    ("wait_for_email", {"since_id": "msg_unknown", "timeout_seconds": 0}, "'msg_unknown'"),
    ("download_attachment", {"email_id": "msg_1"}, "filename: field required"),
    ("download_attachment", FILE, "no message"),
    ("search_contacts", {"query": {"name": "ann"}}, "query:"),
    ("search_contacts", {"limit": 101}, "limit:"),
    ("search_contacts", {"query": "half \ud800"}, "query"),
    ("add_contact", {"name": "Ann"}, "email: field required"),
    ("add_contact", {"email": "ann"}, "email: 'ann' is not an email address"),
    ("add_contact", {"email": "ann@example.org", "tags": {"a": 1}}, "tags:"),
    ("send_email", {}, "to: field required; subject: field required; body: field required"),
    ("send_email", {**SEND, "to": None}, "to:"),
    ("send_email", {**SEND, "to": []}, "to:"),
    ("send_email", {**SEND, "to": ""}, "to:"),
    ("send_email", {**SEND, "to": [None]}, "to:"),
    ("send_email", {**SEND, "to": [" ", "null"]}, "to:"),
    ("send_email", {**SEND, "to": '["ann@example.org"'}, "to:"),
    ("send_email", {**SEND, "to": "a@b.test\nBcc: c@d.test"}, "to:"),
    ("send_email", {**SEND, "to": "Smith, John <john@example.org>"}, "to: 'Smith'"),
    ("send_email", {**SEND, "subject": " "}, "subject:"),
    ("send_email", {**SEND, "to": {"name": "Ann"}}, "to.0: input should be"),
    ("send_email", {**SEND, "to": ["ann@example.org", "bad"]}, "to: 'bad' is not an email"),
    ("send_email", {**SEND, "to": ["a@b.test\nBcc: c@d.test"]}, "to:"),
    ("send_email", {**SEND, "to": [f"a{n}@b.test" for n in range(51)]}, "to:"),
    ("send_email", {**SEND, "cc": "bad"}, "cc: 'bad'"),
    ("send_email", {**SEND, "bcc": ["ann@example.org", "@"]}, "bcc: '@'"),
    ("send_email", {**SEND, "subject": "Hi\r\nBcc: spy@example.net"}, "subject: has a line break"),
    ("send_email", {**SEND, "subject": "x" * 999}, "subject:"),
    ("send_email", {**SEND, "subject": ["Hi"]}, "subject:"),
    ("send_email", {**SEND, "subject": "half \ud800"}, "subject:"),
    ("send_email", {**SEND, "body": "x" * 10_000_000}, "body:"),
    ("send_email", {**SEND, "body": " \n "}, "body: is empty"),
    ("send_email", {**SEND, "body": "nul \0"}, "NUL"),
    ("send_email", {**SEND, "body": "half \ud800"}, "body:"),
    ("send_email", {**SEND, "send_at": "tomorrow"}, "send_at can be left out"),
    ("send_email", {**SEND, "send_at": "2999-01-01T00:00:00Z"}, "send_at"),
    ("send_email", {**SEND, "send_at": "0001-01-01T00:00:00+23:00"}, "send_at:"),
    ("send_email", {**SEND, "mailbox": "other@example.org"}, "other@example.org"),
    ("send_email", {**SEND, "oversight_mode": "autonomous"}, "oversight_mode is not an argument"),
    ("send_email", {**SEND, "idempotency_key": "again"}, "idempotency_key is not an argument"),
    ("reply_email", {"email_id": "msg_1"}, "body: field required"),
    ("reply_email", REPLY, "no message"),
    ("reply_email", {**REPLY, "reply_all": "everyone"}, "reply_all:"),
    ("reply_email", {**REPLY, "cc": ["bad"]}, "cc: 'bad'"),
    ("reply_email", {**REPLY, "subject": "Hi"}, "subject is not an argument"),
    ("tag_email", {"email_id": "msg_1", "tags": []}, "tags:"),
    ("tag_email", {**TAG, "tags": '["billing", "urgent"'}, "tags.0:"),
    ("tag_email", {**TAG, "tags": ["{a}"]}, "tags.0:"),
    ("tag_email", {**TAG, "tags": [1]}, "tags.0:"),
    ("tag_email", {**TAG, "tags": ["=x"]}, "tag"),
    ("tag_email", {**TAG, "tags": {"a": "b"}}, "tags:"),
    ("tag_email", TAG, "no message"),
    ("list_pending", {"limit": True, "mailbox": 1}, "mailbox:"),
    ("list_pending", {"limit": -1}, "limit:"),
    ("cancel_message", {}, "email_id: field required"),
    ("cancel_message", {"email_id": "msg_unknown"}, "'msg_unknown'"),
    ("cancel_message", {"email_id": ["msg_1", "msg_2"]}, "email_id:"),
]

WRONG_DECISIONS: list[tuple[str, dict[str, Any], str]] = [
    ("decide_email", {"email_id": "msg_1"}, "decision: field required"),
    ("decide_email", {"email_id": "msg_1", "decision": "maybe"}, "decision:"),
    ("decide_email", {"email_id": "msg_1", "decision": ["approve"]}, "decision:"),
    ("decide_email", {"email_id": "msg_1", "decision": "approve", "reason": "x" * 1001}, "reason:"),
    ("decide_email", {"email_id": "msg_1", "decision": "approve"}, "msg_1 has not been read"),
    ("read_email", {"email_id": "msg_unknown"}, "'msg_unknown'"),
    ("get_thread", {"thread_id": "thr_unknown"}, "'thr_unknown'"),
    ("list_pending", {"limit": 51}, "limit:"),
]


def _named(case: Any) -> str:
    return case if isinstance(case, str) else f"{case!r:.30}"


@pytest.mark.parametrize(("name", "arguments", "problem"), WRONG, ids=_named)
async def test_a_wrong_argument_is_named(
    box: Inbox, connect: Connect, name: str, arguments: dict[str, Any], problem: str
) -> None:
    result = await connect(box).call(name, arguments)
    assert problem in result.text, result.text
    assert get_error_code(result) != "internal"
    assert result.error is not None
    assert not result.error.retryable
    assert result.error.next_step or "." in result.error.message
    assert len(result.text) < 2500
    assert box.mails() == []


@pytest.mark.parametrize(("name", "arguments", "problem"), WRONG_DECISIONS, ids=_named)
async def test_a_wrong_argument_of_the_approver_is_named(
    box: Inbox, connect: Connect, name: str, arguments: dict[str, Any], problem: str
) -> None:
    result = await connect.approver(box).call(name, arguments)
    assert problem in result.text, result.text
    assert get_error_code(result) != "internal"


@pytest.mark.parametrize("spec", [*AGENT_TOOLS, *APPROVER_TOOLS], ids=lambda spec: spec.name)
@pytest.mark.parametrize("shape", ["text", 7, ["a"], [("email_id",)], {1: 2}, {"\ud800": 1}])
async def test_what_is_no_set_of_arguments_is_an_answer_too(
    box: Inbox, connect: Connect, spec: ToolSpec, shape: Any
) -> None:
    tools = connect.approver(box) if spec.access == "approve" else connect(box)
    assert get_error_code(await tools.call(spec.name, shape)) == "invalid_arguments"


async def test_no_arguments_at_all_are_none(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    assert (await tools.call("list_mailboxes", None)).ok
    assert get_error_code(await tools.call("send_email", None)) == "invalid_arguments"


async def test_every_optional_argument_may_be_null(
    box: Inbox, wide_key: str, connect: Connect
) -> None:
    policy = TrustPolicy(listed=["example.org"])
    mail = box.receive_proven()
    tools = connect(box, policy=policy, key=wide_key, mailbox=box.id)
    needed: dict[str, dict[str, Any]] = {
        "read_email": {"email_id": mail["id"]},
        "get_thread": {"thread_id": mail["thread_id"]},
        "wait_for_email": {"timeout_seconds": 0},
        "add_contact": {"email": "zed@example.org"},
        "send_email": SEND,
        "reply_email": {**REPLY, "email_id": mail["id"]},
        "tag_email": {**TAG, "email_id": mail["id"]},
        "forward_email": {"email_id": mail["id"], "to": ["ann@example.org"]},
        "mark_email": {"email_ids": [mail["id"]], "mark": "read"},
    }
    for spec in AGENT_TOOLS:
        if spec.name in (
            "cancel_message",
            "download_attachment",
            "revise_message",
        ):
            continue
        nulls: dict[str, Any] = dict.fromkeys(spec.args.model_fields)
        result = await tools.call(spec.name, nulls | needed.get(spec.name, {}))
        assert result.ok or get_error_code(result) == "timeout", result.text
    assert len(box.mails()) == 3


async def test_a_model_may_be_loose_where_nothing_is_in_doubt(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    sent = await tools(
        "send_email",
        to="Ann <ann@example.org>, bob@example.org,",
        subject="  Hi  ",
        body="Hello.",
        cc=" carol@example.org ",
    )
    mail = box.mail(sent.data["id"])
    assert (mail["to"], mail["cc"]) == (
        ["ann@example.org", "bob@example.org"],
        ["carol@example.org"],
    )
    assert mail["subject"] == "Hi"
    result = await tools("check_inbox", limit="1", unread_only="false", direction="outbound")
    assert ids(result.data["emails"]) == [mail["id"]]
    one_of_ours = await tools("read_email", email_id=f" {mail['id']} ")
    assert one_of_ours.ok


async def test_a_message_that_is_not_of_the_thread_is_named(box: Inbox, connect: Connect) -> None:
    mail = box.receive()
    result = await connect(box)("get_thread", thread_id=mail["thread_id"], before="msg_1")
    assert get_error_code(result) == "not_found"
    assert "msg_1" in result.text


async def test_an_attachment_that_is_not_there_is_named(box: Inbox, connect: Connect) -> None:
    mail = box.receive_proven(files={"a.txt": "x"})
    tools = connect(box)
    for name in ("b.txt", "../a.txt", "a.txt/../a.txt", "a.txt?x", "x" * 300):
        result = await tools("download_attachment", email_id=mail["id"], filename=name)
        assert get_error_code(result) == "not_found"
        assert result.files == ()


async def test_arguments_may_be_json_text_as_models_apis_give_it(
    box: Inbox, connect: Connect
) -> None:
    tools = connect(box)
    assert (await tools.call("check_inbox", "")).ok
    sent = await tools.call("send_email", json.dumps(SEND))
    assert box.mail(sent.data["id"])["subject"] == "Hi"
    broken = ('{"to": ["ann@example.org"', "[1]", '"send"', '{"to": "\ud800"}', "{} {}")
    for text in broken:
        assert get_error_code(await tools.call("send_email", text)) == "invalid_arguments"
    assert len(box.mails()) == 1


async def test_the_id_of_a_thread_is_told_apart(box: Inbox, connect: Connect) -> None:
    thread = box.receive()["thread_id"]
    for name, more in (("read_email", {}), ("reply_email", {"body": "x"})):
        result = await connect(box).call(name, {"email_id": thread, **more})
        assert get_error_code(result) == "not_found"
        assert "get_thread" in result.text


async def test_a_version_that_is_not_there_is_said(box: Inbox, connect: Connect) -> None:
    mail, tools = box.receive("Hello."), connect(box)
    for version in ("html", "text"):
        result = await tools("read_email", email_id=mail["id"], version=version)
        assert "It has only one version, which is shown." in result.text
        assert result.data["body"] == "Hello."
    assert (await tools("check_inbox")).text.startswith("1 email, newest first")


@pytest.mark.parametrize(
    ("declared", "is_accepted"),
    [("ann@example.org", True), ("Ann <ann@b\u00fccher.example>", True), ("12345678", True),
     ("DEUTDEFF", True), ("nonsense", False), ("example.org", False), ("ann@", False),
     ("ann@exa mple.org", False), ("", False), ("room 4", True)],
)  # fmt: skip
def test_what_is_declared_is_an_address_or_a_payment_detail(
    box: Inbox, declared: str, is_accepted: bool
) -> None:
    toolkit = Toolkit(box.agent_key, base_url=box.server.url)
    if is_accepted:
        toolkit.declare_recipients([declared])
        return
    with pytest.raises(ConfigurationError, match="neither an address nor a payment detail"):
        toolkit.declare_recipients([declared], session_id="x")
