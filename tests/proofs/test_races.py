"""Races, each run in every order of its two writes: there is one outcome.

Both sides have been authenticated and have read what they act on before either may write. Then
they commit one after the other, in both orders, or share one commit. A side may be the clock: what
falls due by expiry or by `send_at`.
"""

from __future__ import annotations

import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import httpx
import pytest
from tests.proofs.interleaving import DECISIONS, Call, InterleavingServer, Race, Writer, codes

from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock

autonomous = pytest.mark.parametrize("mode", ["autonomous"])


def test_two_approvers_approve_once(race: Race) -> None:
    email = race.send().json()["id"]
    _, other = race.key("read", "oversight")
    answers = race.run(
        (Writer.REQUESTS, lambda: race.decide(email, "approve")),
        (Writer.REQUESTS, lambda: race.decide(email, "approve", other)),
    )
    assert codes(answers) == [200, 200]
    assert race.settled_status(email) == "sent"
    assert race.actions(*DECISIONS, "email.deliver") == ["oversight.approve", "email.deliver"]
    assert len(race.server.outbox()) == 1


def test_approval_against_rejection(race: Race) -> None:
    email = race.send().json()["id"]
    _, other = race.key("read", "oversight")
    approved, rejected = race.run(
        (Writer.REQUESTS, lambda: race.decide(email, "approve")),
        (Writer.REQUESTS, lambda: race.decide(email, "reject", other)),
    )
    assert codes([approved, rejected]) == [200, 409]
    won = approved.status_code == 200
    assert race.settled_status(email) == ("sent" if won else "rejected")
    assert race.actions(*DECISIONS) == ["oversight.approve" if won else "oversight.reject"]
    assert len(race.server.outbox()) == won


def test_cancel_against_approval(race: Race) -> None:
    email = race.send().json()["id"]
    cancelled, approved = race.run(
        (Writer.REQUESTS, lambda: race.cancel(email)),
        (Writer.REQUESTS, lambda: race.decide(email, "approve")),
    )
    assert codes([cancelled, approved]) == [200, 409]
    won = approved.status_code == 200
    assert race.settled_status(email) == ("sent" if won else "cancelled")
    assert race.actions(*DECISIONS) == ["oversight.approve" if won else "email.cancel"]
    assert len(race.server.outbox()) == won


def test_edit_against_approval(race: Race) -> None:
    """An approval is of the content that the approver saw; an edit asks for another one."""
    sent = race.send().json()
    edit = race.edit(sent["id"])
    body = {"email_id": sent["id"], "action": "approve", "content_hash": sent["content_hash"]}
    edited, approved = race.run(
        (Writer.REQUESTS, edit),
        (Writer.REQUESTS, lambda: race.server.reviewer.post("/v1/oversight/decide", json=body)),
    )
    actions = race.actions(*DECISIONS, "oversight.revise")
    if edited.status_code == 303:
        assert (approved.status_code, approved.json()["code"]) == (409, "content_changed")
        assert actions == ["oversight.revise"]
        assert race.settled_status(sent["id"]) == "pending_send_approval"
    else:
        assert codes([edited, approved]) == [200, 409]
        assert actions == ["oversight.approve"]
        assert race.settled_status(sent["id"]) == "sent"
    subjects = [mail["subject"] for mail in race.server.outbox()]
    assert subjects == ([] if edited.status_code == 303 else ["Race"])


def test_edit_against_rejection(race: Race) -> None:
    email = race.send().json()["id"]
    edit = race.edit(email)
    edited, rejected = race.run(
        (Writer.REQUESTS, edit),
        (Writer.REQUESTS, lambda: race.decide(email, "reject")),
    )
    # Who rejects without naming what was seen rejects the edited text as well.
    assert rejected.status_code == 200
    assert race.settled_status(email) == "rejected"
    actions = race.actions(*DECISIONS, "oversight.revise")
    assert actions == ["oversight.revise"] * (edited.status_code == 303) + ["oversight.reject"]


@autonomous
def test_key_revocation_against_dispatch(race: Race) -> None:
    key = race.server.key_id("agent")
    sent, revoked = race.run_against_the_outbox(
        race.send, lambda: race.admin.delete(f"/v1/api-keys/{key}")
    )
    assert revoked.status_code == 200
    email = sent.json()["id"]
    status = race.settled_status(email)
    lines = race.actions("email.deliver", "api_key.revoke", "email.fail")
    if status == "sent":
        assert lines == ["email.deliver", "api_key.revoke"]
    else:
        assert (status, lines) == ("send_failed", ["api_key.revoke", "email.fail"])
    assert len(race.server.outbox()) == (status == "sent")


@autonomous
def test_tightening_against_a_send(race: Race) -> None:
    """What is committed after the tightening is held, although it was composed before."""
    change = {"oversight_mode": "gated_send"}
    tightened, sent = race.run(
        (Writer.REQUESTS, lambda: race.admin.patch(race.box, json=change)),
        (Writer.REQUESTS, race.send),
    )
    assert codes([tightened, sent]) == [200, 202]
    lines = race.actions("mailbox.update", "email.send")
    held = lines == ["mailbox.update", "email.send"]
    assert held or lines == ["email.send", "mailbox.update"]
    assert race.settled_status(sent.json()["id"]) == ("pending_send_approval" if held else "sent")
    assert len(race.server.outbox()) == (not held)


@autonomous
def test_one_idempotency_key_in_two_requests_is_one_send(race: Race) -> None:
    answers = race.run(
        (Writer.REQUESTS, lambda: race.send(idempotency_key="once")),
        (Writer.REQUESTS, lambda: race.send(idempotency_key="once")),
    )
    assert codes(answers) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert race.settled_status(answers[0].json()["id"]) == "sent"
    assert race.actions("email.send", "email.deliver") == ["email.send", "email.deliver"]


@pytest.mark.parametrize("change", ["revoked", "without its scope"])
def test_a_reviewer_whose_key_is_taken_away_decides_nothing_after_it(
    race: Race, change: str
) -> None:
    email = race.send().json()["id"]
    key, reviewer = race.key("read", "oversight")
    path = f"/v1/api-keys/{key}"

    def take_away() -> httpx.Response:
        if change == "revoked":
            return race.admin.delete(path)
        return race.admin.patch(path, json={"scopes": ["read"]})

    taken, decided = race.run(
        (Writer.REQUESTS, take_away),
        (Writer.REQUESTS, lambda: race.decide(email, "approve", reviewer)),
    )
    assert taken.status_code == 200
    lines = race.actions("api_key.revoke", "api_key.update", "oversight.approve")
    if decided.status_code == 200:
        assert lines[0] == "oversight.approve"
    else:
        assert decided.status_code in (401, 403)
        assert "oversight.approve" not in lines
        assert race.settled_status(email) == "pending_send_approval"
    assert len(race.server.outbox()) == (decided.status_code == 200)


def test_an_admin_whose_key_is_revoked_leaves_no_key_behind(race: Race) -> None:
    key, admin = race.key("read", "admin")
    wish = {"name": "a way back", "scopes": ["admin"]}
    revoked, made = race.run(
        (Writer.REQUESTS, lambda: race.admin.delete(f"/v1/api-keys/{key}")),
        (Writer.REQUESTS, lambda: admin.post("/v1/api-keys", json=wish)),
    )
    assert revoked.status_code == 200
    names = [row["name"] for row in race.admin.get("/v1/api-keys").json()["api_keys"]]
    assert ("a way back" in names) == (made.status_code == 201)
    if made.status_code == 201:
        assert race.actions("api_key.create", "api_key.revoke")[-1] == "api_key.revoke"


def test_mail_for_a_concurrently_deleted_mailbox_is_not_acknowledged(race: Race) -> None:
    race.admin.post("/v1/mailboxes", json={"address": "other"})

    def hand_in() -> str:
        try:
            race.server.deliver("Hello", subject="Late")
        except smtplib.SMTPException as problem:
            return type(problem).__name__
        return "acknowledged"

    deleted, result = race.run(
        (Writer.REQUESTS, lambda: race.admin.delete(race.box)),
        (Writer.MAIL, hand_in),
    )
    assert deleted.status_code == 200
    lines = race.actions("mailbox.delete", "email.receive")
    if result == "acknowledged":
        assert lines == ["email.receive", "mailbox.delete"]
    else:
        assert (result, lines) == ("SMTPDataError", ["mailbox.delete"])


def test_expiry_against_approval(race: Race) -> None:
    """The approval was asked for in time, and is late by the clock when it is its turn."""
    email = race.send().json()["id"]
    approved, _ = race.run(
        (Writer.REQUESTS, lambda: race.decide(email, "approve")),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert (approved.status_code, approved.json()["code"]) == (409, "expired")
    assert race.settled_status(email) == "expired"
    assert race.actions(*DECISIONS) == ["email.expire"]
    assert race.server.outbox() == []


def test_cancel_against_the_moment_of_a_scheduled_send(race: Race) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    assert race.decide(email, "approve").json()["message_status"] == "scheduled"
    cancelled, _ = race.run(
        (Writer.REQUESTS, lambda: race.cancel(email)),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    won = cancelled.status_code == 200
    assert race.settled_status(email) == ("cancelled" if won else "sent")
    assert race.actions("email.cancel", "email.deliver") == [
        "email.cancel" if won else "email.deliver"
    ]
    assert len(race.server.outbox()) == (not won)


def test_cancel_against_expiry(race: Race) -> None:
    email = race.send().json()["id"]
    cancelled, _ = race.run(
        (Writer.REQUESTS, lambda: race.cancel(email)),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    won = cancelled.status_code == 200
    assert won or (cancelled.status_code, cancelled.json()["code"]) == (409, "expired")
    assert race.settled_status(email) == ("cancelled" if won else "expired")
    assert race.actions(*DECISIONS) == ["email.cancel" if won else "email.expire"]
    assert race.server.outbox() == []


def test_reschedule_against_expiry(race: Race) -> None:
    """Like an approval, another moment that is late by the clock brings nothing back."""
    email = race.send(send_at=race.hours_ahead(100)).json()["id"]
    moved, _ = race.run(
        (Writer.REQUESTS, lambda: race.reschedule(email, 200)),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert (moved.status_code, moved.json()["code"]) == (409, "expired")
    assert race.settled_status(email) == "expired"
    assert race.actions(*DECISIONS, "email.reschedule") == ["email.expire"]


def test_edit_against_expiry(race: Race) -> None:
    email = race.send().json()["id"]
    edit = race.edit(email)
    edited, _ = race.run(
        (Writer.REQUESTS, edit),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=73))),
    )
    assert edited.status_code == 409
    assert race.settled_status(email) == "expired"
    assert race.actions(*DECISIONS, "oversight.revise") == ["email.expire"]


@pytest.mark.parametrize("mode", ["gated_send", "autonomous"])
def test_reschedule_against_the_moment_of_a_scheduled_send(race: Race, mode: str) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    if mode == "gated_send":
        assert race.decide(email, "approve").json()["message_status"] == "scheduled"
    moved, _ = race.run(
        (Writer.REQUESTS, lambda: race.reschedule(email, 3)),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    won = moved.status_code == 200
    assert won or moved.status_code == 409
    waits = "pending_send_approval" if mode == "gated_send" else "scheduled"
    assert race.settled_status(email) == (waits if won else "sent")
    lines = race.actions("email.reschedule", "email.deliver")
    assert lines == ["email.reschedule" if won else "email.deliver"]
    assert len(race.server.outbox()) == (not won)
    if won and mode == "autonomous":
        race.clock.advance(timedelta(hours=1))
        race.server.wait_for_message(direction="outbound", status="sent")
        assert len(race.server.outbox()) == 1


@pytest.mark.parametrize("request_name", ["approve", "reject", "cancel", "reschedule"])
def test_what_enters_the_queue_at_its_moment(race: Race, request_name: str) -> None:
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
        (Writer.REQUESTS, calls[request_name]),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    entered = "email.hold" in race.actions("email.hold")
    if asked.status_code == 409:
        assert request_name in ("approve", "reject")
        assert asked.json()["code"] == "not_yet"
        race.server.wait_for_message(direction="outbound", status="pending_send_approval")
        assert race.actions("email.hold", *DECISIONS) == ["email.hold"]
    else:
        assert asked.status_code == 200
        expected = {
            "approve": "sent",
            "reject": "rejected",
            "cancel": "cancelled",
            "reschedule": "pending_send_approval" if entered else "scheduled",
        }
        assert race.settled_status(email) == expected[request_name]
    sent = asked.status_code == 200 and request_name == "approve"
    assert len(race.server.outbox()) == sent


def test_a_mailbox_is_deleted_against_the_moment_of_a_scheduled_send(race: Race) -> None:
    email = race.send(send_at=race.hours_ahead(1)).json()["id"]
    race.decide(email, "approve")
    deleted, _ = race.run(
        (Writer.REQUESTS, lambda: race.admin.delete(race.box)),
        (Writer.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    assert deleted.status_code == 200
    lines = race.actions("mailbox.delete", "email.deliver")
    sent = "email.deliver" in lines
    assert lines == (["email.deliver", "mailbox.delete"] if sent else ["mailbox.delete"])
    assert len(race.server.outbox()) == sent


def test_many_at_once_without_held_writes(database: str | None) -> None:
    """The same races without held writes: in whatever order threads and sockets come."""
    with InterleavingServer(ServerConfig(port=0, smtp_port=0, database=database)) as server:
        race = Race(server, VirtualClock(), "together")
        for _ in range(25):
            email = race.send().json()["id"]
            start = threading.Barrier(4)

            def at_once(call: Call, start: threading.Barrier = start) -> httpx.Response:
                start.wait(60)
                answer: httpx.Response = call()
                return answer

            calls: list[Call] = [
                partial(race.decide, email, "approve"),
                partial(race.decide, email, "approve"),
                partial(race.decide, email, "reject"),
                partial(race.cancel, email),
            ]
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(at_once, calls))
            status = race.settled_status(email)
            lines = race.server.audit(*DECISIONS, email_id=email)
            winners = {"sent": [0, 1], "rejected": [2], "cancelled": [3]}[status]
            assert [n for n, answer in enumerate(answers) if answer.status_code == 200] == winners
            assert len(lines) == 1
        race.close()
