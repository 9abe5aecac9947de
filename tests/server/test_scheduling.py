"""Scheduled sends: decided now and sent later, or shown to the reviewer only at their time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail_server.testing import VirtualClock

LATER = "2026-01-01T10:00:00Z"
NEXT_DAY = "2026-01-02T10:00:00Z"


@pytest.fixture
def gated(start: Start, clock: VirtualClock) -> ServerFixture:
    return start(clock=clock)


def sent_later(server: ServerFixture, **more: object) -> Json:
    return server.sent(**{"send_at": LATER, **more})


def queue(server: ServerFixture) -> list[str]:
    return [item["id"] for item in server.pending()]


def test_gate_first_is_decided_now_and_leaves_at_its_time(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    sent = sent_later(gated, gate_timing="gate_first")
    assert sent["held"] is True
    assert queue(gated) == [sent["id"]]
    decided = gated.decide(sent["id"]).json()
    assert (decided["status"], decided["message_status"]) == ("approved", "scheduled")
    clock.advance(timedelta(hours=9, minutes=59))
    assert gated.status(sent["id"]) == "scheduled"
    assert gated.outbox() == []
    clock.advance(timedelta(minutes=1))
    gated.wait_for_status(sent["id"], "sent")
    assert [mail["id"] for mail in gated.outbox()] == [sent["id"]]


def test_schedule_first_enters_the_queue_at_its_time(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    sent = sent_later(gated, gate_timing="schedule_first")
    email = sent["id"]
    assert (sent["message_status"], sent["held"]) == ("scheduled", False)
    assert gated.email(email)["gate_timing"] == "schedule_first"
    assert queue(gated) == []
    early = gated.decide(email)
    assert (refusal(early), early.json()["status"]) == ((409, "not_yet"), "scheduled")
    listed = gated.emails(status="scheduled")
    assert [(row["id"], row["status"]) for row in listed] == [(email, "scheduled")]
    clock.advance(timedelta(hours=10))
    held = gated.wait_for_status(email, "pending_send_approval")
    assert held["expires_at"] == "2026-01-04T10:00:00.000Z"
    assert (queue(gated), gated.outbox()) == ([email], [])
    assert gated.decide(email).json()["status"] == "approved_and_sent"
    assert [mail["id"] for mail in gated.outbox()] == [email]


def test_schedule_first_without_a_decision_expires(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    sent = sent_later(gated, gate_timing="schedule_first")["id"]
    clock.advance(timedelta(hours=10))
    gated.wait_for_status(sent, "pending_send_approval")
    clock.advance(timedelta(hours=73))
    gated.wait_for_status(sent, "expired")
    assert gated.decide(sent).status_code == 409
    assert gated.outbox() == []


def test_the_mailbox_has_a_default_timing(gated: ServerFixture) -> None:
    changed = gated.configure(default_gate_timing="schedule_first").json()
    assert changed["default_gate_timing"] == "schedule_first"
    assert sent_later(gated)["message_status"] == "scheduled"
    for more in ({"gate_timing": "gate_first"}, {"send_at": None}):
        assert sent_later(gated, **more)["message_status"] == "pending_send_approval"


def test_schedule_first_can_be_moved_and_cancelled(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    first, second = (sent_later(gated, gate_timing="schedule_first")["id"] for _ in range(2))
    assert gated.reschedule(first, send_at=NEXT_DAY).json()["status"] == "scheduled"
    assert gated.cancel(second).json()["status"] == "cancelled"
    clock.advance(timedelta(hours=11))
    assert queue(gated) == []
    clock.advance(timedelta(hours=24))
    gated.wait_for_status(first, "pending_send_approval")
    assert queue(gated) == [first]
    assert gated.status(second) == "cancelled"


def test_moving_an_approved_message_asks_again(gated: ServerFixture, clock: VirtualClock) -> None:
    sent = sent_later(gated)
    gated.decide(sent["id"])
    frozen = gated.reschedule(sent["id"], markdown="Other")
    assert refusal(frozen) == (409, "content_frozen")
    moved = gated.reschedule(sent["id"], send_at=NEXT_DAY).json()
    assert moved["status"] == "pending_send_approval"
    assert moved["content_hash"] != sent["content_hash"]
    clock.advance(timedelta(hours=35))
    assert gated.outbox() == []
    assert gated.reschedule(sent["id"], send_at="2001-01-01T00:00:00Z").status_code == 400


def test_a_free_mailbox_sends_at_the_time_whatever_the_timing(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent, moved = (sent_later(server, gate_timing="schedule_first")["id"] for _ in range(2))
    assert server.status(sent) == "scheduled"
    assert server.reschedule(moved, send_at=NEXT_DAY).json()["status"] == "scheduled"
    assert server.cancel(moved).json()["status"] == "cancelled"
    clock.advance(timedelta(hours=48))
    server.wait_for_status(sent, "sent")
    assert [mail["id"] for mail in server.outbox()] == [sent]


@pytest.mark.parametrize(("minutes", "status"), [(0, 202), (0.9, 202), (1.1, 400)])
def test_a_time_in_the_past_is_refused(
    gated: ServerFixture, clock: VirtualClock, minutes: float, status: int
) -> None:
    past = clock.now() - timedelta(minutes=minutes)
    assert gated.send(send_at=past.isoformat()).status_code == status


def test_deleting_the_mailbox_cancels_it(gated: ServerFixture, clock: VirtualClock) -> None:
    sent = sent_later(gated, gate_timing="schedule_first")["id"]
    gated.admin.delete(gated.box)
    clock.advance(timedelta(hours=10))
    assert queue(gated) == []
    message = gated.read(lambda tx: tx.message(sent))
    assert message is not None
    assert message.status.value == "cancelled"


def test_scheduling_can_be_turned_off(gated: ServerFixture) -> None:
    gated.configure(scheduling_enabled=False)
    assert refusal(gated.send(send_at=LATER)) == (403, "scheduling_disabled")
    assert gated.send().status_code == 202
