"""The code on the product's pages runs as it stands there, in both colours."""

from __future__ import annotations

import httpx
import pytest
from tests.client.support import Connect, Post, answer, build_body

import multimail
from multimail import ConflictError, MultiMail


def test_every_name_of_the_pages_is_one_of_the_two_clients() -> None:
    assert multimail.Client is multimail.MultiMailClient is MultiMail
    assert isinstance(multimail.Client(api_key="mm_test_your_test_token"), MultiMail)


async def test_a_send_into_a_gated_mailbox_is_pending_and_has_an_approval_link(
    connect: Connect,
) -> None:
    post = Post("procurement@x.test", "other@x.test")
    result = await connect(post).send_email(
        from_address="procurement@x.test",
        to=["vendor@y.test"],
        subject="PO #8821 — amended delivery schedule",
        body="Please confirm the updated delivery date.",
        metadata={"workflow": "procurement", "po_number": "8821"},
    )
    assert result.status == "pending"
    assert result.message_id.startswith("msg_")
    assert result.approval_url.endswith("/v1/approve/t_msg_1")
    assert build_body(post.requests[-1])["metadata"] == {
        "workflow": "procurement",
        "po_number": "8821",
    }
    assert post.paths[-1] == "POST /v1/mailboxes/mb_1/send"


async def test_the_queue_is_listed_by_address_and_cancelled_without_naming_the_mailbox_again(
    connect: Connect,
) -> None:
    post = Post("one@x.test", "two@x.test")
    post.hold("msg_old", "mb_2", status="pending_send_approval", created_at="2026-11-19T08:00:00Z")
    post.hold("msg_new", "mb_2", status="pending_send_approval", created_at="2026-11-20T08:00:00Z")
    post.hold("em_in", "mb_2")
    api = connect(post)

    pending = await api.list_pending(mailbox="two@x.test", limit=50)
    assert [msg.message_id for msg in pending.messages] == ["msg_old", "msg_new"]
    first = pending.messages[0]
    assert (first.to[0], first.subject) == ("two@x.test", "Hello")
    assert f"{first.created_at:%Y-%m-%d}" == "2026-11-19"

    cancelled = await api.cancel_message(message_id="msg_new")
    assert cancelled.status == "cancelled"
    assert post.emails["msg_new"]["status"] == "cancelled"


async def test_an_oversight_key_sees_the_queue_of_the_mailbox_it_names(connect: Connect) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/mailboxes":
            return answer({"mailboxes": [{"id": "mb_1", "address": "one@x.test"}, {"id": "mb_2"}]})
        rows = [
            {"id": f"msg_{n}", "mailbox_id": f"mb_{n % 2 + 1}", "to": ["a@y.test"]}
            for n in range(6)
        ]
        return answer({"emails": rows})

    api = connect(serve)
    page = await api.list_pending(mailbox="one@x.test", limit=2)
    assert [one.message_id for one in page.messages] == ["msg_0", "msg_2"]
    assert len((await api.list_pending()).messages) == 6


async def test_a_message_is_withdrawn_right_after_it_was_sent(connect: Connect) -> None:
    api = connect(Post("one@x.test", "two@x.test"))
    msg = await api.send_email(
        from_address="two@x.test", to=["a@y.test"], subject="Cancellation test", body="Never mind."
    )
    assert (await api.cancel_message(message_id=msg.message_id)).status == "cancelled"


async def test_the_agent_loop_names_the_mailbox_once(connect: Connect) -> None:
    post = Post("one@x.test", "two@x.test", "three@x.test")
    post.hold("em_1", "mb_2")
    post.hold("em_2", "mb_2")
    api = connect(post)
    mailbox = "two@x.test"

    inbox = await api.check_inbox(mailbox=mailbox, unread_only=True)
    for msg in inbox.messages:
        email = await api.read_email(email_id=msg.id)
        thread = await api.get_thread(thread_id=email.thread_id)
        assert [one.id for one in thread.messages] == [email.id]
        result = await api.reply_email(email_id=email.id, body="Thanks", from_address=mailbox)
        assert result.status == "pending"
        assert result.thread_id == email.thread_id

    assert len(inbox.messages) == 2
    assert all("/mb_2/" in path for path in post.paths if path != "GET /v1/mailboxes")
    assert post.paths.count("GET /v1/mailboxes") == 1


async def test_the_quick_start_send_takes_one_address_and_its_own_key(connect: Connect) -> None:
    post = Post("agent@x.test")
    api = connect(post)
    words = {"subject": "Welcome", "body": "Hi Jordan", "idempotency_key": "onboarding-jordan"}
    first, second = [
        await api.send_email(from_address="agent@x.test", to="jordan@y.test", **words)
        for _ in range(2)
    ]
    assert (first.id, first.status, first.duplicate) == ("msg_1", "pending", False)
    assert (second.id, second.duplicate) == ("msg_1", True)
    assert len(post.emails) == 1


async def test_a_reviewer_decides_by_message_id_and_action(connect: Connect) -> None:
    post = Post()
    result = await connect(post).decide_email(message_id="msg_1", action="approve")
    assert build_body(post.requests[-1]) == {"email_id": "msg_1", "action": "approve"}
    assert result.delivered is True


@pytest.mark.parametrize("status", ["sent", "approved_and_sent"])
async def test_sent_is_delivered_and_rejected_is_not(connect: Connect, status: str) -> None:
    api = connect(lambda request: answer({"status": status}))
    assert (await api.decide_email("msg_1", "approve")).delivered
    api = connect(lambda request: answer({"status": "rejected"}))
    assert not (await api.decide_email("msg_1", "reject")).delivered


async def test_a_message_that_left_cannot_be_cancelled(connect: Connect) -> None:
    api = connect(lambda request: answer({"error": "Already sent"}, 409), mailbox="mb_1")
    with pytest.raises(ConflictError) as caught:
        await api.cancel_message(message_id="msg_1")
    assert str(caught.value).startswith("cancel_message: Already sent.")
    assert "current status" in str(caught.value)
