"""Limits: what is too large or too much is refused with a code, and other callers go on."""

from __future__ import annotations

import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail_server import ServerStartError
from multimail_server.rate_limit import MAX_KEYS, RateLimiter
from multimail_server.testing import VirtualClock


def test_a_key_that_asks_too_often_waits_for_as_long_as_retry_after_says(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, requests_per_minute=3)
    agent = server.agent

    def codes(count: int) -> list[int]:
        return [agent.get("/v1/mailboxes").status_code for _ in range(count)]

    assert codes(4) == [200, 200, 200, 429]
    refused = server.send()
    assert refusal(refused) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "20"
    assert server.pending() == []
    clock.advance(timedelta(seconds=19))
    assert server.send().headers["Retry-After"] == "1"
    clock.advance(timedelta(seconds=1))
    assert server.send().status_code == 202
    assert codes(1) == [429]
    clock.advance(timedelta(minutes=5))
    assert codes(4) == [200, 200, 200, 429]


def test_a_wrong_key_uses_up_no_rate(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, requests_per_minute=1)
    stranger = server.http("mm_test_wrong")
    assert {stranger.get("/v1/mailboxes").status_code for _ in range(3)} == {401}
    assert server.agent.get("/v1/mailboxes").status_code == 200


def test_without_a_setting_there_is_no_rate_limit(server: ServerFixture) -> None:
    assert {server.agent.get("/v1/mailboxes").status_code for _ in range(100)} == {200}


@pytest.mark.parametrize(
    "setting",
    [
        "requests_per_minute",
        "message_bytes",
        "sends_per_day",
        "smtp_connections",
        "smtp_per_minute",
    ],
)
def test_a_limit_of_nothing_stops_the_start(start: Start, setting: str) -> None:
    with pytest.raises(ServerStartError, match="must be at least 1"):
        start(**{setting: 0})


def test_a_day_s_sends_are_counted_until_midnight_and_over_a_restart(
    start: Start, clock: VirtualClock, tmp_path: Path
) -> None:
    settings: Json = {"clock": clock, "data": tmp_path / "mail.db", "sends_per_day": 2}
    clock.advance(timedelta(hours=20))
    first = start(**settings)
    key = first.keys.agent
    assert first.send(idempotency_key="k").status_code == 202
    assert first.send(idempotency_key="k").status_code == 200
    assert first.send(to="no address").status_code == 400
    first.stop()
    server = start(**settings)
    agent = server.http(key)
    assert server.send(by=agent).status_code == 202
    refused = server.send(by=agent)
    assert refusal(refused) == (429, "quota_exceeded")
    assert refused.headers["Retry-After"] == "14400"
    assert len(server.emails(agent)) == 2
    clock.advance(timedelta(hours=4))
    assert [server.send(by=agent).status_code for _ in range(3)] == [202, 202, 429]


def test_sends_at_once_do_not_pass_the_day_s_quota(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, sends_per_day=3)
    barrier = threading.Barrier(8)

    def send(_: int) -> int:
        barrier.wait(60)
        return server.send().status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(send, range(8))) == [202] * 3 + [429] * 5


def connect(server: ServerFixture) -> smtplib.SMTP:
    host, _, port = server.smtp.rpartition(":")
    return smtplib.SMTP(host, int(port), timeout=60)


def test_more_smtp_connections_than_allowed_are_refused_for_now(start: Start) -> None:
    server = start(smtp_connections=2)
    first, second = connect(server), connect(server)
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        connect(server)
    assert refused.value.smtp_code == 421
    assert "Too many connections" in str(refused.value.smtp_error)
    first.quit()
    assert second.noop()[0] == 250
    second.quit()
    # The listener learns of the end of a connection a moment after the client.
    assert any(_is_greeted(server) for _ in range(1000))
    server.receive(subject="After")


def _is_greeted(server: ServerFixture) -> bool:
    try:
        with connect(server):
            return True
    except smtplib.SMTPConnectError:
        return False


def test_a_peer_that_connects_too_often_is_refused_for_now(start: Start) -> None:
    server = start(smtp_per_minute=2)
    for _ in range(2):
        server.deliver()
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        server.deliver()
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
def test_a_body_that_is_too_large_is_a_413(server: ServerFixture, declared: bool) -> None:
    large = b'{"q": "' + b"x" * 300_000 + b'"}'
    # An iterator is sent in chunks, without a Content-Length.
    refused = server.admin.post("/v1/contacts", content=large if declared else iter([large]))
    assert refusal(refused) == (413, "body_too_large")
    assert "262,144 bytes" in refused.json()["error"]
    assert server.admin.get("/v1/mailboxes").status_code == 200


def test_message_bytes_limits_smtp_and_http(start: Start) -> None:
    server = start(message_bytes=100_000)
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        server.deliver("x\n" * 60_000)
    assert refused.value.smtp_code == 552
    server.receive("small", subject="Small")
    raw = b"From: a@example.com\r\n\r\n" + b"x\r\n" * 400_000
    assert server.agent.post("/v1/test/inbound", content=raw).status_code == 413
    assert [row["subject"] for row in server.emails()] == ["Small"]
