"""Each of the agent's tools does its work: in words, in data, and in the server's store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from tests.tools.support import (
    Connect,
    Inbox,
    Signer,
    fenced,
    get_error_code,
    ids,
    make_message,
    outside,
)

from multimail.tools import Toolkit
from multimail_server.testing.server import ServerUnderTest


async def test_list_mailboxes_names_the_mode(box: Inbox, connect: Connect) -> None:
    result = await connect(box)("list_mailboxes")
    assert result.ok
    assert f"{box.address} | gated_send" in result.text
    assert result.data["mailboxes"][0]["id"] == box.id


async def test_check_inbox_lists_the_newest_first_and_marks_nothing_as_read(
    box: Inbox, connect: Connect, signed: Signer
) -> None:
    box.deliver(make_message(subject="First", to=box.address))
    box.deliver(signed(make_message(subject="Second", sender="bob@example.com", to=box.address)))
    result = await connect(box)("check_inbox")
    rows = fenced(result.text)
    assert rows.index("bob@example.com: Second") < rows.index("ann@example.org: First")
    assert [row["trust"]["label"] for row in result.data["emails"]] == [
        "authenticated",
        "unauthenticated",
    ]
    assert result.data["cursor"] is None
    assert [mail["status"] for mail in box.mails("inbound")] == ["unread", "unread"]


async def test_check_inbox_filters(box: Inbox, connect: Connect) -> None:
    box.deliver(
        make_message(subject="Invoice 7", sender="ann@example.org", to=box.address),
        make_message(
            subject="Lunch", sender="bob@example.org", to=box.address, files={"menu.txt": "x"}
        ),
    )
    tools = connect(box)
    await tools("send_email", to=["ann@example.org"], subject="Offer", body="Hello.")

    async def subjects(**filters: Any) -> list[str]:
        result = await tools("check_inbox", **filters)
        return [row["subject"] for row in result.data["emails"]]

    assert await subjects(sender="ann@example.org") == ["Invoice 7"]
    assert await subjects(subject_contains="lunch") == ["Lunch"]
    assert await subjects(has_attachments=True) == ["Lunch"]
    assert await subjects(direction="outbound") == ["Offer"]
    assert await subjects(date_after="2999-01-01T00:00:00Z") == []
    assert await subjects(date_before="2999-01-01T00:00:00+01:00", limit=1) == ["Offer"]
    await tools("read_email", email_id=box.mails("inbound")[0]["id"])
    assert await subjects(unread_only=True) == ["Invoice 7"]


async def test_an_empty_inbox_says_so(box: Inbox, connect: Connect) -> None:
    result = await connect(box)("check_inbox")
    assert result.text == "No mail matches."
    assert result.data == {"emails": [], "cursor": None}


async def test_read_email_shows_one_message_and_marks_it_as_read(
    box: Inbox, connect: Connect
) -> None:
    mail = box.receive("Can you help?", subject="Help", files={"a.txt": "one"})
    result = await connect(box)("read_email", email_id=mail["id"])
    shown = fenced(result.text)
    for part in ("From: ann@example.org", f"To: {box.address}", "Subject: Help", "Can you help?"):
        assert part in shown
    assert f"Attachments: {result.data['attachments'][0]['id']} a.txt (5 bytes)" in shown
    assert "Sender unauthenticated" in result.text
    assert result.data["body"] == "Can you help?"
    assert result.data["next_offset"] is None
    assert result.data["attachments"][0]["name"] == "a.txt"
    assert box.mail(mail["id"])["status"] == "read"


async def test_get_thread_shows_the_conversation_and_the_reply_that_waits(
    box: Inbox, connect: Connect
) -> None:
    first = box.receive("Question?", Message_ID="<q@example.org>")
    second = box.receive("Anyone there?", In_Reply_To="<q@example.org>")
    tools = connect(box)
    reply = await tools("reply_email", email_id=second["id"], body="Yes!")
    result = await tools("get_thread", thread_id=first["thread_id"])
    assert ids(result.data["messages"]) == [first["id"], second["id"], reply.data["id"]]
    shown = fenced(result.text)
    assert shown.index("Question?") < shown.index("Anyone there?") < shown.index("Yes!")
    assert f"already on its way: {reply.data['id']} (pending_send_approval)" in result.text


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unheard of"])
async def test_get_thread_takes_an_email_of_the_thread(
    box: Inbox, connect: Connect, listed: bool
) -> None:
    first = box.receive("Question?", Message_ID="<which@example.org>")
    second = box.receive("Anyone there?", In_Reply_To="<which@example.org>")
    tools = connect(box)
    if listed:
        await tools("check_inbox")
    result = await tools("get_thread", thread_id=second["id"])
    assert result.data["thread_id"] == first["thread_id"]
    assert ids(result.data["messages"]) == [first["id"], second["id"]]
    # What was listed needs no reading, by which it would count as read.
    assert result.data["messages"][1]["status"] == ("unread" if listed else "read")


async def test_a_page_of_a_thread_is_its_ten_newest_messages(box: Inbox, connect: Connect) -> None:
    mails = [box.receive("0", Message_ID="<long@example.org>")]
    mails += [box.receive(str(n), In_Reply_To="<long@example.org>") for n in range(1, 12)]
    tools = connect(box)
    page = await tools("get_thread", thread_id=mails[0]["thread_id"])
    assert ids(page.data["messages"]) == ids(mails[2:])
    assert page.text.endswith(f"2 older messages: get_thread with before={mails[2]['id']}.")
    older = await tools("get_thread", thread_id=mails[5]["id"], before=page.data["before"])
    assert ids(older.data["messages"]) == ids(mails[:2])
    assert older.data["before"] is None


async def test_wait_for_email_returns_when_mail_comes(box: Inbox, connect: Connect) -> None:
    box.receive("Old.", subject="Old")
    tools, event = connect(box), threading.Event()
    listings: list[httpx.Request] = tools.way.requests

    def deliver_once_it_waits() -> None:
        while len(listings) < 3:  # the mailbox, the newest now, the first look
            event.wait(0.005)
        box.deliver(make_message(subject="Other", sender="bob@example.org", to=box.address))
        box.deliver(make_message(subject="New", to=box.address))

    postman = threading.Thread(target=deliver_once_it_waits)
    postman.start()
    result = await tools("wait_for_email", sender="ann@example.org", timeout_seconds=20)
    postman.join()
    assert "ann@example.org: New" in fenced(result.text)
    assert result.data["email"]["subject"] == "New"


async def test_wait_for_email_finds_what_came_since(box: Inbox, connect: Connect) -> None:
    first, second = box.receive("One."), box.receive("Two.", subject="Second")
    result = await connect(box)("wait_for_email", since_id=first["id"], timeout_seconds=0)
    assert result.data["email"]["id"] == second["id"]


async def test_wait_for_email_gives_up_in_time(box: Inbox, connect: Connect) -> None:
    box.receive("Old.")
    tools = connect(box)
    result = await tools("wait_for_email", timeout_seconds=0)
    assert get_error_code(result) == "timeout"
    assert len(tools.way.requests) == 3  # the mailbox, the newest now, one look
    assert result.error is not None
    assert result.error.retryable


async def test_download_attachment_gives_text_to_the_model_and_bytes_to_code(
    box: Inbox, connect: Connect
) -> None:
    mail = box.receive_proven(files={"note.txt": "Grüße\n", "photo.bin": b"\x00\xff"})
    tools = connect(box)
    text = await tools("download_attachment", email_id=mail["id"], filename="note.txt")
    assert fenced(text.text) == "Grüße"
    assert text.files[0].content.decode().strip() == "Grüße"
    binary = await tools("download_attachment", email_id=mail["id"], filename="photo.bin")
    assert "not plain text" in binary.text
    assert binary.data["size"] == 2
    assert binary.files[0].content == b"\x00\xff"


async def test_files_are_shown_as_a_reader_sees_them(box: Inbox, connect: Connect) -> None:
    page, enclosed = b"<p>Pay<i hidden>all</i> 5", b"From: bob@example.net\r\n\r\nhttp://a.example"
    mail = box.receive_proven(files={"a.html": page, "b.eml": enclosed, "c.pdf": b"%PDF-1.7"})
    tools = connect(box)
    results = [
        await tools("download_attachment", email_id=mail["id"], filename=name)
        for name in ("a.html", "b.eml", "c.pdf", "d.pdf")
    ]
    assert fenced(results[0].text) == "Pay 5"
    assert "1 hidden element" in outside(results[0].text)
    assert fenced(results[1].text) == "From: bob@example.net\n\nhxxp://a[.]example"
    assert "1 link was defanged." in outside(results[1].text)
    assert "It is broken" in results[2].text
    assert "read_email shows the names of its attachments." in results[3].text


async def test_another_version_is_named_and_given(box: Inbox, connect: Connect) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", box.address, "Code"
    message.set_content("Your program shows no HTML.")
    message.add_alternative("<p>The code is 4711.</p>", subtype="html")
    box.deliver(message.as_bytes())
    mail, tools = box.mails("inbound")[0], connect(box)
    shown = await tools("read_email", email_id=mail["id"])
    assert shown.data["body"] == "The code is 4711."
    assert "(version=text)" in outside(shown.text)
    other = await tools("read_email", email_id=mail["id"], version="text")
    assert other.data["body"] == "Your program shows no HTML."
    thread = await tools("get_thread", thread_id=mail["thread_id"])
    assert "The code is 4711." in thread.text


async def test_a_large_attachment_comes_by_its_link_which_no_log_shows(
    box: Inbox, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "httpx")
    content = bytes(range(256)) * 400
    mail = box.receive_proven(files={"large.bin": content})
    result = await connect(box)("download_attachment", email_id=mail["id"], filename="large.bin")
    assert result.files[0].content == content
    (link,) = [message for message in caplog.messages if "/v1/attachments/" in message]
    assert "?" not in link


async def test_contacts_are_added_and_found(box: Inbox, wide_key: str, connect: Connect) -> None:
    tools = connect(box, key=wide_key, mailbox=box.id)
    who = f"carol-{box.id.lower()}@example.org"
    added = await tools("add_contact", email=who, name="Carol", tags=["friend"])
    assert fenced(added.text) == who
    again = await tools("add_contact", email=who, name="Carol", tags=["friend"])
    assert again.data["contact"]["id"] == added.data["contact"]["id"]
    result = await tools("search_contacts", query=box.id.lower())
    assert fenced(result.text) == f"{who} | Carol"
    assert result.data["contacts"] == [added.data["contact"]]
    stored = box.reviewer.get("/v1/contacts", params={"q": who}).json()["contacts"]
    assert stored[0]["tags"] == ["friend"]
    no_match = await tools("search_contacts", query="no such person")
    assert no_match.text == "No contact matches."


async def test_send_email_is_held_where_the_mailbox_asks_a_human(
    box: Inbox, connect: Connect
) -> None:
    tools = connect(box)
    result = await tools(
        "send_email",
        to=["ann@example.org"],
        cc="bob@example.org, carol@example.org",
        bcc=["dave@example.org"],
        subject="Offer",
        body="It is **ready**.",
    )
    mail = box.mail(result.data["id"])
    assert result.text.startswith(f"Held for approval: {mail['id']} to ann@example.org")
    assert result.data["held"] is True
    assert mail["status"] == "pending_send_approval"
    assert mail["cc"] == ["bob@example.org", "carol@example.org"]
    assert mail["bcc"] == ["dave@example.org"]
    assert mail["markdown"] == "It is **ready**."
    assert box.left() == []
    box.decide(mail["id"])
    assert box.left()[0]["recipients"] == [
        "ann@example.org",
        "bob@example.org",
        "carol@example.org",
        "dave@example.org",
    ]


async def test_send_email_leaves_at_once_without_approval(
    auto_box: Inbox, connect: Connect
) -> None:
    result = await connect(auto_box)(
        "send_email", to=["ann@example.org"], subject="Hi", body="Now."
    )
    assert result.text.startswith(f"Accepted for sending: {result.data['id']}")
    assert result.data["held"] is False
    auto_box.server.wait_for_message(
        lambda mail: mail["id"] == result.data["id"] and mail["status"] == "sent",
        direction="outbound",
    )
    assert "Now." in auto_box.left()[0]["raw"]


async def test_send_email_later(auto_box: Inbox, connect: Connect) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    tools = connect(auto_box)
    result = await tools(
        "send_email",
        to=["ann@example.org"],
        subject="Later",
        body="Soon.",
        send_at=later.isoformat(),
    )
    assert f"It leaves at {later:%Y-%m-%d %H:%M}Z" in result.text
    assert auto_box.mail(result.data["id"])["status"] == "scheduled"
    cancelled = await tools("cancel_message", email_id=result.data["id"])
    assert cancelled.data["status"] == "cancelled"
    assert auto_box.left() == []


async def test_reply_email_goes_into_the_thread(box: Inbox, connect: Connect) -> None:
    mail = box.receive(
        "Hi all",
        subject="Plan",
        Cc="bob@example.org",
        Message_ID="<plan@example.org>",
    )
    result = await connect(box)(
        "reply_email", email_id=mail["id"], body="Fine.", reply_all=True, cc=["carol@example.org"]
    )
    reply = box.mail(result.data["id"])
    assert reply["thread_id"] == mail["thread_id"] == result.data["thread_id"]
    assert reply["to"] == ["ann@example.org"]
    assert set(reply["cc"]) == {"bob@example.org", "carol@example.org"}
    assert reply["subject"] == "Re: Plan"
    box.decide(reply["id"])
    assert "In-Reply-To: <plan@example.org>" in box.left()[0]["raw"]


async def test_a_reply_without_reply_all_answers_the_sender_alone(
    box: Inbox, connect: Connect
) -> None:
    mail = box.receive("Hi all", Cc="bob@example.org")
    result = await connect(box)("reply_email", email_id=mail["id"], body="Fine.")
    assert box.mail(result.data["id"])["envelope"]["recipients"] == ["ann@example.org"]


async def test_tag_email_adds_and_keeps(box: Inbox, connect: Connect) -> None:
    mail, tools = box.receive(), connect(box)
    await tools("tag_email", email_id=mail["id"], tags=["urgent"])
    result = await tools("tag_email", email_id=mail["id"], tags="kind=billing, seen")
    assert result.data["tags"] == {"kind": "billing", "seen": "true"}
    wanted = {"urgent": "true", "kind": "billing", "seen": "true"}
    assert box.mail(mail["id"])["tags"] == wanted
    assert "kind=billing" in (await tools("read_email", email_id=mail["id"])).text


async def test_a_message_of_a_program_or_a_list_is_said_to_be_one(
    box: Inbox, connect: Connect
) -> None:
    tools = connect(box)
    robot = box.receive_proven(Auto_Submitted="auto-replied")
    posting = box.receive_proven(List_Id="<talk.example.com>")
    text = (await tools("read_email", email_id=robot["id"])).text
    assert "A program sent it (auto_submitted): do not answer it." in text
    assert "It is bulk mail." in (await tools("read_email", email_id=posting["id"])).text


async def test_own_mail_is_listed_as_own(auto_box: Inbox, connect: Connect) -> None:
    mail, tools = auto_box.receive_proven(), connect(auto_box)
    await tools("read_email", email_id=mail["id"])
    await tools("reply_email", email_id=mail["id"], body="Yes.")
    (row,) = (await tools("check_inbox", direction="outbound")).data["emails"]
    assert row["trust"]["label"] == "own"


async def test_list_pending_shows_what_waits_without_the_oversight_scope(
    box: Inbox, connect: Connect
) -> None:
    tools = connect(box)
    assert (await tools("list_pending")).text == "Nothing awaits a human."
    for subject in ("One", "Two"):
        await tools("send_email", to=["ann@example.org"], subject=subject, body="x")
    result = await tools("list_pending")
    rows = fenced(result.text)
    assert rows.index("One") < rows.index("Two")
    assert ids(result.data["pending"]) == ids(box.mails())[::-1]


async def test_cancel_message_withdraws_what_waits(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    sent = await tools("send_email", to=["ann@example.org"], subject="Oops", body="x")
    result = await tools("cancel_message", email_id=sent.data["id"])
    assert "will not be sent" in result.text
    assert box.mail(sent.data["id"])["status"] == "cancelled"
    again = await tools("cancel_message", email_id=sent.data["id"])
    assert again.ok
    assert box.left() == []


async def test_cancel_message_says_when_it_is_too_late(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    sent = await tools("send_email", to=["ann@example.org"], subject="Gone", body="x")
    box.decide(sent.data["id"])
    result = await tools("cancel_message", email_id=sent.data["id"])
    assert "already been sent" in result.text
    assert get_error_code(result) == "not_possible"
    assert len(box.left()) == 1


async def test_a_rejection_reaches_the_author_with_its_reason(box: Inbox, connect: Connect) -> None:
    tools = connect(box)
    sent = await tools("send_email", to=["ann@example.org"], subject="Hm", body="x")
    body = {"email_id": sent.data["id"], "action": "reject", "reason": "Too short."}
    box.reviewer.post("/v1/oversight/decide", json=body).raise_for_status()
    result = await tools("read_email", email_id=sent.data["id"])
    assert "The reviewer said: Too short." in result.text
    assert result.data["status"] == "rejected"


async def test_a_read_only_mailbox_sends_nothing(
    create_mailbox: Callable[..., Inbox], connect: Connect
) -> None:
    box = create_mailbox("read_only")
    result = await connect(box)("send_email", to=["ann@example.org"], subject="x", body="y")
    assert get_error_code(result) == "read_only"
    assert box.mails() == []


async def test_a_toolkit_takes_its_settings_from_the_environment(
    multimail_server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMAIL_API_KEY", multimail_server.keys.agent)
    monkeypatch.setenv("MULTIMAIL_API_URL", multimail_server.url)
    monkeypatch.setenv("MULTIMAIL_MAILBOX", multimail_server.mailbox.address)
    multimail_server.deliver("Are you there?", subject="Hello", sender="ann@example.org")
    toolkit = Toolkit()
    result = toolkit.call("check_inbox", {})
    assert (await toolkit.acall("check_inbox", {})).data == result.data
    assert result.data["emails"][0]["subject"] == "Hello"
    await toolkit.aclose()
