"""Races, each made real at the store's door and run in every order: there is one outcome.

Both sides have been authenticated and have read what they act on before either may write. Then
they commit one after the other, in both orders, or share one commit.
"""

from __future__ import annotations

import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from tests.proofs.meeting import MeetingServer, Who
from tests.proofs.racing import DECISIONS, Call, Race, codes

from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock

autonomous = pytest.mark.parametrize("mode", ["autonomous"])


def test_two_approvers_approve_once(race: Race) -> None:
    email = race.send().json()["id"]
    _, other = race.key("read", "oversight")
    answers = race.run(
        (Who.REQUESTS, lambda: race.decide(email, "approve")),
        (Who.REQUESTS, lambda: race.decide(email, "approve", other)),
    )
    assert codes(answers) == [200, 200]
    assert race.at_rest(email) == "sent"
    assert race.words(*DECISIONS, "email.deliver") == ["oversight.approve", "email.deliver"]
    assert len(race.server.outbox()) == 1


def test_approval_against_rejection(race: Race) -> None:
    email = race.send().json()["id"]
    _, other = race.key("read", "oversight")
    approved, rejected = race.run(
        (Who.REQUESTS, lambda: race.decide(email, "approve")),
        (Who.REQUESTS, lambda: race.decide(email, "reject", other)),
    )
    assert codes([approved, rejected]) == [200, 409]
    won = approved.status_code == 200
    assert race.at_rest(email) == ("sent" if won else "rejected")
    assert race.words(*DECISIONS) == ["oversight.approve" if won else "oversight.reject"]
    assert len(race.server.outbox()) == won


def test_cancel_against_approval(race: Race) -> None:
    email = race.send().json()["id"]
    cancelled, approved = race.run(
        (Who.REQUESTS, lambda: race.cancel(email)),
        (Who.REQUESTS, lambda: race.decide(email, "approve")),
    )
    assert codes([cancelled, approved]) == [200, 409]
    won = approved.status_code == 200
    assert race.at_rest(email) == ("sent" if won else "cancelled")
    assert race.words(*DECISIONS) == ["oversight.approve" if won else "email.cancel"]
    assert len(race.server.outbox()) == won


def test_edit_against_approval(race: Race) -> None:
    """An approval is of the content that the approver saw; an edit asks for another one."""
    sent = race.send().json()
    edit = race.edit_of(sent["id"])
    body = {"email_id": sent["id"], "action": "approve", "content_hash": sent["content_hash"]}
    edited, approved = race.run(
        (Who.REQUESTS, edit),
        (Who.REQUESTS, lambda: race.reviewer.post("/v1/oversight/decide", json=body)),
    )
    words = race.words(*DECISIONS, "oversight.revise")
    if edited.status_code == 303:
        assert (approved.status_code, approved.json()["code"]) == (409, "content_changed")
        assert words == ["oversight.revise"]
        assert race.at_rest(sent["id"]) == "pending_send_approval"
    else:
        assert codes([edited, approved]) == [200, 409]
        assert words == ["oversight.approve"]
        assert race.at_rest(sent["id"]) == "sent"
    subjects = [one["subject"] for one in race.server.outbox()]
    assert subjects == ([] if edited.status_code == 303 else ["Race"])


def test_edit_against_rejection(race: Race) -> None:
    email = race.send().json()["id"]
    edit = race.edit_of(email)
    edited, rejected = race.run(
        (Who.REQUESTS, edit),
        (Who.REQUESTS, lambda: race.decide(email, "reject")),
    )
    # Who rejects without naming what was seen rejects the edited text as well.
    assert rejected.status_code == 200
    assert race.at_rest(email) == "rejected"
    words = race.words(*DECISIONS, "oversight.revise")
    assert words == ["oversight.revise"] * (edited.status_code == 303) + ["oversight.reject"]


@autonomous
def test_key_revocation_against_dispatch(race: Race) -> None:
    key = race.id_of("agent")
    sent, revoked = race.against_the_outbox(
        race.send, lambda: race.admin.delete(f"/v1/api-keys/{key}")
    )
    assert revoked.status_code == 200
    email = sent.json()["id"]
    status = race.at_rest(email)
    lines = race.words("email.deliver", "api_key.revoke", "email.fail")
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
        (Who.REQUESTS, lambda: race.admin.patch(race.box, json=change)),
        (Who.REQUESTS, race.send),
    )
    assert codes([tightened, sent]) == [200, 202]
    lines = race.words("mailbox.update", "email.send")
    held = lines == ["mailbox.update", "email.send"]
    assert held or lines == ["email.send", "mailbox.update"]
    assert race.at_rest(sent.json()["id"]) == ("pending_send_approval" if held else "sent")
    assert len(race.server.outbox()) == (not held)


@autonomous
def test_one_idempotency_key_in_two_requests_is_one_send(race: Race) -> None:
    answers = race.run(
        (Who.REQUESTS, lambda: race.send(idempotency_key="once")),
        (Who.REQUESTS, lambda: race.send(idempotency_key="once")),
    )
    assert codes(answers) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert race.at_rest(answers[0].json()["id"]) == "sent"
    assert race.words("email.send", "email.deliver") == ["email.send", "email.deliver"]


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
        (Who.REQUESTS, take_away),
        (Who.REQUESTS, lambda: race.decide(email, "approve", reviewer)),
    )
    assert taken.status_code == 200
    lines = race.words("api_key.revoke", "api_key.update", "oversight.approve")
    if decided.status_code == 200:
        assert lines[0] == "oversight.approve"
    else:
        assert decided.status_code in (401, 403)
        assert "oversight.approve" not in lines
        assert race.at_rest(email) == "pending_send_approval"
    assert len(race.server.outbox()) == (decided.status_code == 200)


def test_an_admin_whose_key_is_revoked_leaves_no_key_behind(race: Race) -> None:
    key, admin = race.key("read", "admin")
    wish = {"name": "a way back", "scopes": ["admin"]}
    revoked, made = race.run(
        (Who.REQUESTS, lambda: race.admin.delete(f"/v1/api-keys/{key}")),
        (Who.REQUESTS, lambda: admin.post("/v1/api-keys", json=wish)),
    )
    assert revoked.status_code == 200
    names = [row["name"] for row in race.admin.get("/v1/api-keys").json()["api_keys"]]
    assert ("a way back" in names) == (made.status_code == 201)
    if made.status_code == 201:
        assert race.words("api_key.create", "api_key.revoke")[-1] == "api_key.revoke"


def test_mail_is_not_acknowledged_for_a_mailbox_that_is_deleted_meanwhile(race: Race) -> None:
    race.admin.post("/v1/mailboxes", json={"address": "other"})

    def hand_in() -> str:
        try:
            race.server.deliver("Hello", subject="Late")
        except smtplib.SMTPException as problem:
            return type(problem).__name__
        return "acknowledged"

    deleted, told = race.run(
        (Who.REQUESTS, lambda: race.admin.delete(race.box)),
        (Who.MAIL, hand_in),
    )
    assert deleted.status_code == 200
    lines = race.words("mailbox.delete", "email.receive")
    if told == "acknowledged":
        assert lines == ["email.receive", "mailbox.delete"]
    else:
        assert (told, lines) == ("SMTPDataError", ["mailbox.delete"])


def test_many_at_once_through_an_open_door(database: str | None) -> None:
    """The same races without the door: whatever threads and sockets make of them."""
    with MeetingServer(ServerConfig(port=0, smtp_port=0, database=database)) as server:
        race = Race(server, VirtualClock(), "together")
        for _ in range(25):
            email = race.send().json()["id"]
            start = threading.Barrier(4)

            def at_once(call: Call, start: threading.Barrier = start) -> httpx.Response:
                start.wait(20)
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
            status = race.at_rest(email)
            lines = [e["action"] for e in race.actions(*DECISIONS) if e["resource_id"] == email]
            winners = {"sent": [0, 1], "rejected": [2], "cancelled": [3]}[status]
            assert [n for n, answer in enumerate(answers) if answer.status_code == 200] == winners
            assert len(lines) == 1
        race.close()
