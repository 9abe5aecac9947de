"""Conversations: joined by default within a process, parted by name."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tools.asking import get_send_decision, shown
from tests.tools.support import Connect, Inbox, decided

from multimail.errors import ConfigurationError
from multimail.sessions import MemorySessionStore
from multimail.tools._conversation import conversation
from multimail.tools._guard import _warn_of_shared_conversation
from multimail.trust import Action, TrustPolicy

IBAN = "DE89 3704 0044 0532 0130 00"


async def test_toolkits_without_an_id_share_the_conversation_of_the_process(
    auto_box: Inbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_of_shared_conversation.cache_clear()
    store = MemorySessionStore()
    mail = auto_box.receive()
    reader, writer = (connect(auto_box, store=store) for _ in range(2))
    await shown(reader, "read_email", email_id=mail["id"])
    decision = await get_send_decision(writer)
    assert decision.action is Action.HOLD
    assert "give each job its own conversation" in decision.reasons[-1]
    assert decision.codes[-1] == "opened_earlier"
    await get_send_decision(writer)
    warned = [row.getMessage() for row in caplog.records if row.levelname == "WARNING"]
    assert ["conversation('job-17')" in text for text in warned] == [True]


async def test_a_named_conversation_is_parted_from_the_others(
    auto_box: Inbox, connect: Connect
) -> None:
    mail, tools = auto_box.receive(), connect(auto_box)
    with tools.toolkit.conversation(f"job-1-{auto_box.id}"):
        await shown(tools, "read_email", email_id=mail["id"])
        assert (await get_send_decision(tools)).action is Action.HOLD
        with tools.toolkit.conversation(f"job-2-{auto_box.id}"):
            assert (await get_send_decision(tools)).action is Action.ALLOW
        assert (await get_send_decision(tools)).action is Action.HOLD
    assert (await get_send_decision(tools)).action is Action.ALLOW


@pytest.mark.parametrize("name", [None, "", " ", 7])
def test_a_conversation_has_a_name(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="names no conversation"), conversation(name):
        pass


async def test_what_app_code_says_of_another_conversation_leaves_this_one(
    auto_box: Inbox, connect: Connect
) -> None:
    mail, tools = auto_box.receive(), connect(auto_box)
    with tools.toolkit.conversation(f"job-3-{auto_box.id}"):
        await shown(tools, "read_email", email_id=mail["id"])
        tools.toolkit.reset("another")
        tools.toolkit.declare_recipients(["ann@example.net"], session_id="another")
        assert (await get_send_decision(tools)).action is Action.HOLD
        guard = tools.toolkit.session.guard()
        assert not guard.store.declared(guard.declared_key)
        tools.toolkit.reset()
        assert (await get_send_decision(tools)).action is Action.ALLOW


@pytest.mark.parametrize("name", ["send_email", "reply_email"])
async def test_payment_details_of_mail_are_held(
    auto_box: Inbox, connect: Connect, name: str
) -> None:
    tools = connect(auto_box)
    question, invoice = auto_box.receive_proven("Where do I pay?"), None
    invoice = auto_box.receive_proven(f"New account: {IBAN}")
    for mail in (question, invoice):
        await shown(tools, "read_email", email_id=mail["id"])
    target: dict[str, Any] = {"email_id": question["id"]}
    if name == "send_email":
        target = {"to": "ann@example.com", "subject": "Invoice"}
    held = await tools.call(name, {**target, "body": f"Pay to {IBAN.replace(' ', '')}."})
    assert (decided(held).action, decided(held).code) == (Action.HOLD, "payment_from_mail")
    free = await tools.call(name, {**target, "body": "Pay to IBAN GB82 WEST 1234 5698 7654 32."})
    assert decided(free).action is Action.ALLOW


@pytest.mark.parametrize("how", ["declared", "listed"])
async def test_payment_details_of_the_user_are_free(
    auto_box: Inbox, connect: Connect, how: str
) -> None:
    policy = TrustPolicy(listed_payments=[IBAN] if how == "listed" else ())
    tools, mail = connect(auto_box, policy=policy), auto_box.receive_proven(f"Account: {IBAN}")
    if how == "declared":
        tools.toolkit.declare_recipients([IBAN])
    await shown(tools, "read_email", email_id=mail["id"])
    send = {"to": "ann@example.com", "subject": "x", "body": f"Pay to {IBAN}."}
    assert decided(await tools.call("send_email", send)).action is Action.ALLOW


async def test_the_number_of_a_sender_is_not_free_for_others(
    auto_box: Inbox, connect: Connect
) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven(f"New account: {IBAN}.")
    tools.toolkit.declare_recipients(["boss@example.net"])
    await shown(tools, "read_email", email_id=mail["id"])
    to_both = {"email_id": mail["id"], "body": f"Pay to {IBAN}", "cc": ["boss@example.net"]}
    result = await tools.call("reply_email", to_both)
    assert (decided(result).action, decided(result).code) == (Action.HOLD, "payment_from_mail")


async def test_payment_details_of_mail_are_held_after_an_own_message_repeated_them(
    auto_box: Inbox, connect: Connect
) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven(f"My account is {IBAN}.")
    await shown(tools, "read_email", email_id=mail["id"])
    own = await tools.call("reply_email", {"email_id": mail["id"], "body": f"Yes: {IBAN}"})
    tools.toolkit.reset()
    await shown(tools, "read_email", email_id=own.data["id"])
    invoice = {"to": "ann@example.com", "subject": "Invoice", "body": f"Pay to {IBAN}"}
    result = await tools.call("send_email", invoice)
    assert "payment_from_mail" in decided(result).codes


async def test_a_sender_may_be_sent_her_own_number(auto_box: Inbox, connect: Connect) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven(f"My account is {IBAN}.")
    await shown(tools, "read_email", email_id=mail["id"])
    result = await tools.call("reply_email", {"email_id": mail["id"], "body": f"Yes: {IBAN}"})
    assert decided(result).action is Action.ALLOW


@pytest.mark.parametrize(
    ("tags", "is_allowed"),
    [
        (["urgent"], True),
        (["a" * 24, "spam_1-x"], True),
        (["a" * 25], False),
        (["kind=billing"], True),
        (["note=Pay Eve"], False),
        (["note=send-all-mail-to-eve"], False),
        (["a=b=c"], False),
        (["Urgent"], False),
        (["urgent", "send all"], False),
    ],
)
async def test_after_mail_only_short_tags_are_set(
    auto_box: Inbox, connect: Connect, tags: list[str], is_allowed: bool
) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven()
    other = auto_box.receive_proven()
    await shown(tools, "read_email", email_id=mail["id"])
    result = await tools.call("tag_email", {"email_id": mail["id"], "tags": tags})
    assert (decided(result).action is Action.ALLOW) is is_allowed
    unopened = await tools.call("tag_email", {"email_id": other["id"], "tags": ["urgent"]})
    assert "other_message" in decided(unopened).codes
    assert "Open it with read_email first." in unopened.text
    assert is_allowed or "Use tags such as billing" in result.text
