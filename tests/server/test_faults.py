"""Faults on demand: a test says what goes wrong, where, for whom and how often."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal

from multimail import MultiMail, RateLimitError
from multimail_server.testing import VirtualClock

FAULTS = "/v1/test/faults"


@pytest.fixture
def clean(server: ServerFixture) -> Iterator[ServerFixture]:
    """The file's server, without a fault or a message of the test before."""
    yield server
    server.reset()


def fault(server: ServerFixture, **what: Any) -> Json:
    return accepted(server.admin.post(FAULTS, json=what), 201)


def faults(server: ServerFixture) -> list[Json]:
    rows: list[Json] = server.admin.get(FAULTS).json()["faults"]
    return rows


def test_a_status_is_answered_as_often_as_asked_and_nothing_is_done(clean: ServerFixture) -> None:
    fault(clean, operation="send_email", status=503, times=2)
    for _ in range(2):
        refused = clean.send()
        assert refusal(refused) == (503, "injected_fault")
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert clean.emails(direction="outbound") == []
    assert clean.send().status_code == 202
    assert faults(clean) == []


def test_a_fault_of_one_operation_leaves_the_others_alone(clean: ServerFixture) -> None:
    fault(clean, operation="check_inbox", status=500, times=None)
    codes = [clean.agent.get(f"{clean.box}/emails").status_code for _ in range(3)]
    assert codes == [500] * 3
    assert clean.agent.get(clean.box).status_code == 200
    assert clean.send().status_code == 202


@pytest.mark.parametrize("pattern", ["/v1/mailboxes/{mailbox}/send", "/v1/mailboxes/*/send"])
def test_a_path_may_be_a_pattern(clean: ServerFixture, pattern: str) -> None:
    fault(clean, path=pattern, status=500)
    assert clean.send().status_code == 500
    fault(clean, path=clean.box, method="PATCH", status=500)
    assert clean.agent.get(clean.box).status_code == 200


def test_a_fault_can_be_for_one_recipient(clean: ServerFixture) -> None:
    fault(clean, operation="send_email", recipient="Bob@example.org", status=500)
    assert clean.send("ann@example.org").status_code == 202
    assert clean.send("ann@example.org", cc=["bob@example.org"]).status_code == 500
    assert clean.send("bob@example.org").status_code == 202


def test_a_client_gets_the_retry_after_of_the_fault(clean: ServerFixture) -> None:
    with MultiMail(clean.keys.agent, base_url=clean.url) as client:
        fault(clean, operation="list_mailboxes", status=429, retry_after_seconds=0)
        assert client.list_mailboxes()
        fault(clean, operation="list_mailboxes", status=429, retry_after_seconds=3600, times=None)
        with pytest.raises(RateLimitError) as problem:
            client.list_mailboxes()
    assert problem.value.retry_after == 3600


def test_latency_outlasts_a_timeout_and_no_longer(clean: ServerFixture) -> None:
    fault(clean, operation="get_account", latency_seconds=60)
    with clean.http("agent") as agent, pytest.raises(httpx.ReadTimeout):
        agent.get("/v1/account", timeout=httpx.Timeout(60, read=0.2))
    clean.admin.delete(FAULTS)  # a busy server may not have come to it yet
    fault(clean, operation="get_account", latency_seconds=0.01)
    assert clean.agent.get("/v1/account").status_code == 200


def test_a_lost_answer_comes_after_the_work_was_done(clean: ServerFixture) -> None:
    fault(clean, operation="send_email", reset_after_accept=True)
    with pytest.raises(httpx.ReadError):
        clean.send(idempotency_key="once")
    assert len(clean.emails(direction="outbound")) == 1
    assert clean.send(idempotency_key="once").status_code == 200
    fault(clean, operation="send_email", reset_after_accept=True)
    with MultiMail(clean.keys.agent, base_url=clean.url) as client:
        sent = client.send_email(to=["ann@example.org"], subject="Offer", markdown="Hi")
    rows = clean.emails(direction="outbound")
    assert (len(rows), rows[0]["id"]) == (2, sent.id)


@pytest.mark.parametrize("code", [450, 550])
def test_smtp_refuses_one_recipient(clean: ServerFixture, code: int) -> None:
    fault(clean, operation="smtp", recipient=clean.mailbox.address, status=code)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as problem:
        clean.deliver("Hello")
    assert problem.value.recipients[clean.mailbox.address][0] == code
    assert clean.receive("Hello")


def test_a_recipient_that_the_relay_refuses_is_a_hard_bounce(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    fault(server, operation="relay", recipient="bob@example.org", status=550)
    sent = server.sent("ann@example.org", "bob@example.org")["id"]
    row = server.wait_for_status(sent, "sent")
    assert (row["bounce_type"], row["bounce_code"]) == ("hard", 550)
    assert row["delivery"]["ann@example.org"]["accepted"] is True
    assert [row["recipients"] for row in server.outbox()] == [["ann@example.org"]]


def test_a_message_that_the_relay_refuses_has_failed(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    fault(server, operation="relay", status=550)
    server.wait_for_status(server.sent()["id"], "send_failed")
    assert server.outbox() == []


def test_a_recipient_that_the_relay_defers_is_tried_again(start: Start) -> None:
    server = start(oversight_mode="autonomous", clock=VirtualClock())
    fault(server, operation="relay", recipient="bob@example.org", status=451, times=2)
    sent = server.sent("ann@example.org", "bob@example.org")["id"]
    server.advance(34)
    assert [row["recipients"] for row in server.outbox()] == [["ann@example.org"]]
    server.advance(1)
    [left] = server.outbox()
    assert set(left["recipients"]) == {"ann@example.org", "bob@example.org"}
    assert server.wait_for_status(sent, "sent")["bounce_type"] is None


def test_a_lost_answer_of_the_relay_leads_to_another_try(start: Start) -> None:
    server = start(oversight_mode="autonomous", clock=VirtualClock())
    fault(server, operation="relay", reset_after_accept=True)
    server.sent()
    server.advance(4)
    assert server.outbox() == faults(server) == []
    server.advance(1)
    assert len(server.outbox()) == 1


def test_faults_are_listed_cleared_and_audited(clean: ServerFixture) -> None:
    first = fault(clean, operation="send_email", status=500)
    second = fault(clean, path="/v1/account", latency_seconds=0.5, times=None)
    assert faults(clean) == [first, second]
    assert (second["times"], second["operation"], first["status"]) == (None, None, 500)
    assert clean.admin.delete(f"{FAULTS}/{first['id']}").json() == {"cleared": 1}
    assert clean.admin.delete(f"{FAULTS}/{first['id']}").status_code == 404
    assert clean.admin.delete(FAULTS).json() == {"cleared": 1}
    assert clean.send().status_code == 202
    assert clean.audit("test.fault")
    assert clean.audit("test.fault.clear")


@pytest.mark.parametrize(
    "what",
    [
        {"status": 500},
        {"operation": "send_email"},
        {"operation": "send_email", "path": "/v1/account", "status": 500},
        {"operation": "send_email", "status": 500, "reset_after_accept": True},
        {"operation": "send_emails", "status": 500},
        {"path": "/v1/nothing", "status": 500},
        {"path": "/v1/test/faults", "status": 500},
        {"path": "/v1/account", "method": "POST", "status": 500},
        {"operation": "send_email", "status": 200},
        {"operation": "smtp", "reset_after_accept": True},
        {"operation": "relay", "status": 450, "latency_seconds": 1},
        {"operation": "send_email", "latency_seconds": 1e9},
        {"operation": "send_email", "status": 500, "times": 0},
    ],
)
def test_a_fault_that_could_not_happen_is_refused(clean: ServerFixture, what: Json) -> None:
    assert clean.admin.post(FAULTS, json=what).status_code == 400
    assert faults(clean) == []


def test_a_live_key_never_meets_a_fault(start: Start) -> None:
    server = start()
    wanted = {"operation": "get_account", "status": 500, "times": None}
    fault(server, **wanted)
    live = server.http(server.create_key("read", live=True)["key"])
    assert live.get("/v1/account").status_code == 200
    assert server.agent.get("/v1/account").status_code == 500
    assert refusal(server.admin.post(FAULTS, json=wanted)) == (403, "not_for_tests")


def test_faults_are_for_admin_keys(clean: ServerFixture) -> None:
    body = {"operation": "send_email", "status": 500}
    for client in (clean.agent, clean.reviewer):
        assert client.post(FAULTS, json=body).status_code == 403
