"""Virtual time: what falls due has happened, each thing at its moment, when advancing returns."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, Start, refusal

from multimail_server.errors import ApiError
from multimail_server.testing import VirtualClock
from multimail_server.testing.clock import parse_clock

HOUR = 3600


def advance(server: ServerFixture, seconds: float) -> httpx.Response:
    return server.admin.post("/v1/test/clock/advance", json={"seconds": seconds})


def test_a_scheduled_send_has_left_when_the_call_returns(start: Start) -> None:
    server = start(clock=VirtualClock(), oversight_mode="autonomous")
    later = server.sent(send_at="2026-01-01T10:00:00Z")["id"]
    assert advance(server, 10 * HOUR - 1).json() == {"now": "2026-01-01T09:59:59.000Z"}
    assert server.status(later) == "scheduled"
    advance(server, 1)
    assert server.status(later) == "sent"
    (left,) = server.outbox()
    assert left["delivered_at"] == "2026-01-01T10:00:00.000Z"


def test_a_long_step_does_each_thing_at_its_own_moment(start: Start) -> None:
    server = start(clock=VirtualClock(), oversight_mode="autonomous")
    for hour in (5, 2, 9):
        server.sent(send_at=f"2026-01-01T0{hour}:00:00Z")["id"]
    server.advance(24 * HOUR)
    moments = [row["delivered_at"] for row in server.outbox()]
    assert moments == [f"2026-01-01T0{hour}:00:00.000Z" for hour in (9, 5, 2)]


def test_a_held_send_has_expired_when_the_call_returns(start: Start) -> None:
    server = start(clock=VirtualClock())
    held = server.sent()["id"]
    server.advance(72 * HOUR - 1)
    assert server.status(held) == "pending_send_approval"
    server.advance(1)
    assert server.status(held) == "expired"


def test_all_retries_of_a_relay_that_stays_away_happen_within_one_step(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    relay = f"smtp://127.0.0.1:{port}"
    server = start(clock=VirtualClock(), live=True, relay=relay, oversight_mode="autonomous")
    lost = server.sent()["id"]
    server.advance(48 * HOUR)
    assert server.status(lost) == "sending"
    entries = server.admin.get("/v1/audit-log").json()["entries"]
    tries = [entry["created_at"] for entry in entries if entry["action"] == "email.retry"]
    assert len(tries) == 6
    assert tries[-2:] == ["2026-01-01T00:00:05.000Z", "2026-01-01T00:00:00.000Z"]


def test_the_clock_says_what_time_it_is(start: Start) -> None:
    server = start(clock=parse_clock("virtual:2030-05-01T08:00:00+02:00"))
    admin = server.admin
    assert admin.get("/v1/test/clock").json() == {"now": "2030-05-01T06:00:00.000Z"}
    assert server.advance(60) == datetime(2030, 5, 1, 6, 1, tzinfo=UTC)
    assert admin.get("/v1/test/clock").json() == {"now": "2030-05-01T06:01:00.000Z"}
    entries = admin.get("/v1/audit-log").json()["entries"]
    assert [entry["metadata"] for entry in entries if entry["action"] == "test.advance"] == [
        {"seconds": 60.0}
    ]


def test_only_an_admin_moves_time(start: Start) -> None:
    server = start(clock=VirtualClock())
    for role in ("agent", "reviewer"):
        refused = server.http(role).post("/v1/test/clock/advance", json={"seconds": 1})
        assert refusal(refused) == (403, "missing_scope")
    assert server.admin.get("/v1/test/clock").json() == {"now": "2026-01-01T00:00:00.000Z"}


@pytest.mark.parametrize("seconds", [-1, 1e12, None, "60"])
def test_time_does_not_run_backwards_nor_out_of_the_calendar(start: Start, seconds: Any) -> None:
    assert advance(start(clock=VirtualClock()), seconds).status_code == 400


def test_real_clock_cannot_be_moved(server: ServerFixture) -> None:
    refused = advance(server, 1)
    assert refusal(refused) == (409, "no_virtual_clock")
    assert "--clock virtual" in refused.json()["error"]
    with pytest.raises(ApiError, match="--clock virtual"):
        server.advance(1)


def test_a_data_file_goes_on_where_its_time_stood(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "mail.db"
    first = start(clock=VirtualClock(), data=data)
    first.advance(5 * HOUR)
    first.stop()
    second = start(clock=VirtualClock(), data=data)
    assert second.services.context.now() == datetime(2026, 1, 1, 5, tzinfo=UTC)
    second.stop()
    third = start(clock=VirtualClock(datetime(2027, 1, 1, tzinfo=UTC)), data=data)
    assert third.services.context.now() == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "sundial", "virtual:", "virtual:noon", "system:1", "virtually"]
)
def test_a_clock_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_clock(text)


def test_a_time_without_an_offset_is_utc() -> None:
    clock = parse_clock("virtual:2026-03-01")
    assert clock.now() == datetime(2026, 3, 1, tzinfo=UTC)
    assert clock.seconds_until(clock.now() + timedelta(seconds=1)) is None
