"""wait_for_message: by sender, subject, direction and status, as soon as it is so."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.support.server import ServerFixture


@pytest.fixture
def empty(server: ServerFixture) -> ServerFixture:
    """The file's server, empty."""
    server.reset()
    return server


def test_each_filter_alone_and_all_together(empty: ServerFixture) -> None:
    empty.deliver("1", subject="One", sender="ann@example.org")
    empty.deliver("2", subject="Two", sender="bob@example.org")
    out = empty.sent(subject="Two")["id"]
    assert empty.wait_for_message(sender="Ann@Example.org")["subject"] == "One"
    assert empty.wait_for_message(subject="One")["from"] == "ann@example.org"
    assert empty.wait_for_message(direction="outbound")["id"] == out
    assert empty.wait_for_message(direction=None)["id"] == out
    assert empty.wait_for_message(direction=None, status="pending_send_approval")["id"] == out
    match = empty.wait_for_message(
        lambda row: row["markdown"].strip() == "2",
        direction="inbound", sender="bob@example.org", subject="Two", status="unread",
    )  # fmt: skip
    assert match["from"] == "bob@example.org"


def test_it_returns_when_a_status_comes_about(empty: ServerFixture) -> None:
    out = empty.sent(subject="Held")["id"]
    rows: list[dict[str, Any]] = []
    waiting = threading.Thread(
        target=lambda: rows.append(empty.wait_for_message(direction="outbound", status="sent"))
    )
    waiting.start()
    decision = {"email_id": out, "action": "approve"}
    empty.reviewer.post("/v1/oversight/decide", json=decision)
    waiting.join()
    assert rows[0]["id"] == out


def test_timeout_lists_existing_messages(empty: ServerFixture) -> None:
    with pytest.raises(TimeoutError, match="none at all"):
        empty.wait_for_message("X", timeout=0)
    empty.deliver("1", subject="One", sender="ann@example.org")
    empty.sent(subject="Two")["id"]
    with pytest.raises(TimeoutError) as problem:
        empty.wait_for_message(sender="bob@example.org", subject="One", timeout=0)
    message = str(problem.value)
    assert "direction 'inbound', sender 'bob@example.org', subject 'One'" in message
    assert "inbound 'One' from ann@example.org, unread" in message
    assert "outbound 'Two' from agent@multimail.test, pending_send_approval" in message


@pytest.mark.parametrize("wrong", [{"direction": "sideways"}, {"status": "delivered"}])
def test_what_can_never_come_is_not_waited_for(empty: ServerFixture, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        empty.wait_for_message(**wrong, timeout=600)
