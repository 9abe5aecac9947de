"""Limits: what is too large or too much is refused with a sentence, and hurts nobody else."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from multimail_server import ServerConfig, ServerStartError, VirtualClock
from multimail_server.harness import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def test_a_key_that_asks_too_often_waits_for_as_long_as_it_is_told(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, requests_per_minute=3)
    agent, reviewer = server.http("agent"), server.http("reviewer")
    assert [agent.get("/v1/mailboxes").status_code for _ in range(4)] == [200, 200, 200, 429]
    mail = {"to": "a@example.com", "subject": "S", "body": "B"}
    refused = agent.post("/send_email", json=mail)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert "3 requests" in refused.json()["error"]
    assert refused.headers["Retry-After"] == "20"
    assert reviewer.get("/list_pending").json()["items"] == []
    clock.advance(timedelta(seconds=int(refused.headers["Retry-After"]) - 1))
    assert agent.post("/send_email", json=mail).headers["Retry-After"] == "1"
    clock.advance(timedelta(seconds=1))
    assert agent.post("/send_email", json=mail).status_code == 202
    assert agent.get("/v1/mailboxes").status_code == 429
    clock.advance(timedelta(minutes=5))
    assert [agent.get("/v1/mailboxes").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_wrong_key_uses_up_nobodys_rate(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, requests_per_minute=1)
    stranger = server.http("mm_test_wrong")
    assert {stranger.get("/v1/mailboxes").status_code for _ in range(3)} == {401}
    assert server.http("agent").get("/v1/mailboxes").status_code == 200


def test_without_a_limit_nobody_counts(start: Start, clock: VirtualClock) -> None:
    agent = start(clock=clock).http("agent")
    assert {agent.get("/v1/mailboxes").status_code for _ in range(100)} == {200}


@pytest.mark.parametrize("wrong", [{"requests_per_minute": 0}, {"message_bytes": 0}])
def test_a_limit_of_nothing_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ServerStartError, match="must be positive"):
        ServerUnderTest(ServerConfig(port=0, smtp_port=0, **wrong)).start()


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_a_413(server: ServerUnderTest, declared: bool) -> None:
    large = b'{"q": "' + b"x" * 300_000 + b'"}'
    with server.http("admin") as admin:
        # An iterator is sent in chunks, without saying how much will come.
        refused = admin.post("/v1/contacts", content=large if declared else iter([large]))
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
        assert "262,144 bytes" in refused.json()["error"]
        assert admin.get("/v1/mailboxes").status_code == 200


def test_the_largest_message_is_a_setting_for_smtp_and_http(start: Start) -> None:
    server = start(message_bytes=100_000)
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        server.deliver("x\n" * 60_000)
    assert refused.value.smtp_code == 552
    server.deliver("small", subject="Small")
    server.wait_for_message("Small")
    with server.http("agent") as agent:
        raw = b"From: a@example.com\r\n\r\n" + b"x\r\n" * 400_000
        assert agent.post("/v1/test/inbound", content=raw).status_code == 413
        rows = agent.get("/check_inbox").json()["messages"]
    assert [row["subject"] for row in rows] == ["Small"]
