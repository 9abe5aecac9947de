"""Notifications: the approver hears of what a monitored mailbox sends without a decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.server import Json, ServerFixture, Start

from multimail_server.testing import VirtualClock


def notifications(server: ServerFixture, **query: Any) -> list[Json]:
    reply = server.reviewer.get("/v1/notifications", params=query)
    rows: list[Json] = reply.json()["notifications"]
    return rows


def wait_for_field(server: ServerFixture, field: str) -> Json:
    """Return the first notification in which this field has a value."""
    return server.wait_until(
        lambda: next((row for row in notifications(server) if row[field] is not None), None)
    )


def test_each_monitored_send_is_notified_once(start: Start, clock: VirtualClock) -> None:
    server = start(oversight_mode="monitored", clock=clock)
    now = server.sent()["id"]
    later = server.sent(send_at=(clock.now() + timedelta(days=1)).isoformat())["id"]
    clock.advance(timedelta(days=2))
    server.wait_for_status(later, "sent")
    rows = notifications(server)
    assert [row["message_id"] for row in rows] == [later, now]
    assert {row["kind"] for row in rows} == {"monitored_send"}
    assert rows[0]["details"] == {
        "from": server.mailbox.address,
        "recipients": ["ann@other.test"],
        "subject": "Offer",
    }


@pytest.mark.parametrize("mode", ["gated_all", "gated_send", "autonomous"])
def test_other_modes_send_no_notification(start: Start, mode: str) -> None:
    server = start(oversight_mode=mode)
    server.sent()
    assert notifications(server) == []


def test_notifications_are_for_reviewers_and_paged(start: Start) -> None:
    server = start(oversight_mode="monitored")
    sent = [server.sent(subject=f"s{number}")["id"] for number in range(3)]
    assert server.agent.get("/v1/notifications").status_code == 403
    first = server.reviewer.get("/v1/notifications", params={"limit": 2}).json()
    rest = notifications(server, limit=2, cursor=first["cursor"])
    assert [row["message_id"] for row in first["notifications"] + rest] == sent[::-1]


def start_live(start: Start, relay: ServerFixture, approver: str) -> ServerFixture:
    server = start(live=True, relay=f"smtp://{relay.smtp}", oversight_mode="monitored")
    server.configure(approver_emails=[approver])
    return server


def test_approvers_get_mail_without_the_content(start: Start) -> None:
    other = start(domain="other.test")
    server = start_live(start, other, "agent@other.test")
    sent = server.sent("someone@example.invalid", markdown="xylophone")["id"]
    came = other.wait_for_message(lambda mail: sent in mail["subject"])
    assert "someone@example.invalid" in came["markdown"]
    assert "xylophone" not in came["markdown"]
    assert came["auto_submitted"] == "auto-generated"
    row = wait_for_field(server, "mailed_at")
    assert (row["message_id"], row["mail_error"]) == (sent, None)


def test_an_approver_that_the_relay_refuses_is_shown(start: Start) -> None:
    server = start_live(start, start(domain="other.test"), "nobody@other.test")
    server.sent()
    row = wait_for_field(server, "mail_error")
    assert (row["mailed_at"], row["mail_error"]) == (None, "the relay refused 1 of its recipients")


def test_test_key_sends_no_notification(start: Start) -> None:
    other = start(domain="other.test")
    server = start(relay=f"smtp://{other.smtp}", oversight_mode="monitored")
    server.configure(approver_emails=["agent@other.test"])
    sent = server.sent()["id"]
    assert server.read(lambda tx: tx.next_notification_due()) is None
    assert notifications(server)[0]["message_id"] == sent
