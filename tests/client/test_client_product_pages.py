"""The code on the product's web pages runs unchanged, and every alias works."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.client.support import Connect, FakeApi, get_body, json_response, unreachable

import multimail
from multimail import (
    ConflictError,
    Email,
    MultiMail,
    Page,
    SendResult,
    ValidationError,
    endpoints,
)
from multimail._aliases import ReplyOptions, SendOptions, TagOptions

SENDS = {"send_email": SendOptions, "reply_email": ReplyOptions, "tag_email": TagOptions}


def test_class_aliases() -> None:
    assert multimail.Client is multimail.MultiMailClient is MultiMail
    assert isinstance(multimail.Client(api_key="mm_test_your_test_token"), MultiMail)


@pytest.mark.parametrize(
    ("method", "canonical", "alias"),
    [
        ("read_email", {"email_id": "em_1"}, {"message_id": "em_1"}),
        ("cancel_message", {"message_id": "em_1"}, {"email_id": "em_1"}),
        ("tag_email", {"email_id": "em_1", "tag": "a"}, {"message_id": "em_1", "tag": "a"}),
        (
            "reply_email",
            {"email_id": "em_1", "body": "B", "mailbox": "mb_1"},
            {"message_id": "em_1", "markdown": "B", "from_address": "mb_1"},
        ),
        (
            "send_email",
            {"to": "a@y.test", "subject": "S", "body": "B", "mailbox": "mb_1"},
            {"to": "a@y.test", "subject": "S", "markdown": "B", "from_address": "mb_1"},
        ),
        (
            "decide_email",
            {"message_id": "em_1", "decision": "approve"},
            {"email_id": "em_1", "action": "approve"},
        ),
    ],
)
async def test_argument_aliases(
    connect: Connect, method: str, canonical: dict[str, str], alias: dict[str, str]
) -> None:
    requests: list[tuple[str, str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        body = get_body(request) or {}
        body.pop("idempotency_key", None)
        requests.append((request.method, request.url.path, body))
        return json_response({"id": "em_1", "status": "ok"})

    client = connect(serve, mailbox="mb_1")
    await getattr(client, method)(**canonical)
    once, requests[:] = requests.copy(), []
    await getattr(client, method)(**alias)
    assert requests == once
    requests.clear()
    await getattr(client, method)(**canonical, **dict(alias.items() - canonical.items()))
    assert requests == once


@pytest.mark.parametrize("args", [("em_1",), ()])
async def test_two_names_with_different_values_are_rejected(
    connect: Connect, args: tuple[str, ...]
) -> None:
    client = connect(unreachable, mailbox="mb_1")
    kwargs = {"message_id": "em_2"} if args else {"email_id": "em_1", "message_id": "em_2"}
    with pytest.raises(ValidationError) as caught:
        await client.read_email(*args, **kwargs)
    assert caught.value.code == "invalid_email_id"


@pytest.mark.parametrize("method", SENDS)
def test_typed_options_are_those_of_the_endpoint(method: str) -> None:
    """The TypedDicts for type checkers list the same options as the functions."""
    options = set(SENDS[method].__annotations__) - {"from_address"}
    parameters = inspect.signature(getattr(endpoints, method)).parameters.values()
    assert options == {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_attribute_aliases() -> None:
    email = Email(id="em_1", markdown="B", received_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (email.message_id, email.body, email.created_at) == ("em_1", "B", email.received_at)
    assert SendResult(id="em_1").message_id == "em_1"
    page = Page([email])
    assert page.messages is page.items


async def test_a_send_into_a_gated_mailbox_is_pending_and_has_an_approval_link(
    connect: Connect,
) -> None:
    fake_api = FakeApi("procurement@x.test", "other@x.test")
    result = await connect(fake_api).send_email(
        from_address="procurement@x.test",
        to=["vendor@y.test"],
        subject="PO #8821 — amended delivery schedule",
        body="Please confirm the updated delivery date.",
        metadata={"workflow": "procurement", "po_number": "8821"},
    )
    assert result.status == "pending"
    assert result.message_id.startswith("msg_")
    assert result.approval_url.endswith("/v1/approve/t_msg_1")
    assert get_body(fake_api.requests[-1])["metadata"] == {
        "workflow": "procurement",
        "po_number": "8821",
    }
    assert fake_api.paths[-1] == "POST /v1/mailboxes/mb_1/send"


async def test_the_queue_is_listed_by_address_and_cancelled_without_naming_the_mailbox_again(
    connect: Connect,
) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test")
    fake_api.hold(
        "msg_old", "mb_2", status="pending_send_approval", created_at="2026-11-19T08:00:00Z"
    )
    fake_api.hold(
        "msg_new", "mb_2", status="pending_send_approval", created_at="2026-11-20T08:00:00Z"
    )
    fake_api.hold("em_in", "mb_2")
    api = connect(fake_api)

    pending = await api.list_pending(mailbox="two@x.test", limit=50)
    assert [msg.message_id for msg in pending.messages] == ["msg_old", "msg_new"]
    first = pending.messages[0]
    assert (first.to[0], first.subject) == ("two@x.test", "Hello")
    assert f"{first.created_at:%Y-%m-%d}" == "2026-11-19"

    cancelled = await api.cancel_message(message_id="msg_new")
    assert cancelled.status == "cancelled"
    assert fake_api.emails["msg_new"]["status"] == "cancelled"


async def test_an_oversight_key_sees_the_queue_of_the_mailbox_it_names(connect: Connect) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/mailboxes":
            return json_response(
                {"mailboxes": [{"id": "mb_1", "address": "one@x.test"}, {"id": "mb_2"}]}
            )
        rows = [
            {"id": f"msg_{n}", "mailbox_id": f"mb_{n % 2 + 1}", "to": ["a@y.test"]}
            for n in range(6)
        ]
        return json_response({"emails": rows})

    api = connect(serve)
    page = await api.list_pending(mailbox="one@x.test", limit=2)
    assert [row.message_id for row in page.messages] == ["msg_0", "msg_2"]
    assert len((await api.list_pending()).messages) == 6


async def test_cancel_right_after_a_send(connect: Connect) -> None:
    api = connect(FakeApi("one@x.test", "two@x.test"))
    msg = await api.send_email(
        from_address="two@x.test", to=["a@y.test"], subject="Cancellation test", body="Never mind."
    )
    assert (await api.cancel_message(message_id=msg.message_id)).status == "cancelled"


async def test_the_agent_loop_names_the_mailbox_once(connect: Connect) -> None:
    fake_api = FakeApi("one@x.test", "two@x.test", "three@x.test")
    fake_api.hold("em_1", "mb_2")
    fake_api.hold("em_2", "mb_2")
    api = connect(fake_api)
    mailbox = "two@x.test"

    inbox = await api.check_inbox(mailbox=mailbox, unread_only=True)
    for msg in inbox.messages:
        email = await api.read_email(email_id=msg.id)
        thread = await api.get_thread(thread_id=email.thread_id)
        assert [row.id for row in thread.messages] == [email.id]
        result = await api.reply_email(email_id=email.id, body="Thanks", from_address=mailbox)
        assert result.status == "pending"
        assert result.thread_id == email.thread_id

    assert len(inbox.messages) == 2
    assert all("/mb_2/" in path for path in fake_api.paths if path != "GET /v1/mailboxes")
    assert fake_api.paths.count("GET /v1/mailboxes") == 1


async def test_the_quick_start_send_takes_one_address_and_its_own_key(connect: Connect) -> None:
    fake_api = FakeApi("agent@x.test")
    api = connect(fake_api)
    words = {"subject": "Welcome", "body": "Hi Jordan", "idempotency_key": "onboarding-jordan"}
    first, second = [
        await api.send_email(from_address="agent@x.test", to="jordan@y.test", **words)
        for _ in range(2)
    ]
    assert (first.id, first.status, first.duplicate) == ("msg_1", "pending", False)
    assert (second.id, second.duplicate) == ("msg_1", True)
    assert len(fake_api.emails) == 1


async def test_a_reviewer_decides_by_message_id_and_action(connect: Connect) -> None:
    fake_api = FakeApi()
    result = await connect(fake_api).decide_email(message_id="msg_1", action="approve")
    assert get_body(fake_api.requests[-1]) == {"email_id": "msg_1", "action": "approve"}
    assert result.delivered is True


@pytest.mark.parametrize("status", ["sent", "approved_and_sent"])
async def test_sent_is_delivered_and_rejected_is_not(connect: Connect, status: str) -> None:
    api = connect(lambda request: json_response({"status": status}))
    assert (await api.decide_email("msg_1", "approve")).delivered
    api = connect(lambda request: json_response({"status": "rejected"}))
    assert not (await api.decide_email("msg_1", "reject")).delivered


async def test_sent_message_cannot_be_cancelled(connect: Connect) -> None:
    api = connect(lambda request: json_response({"error": "Already sent"}, 409), mailbox="mb_1")
    with pytest.raises(ConflictError) as caught:
        await api.cancel_message(message_id="msg_1")
    assert caught.value.code == "conflict"
    assert caught.value.message == "Already sent"
