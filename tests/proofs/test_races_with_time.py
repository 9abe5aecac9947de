"""Races against the clock: a request meets what falls due, by expiry or by `send_at`.

As in `test_races`, both sides have read what they act on before either may write.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.proofs.meeting import Who
from tests.proofs.racing import DECISIONS, Call, Race


def test_expiry_against_approval(race: Race) -> None:
    """The approval was asked for in time, and is late by the clock when it is its turn."""
    email = race.send().json()["id"]
    approved, _ = race.run(
        (Who.REQUESTS, lambda: race.decide(email, "approve")),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert (approved.status_code, approved.json()["code"]) == (409, "expired")
    assert race.at_rest(email) == "expired"
    assert race.words(*DECISIONS) == ["email.expire"]
    assert race.server.outbox() == []


def test_cancel_against_the_moment_of_a_scheduled_send(race: Race) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    assert race.decide(email, "approve").json()["message_status"] == "scheduled"
    cancelled, _ = race.run(
        (Who.REQUESTS, lambda: race.cancel(email)),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    won = cancelled.status_code == 200
    assert race.at_rest(email) == ("cancelled" if won else "sent")
    assert race.words("email.cancel", "email.deliver") == [
        "email.cancel" if won else "email.deliver"
    ]
    assert len(race.server.outbox()) == (not won)


def test_cancel_against_expiry(race: Race) -> None:
    email = race.send().json()["id"]
    cancelled, _ = race.run(
        (Who.REQUESTS, lambda: race.cancel(email)),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    won = cancelled.status_code == 200
    assert won or (cancelled.status_code, cancelled.json()["code"]) == (409, "expired")
    assert race.at_rest(email) == ("cancelled" if won else "expired")
    assert race.words(*DECISIONS) == ["email.cancel" if won else "email.expire"]
    assert race.server.outbox() == []


def test_reschedule_against_expiry(race: Race) -> None:
    """Like an approval, another moment that is late by the clock brings nothing back."""
    email = race.send(send_at=race.hours_ahead(100)).json()["id"]
    moved, _ = race.run(
        (Who.REQUESTS, lambda: race.reschedule(email, 200)),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert (moved.status_code, moved.json()["code"]) == (409, "expired")
    assert race.at_rest(email) == "expired"
    assert race.words(*DECISIONS, "email.reschedule") == ["email.expire"]


def test_edit_against_expiry(race: Race) -> None:
    email = race.send().json()["id"]
    edit = race.edit_of(email)
    edited, _ = race.run(
        (Who.REQUESTS, edit),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert edited.status_code == 409
    assert race.at_rest(email) == "expired"
    assert race.words(*DECISIONS, "oversight.revise") == ["email.expire"]


@pytest.mark.parametrize("mode", ["gated_send", "autonomous"])
def test_reschedule_against_the_moment_of_a_scheduled_send(race: Race, mode: str) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    if mode == "gated_send":
        assert race.decide(email, "approve").json()["message_status"] == "scheduled"
    moved, _ = race.run(
        (Who.REQUESTS, lambda: race.reschedule(email, 3)),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    won = moved.status_code == 200
    assert won or moved.status_code == 409
    waits = "pending_send_approval" if mode == "gated_send" else "scheduled"
    assert race.at_rest(email) == (waits if won else "sent")
    lines = race.words("email.reschedule", "email.deliver")
    assert lines == ["email.reschedule" if won else "email.deliver"]
    assert len(race.server.outbox()) == (not won)
    if won and mode == "autonomous":
        race.clock.advance(timedelta(hours=1))
        race.server.wait_for_message(direction="outbound", status="sent")
        assert len(race.server.outbox()) == 1


@pytest.mark.parametrize("wish", ["approve", "reject", "cancel", "reschedule"])
def test_what_enters_the_queue_at_its_moment(race: Race, wish: str) -> None:
    """Before it the reviewer has nothing to decide on; the sender may change it all the time."""
    later = {"send_at": race.hours_ahead(1), "gate_timing": "schedule_first"}
    email = race.send(**later).json()["id"]
    calls: dict[str, Call] = {
        "approve": lambda: race.decide(email, "approve"),
        "reject": lambda: race.decide(email, "reject"),
        "cancel": lambda: race.cancel(email),
        "reschedule": lambda: race.reschedule(email, 3),
    }
    asked, _ = race.run(
        (Who.REQUESTS, calls[wish]),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    entered = "email.hold" in race.words("email.hold")
    if asked.status_code == 409:
        assert wish in ("approve", "reject")
        assert asked.json()["code"] == "not_yet"
        race.server.wait_for_message(direction="outbound", status="pending_send_approval")
        assert race.words("email.hold", *DECISIONS) == ["email.hold"]
    else:
        assert asked.status_code == 200
        came_to = {
            "approve": "sent",
            "reject": "rejected",
            "cancel": "cancelled",
            "reschedule": "pending_send_approval" if entered else "scheduled",
        }
        assert race.at_rest(email) == came_to[wish]
    sent = asked.status_code == 200 and wish == "approve"
    assert len(race.server.outbox()) == sent


def test_a_mailbox_is_deleted_against_the_moment_of_a_scheduled_send(race: Race) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    race.decide(email, "approve")
    deleted, _ = race.run(
        (Who.REQUESTS, lambda: race.admin.delete(race.box)),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    assert deleted.status_code == 200
    lines = race.words("mailbox.delete", "email.deliver")
    sent = "email.deliver" in lines
    assert lines == (["email.deliver", "mailbox.delete"] if sent else ["mailbox.delete"])
    assert len(race.server.outbox()) == sent
