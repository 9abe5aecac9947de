"""Wakeups of workers: work that falls due earlier wakes one, later work does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.server import Start

from multimail_server.wakeups import Wakeup

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def asleep() -> Wakeup:
    """The wakeup of a worker that waits until noon."""
    wakeup = Wakeup()
    wakeup.clear()
    assert not wakeup.wait(NOON, 0.0)
    return wakeup


@pytest.mark.parametrize(
    ("due", "wakes"),
    [(None, True), (NOON - SECOND, True), (NOON, False), (NOON + SECOND, False)],
)
def test_only_earlier_work_wakes(asleep: Wakeup, due: datetime | None, wakes: bool) -> None:
    asleep.notify(due)
    assert asleep.wait(NOON, 0.0) is wakes


def test_a_notification_while_the_worker_looks_for_work_is_kept(asleep: Wakeup) -> None:
    asleep.clear()
    asleep.notify(NOON + SECOND)
    assert asleep.wait(NOON, 0.0)


def test_a_notification_from_before_it_looked_does_not_wake_it_again(asleep: Wakeup) -> None:
    asleep.notify()
    asleep.clear()
    assert not asleep.wait(NOON, 0.0)


def test_mail_that_is_due_before_all_that_waits_leaves_in_time(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    # The outbox sends one message and then waits for what expires in three days.
    assert server.sent(oversight_mode="gated_send")["held"]
    server.wait_for_status(server.sent()["id"], "sent")
    soon = server.sent(send_at=(datetime.now(UTC) + SECOND).isoformat())
    server.wait_for_status(soon["id"], "sent")
