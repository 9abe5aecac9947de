"""Delivery: live mail through a real relay - another server of ours - and what can go wrong."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail_server import VirtualClock
from multimail_server.store.sqlite import SqliteStore
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def send(server: ServerUnderTest, *to: str) -> httpx.Response:
    body = {"to": list(to), "subject": "Live", "markdown": "Hello"}
    return server.http("agent").post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)


def settled(server: ServerUnderTest, email_id: str, status: str) -> dict[str, Any]:
    return server.wait_for_message(
        lambda mail: mail["id"] == email_id and mail["status"] == status, direction="outbound"
    )


def test_a_live_key_without_a_relay_is_refused(start: Start) -> None:
    refused = send(start(live=True), "a@example.com")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_relay")
    assert "--relay" in refused.json()["error"]


def test_live_mail_goes_through_the_relay(start: Start) -> None:
    other = start(domain="other.test")
    server = start(live=True, relay=f"smtp://{other.smtp}", oversight_mode="autonomous")
    assert server.keys is not None
    assert server.keys.agent.startswith("mm_live_")
    sent = send(server, "agent@other.test").json()
    arrived = other.wait_for_message("Live")
    told = settled(server, sent["id"], "sent")
    assert told["delivered_at"]
    assert arrived["rfc_message_id"] == told["rfc_message_id"]
    assert arrived["envelope"]["mail_from"] == server.mailbox.address
    assert server.outbox() == []


def test_a_refused_recipient_is_a_hard_bounce(start: Start) -> None:
    other = start(domain="other.test")
    server = start(live=True, relay=f"smtp://{other.smtp}", oversight_mode="autonomous")
    nobody = settled(server, send(server, "nobody@other.test").json()["id"], "send_failed")
    assert (nobody["bounce_type"], nobody["bounce_code"]) == ("hard", 550)
    both = send(server, "noone@other.test", "agent@other.test").json()["id"]
    told = settled(server, both, "sent")
    assert told["bounce_type"] == "hard"
    assert told["delivery"]["agent@other.test"]["accepted"] is True
    assert told["delivery"]["noone@other.test"]["code"] == 550
    assert told["recipients"][0] == {
        "address": "noone@other.test",
        "status": "refused",
        "code": 550,
        "text": "5.1.1 No such mailbox here",
        "enhanced_code": "5.1.1",
        "bounce_type": "hard",
    }
    assert told["recipients"][1]["status"] == "delivered"


def test_a_relay_that_is_away_is_tried_again(start: Start, clock: VirtualClock) -> None:
    port = free_port()
    server = start(
        live=True, relay=f"smtp://127.0.0.1:{port}", oversight_mode="autonomous", clock=clock
    )
    sent = send(server, "agent@other.test").json()
    audit = server.http("admin")

    def retried() -> bool | None:
        entries = audit.get("/v1/audit-log").json()["entries"]
        return any(entry["action"] == "email.retry" for entry in entries) or None

    assert server.services.context.commits.wait_for(retried, 10)
    other = start(domain="other.test", smtp_port=port)
    clock.advance(timedelta(seconds=6))
    arrived = other.wait_for_message("Live")
    assert arrived["rfc_message_id"] == settled(server, sent["id"], "sent")["rfc_message_id"]


def test_a_relay_that_stays_away_fails_in_the_end(start: Start, clock: VirtualClock) -> None:
    server = start(
        live=True,
        relay=f"smtp://127.0.0.1:{free_port()}",
        oversight_mode="autonomous",
        clock=clock,
    )
    sent = send(server, "agent@other.test").json()
    desk = server.services.context

    def waiting() -> bool | None:
        row = desk.store.read(lambda tx: tx.outbox_row(sent["id"]))
        return True if row is None or row.due_at > clock.now() else None

    for _ in range(12):
        assert desk.commits.wait_for(waiting, 10)
        clock.advance(timedelta(hours=9))
    told = settled(server, sent["id"], "send_failed")
    assert told["bounce_type"] == "soft"
    assert told["bounce_reason"]


def test_a_revoked_key_stops_what_it_composed(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    admin, reviewer = server.http("admin"), server.http("reviewer")
    sent = send(server, "a@example.com").json()
    keys = admin.get("/v1/api-keys").json()["api_keys"]
    agent_key = next(key["id"] for key in keys if key["name"] == "agent")
    admin.delete(f"/v1/api-keys/{agent_key}")
    body = {"email_id": sent["id"], "action": "approve"}
    decided = reviewer.post("/v1/oversight/decide", json=body).json()
    assert decided["message_status"] == "send_failed"
    assert server.outbox() == []
    assert "revoked" in settled(server, sent["id"], "send_failed")["bounce_reason"]


def test_deleting_a_mailbox_cancels_what_waits_in_it(start: Start) -> None:
    server = start()
    admin = server.http("admin")
    sent = send(server, "a@example.com").json()
    made = admin.post("/v1/mailboxes", json={"address": "second"}).json()
    assert admin.delete(f"/v1/mailboxes/{server.mailbox.id}").status_code == 200
    decided = server.http("reviewer").post(
        "/v1/oversight/decide", json={"email_id": sent["id"], "action": "approve"}
    )
    assert decided.status_code == 409
    left = admin.get("/v1/mailboxes").json()["mailboxes"]
    assert [row["id"] for row in left] == [made["id"]]


def test_a_full_disk_refuses_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    server = start(data=tmp_path / "mail.db")
    store = server.services.context.store
    assert isinstance(store, SqliteStore)
    kept = send(server, "a@example.com").json()["id"]
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    body = {"to": ["a@example.com"], "subject": "Big", "markdown": "m" * 200_000}
    agent = server.http("agent")
    path = f"/v1/mailboxes/{server.mailbox.id}"
    refused = agent.post(f"{path}/send", json=body)
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert refused.headers["retry-after"]
    with pytest.raises(smtplib.SMTPDataError) as problem:
        server.deliver("m\n" * 100_000)
    assert problem.value.smtp_code == 451
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert agent.post(f"{path}/send", json=body).status_code == 202
    subjects = [row["subject"] for row in agent.get(f"{path}/emails").json()["emails"]]
    assert subjects == ["Big", "Live"]
    assert agent.get(f"{path}/emails/{kept}").status_code == 200
