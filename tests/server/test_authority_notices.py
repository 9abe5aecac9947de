"""Notices: what a monitored mailbox sends without a decision is told to the human."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def send(server: ServerUnderTest, to: str = "ann@other.test", **more: Any) -> str:
    body = {"to": [to], "subject": "Offer", "markdown": "xylophone", **more}
    path = f"/v1/mailboxes/{server.mailbox.id}/send"
    return str(server.http("agent").post(path, json=body).json()["id"])


def notices(server: ServerUnderTest, **query: Any) -> list[dict[str, Any]]:
    reply = server.http("reviewer").get("/v1/notifications", params=query)
    rows: list[dict[str, Any]] = reply.json()["notifications"]
    return rows


def notice_that(
    server: ServerUnderTest, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    def look() -> dict[str, Any] | None:
        return next((row for row in notices(server) if holds(row)), None)

    return server.services.context.commits.wait_for(look, 10)


def test_each_monitored_send_is_told_once(start: Start, clock: VirtualClock) -> None:
    server = start(oversight_mode="monitored", clock=clock)
    now = send(server)
    later = send(server, send_at=(clock.now() + timedelta(days=1)).isoformat())
    clock.advance(timedelta(days=2))
    server.wait_for_message(
        lambda mail: mail["id"] == later and mail["status"] == "sent", direction="outbound"
    )
    rows = notices(server)
    assert [row["message_id"] for row in rows] == [later, now]
    assert {row["kind"] for row in rows} == {"monitored_send"}
    told = {"from": server.mailbox.address, "recipients": ["ann@other.test"], "subject": "Offer"}
    assert rows[0]["details"] == told


@pytest.mark.parametrize("mode", ["gated_all", "gated_send", "autonomous"])
def test_other_modes_tell_nothing(start: Start, mode: str) -> None:
    server = start(oversight_mode=mode)
    send(server)
    assert notices(server) == []


def test_only_a_reviewer_sees_notices_and_they_are_paged(start: Start) -> None:
    server = start(oversight_mode="monitored")
    sent = [send(server, subject=f"s{number}") for number in range(3)]
    assert server.http("agent").get("/v1/notifications").status_code == 403
    first = server.http("reviewer").get("/v1/notifications", params={"limit": 2}).json()
    rest = notices(server, limit=2, cursor=first["cursor"])
    assert [row["message_id"] for row in first["notifications"] + rest] == sent[::-1]


def live(start: Start, relay: ServerUnderTest, approver: str, **more: Any) -> ServerUnderTest:
    server = start(live=True, relay=f"smtp://{relay.smtp}", oversight_mode="monitored", **more)
    path = f"/v1/mailboxes/{server.mailbox.id}"
    server.http("admin").patch(path, json={"approver_emails": [approver]})
    return server


def test_approvers_get_it_by_mail(start: Start) -> None:
    other = start(domain="other.test")
    server = live(start, other, "agent@other.test")
    sent = send(server, "someone@example.invalid")
    came = other.wait_for_message(lambda mail: sent in mail["subject"])
    assert "someone@example.invalid" in came["markdown"]
    assert "xylophone" not in came["markdown"]
    assert came["auto_submitted"] == "auto-generated"
    row = notice_that(server, lambda one: one["mailed_at"] is not None)
    assert row is not None
    assert (row["message_id"], row["mail_error"]) == (sent, None)


def test_a_relay_that_refuses_the_approver_is_shown(start: Start) -> None:
    other = start(domain="other.test")
    server = live(start, other, "nobody@other.test")
    send(server)
    row = notice_that(server, lambda one: one["mail_error"] is not None)
    assert row is not None
    assert (row["mailed_at"], row["mail_error"]) == (None, "the relay refused 1 of them")


def test_a_test_key_mails_nobody(start: Start) -> None:
    other = start(domain="other.test")
    server = start(relay=f"smtp://{other.smtp}", oversight_mode="monitored")
    path = f"/v1/mailboxes/{server.mailbox.id}"
    server.http("admin").patch(path, json={"approver_emails": ["agent@other.test"]})
    sent = send(server)
    row = server.services.context.store.read(lambda tx: tx.next_notice_due())
    assert row is None
    assert notices(server)[0]["message_id"] == sent
