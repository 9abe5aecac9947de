"""Webhook deliveries: the schedule, what a dead endpoint comes to, and that nothing is lost."""

from __future__ import annotations

import socket
import threading
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal
from tests.support.server_launcher import ServerLauncher
from tests.support.webhook_receiver import WebhookReceiver

from multimail.webhooks import verify
from multimail_server.testing import VirtualClock

SCHEDULE = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
]


def subscribe(server: ServerFixture, url: str, *events: str) -> Json:
    body = {"url": url, "events": list(events or ["message.received"])}
    return accepted(server.admin.post("/v1/webhooks", json=body), 201)


def deliveries(server: ServerFixture, **query: Any) -> list[Json]:
    rows: list[Json] = server.admin.get("/v1/webhook-deliveries", params=query).json()["deliveries"]
    return rows


def wait_for_delivery(server: ServerFixture, **fields: object) -> Json:
    """Return the first delivery that has these fields, as soon as one is committed."""
    return server.wait_until(
        lambda: next((row for row in deliveries(server) if fields.items() <= row.items()), None)
    )


def get_webhook(server: ServerFixture, hook: Json) -> Json:
    return accepted(server.admin.get(f"/v1/webhooks/{hook['id']}"))


def test_a_delivery_is_in_the_history(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    hook = subscribe(server, endpoint.url)
    server.deliver(subject="Told")
    row = wait_for_delivery(server, status="delivered")
    assert row["webhook_id"] == hook["id"]
    assert row["message_id"] == server.wait_for_message("Told")["id"]
    assert (row["event"], row["attempts"], row["response_status"], row["error"]) == (
        "message.received",
        1,
        200,
        None,
    )
    assert row["next_attempt_at"] is None
    assert get_webhook(server, hook)["last_success_at"] == row["delivered_at"]


def test_the_schedule_and_the_end_of_a_dead_endpoint(
    start: Start, endpoint: WebhookReceiver, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    hook = subscribe(server, endpoint.url)
    endpoint.status = 500
    began = clock.now()
    server.deliver(subject="Dead")
    for number, wait in enumerate(SCHEDULE, start=1):
        row = wait_for_delivery(server, attempts=number)
        assert (row["status"], row["response_status"]) == ("pending", 500)
        due = datetime.fromisoformat(row["next_attempt_at"])
        assert due == clock.now() + wait
        clock.advance(wait)
    row = wait_for_delivery(server, status="failed")
    assert row["attempts"] == len(SCHEDULE) + 1 == len(endpoint.posted)
    assert len({posted.id for posted in endpoint.posted}) == 1
    assert len({posted.raw for posted in endpoint.posted}) == 1
    moments = [int(posted.headers["webhook-timestamp"]) for posted in endpoint.posted]
    steps = [timedelta(seconds=b - a) for a, b in pairwise(moments)]
    assert (moments[0], steps) == (int(began.timestamp()), SCHEDULE)
    shown = get_webhook(server, hook)
    assert (shown["status"], shown["enabled"]) == ("disabled", False)
    assert "8 attempts" in shown["disabled_reason"]
    assert "500" in shown["disabled_reason"]
    assert server.audit("webhook.disable", "email.receive")[0]["action"] == "webhook.disable"


def test_nothing_is_dropped_while_an_endpoint_is_disabled(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start()
    admin, hook = server.admin, subscribe(server, endpoint.url)
    path = f"/v1/webhooks/{hook['id']}"
    assert admin.patch(path, json={"enabled": False}).json()["disabled_reason"] == "by request"
    server.deliver(subject="Meanwhile")
    [row] = deliveries(server)
    assert (row["status"], row["attempts"]) == ("failed", 0)
    assert "replay" in row["error"]
    replay = f"/v1/webhook-deliveries/{row['id']}/replay"
    refused = admin.post(replay)
    assert refusal(refused) == (409, "webhook_disabled")
    enabled = admin.patch(path, json={"enabled": True}).json()
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert admin.post(replay).status_code == 202
    assert endpoint.wait(1)[0].event["subject"] == "Meanwhile"
    actions = ("webhook.replay", "webhook.enable", "email.receive")
    assert tuple(entry["action"] for entry in server.audit(*actions)) == actions


def test_one_that_works_otherwise_is_not_disabled(
    start: Start, endpoint: WebhookReceiver, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    hook = subscribe(server, endpoint.url)
    endpoint.status = 500
    server.deliver(subject="Unlucky")
    first = wait_for_delivery(server, attempts=1)
    clock.advance(timedelta(seconds=1))
    endpoint.status = 200
    server.deliver(subject="Lucky")
    wait_for_delivery(server, status="delivered")
    endpoint.status = 500
    for number, wait in enumerate(SCHEDULE, start=1):
        wait_for_delivery(server, attempts=number)
        clock.advance(wait)
    row = wait_for_delivery(server, status="failed")
    assert row["id"] == first["id"]
    assert get_webhook(server, hook)["status"] == "enabled"


def test_gone_disables_at_once(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    hook = subscribe(server, endpoint.url)
    endpoint.status = 410
    server.deliver()
    row = wait_for_delivery(server, status="failed")
    assert (row["attempts"], row["response_status"]) == (1, 410)
    assert "410" in get_webhook(server, hook)["disabled_reason"]


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
def test_a_redirect_is_a_failure(start: Start, endpoint: WebhookReceiver, status: int) -> None:
    server = start()
    with WebhookReceiver() as elsewhere:
        endpoint.status, endpoint.location = status, elsewhere.url
        subscribe(server, endpoint.url)
        server.deliver()
        row = wait_for_delivery(server, attempts=1)
        assert (row["status"], row["response_status"]) == ("pending", status)
        assert "redirect" in row["error"]
        assert elsewhere.posted == []


def test_an_endpoint_that_does_not_answer_is_left(start: Start, endpoint: WebhookReceiver) -> None:
    endpoint.release = threading.Event()
    server = start(webhook_timeout=0.2)
    subscribe(server, endpoint.url)
    server.deliver()
    row = wait_for_delivery(server, attempts=1)
    assert (row["status"], row["response_status"]) == ("pending", None)
    assert row["error"] == "it did not respond within 0.2 seconds"


def test_an_endpoint_that_trickles_is_left(start: Start) -> None:
    """Each read brings a byte, so that only a limit on the whole of it helps."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stop.wait(0.01):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        server = start(webhook_timeout=0.3)
        subscribe(server, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        server.deliver()
        row = wait_for_delivery(server, attempts=1)
        stop.set()
        thread.join()
    assert "did not respond" in row["error"]


def test_an_endpoint_that_is_away_is_said_without_its_url(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = start()
    subscribe(server, f"http://127.0.0.1:{port}/hook?token=hush")
    server.deliver()
    row = wait_for_delivery(server, attempts=1)
    assert row["error"] == "it could not be reached (ConnectError)"


def test_a_proxy_of_the_environment_gets_nothing_meant_for_this_machine(
    start: Start, endpoint: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    subscribe(server, endpoint.url)
    with WebhookReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        server.deliver()
        endpoint.wait(1)
        assert proxy.posted == []


def test_a_dead_endpoint_does_not_hold_up_another(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    with WebhookReceiver() as stuck:
        stuck.release = threading.Event()
        subscribe(server, stuck.url)
        subscribe(server, endpoint.url)
        for number in range(3):
            server.deliver(subject=f"Mail {number}")
        subjects = [posted.event["subject"] for posted in endpoint.wait(3)]
        assert subjects == ["Mail 0", "Mail 1", "Mail 2"]
        assert len(stuck.wait(1)) == 1


def test_a_replay_has_the_same_id_and_the_same_body(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start()
    secret = subscribe(server, endpoint.url)["signing_secret"]
    server.deliver()
    row = wait_for_delivery(server, status="delivered")
    again = server.admin.post(f"/v1/webhook-deliveries/{row['id']}/replay")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    first, second = endpoint.wait(2)
    assert (first.id, first.raw) == (second.id, second.raw)
    assert verify(second.raw, second.headers, secret).id == row["id"]


def test_a_deleted_webhook_gets_nothing_more(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    admin, hook = server.admin, subscribe(server, endpoint.url)
    endpoint.status = 500
    server.deliver()
    row = wait_for_delivery(server, attempts=1)
    assert admin.delete(f"/v1/webhooks/{hook['id']}").json()["status"] == "deleted"
    assert admin.get(f"/v1/webhooks/{hook['id']}").status_code == 404
    [left] = deliveries(server)
    assert (left["id"], left["status"], left["next_attempt_at"]) == (row["id"], "failed", None)
    assert admin.post(f"/v1/webhook-deliveries/{row['id']}/replay").status_code == 404
    server.deliver(subject="After")
    assert len(deliveries(server)) == 1
    kept = server.read(lambda tx: tx.webhook(hook["id"]))
    assert kept is not None
    assert kept.signing_secret == ""


def test_closing_the_account_ends_its_webhooks(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    hook = subscribe(server, endpoint.url)
    endpoint.status = 500
    server.deliver()
    row = wait_for_delivery(server, attempts=1)
    assert server.admin.delete("/v1/account").status_code == 200
    kept = server.read(lambda tx: tx.webhook(hook["id"]))
    assert kept is not None
    assert kept.deleted_at is not None
    assert kept.signing_secret == ""
    left = server.read(lambda tx: tx.webhook_delivery(row["id"]))
    assert left is not None
    assert (left.status, left.due_at) == ("failed", None)


def test_the_history_ends_after_thirty_days(
    start: Start, endpoint: WebhookReceiver, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    subscribe(server, endpoint.url)
    server.deliver(subject="Old")
    old = wait_for_delivery(server, status="delivered")
    clock.advance(timedelta(days=31))
    server.deliver(subject="New")
    server.wait_until(
        lambda: (
            [(row["status"], row["id"] == old["id"]) for row in deliveries(server)]
            == [("delivered", False)]
        )
    )
    assert server.read(lambda tx: tx.webhook_body(old["id"])) is None


def test_what_was_due_is_delivered_after_a_restart(
    start: Start, endpoint: WebhookReceiver, tmp_path: Path
) -> None:
    server = start(data=tmp_path / "mail.db")
    subscribe(server, endpoint.url)
    endpoint.release = threading.Event()
    server.deliver(subject="Interrupted")
    [first] = endpoint.wait(1)
    server.stop()
    endpoint.release.set()
    start(data=tmp_path / "mail.db")
    second = endpoint.wait(2)[1]
    assert (first.id, first.raw) == (second.id, second.raw)


def test_a_kill_between_commit_and_delivery_loses_nothing(
    endpoint: WebhookReceiver, tmp_path: Path
) -> None:
    """The endpoint has the request and has not answered when the server is killed."""
    endpoint.release = threading.Event()
    data = ("--data", str(tmp_path / "mail.db"))
    with ServerLauncher(tmp_path / "log") as launcher:
        server = launcher.begin("--port", "0", "--smtp-port", "0", *data)
        launcher.await_banner(server)
        banner = server.banner
        keys, mailbox = banner["keys"], banner["mailbox"]["id"]

        def call(key: str, path: str, body: Json) -> Json:
            headers = {"Authorization": f"Bearer {keys[key]}"}
            return accepted(httpx.post(banner["url"] + path, json=body, headers=headers), 201, 202)

        hook = call("admin", "/v1/webhooks", {"url": endpoint.url, "events": ["oversight.pending"]})
        mail = {"to": ["a@example.com"], "subject": "Kept", "markdown": "m"}
        sent = [call("agent", f"/v1/mailboxes/{mailbox}/send", mail) for _ in range(5)]
        [first] = endpoint.wait(1)
        server.kill()
        launcher.await_end()
        endpoint.release.set()
        with launcher.serve(*data):
            posted = endpoint.wait(6)
    assert (posted[1].id, posted[1].raw) == (first.id, first.raw)
    verified = [
        verify(request.raw, request.headers, hook["signing_secret"]) for request in posted[1:]
    ]
    assert [event.message_id for event in verified] == [row["id"] for row in sent]
