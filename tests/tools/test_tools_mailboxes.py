"""Mailboxes: which one the tools work on, and that they keep to it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from tests.tools.support import Connect, Inbox, get_error_code, ids

from multimail.tools import Toolkit
from multimail_server.testing.server import ServerUnderTest

NewBox = Callable[..., Inbox]


@pytest.fixture
def two(create_mailbox: NewBox) -> tuple[Inbox, Inbox]:
    """Two mailboxes of one account."""
    return create_mailbox(), create_mailbox()


async def test_a_key_of_one_mailbox_needs_no_name(box: Inbox, connect: Connect) -> None:
    sent = await connect(box)("send_email", to="ann@example.org", subject="x", body="y")
    assert ids(box.mails()) == [sent.data["id"]]


async def test_where_there_are_several_one_has_to_be_named(
    two: tuple[Inbox, Inbox], wide_key: str, connect: Connect
) -> None:
    tools = connect(two[0], key=wide_key)
    for name, arguments in (
        ("check_inbox", {}),
        ("list_pending", {}),
        ("wait_for_email", {"timeout_seconds": 0}),
        ("send_email", {"to": "ann@example.org", "subject": "x", "body": "y"}),
    ):
        result = await tools.call(name, arguments)
        assert get_error_code(result) == "which_mailbox"
        assert two[0].address in str(result.data)
    assert two[0].mails() == two[1].mails() == []
    sent = await tools(
        "send_email", to="ann@example.org", subject="x", body="y", mailbox=two[1].address.upper()
    )
    assert (two[0].mails(), ids(two[1].mails())) == ([], [sent.data["id"]])
    listed = await tools("check_inbox", mailbox=two[1].id, direction="outbound")
    assert ids(listed.data["emails"]) == [sent.data["id"]]


async def test_what_was_listed_is_found_again_without_its_mailbox(
    two: tuple[Inbox, Inbox], wide_key: str, connect: Connect
) -> None:
    box, mail = two[1], two[1].receive_proven("Hi.", files={"a.txt": "x"})
    tools = connect(two[0], key=wide_key)
    await tools("check_inbox", mailbox=box.address)
    assert (await tools("read_email", email_id=mail["id"])).ok
    assert (await tools("get_thread", thread_id=mail["thread_id"])).ok
    assert (await tools("tag_email", email_id=mail["id"], tags=["a"])).ok
    assert (await tools("download_attachment", email_id=mail["id"], filename="a.txt")).ok
    reply = await tools("reply_email", email_id=mail["id"], body="Hello.")
    assert (two[0].mails(), ids(box.mails())) == ([], [reply.data["id"]])
    assert (await tools("cancel_message", email_id=reply.data["id"])).ok


@pytest.mark.parametrize("by", ["id", "address"])
async def test_pinned_tools_keep_to_their_mailbox(
    two: tuple[Inbox, Inbox], wide_key: str, connect: Connect, by: str
) -> None:
    mine, other = two
    tools = connect(mine, key=wide_key, mailbox=getattr(mine, by))
    mail, secret = mine.receive("Mine."), other.receive("Secret.")
    for name in ("check_inbox", "list_pending"):
        result = await tools(name, mailbox=other.address)
        assert get_error_code(result) == "other_mailbox"
    result = await tools(
        "send_email", to="ann@example.org", subject="x", body="y", mailbox=other.id
    )
    assert get_error_code(result) == "other_mailbox"
    listed = await tools("list_mailboxes")
    assert [mailbox["id"] for mailbox in listed.data["mailboxes"]] == [mine.id]
    assert (await tools("read_email", email_id=mail["id"])).ok
    assert (await tools("get_thread", thread_id=mail["thread_id"])).ok
    for name, arguments in (
        ("read_email", {"email_id": secret["id"]}),
        ("get_thread", {"thread_id": secret["thread_id"]}),
        ("reply_email", {"email_id": secret["id"], "body": "x"}),
        ("tag_email", {"email_id": secret["id"], "tags": ["x"]}),
        ("cancel_message", {"email_id": secret["id"]}),
    ):
        result = await tools.call(name, arguments)
        # Unproven mail was read, which may neither tag nor withdraw: nothing is looked up.
        refused = (
            "not_found"
            if name in {"read_email", "get_thread", "reply_email"}
            else "refused_by_guard"
        )
        assert get_error_code(result) == refused, name
        assert "Secret." not in result.text
    assert (await tools("check_inbox", mailbox=mine.address)).ok
    await tools("send_email", to="ann@example.org", subject="x", body="y")
    assert (len(mine.mails()), other.mails()) == (1, [])
    assert other.mail(secret["id"])["tags"] == {}


async def test_a_shared_client_that_knows_more_opens_no_other_mailbox(
    two: tuple[Inbox, Inbox], wide_key: str, connect: Connect
) -> None:
    mine, other = two
    secret = other.receive("Secret.")
    wide = connect(mine, key=wide_key)
    await wide("check_inbox", mailbox=other.address)
    session = wide.toolkit.session
    client = session._lent_client if wide.mode == "sync" else session._lent_async_client
    shared = {"client": client} if wide.mode == "sync" else {"async_client": client}
    wide.toolkit = Toolkit(mailbox=mine.address, **shared)  # type: ignore[arg-type]
    result = await wide("read_email", email_id=secret["id"])
    assert get_error_code(result) == "not_found"


async def test_a_mailbox_that_does_not_exist_is_named_with_those_that_do(
    box: Inbox, connect: Connect
) -> None:
    result = await connect(box, mailbox="gone@example.org")("check_inbox")
    assert get_error_code(result) == "no_such_mailbox"
    assert "'gone@example.org'" in result.text
    assert box.address in result.text


async def test_a_key_of_one_mailbox_opens_no_other(
    two: tuple[Inbox, Inbox], connect: Connect
) -> None:
    secret = two[1].receive("Secret.")
    tools = connect(two[0])
    assert get_error_code(await tools("read_email", email_id=secret["id"])) == "not_found"
    assert not (await tools("check_inbox", mailbox=two[1].id)).ok
    listed = await tools("list_mailboxes")
    assert [mailbox["id"] for mailbox in listed.data["mailboxes"]] == [two[0].id]


async def test_the_approver_sees_every_mailbox_or_the_one_that_is_named(
    two: tuple[Inbox, Inbox], server_fixture: ServerUnderTest, connect: Connect
) -> None:
    sent = [
        (await connect(box)("send_email", to="a@b.test", subject=box.id, body="x")).data["id"]
        for box in two
    ]
    approver = connect.approver(two[0], key=server_fixture.keys.reviewer)
    queue: list[str] = []
    while page := ids((await approver("list_pending", offset=len(queue))).data["pending"]):
        queue += page
    assert set(sent) <= set(queue)
    of_second = await approver("list_pending", mailbox=two[1].address)
    assert ids(of_second.data["pending"]) == [sent[1]]
    pinned = connect.approver(two[0], key=server_fixture.keys.reviewer, mailbox=two[0].address)
    assert ids((await pinned("list_pending")).data["pending"]) == [sent[0]]
    assert get_error_code(await pinned("list_pending", mailbox=two[1].id)) == "other_mailbox"
    assert get_error_code(await pinned("read_email", email_id=sent[1])) == "not_found"


async def test_a_new_mailbox_is_found_without_a_restart(
    box: Inbox, connect: Connect, create_mailbox: NewBox, wide_key: str, admin: httpx.Client
) -> None:
    tools = connect(box, key=wide_key)
    await tools("list_mailboxes")
    late = create_mailbox()
    assert (await tools("check_inbox", mailbox=late.address)).ok
