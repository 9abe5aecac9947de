"""Remembering: what a human once allowed, for every conversation, process and worker after it."""

from __future__ import annotations

from typing import Any

from tests.tools.asking import get_send_decision, shown, tainted
from tests.tools.support import Connect, Inbox, Tools, decided

from multimail.trust import Action

BOB, CAROL, EVE = "bob@example.org", "carol@example.org", "eve@evil.example"


async def held_send(tools: Tools, session: str | None = None, **more: Any) -> str:
    """Send what is held, and return its id."""
    send = {"to": BOB, "subject": "First", "body": "Hello.", **more}
    result = await tools.call("send_email", send, session)
    assert result.data["held"] is True
    return str(result.data["id"])


async def test_whom_a_human_allowed_once_is_known(auto_box: Inbox, connect: Connect) -> None:
    tools = connect(auto_box)
    await tainted(auto_box, tools)
    email_id = await held_send(tools)
    assert (await get_send_decision(tools, BOB)).action is Action.HOLD
    auto_box.decide(email_id)
    assert (await get_send_decision(tools, BOB)).action is Action.ALLOW
    assert (await get_send_decision(tools, CAROL)).action is Action.HOLD


async def test_everybody_whom_the_approved_message_went_to_is_known(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    await tainted(auto_box, tools)
    auto_box.decide(await held_send(tools, cc=CAROL, bcc="dora@example.org"))
    for address in (CAROL, "dora@example.org", BOB):
        assert (await get_send_decision(tools, address)).action is Action.ALLOW


async def test_whom_an_approved_reply_copied_in_is_known(auto_box: Inbox, connect: Connect) -> None:
    tools = connect(auto_box)
    mail = await tainted(auto_box, tools)
    reply = await tools("reply_email", email_id=mail["id"], body="Yes.", cc=CAROL)
    assert reply.data["held"] is True
    auto_box.decide(reply.data["id"])
    assert (await get_send_decision(tools, CAROL)).action is Action.ALLOW


async def test_a_mailbox_that_holds_everything_teaches_the_guard_too(
    box: Inbox, connect: Connect
) -> None:
    tools = connect(box)
    sent = await tools("send_email", to=BOB, subject="First", body="Hello.")
    assert decided(sent).action is Action.ALLOW
    box.decide(sent.data["id"])
    await tainted(box, tools)
    assert (await get_send_decision(tools, BOB)).action is Action.ALLOW
    assert (await get_send_decision(tools, CAROL)).action is Action.HOLD


async def test_unapproved_sends_make_no_address_known(auto_box: Inbox, connect: Connect) -> None:
    tools = connect(auto_box)
    sent = await tools("send_email", to=BOB, subject="First", body="Hello.")
    assert sent.data["held"] is False
    await shown(tools, "read_email", email_id=sent.data["id"])
    await tainted(auto_box, tools)
    assert (await get_send_decision(tools, BOB)).action is Action.HOLD


async def test_an_approved_message_that_is_read_makes_its_recipients_known(
    auto_box: Inbox, connect: Connect
) -> None:
    first = connect(auto_box)
    await tainted(auto_box, first)
    email_id = await held_send(first)
    auto_box.decide(email_id)
    # A memory of its own: only the message holds it.
    second = connect(auto_box)
    await tainted(auto_box, second)
    assert (await get_send_decision(second, BOB)).action is Action.HOLD
    await shown(second, "read_email", email_id=email_id)
    assert (await get_send_decision(second, BOB)).action is Action.ALLOW


async def test_mail_from_whom_a_human_allowed_is_from_a_known_sender(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    unsigned = auto_box.receive()
    await shown(tools, "read_email", email_id=unsigned["id"])
    auto_box.decide(await held_send(tools, to="ann@example.com"))
    tools.toolkit.reset()
    await tainted(auto_box, tools)
    assert (await get_send_decision(tools, "ann@example.com")).action is Action.ALLOW
    proven, forged = auto_box.receive_proven(), auto_box.receive(sender="ann@example.com")
    read = await shown(tools, "read_email", email_id=proven["id"])
    assert read.data["trust"]["standing"] == "known"
    assert "A human has approved mail to this sender before." in read.text
    read = await shown(tools, "read_email", email_id=forged["id"])
    assert read.data["trust"]["standing"] == "new"


async def test_the_same_send_again_is_the_same_whatever_the_guard_learned(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box)
    send = {"to": BOB, "subject": "x", "body": "y"}
    first = await tools.call("send_email", send)
    await tainted(auto_box, tools)
    again = await tools.call("send_email", send)
    assert (again.data["duplicate"], again.data["id"]) == (True, first.data["id"])
    tools.toolkit.declare_recipients([BOB])
    again = await tools.call("send_email", send)
    assert again.data["id"] == first.data["id"]
    assert len(auto_box.mails()) == 1
