"""Races, each made real at the store's door and run in every order: there is one outcome.

Both sides have been authenticated and have read what they act on before either may write. Then
they commit one after the other, in both orders, or share one commit.
"""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import httpx
import pytest
from tests.proofs.meeting import MeetingServer, Who

from multimail_server import ServerConfig, VirtualClock

Order = Literal["first", "second", "together", "together, second first"]
ORDERS: tuple[Order, ...] = ("first", "second", "together", "together, second first")
Call = Callable[[], Any]


class Race:
    """A server, its clients, and two calls that meet at the door of its store."""

    def __init__(self, server: MeetingServer, clock: VirtualClock, order: Order) -> None:
        self.server, self.clock, self._order = server, clock, order
        self.agent, self.reviewer, self.admin = map(server.http, ("agent", "reviewer", "admin"))
        self.box = f"/v1/mailboxes/{server.mailbox.id}"
        self._pool = ThreadPoolExecutor(4)

    def send(self, **more: Any) -> httpx.Response:
        """Send a message."""
        body = {"to": ["a@example.com"], "subject": "Race", "markdown": "Hello", **more}
        return self.agent.post(f"{self.box}/send", json=body)

    def decide(self, email_id: str, action: str, by: httpx.Client | None = None) -> httpx.Response:
        """Approve or reject."""
        body = {"email_id": email_id, "action": action}
        return (by or self.reviewer).post("/v1/oversight/decide", json=body)

    def key(self, *scopes: str) -> tuple[str, httpx.Client]:
        """Make a key; return its id and a client that uses it."""
        made = self.admin.post("/v1/api-keys", json={"name": "more", "scopes": list(scopes)}).json()
        return made["id"], self.server.http(made["key"])

    def id_of(self, name: str) -> str:
        """Return the id of one of the first keys."""
        keys = self.admin.get("/v1/api-keys").json()["api_keys"]
        return next(str(key["id"]) for key in keys if key["name"] == name)

    def run(self, first: tuple[Who, Call], second: tuple[Who, Call]) -> list[Any]:
        """Let both meet at the door, then in, in this test's order; return what they returned.

        A call that is not a request of its own (the clock's tick) may return at once.
        """
        results: list[Future[Any]] = []
        for who, call in (first, second):
            self.server.door.hold(who)
            results.append(self._pool.submit(call))
            self.server.door.await_guests(len(results))
        self._release()
        return [result.result(30) for result in results]

    def against_the_outbox(self, start: Call, second: Call) -> list[Any]:
        """Let `second` meet what `start` gives the outbox to do; `start` itself is not held."""
        self.server.door.hold(Who.OUTBOX)
        started = start()
        self.server.door.await_guests(1)
        self.server.door.hold(Who.REQUESTS)
        result = self._pool.submit(second)
        self.server.door.await_guests(2)
        self._release()
        return [started, result.result(30)]

    def _release(self) -> None:
        numbers = (1, 0) if "second" in self._order else (0, 1)
        if self._order.startswith("together"):
            self.server.door.release_together(*numbers)
        else:
            self.server.door.release_in_order(*numbers)

    def actions(self, *wanted: str) -> list[dict[str, Any]]:
        """Return the audit log's lines of these actions, oldest first."""
        entries = self.admin.get("/v1/audit-log").json()["entries"]
        return [entry for entry in reversed(entries) if entry["action"] in wanted]

    def words(self, *wanted: str) -> list[str]:
        """Return these actions in the order in which they were committed."""
        return [entry["action"] for entry in self.actions(*wanted)]

    def at_rest(self, email_id: str) -> str:
        """Return a message's status once it is not on its way any more."""
        found = self.server.wait_for_message(
            lambda mail: mail["id"] == email_id and mail["status"] != "sending",
            direction="outbound",
        )
        return str(found["status"])

    def close(self) -> None:
        """Let go of the clients."""
        self._pool.shutdown()
        for client in (self.agent, self.reviewer, self.admin):
            client.close()


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> Order:
    order: Order = request.param
    return order


@pytest.fixture
def mode() -> str:
    return "gated_send"


@pytest.fixture
def race(order: Order, mode: str) -> Iterator[Race]:
    clock = VirtualClock()
    config = ServerConfig(port=0, smtp_port=0, clock=clock, oversight_mode=mode)
    with MeetingServer(config) as server:
        race = Race(server, clock, order)
        yield race
        race.close()


autonomous = pytest.mark.parametrize("mode", ["autonomous"])
DECISIONS = ("oversight.approve", "oversight.reject", "email.cancel", "email.expire")


def codes(answers: list[Any]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


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
        (Who.REQUESTS, lambda: race.agent.post(f"{race.box}/emails/{email}/cancel")),
        (Who.REQUESTS, lambda: race.decide(email, "approve")),
    )
    assert codes([cancelled, approved]) == [200, 409]
    won = approved.status_code == 200
    assert race.at_rest(email) == ("sent" if won else "cancelled")
    assert race.words(*DECISIONS) == ["oversight.approve" if won else "email.cancel"]
    assert len(race.server.outbox()) == won


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
    later = (race.clock.now() + timedelta(hours=1)).isoformat()
    email = race.send(send_at=later).json()["id"]
    assert race.decide(email, "approve").json()["message_status"] == "scheduled"
    cancelled, _ = race.run(
        (Who.REQUESTS, lambda: race.agent.post(f"{race.box}/emails/{email}/cancel")),
        (Who.OUTBOX, lambda: race.clock.advance(timedelta(hours=2))),
    )
    won = cancelled.status_code == 200
    assert race.at_rest(email) == ("cancelled" if won else "sent")
    assert race.words("email.cancel", "email.deliver") == [
        "email.cancel" if won else "email.deliver"
    ]
    assert len(race.server.outbox()) == (not won)


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


def test_many_at_once_through_an_open_door() -> None:
    """The same races without the door: whatever threads and sockets make of them."""
    with MeetingServer(ServerConfig(port=0, smtp_port=0)) as server:
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
                partial(race.agent.post, f"{race.box}/emails/{email}/cancel"),
            ]
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(at_once, calls))
            status = race.at_rest(email)
            lines = [e["action"] for e in race.actions(*DECISIONS) if e["resource_id"] == email]
            winners = {"sent": [0, 1], "rejected": [2], "cancelled": [3]}[status]
            assert [n for n, answer in enumerate(answers) if answer.status_code == 200] == winners
            assert len(lines) == 1
        race.close()
