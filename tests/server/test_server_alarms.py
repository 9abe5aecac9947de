"""The alarms of the threads that do what is due: nothing is overslept, nothing wakes in vain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from multimail_server.testing.server import ServerUnderTest
from multimail_server.testing.service import get_test_service
from multimail_server.wakeups import Wakeup

Start = Callable[..., ServerUnderTest]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def asleep() -> Wakeup:
    """Return the alarm of somebody who sleeps until noon."""
    alarm = Wakeup()
    alarm.clear()
    assert not alarm.sleep(NOON, 0.0)
    return alarm


@pytest.mark.parametrize("due", [None, NOON - SECOND])
def test_something_earlier_wakes(due: datetime | None) -> None:
    alarm = asleep()
    alarm.notify(due)
    assert alarm.sleep(NOON, 10.0)


@pytest.mark.parametrize("due", [NOON, NOON + SECOND])
def test_something_later_lets_it_sleep(due: datetime) -> None:
    alarm = asleep()
    alarm.notify(due)
    assert not alarm.sleep(NOON, 0.0)


def test_a_ring_while_it_looks_for_work_is_not_lost() -> None:
    alarm = asleep()
    alarm.clear()
    alarm.notify(NOON + SECOND)
    assert alarm.sleep(NOON, 10.0)


def test_a_ring_from_before_it_looked_does_not_wake_it_again() -> None:
    alarm = asleep()
    alarm.notify()
    alarm.clear()
    assert not alarm.sleep(NOON, 0.0)


def test_mail_that_is_due_before_all_that_waits_leaves_in_time(
    start: Start,
) -> None:
    server = start(oversight_mode="autonomous")
    mail = {"to": ["ana@example.com"], "subject": "Held", "markdown": "Hello."}
    soon = (datetime.now(UTC) + SECOND).isoformat()
    with server.http("agent") as agent:
        path = f"/v1/mailboxes/{server.mailbox.id}/send"
        # It waits for three days, and so would the outbox.
        held = agent.post(path, json={**mail, "oversight_mode": "gated_send"})
        assert held.json()["held"], held.text
        assert get_test_service(server.services).drain()
        assert agent.post(path, json={**mail, "subject": "Soon", "send_at": soon}).is_success
    server.wait_for_message("Soon", direction="outbound", status="sent")
