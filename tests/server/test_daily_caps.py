"""Daily caps: what a client's guard lets through is counted here, and held beyond a cap."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.server import Start

from multimail_server.testing import VirtualClock

CAPS = {"per_address": 1, "per_organisation": 2}


def test_what_no_human_sees_counts_for_a_day(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")

    def send(to: str = "ann@example.co.uk", **more: Any) -> dict[str, Any]:
        body = {"to": to, "subject": "Hello", "markdown": "x", "daily_caps": CAPS, **more}
        path = f"/v1/mailboxes/{server.mailbox.id}/send"
        with server.http("agent") as agent:
            sent: dict[str, Any] = agent.post(path, json=body).raise_for_status().json()
        return sent

    def get_hold(**more: Any) -> tuple[bool, str | None]:
        sent = send(**more)
        return sent["held"], sent.get("hold_code")

    assert get_hold(daily_caps=None) == (False, None)
    assert get_hold(oversight_mode="gated_send") == (True, None)
    first = send(idempotency_key="1")
    assert (first["held"], send(idempotency_key="1")["idempotent"]) == (False, True)
    over = send(metadata={"run": "r-17"})
    assert (over["held"], over["hold_code"]) == (True, "cap_per_address")
    with server.http("reviewer") as reviewer:
        (pending,) = [
            row
            for row in reviewer.get("/v1/oversight/pending").json()["pending"]
            if row["id"] == over["id"]
        ]
        decision = {"email_id": over["id"], "action": "approve"}
        reviewer.post("/v1/oversight/decide", json=decision).raise_for_status()
    assert pending["metadata"]["run"] == "r-17"
    assert pending["metadata"]["guard_action"] == "hold"
    assert "ann@example.co.uk" in pending["metadata"]["guard_reasons"]
    assert get_hold(to="Bob+x@a.example.co.uk") == (False, None)
    assert get_hold(to="eve@example.co.uk") == (True, "cap_per_organisation")
    assert get_hold(daily_caps={**CAPS, "exempt": ["ann@example.co.uk"]}) == (False, None)
    clock.advance(timedelta(hours=23, minutes=59))
    assert get_hold() == (True, "cap_per_address")
    clock.advance(timedelta(minutes=2))
    assert get_hold() == (False, None)


def test_new_recipients_of_what_no_human_sees_count_too(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    path = f"/v1/mailboxes/{server.mailbox.id}"
    later = (clock.now() + timedelta(hours=1)).isoformat()
    caps = {**CAPS, "per_organisation": 9}
    with server.http("agent") as agent:

        def is_held(to: str, **more: Any) -> bool:
            body = {"to": to, "subject": "Hello", "markdown": "x", "daily_caps": caps, **more}
            held: bool = agent.post(f"{path}/send", json=body).raise_for_status().json()["held"]
            return held

        def edit(to: list[str], **more: Any) -> None:
            body = {"to": "ann@a.example", "subject": "Later", "markdown": "x", "send_at": later}
            sent = agent.post(f"{path}/send", json={**body, **more}).raise_for_status().json()
            schedule = f"{path}/emails/{sent['id']}/schedule"
            agent.patch(schedule, json={"to": to}).raise_for_status()

        edit(["bob@b.example"], daily_caps=caps)
        assert is_held("ann@a.example")
        assert is_held("Bob+x@b.example")
        edit(["cas@c.example"])  # no guard let it through
        assert not is_held("cas@c.example")
