"""Limits: what is too large or too much is refused with a sentence, and hurts nobody else."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail_server import ServerConfig, ServerStartError, VirtualClock
from multimail_server.rate_limit import MAX_KEYS, RateLimiter
from multimail_server.testing.server import ServerUnderTest

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


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"message_bytes": 0},
        {"sends_per_day": 0},
        {"smtp_connections": 0},
        {"smtp_per_minute": 0},
    ],
)
def test_a_limit_of_nothing_is_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ServerStartError, match="must be at least 1"):
        ServerUnderTest(ServerConfig(port=0, smtp_port=0, **wrong)).start()


def send(server: ServerUnderTest, **more: Any) -> httpx.Response:
    mail = {"to": "a@example.com", "subject": "S", "body": "B", **more}
    with server.http("agent") as agent:
        return agent.post("/send_email", json=mail)


def test_a_day_s_sends_are_counted_until_midnight_and_over_a_restart(
    start: Start, clock: VirtualClock, tmp_path: Path
) -> None:
    settings = {"clock": clock, "data": tmp_path / "mail.db", "sends_per_day": 2}
    clock.advance(timedelta(hours=20))
    server = start(**settings)
    agent = server.keys.agent
    assert send(server, idempotency_key="k").status_code == 202
    assert send(server, idempotency_key="k").status_code == 200
    assert send(server, to="no address").status_code == 400
    server.stop()
    server = start(**settings)
    client = server.http(agent)
    mail = {"to": "a@example.com", "subject": "S", "body": "B"}
    assert client.post("/send_email", json=mail).status_code == 202
    refused = client.post("/send_email", json=mail)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert "the 2 sends that it may make in a day" in refused.json()["error"]
    assert refused.headers["Retry-After"] == "14400"
    assert len(client.get("/list_pending").json()["items"]) == 2
    clock.advance(timedelta(hours=4))
    codes = [client.post("/send_email", json=mail).status_code for _ in range(3)]
    assert codes == [202, 202, 429]


def test_sends_at_once_do_not_pass_the_day_s_quota(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, sends_per_day=3)
    together = threading.Barrier(8)

    def one(_: int) -> int:
        together.wait()
        return send(server).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(one, range(8)))
    assert sorted(codes) == [202] * 3 + [429] * 5


def test_more_smtp_connections_than_are_taken_are_told_to_come_later(start: Start) -> None:
    server = start(smtp_connections=2)
    host, _, port = server.smtp.rpartition(":")
    first, second = (smtplib.SMTP(host, int(port), timeout=10) for _ in range(2))
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        smtplib.SMTP(host, int(port), timeout=10)
    assert refused.value.smtp_code == 421
    assert "Too many connections" in str(refused.value.smtp_error)
    first.quit()
    assert second.noop()[0] == 250
    second.quit()
    # The listener learns of a hang-up a moment after the client.
    assert any(_greeted(server) for _ in range(200))
    server.deliver(subject="After")
    server.wait_for_message("After")


def _greeted(server: ServerUnderTest) -> bool:
    host, _, port = server.smtp.rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=10):
            return True
    except smtplib.SMTPConnectError:
        return False


def test_a_peer_that_connects_too_often_is_told_to_wait(start: Start) -> None:
    server = start(smtp_per_minute=2)
    for subject in ("One", "Two"):
        server.deliver(subject=subject)
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        server.deliver(subject="Three")
    assert refused.value.smtp_code == 421
    assert "from your address" in str(refused.value.smtp_error)


def test_an_allowance_refills_evenly_and_belongs_to_one_key() -> None:
    limiter = RateLimiter(3)

    def is_allowed(key: str, seconds: float) -> bool:
        return not limiter.acquire(key, timedelta(seconds=seconds))

    assert [is_allowed("a", 0) for _ in range(4)] == [True, True, True, False]
    assert limiter.acquire("a", timedelta(seconds=5)) == timedelta(seconds=15)
    assert is_allowed("b", 0)
    assert [is_allowed("a", 20) for _ in range(2)] == [True, False]
    assert [is_allowed("a", 200) for _ in range(4)] == [True, True, True, False]


def test_the_limiter_forgets_the_keys_that_were_used_longest_ago() -> None:
    limiter = RateLimiter(1)
    for key in range(MAX_KEYS + 1):
        limiter.acquire(str(key), timedelta())
    assert limiter.acquire("1", timedelta()) > timedelta()
    assert not limiter.acquire("0", timedelta())


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
