"""A PostgreSQL server that crashes and comes back, under one server and under two."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import httpx
import pytest
from tests.support.postgres import Cluster
from tests.support.server import ServerFixture, refusal
from tests.support.smtp_sink import SinkMessage, SmtpSink


def test_a_restart_of_the_database_in_a_hand_over_makes_no_second_one(
    postgres: Cluster, start_on: Callable[..., ServerFixture]
) -> None:
    restarted = Event()

    def restart(_: SinkMessage) -> None:
        postgres.stop()
        postgres.start()
        restarted.set()

    with SmtpSink() as sink:
        sink.on_message = restart
        settings = {"relay": sink.url, "live": True, "oversight_mode": "autonomous"}
        first, second = start_on(**settings), start_on(**settings)
        first.sent(subject="Once")
        assert restarted.wait(60)
        second.wait_for_message("Once", direction="outbound", status="sent")
        assert [message.parsed["Subject"] for message in sink.messages] == ["Once"]


def test_an_outage_of_the_database_is_a_503_that_loses_nothing(
    postgres: Cluster, start_on: Callable[..., ServerFixture]
) -> None:
    server = start_on()

    def send(key: str) -> httpx.Response:
        return server.send(subject=key, idempotency_key=key)

    kept = send("before").json()["id"]
    postgres.stop()
    try:
        refused = send("during")
    finally:
        postgres.start()
    assert refusal(refused) == (503, "store_unavailable")
    assert refused.headers["retry-after"]
    assert send("before").json()["id"] == kept
    assert send("during").status_code == 202
    assert [row["subject"] for row in server.emails()] == ["during", "before"]


def test_a_decision_that_was_committed_before_the_outage_is_not_said_to_be_undone(
    postgres: Cluster, start_on: Callable[..., ServerFixture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multimail_server.services.decisions._DELIVERY_TIMEOUT", 2.0)
    stopped = Event()

    def stop(_: SinkMessage) -> None:
        postgres.stop()
        stopped.set()

    with SmtpSink() as sink:
        sink.on_message = stop
        server = start_on(relay=sink.url, live=True)
        answer = server.decide(server.sent(subject="Once")["id"])
        assert stopped.wait(60)
        postgres.start()
        assert refusal(answer) == (503, "store_unavailable")
        assert "may have been applied" in answer.json()["error"]
        server.wait_for_message("Once", direction="outbound", status="sent")
        assert len(sink.messages) == 1
