"""Waiting for a reply in one thread, and sending a reply later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.tools.asking import shown
from tests.tools.support import Connect, Inbox, get_error_code, make_message

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")


def answer(box: Inbox, email_id: str, **more: Any) -> None:
    """Deliver an answer to a message of the mailbox."""
    own = box.mail(email_id)["rfc_message_id"]
    box.deliver(make_message(to=box.address, In_Reply_To=own, **more))


@pytest.mark.parametrize("by", ["thread_id", "id"])
@pytest.mark.parametrize("before", [True, False], ids=["came before the call", "never comes"])
async def test_a_reply_in_the_thread_is_waited_for(
    auto_box: Inbox, connect: Connect, by: str, before: bool
) -> None:
    tools = connect(auto_box)
    sent = await shown(tools, "send_email", to=["ann@example.org"], subject="Offer", body="x")
    if before:
        answer(auto_box, sent.data["id"], subject="Re: Offer")
    auto_box.receive(subject="Re: Offer", body="In no thread.")
    result = await tools("wait_for_email", thread=sent.data[by], timeout_seconds=0)
    if before:
        assert result.data["email"]["thread_id"] == sent.data["thread_id"]
        since = result.data["email"]["id"]
        result = await tools(
            "wait_for_email", thread=sent.data[by], since_id=since, timeout_seconds=0
        )
    assert get_error_code(result) == "timeout"


async def test_what_comes_between_two_waits_is_found_by_the_next(
    box: Inbox, connect: Connect
) -> None:
    tools, first = connect(box), box.receive("Old.")
    gone = await tools("wait_for_email", timeout_seconds=0)
    assert gone.error is not None
    assert gone.error.retryable
    assert f"since_id={first['id']}" in gone.error.next_step


async def test_a_reply_leaves_later(auto_box: Inbox, connect: Connect) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven()
    arguments = {"email_id": mail["id"], "body": "Until then.", "send_at": TOMORROW}
    later = await tools.call("reply_email", arguments)
    assert "It leaves at" in later.text
    assert auto_box.mail(later.data["id"])["status"] == "scheduled"
    again = await tools.call("reply_email", arguments)
    assert again.data["duplicate"]
    now = await tools.call("reply_email", arguments | {"send_at": None})
    assert now.data["id"] != later.data["id"]


@pytest.mark.parametrize("moment", ["tomorrow", "2026-12-01T09:00:00", "soon"])
async def test_no_time_is_a_mistake(auto_box: Inbox, connect: Connect, moment: str) -> None:
    tools, mail = connect(auto_box), auto_box.receive_proven()
    result = await tools("reply_email", email_id=mail["id"], body="Hi.", send_at=moment)
    assert get_error_code(result) == "invalid_send_at"
    assert auto_box.mails() == []
