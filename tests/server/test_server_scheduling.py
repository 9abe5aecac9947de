"""Scheduled sends: a human decides now and it leaves later, or it asks for a decision later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.server.sink import Sink, start_sink

from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
Json = dict[str, Any]
LATER = "2026-01-01T10:00:00Z"


@pytest.fixture
def relay() -> Iterator[Sink]:
    sink, controller = start_sink()
    yield sink
    controller.stop()


def send(server: ServerUnderTest, **more: Any) -> httpx.Response:
    body = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello", "send_at": LATER}
    with server.http("agent") as agent:
        return agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json={**body, **more})


def decide(server: ServerUnderTest, email_id: str) -> httpx.Response:
    body = {"email_id": email_id, "action": "approve"}
    with server.http("reviewer") as reviewer:
        return reviewer.post("/v1/oversight/decide", json=body)


def settled(server: ServerUnderTest, email_id: str, status: str) -> Json:
    return server.wait_for_message(
        lambda mail: mail["id"] == email_id and mail["status"] == status, direction="outbound"
    )


def queue(server: ServerUnderTest) -> list[str]:
    with server.http("reviewer") as reviewer:
        return [item["id"] for item in reviewer.get("/v1/oversight/pending").json()["pending"]]


def test_gate_first_is_decided_now_and_leaves_at_its_time(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="gate_first").json()
    assert queue(server) == [sent["id"]]
    assert decide(server, sent["id"]).json()["status"] == "approved"
    assert settled(server, sent["id"], "scheduled")
    assert server.outbox() == []
    clock.advance(timedelta(hours=10))
    assert settled(server, sent["id"], "sent")


def test_schedule_first_enters_the_queue_at_its_time(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="schedule_first").json()
    assert (sent["message_status"], sent["held"]) == ("scheduled", False)
    waiting = settled(server, sent["id"], "scheduled")
    assert waiting["gate_timing"] == "schedule_first"
    assert queue(server) == []
    early = decide(server, sent["id"])
    assert (early.status_code, early.json()["code"]) == (409, "not_yet")
    assert early.json()["status"] == "scheduled"
    with server.http("agent") as agent:
        path = f"/v1/mailboxes/{server.mailbox.id}/emails"
        listed = agent.get(path, params={"status": "scheduled"}).json()["emails"]
    assert [(row["id"], row["status"]) for row in listed] == [(sent["id"], "scheduled")]
    clock.advance(timedelta(hours=10))
    held = settled(server, sent["id"], "pending_send_approval")
    assert held["expires_at"] == "2026-01-04T10:00:00.000Z"
    assert queue(server) == [sent["id"]]
    assert server.outbox() == []
    assert decide(server, sent["id"]).json()["status"] == "approved_and_sent"
    assert [mail["id"] for mail in server.outbox()] == [sent["id"]]


def test_what_nobody_decides_on_expires_and_never_leaves(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="schedule_first").json()
    clock.advance(timedelta(hours=10))
    settled(server, sent["id"], "pending_send_approval")
    clock.advance(timedelta(hours=73))
    settled(server, sent["id"], "expired")
    assert decide(server, sent["id"]).status_code == 409
    assert server.outbox() == []


def test_the_mailbox_has_a_timing_of_its_own(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    path = f"/v1/mailboxes/{server.mailbox.id}/configure"
    with server.http("admin") as admin:
        changed = admin.patch(path, json={"default_gate_timing": "schedule_first"})
        assert changed.json()["default_gate_timing"] == "schedule_first"
    assert send(server).json()["message_status"] == "scheduled"
    now = send(server, gate_timing="gate_first").json()
    assert now["message_status"] == "pending_send_approval"
    soon = send(server, send_at=None).json()
    assert soon["message_status"] == "pending_send_approval"


def test_it_can_be_moved_and_cancelled_before_its_time(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    first, second = (
        send(server, gate_timing="schedule_first", subject=subject).json()["id"]
        for subject in ("One", "Two")
    )
    base = f"/v1/mailboxes/{server.mailbox.id}/emails"
    with server.http("agent") as agent:
        moved = agent.patch(f"{base}/{first}/schedule", json={"send_at": "2026-01-02T10:00:00Z"})
        assert moved.json()["status"] == "scheduled"
        assert agent.post(f"{base}/{second}/cancel").json()["status"] == "cancelled"
    clock.advance(timedelta(hours=11))
    assert queue(server) == []
    clock.advance(timedelta(hours=24))
    settled(server, first, "pending_send_approval")
    assert queue(server) == [first]
    assert settled(server, second, "cancelled")


def test_a_free_mailbox_has_no_gate_to_wait_for(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent = send(server, gate_timing="schedule_first").json()
    assert sent["message_status"] == "scheduled"
    clock.advance(timedelta(hours=10))
    assert settled(server, sent["id"], "sent")


def test_deleting_the_mailbox_cancels_it(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="schedule_first").json()
    with server.http("admin") as admin:
        admin.delete(f"/v1/mailboxes/{server.mailbox.id}")
    clock.advance(timedelta(hours=10))
    assert queue(server) == []
    message = server.services.context.store.read(lambda tx: tx.message(sent["id"]))
    assert message is not None
    assert message.status.value == "cancelled"


def test_scheduling_can_be_turned_off(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    with server.http("admin") as admin:
        path = f"/v1/mailboxes/{server.mailbox.id}/configure"
        admin.patch(path, json={"scheduling_enabled": False})
    refused = send(server)
    assert (refused.status_code, refused.json()["code"]) == (403, "scheduling_disabled")
    assert send(server, send_at=None).status_code == 202


def test_a_deferred_recipient_is_tried_again_with_the_same_bytes(
    start: Start, clock: VirtualClock, relay: Sink
) -> None:
    relay.replies = {"late@other.test": ["450 4.2.1 greylisted"]}
    server = start(clock=clock, live=True, relay=relay.url, oversight_mode="autonomous")
    to = ["ann@other.test", "late@other.test"]
    sent = send(server, to=to, send_at=None).json()
    first = relay.next()
    assert first.recipients == ["ann@other.test"]
    told = server.wait_for_message(
        lambda mail: mail["recipients"][1]["status"] == "deferred", direction="outbound"
    )
    row = told["recipients"][1]
    assert (row["code"], row["text"], row["bounce_type"]) == (450, "4.2.1 greylisted", "soft")
    clock.advance(timedelta(seconds=6))
    second = relay.next()
    assert second.recipients == ["late@other.test"]
    assert second.raw == first.raw
    told = settled(server, sent["id"], "sent")
    assert [row["status"] for row in told["recipients"]] == ["delivered", "delivered"]
    assert told["bounced_at"] is None
