"""Faults on demand: a test says what goes wrong, where, for whom and how often."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from multimail import MultiMail, RateLimitError
from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


@pytest.fixture
def calm(server: ServerUnderTest) -> Iterator[ServerUnderTest]:
    """The file's server, without a fault or a message of the test before."""
    yield server
    server.reset()


def fault(server: ServerUnderTest, **what: Any) -> dict[str, Any]:
    made = server.http("admin").post("/v1/test/faults", json=what)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def send(server: ServerUnderTest, *to: str, **more: Any) -> httpx.Response:
    body = {"to": list(to) or ["ann@example.org"], "subject": "Offer", "markdown": "Hi", **more}
    return server.http("agent").post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)


def outbound(server: ServerUnderTest) -> list[dict[str, Any]]:
    path = f"/v1/mailboxes/{server.mailbox.id}/emails?direction=outbound"
    rows: list[dict[str, Any]] = server.http("agent").get(path).json()["emails"]
    return rows


def test_a_status_is_answered_as_often_as_asked_and_nothing_is_done(calm: ServerUnderTest) -> None:
    fault(calm, operation="send_email", status=503, times=2)
    for _ in range(2):
        refused = send(calm)
        assert (refused.status_code, refused.json()["code"]) == (503, "injected_fault")
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert outbound(calm) == []
    assert send(calm).status_code == 202
    assert calm.http("admin").get("/v1/test/faults").json() == {"faults": []}


def test_a_fault_of_one_operation_leaves_the_others_alone(calm: ServerUnderTest) -> None:
    fault(calm, operation="check_inbox", status=500, times=None)
    path = f"/v1/mailboxes/{calm.mailbox.id}"
    agent = calm.http("agent")
    assert [agent.get(f"{path}/emails").status_code for _ in range(3)] == [500] * 3
    assert agent.get(path).status_code == 200
    assert send(calm).status_code == 202


@pytest.mark.parametrize("which", ["/v1/mailboxes/{mailbox}/send", "/v1/mailboxes/*/send"])
def test_a_path_may_be_a_pattern(calm: ServerUnderTest, which: str) -> None:
    fault(calm, path=which, status=500)
    assert send(calm).status_code == 500
    fault(calm, path=f"/v1/mailboxes/{calm.mailbox.id}", method="PATCH", status=500)
    assert calm.http("agent").get(f"/v1/mailboxes/{calm.mailbox.id}").status_code == 200


def test_a_fault_can_be_for_one_recipient(calm: ServerUnderTest) -> None:
    fault(calm, operation="send_email", recipient="Bob@example.org", status=500)
    assert send(calm, "ann@example.org").status_code == 202
    assert send(calm, "ann@example.org", cc=["bob@example.org"]).status_code == 500
    assert send(calm, "bob@example.org").status_code == 202


def test_a_client_meets_the_retry_after_that_was_asked_for(calm: ServerUnderTest) -> None:
    fault(calm, operation="list_mailboxes", status=429, retry_after_seconds=0)
    with MultiMail(calm.keys.agent, base_url=calm.url) as mail:
        assert mail.list_mailboxes()
    fault(calm, operation="list_mailboxes", status=429, retry_after_seconds=3600, times=None)
    with MultiMail(calm.keys.agent, base_url=calm.url) as mail:
        with pytest.raises(RateLimitError) as problem:
            mail.list_mailboxes()
        assert problem.value.retry_after == 3600


def test_latency_outlasts_a_callers_patience_and_no_longer(calm: ServerUnderTest) -> None:
    fault(calm, operation="get_account", latency_seconds=60)
    with calm.http("agent") as agent, pytest.raises(httpx.ReadTimeout):
        agent.get("/v1/account", timeout=0.2)
    fault(calm, operation="get_account", latency_seconds=0.01)
    with calm.http("agent") as agent:
        assert agent.get("/v1/account").status_code == 200


def test_an_answer_is_lost_after_the_work_was_done(calm: ServerUnderTest) -> None:
    fault(calm, operation="send_email", reset_after_accept=True)
    with pytest.raises(httpx.ReadError):
        send(calm, idempotency_key="once")
    assert len(outbound(calm)) == 1
    again = send(calm, idempotency_key="once")
    assert (again.status_code, len(outbound(calm))) == (200, 1)


def test_a_client_sends_once_although_the_first_answer_was_lost(calm: ServerUnderTest) -> None:
    fault(calm, operation="send_email", reset_after_accept=True)
    with MultiMail(calm.keys.agent, base_url=calm.url) as mail:
        sent = mail.send_email(to=["ann@example.org"], subject="Offer", markdown="Hi")
    assert [row["id"] for row in outbound(calm)] == [sent.id]


@pytest.mark.parametrize("code", [450, 550])
def test_smtp_refuses_one_recipient(calm: ServerUnderTest, code: int) -> None:
    fault(calm, operation="smtp", recipient=calm.mailbox.address, status=code)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as problem:
        calm.deliver("Hello")
    assert problem.value.recipients[calm.mailbox.address][0] == code
    calm.deliver("Hello")
    assert calm.wait_for_message()


def test_a_recipient_who_is_refused_for_good_is_a_hard_bounce(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    fault(server, operation="relay", recipient="bob@example.org", status=550)
    send(server, "ann@example.org", "bob@example.org")
    told = server.wait_for_message(direction="outbound", status="sent")
    assert (told["bounce_type"], told["bounce_code"]) == ("hard", 550)
    assert told["delivery"]["ann@example.org"]["accepted"] is True
    assert [row["recipients"] for row in server.outbox()] == [["ann@example.org"]]


def test_a_message_that_nobody_takes_has_failed(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    fault(server, operation="relay", status=550)
    send(server)
    assert server.wait_for_message(direction="outbound", status="send_failed")
    assert server.outbox() == []


def test_a_recipient_who_is_refused_for_now_is_tried_again(start: Start) -> None:
    server = start(oversight_mode="autonomous", clock=VirtualClock())
    fault(server, operation="relay", recipient="bob@example.org", status=451, times=2)
    send(server, "ann@example.org", "bob@example.org")
    server.advance(34)
    assert [row["recipients"] for row in server.outbox()] == [["ann@example.org"]]
    server.advance(1)
    (left,) = server.outbox()
    assert set(left["recipients"]) == {"ann@example.org", "bob@example.org"}
    told = server.wait_for_message(direction="outbound", status="sent")
    assert told["bounce_type"] is None


def test_an_answer_that_the_relay_lost_leads_to_another_try(start: Start) -> None:
    server = start(oversight_mode="autonomous", clock=VirtualClock())
    fault(server, operation="relay", reset_after_accept=True)
    send(server)
    server.advance(4)
    assert server.outbox() == []
    assert server.http("admin").get("/v1/test/faults").json()["faults"] == []
    server.advance(1)
    assert len(server.outbox()) == 1


def test_faults_are_listed_and_cleared(calm: ServerUnderTest) -> None:
    admin = calm.http("admin")
    first = fault(calm, operation="send_email", status=500)
    second = fault(calm, path="/v1/account", latency_seconds=0.5, times=None)
    assert admin.get("/v1/test/faults").json()["faults"] == [first, second]
    assert (second["times"], second["operation"], first["status"]) == (None, None, 500)
    assert admin.delete(f"/v1/test/faults/{first['id']}").json() == {"cleared": 1}
    assert admin.delete(f"/v1/test/faults/{first['id']}").status_code == 404
    assert admin.delete("/v1/test/faults").json() == {"cleared": 1}
    assert send(calm).status_code == 202
    rows = admin.get("/v1/audit-log").json()["entries"]
    assert {"test.fault", "test.fault.clear"} <= {row["action"] for row in rows}


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
def test_a_fault_that_could_not_happen_is_refused(
    calm: ServerUnderTest, what: dict[str, Any]
) -> None:
    refused = calm.http("admin").post("/v1/test/faults", json=what)
    assert refused.status_code == 400
    assert calm.http("admin").get("/v1/test/faults").json() == {"faults": []}


def test_a_live_key_never_meets_a_fault(start: Start) -> None:
    server = start()
    fault(server, operation="get_account", status=500, times=None)
    body = {"name": "live", "scopes": ["read"], "live": True}
    key = server.http("admin").post("/v1/api-keys", json=body).json()["key"]
    assert server.http(key).get("/v1/account").status_code == 200
    assert server.http("agent").get("/v1/account").status_code == 500
    refused = server.http("admin").post(
        "/v1/test/faults", json={"operation": "get_account", "status": 500}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "not_for_tests")


def test_only_an_admin_asks_for_faults(calm: ServerUnderTest) -> None:
    for role in ("agent", "reviewer"):
        body = {"operation": "send_email", "status": 500}
        assert calm.http(role).post("/v1/test/faults", json=body).status_code == 403
