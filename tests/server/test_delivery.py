"""Delivery: live mail through a real relay, its results for each recipient, and its retries."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, Start, accepted, refusal
from tests.support.smtp_sink import SmtpSink

from multimail_server.services.context import AppContext
from multimail_server.store.protocol import StoreUnavailableError, Tx
from multimail_server.testing import VirtualClock
from multimail_server.workers.relay import parse_relay_url

ASCII = b"From: me@example.com\r\nSubject: hi\r\n\r\nHello\r\n"
EIGHT_BIT = ASCII + "Grüße\r\n".encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_live(start: Start, other: ServerFixture) -> ServerFixture:
    """Start a server that sends without a decision, through `other`."""
    return start(live=True, relay=f"smtp://{other.smtp}", oversight_mode="autonomous")


def test_a_live_key_without_a_relay_is_refused(start: Start) -> None:
    assert refusal(start(live=True).send()) == (409, "no_relay")


def test_live_mail_goes_through_the_relay(start: Start) -> None:
    other = start(domain="other.test")
    server = start_live(start, other)
    assert server.keys.agent.startswith("mm_live_")
    sent = server.sent("agent@other.test")
    arrived = other.wait_for_message("Offer")
    row = server.wait_for_status(sent["id"], "sent")
    assert row["delivered_at"]
    assert arrived["rfc_message_id"] == row["rfc_message_id"]
    assert arrived["envelope"]["mail_from"] == server.mailbox.address
    assert server.outbox() == []


def test_a_refused_recipient_is_a_hard_bounce(start: Start) -> None:
    server = start_live(start, start(domain="other.test"))
    row = server.wait_for_status(server.sent("nobody@other.test")["id"], "send_failed")
    assert (row["bounce_type"], row["bounce_code"]) == ("hard", 550)
    row = server.wait_for_status(server.sent("noone@other.test", "agent@other.test")["id"], "sent")
    assert row["bounce_type"] == "hard"
    assert row["delivery"]["agent@other.test"]["accepted"] is True
    assert row["delivery"]["noone@other.test"]["code"] == 550
    assert row["recipients"][0] == {
        "address": "noone@other.test",
        "status": "refused",
        "code": 550,
        "text": "5.1.1 No such mailbox here",
        "enhanced_code": "5.1.1",
        "bounce_type": "hard",
    }
    assert row["recipients"][1]["status"] == "delivered"


def test_a_relay_that_is_away_is_tried_again(start: Start, clock: VirtualClock) -> None:
    port = free_port()
    relay = f"smtp://127.0.0.1:{port}"
    server = start(live=True, relay=relay, oversight_mode="autonomous", clock=clock)
    sent = server.sent("agent@other.test")
    server.wait_until(lambda: server.audit("email.retry"))
    other = start(domain="other.test", smtp_port=port)
    clock.advance(timedelta(seconds=6))
    arrived = other.wait_for_message("Offer")
    row = server.wait_for_status(sent["id"], "sent")
    assert arrived["rfc_message_id"] == row["rfc_message_id"]


def test_no_mail_is_lost_to_a_relay_that_stays_away(start: Start, clock: VirtualClock) -> None:
    port = free_port()
    relay = f"smtp://127.0.0.1:{port}"
    server = start(live=True, relay=relay, oversight_mode="autonomous", clock=clock)
    sent = server.sent("agent@other.test")["id"]

    def is_put_off() -> bool:
        row = server.read(lambda tx: tx.outbox_row(sent))
        return row is None or row.due_at > clock.now()

    for _ in range(12):
        server.wait_until(is_put_off)
        clock.advance(timedelta(hours=9))
    assert server.status(sent) == "sending"
    assert len(server.audit("email.retry", email_id=sent)) == 6
    ready = httpx.get(f"{server.url}/ready").json()
    assert (ready["status"], ready["relay"]) == ("degraded", "unavailable")
    assert ready["waiting"] == {"outbox": 1, "retries": 1, "held": 0, "webhooks": 0}
    assert ready["relay_since"] < clock.now().isoformat()
    other = start(domain="other.test", smtp_port=port)
    clock.advance(timedelta(hours=1))
    other.wait_for_message("Offer")
    server.wait_for_status(sent, "sent")
    assert httpx.get(f"{server.url}/ready").json()["relay"] == "ok"


def test_metrics_count_for_a_local_client_or_an_admin(start: Start) -> None:
    server = start()
    server.sent()
    text = httpx.get(f"{server.url}/metrics").text
    assert 'multimail_waiting{kind="held"} 1\n' in text
    assert "multimail_relay_up 1\n" in text
    proxied = {"X-Forwarded-For": "203.0.113.7"}
    assert httpx.get(f"{server.url}/metrics", headers=proxied).status_code == 403
    assert server.agent.get("/metrics", headers=proxied).status_code == 403
    assert server.admin.get("/metrics", headers=proxied).text == text


def test_a_deferred_recipient_is_tried_again_with_the_same_bytes(
    start: Start, clock: VirtualClock, relay: SmtpSink
) -> None:
    relay.replies = {"late@other.test": ["450 4.2.1 greylisted"]}
    server = start(clock=clock, live=True, relay=relay.url, oversight_mode="autonomous")
    sent = server.sent("ann@other.test", "late@other.test")["id"]
    first = relay.next()
    assert first.recipients == ["ann@other.test"]
    row = server.wait_for_message(
        lambda mail: mail["recipients"][1]["status"] == "deferred",
        direction="outbound",
    )["recipients"][1]
    assert (row["code"], row["text"], row["bounce_type"]) == (450, "4.2.1 greylisted", "soft")
    clock.advance(timedelta(seconds=6))
    second = relay.next()
    assert second.recipients == ["late@other.test"]
    assert second.raw == first.raw
    mail = server.wait_for_status(sent, "sent")
    assert [row["status"] for row in mail["recipients"]] == ["delivered", "delivered"]
    assert mail["bounced_at"] is None


def test_deleting_a_mailbox_cancels_what_waits_in_it(start: Start) -> None:
    server = start()
    sent = server.sent()["id"]
    other = server.create_mailbox("second")["id"]
    assert server.admin.delete(server.box).status_code == 200
    assert server.decide(sent).status_code == 409
    left = server.admin.get("/v1/mailboxes").json()["mailboxes"]
    assert [row["id"] for row in left] == [other]


def test_the_server_stops_while_the_store_refuses_the_relay_s_result(
    start: Start, relay: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(live=True, relay=relay.url, oversight_mode="autonomous")
    write, refused = AppContext.write, threading.Event()

    def refuse_result(context: AppContext, work: Callable[[Tx], Any], *scope: Any) -> Any:
        if relay.messages and threading.current_thread().name.startswith("multimail-outbox"):
            refused.set()
            raise StoreUnavailableError("the disk is full")
        return write(context, work, *scope)

    monkeypatch.setattr(AppContext, "write", refuse_result)
    server.sent()
    assert refused.wait(60)
    server.stop()
    assert len(relay.messages) == 1


@pytest.mark.parametrize(
    ("raw", "hidden", "body"),
    [
        (ASCII, (), []),
        (EIGHT_BIT, (), ["BODY=8BITMIME"]),
        (ASCII, ("8BITMIME",), []),
        (EIGHT_BIT, ("8BITMIME",), []),
    ],
)
def test_body_8bitmime_is_declared_for_8_bit_mail_where_the_relay_announces_it(
    raw: bytes, hidden: tuple[str, ...], body: list[str]
) -> None:
    with SmtpSink(hidden) as sink:
        results = parse_relay_url(sink.url).send("me@example.com", ["ann@other.test"], raw)
    assert results["ann@other.test"].accepted
    [message] = sink.messages
    assert message.raw == raw
    assert [text for text in message.parameters if text.startswith("BODY")] == body


@pytest.mark.parametrize("hidden", [(), ("SMTPUTF8",)])
def test_an_address_outside_ascii_leaves_by_smtputf8(start: Start, hidden: tuple[str, ...]) -> None:
    with SmtpSink(hidden) as sink:
        server = start(relay=sink.url, live=True, oversight_mode="autonomous")
        sent = server.sent("jörg@bücher.example")
        row = server.wait_for_status(sent["id"], "sent", "send_failed")
        (result,) = row["recipients"]
    assert result["address"] == "jörg@xn--bcher-kva.example"
    if hidden:
        assert (result["status"], sink.messages) == ("refused", [])
        assert "does not offer SMTPUTF8" in result["text"]
    else:
        assert (result["status"], len(sink.messages)) == ("delivered", 1)
        assert "SMTPUTF8" in sink.messages[0].parameters
        assert "\r\nTo: jörg@xn--bcher-kva.example\r\n".encode() in sink.messages[0].raw


def test_mailboxes_do_not_wait_for_each_other_and_each_keeps_its_order(
    start: Start, clock: VirtualClock, relay: SmtpSink
) -> None:
    server = start(live=True, relay=relay.url, oversight_mode="autonomous", clock=clock)
    body = {"address": "other@multimail.test", "oversight_mode": "autonomous"}
    other = accepted(server.admin.post("/v1/mailboxes", json=body), 201)["id"]
    boxes = [server.box, f"/v1/mailboxes/{other}"]
    hour = (clock.now() + timedelta(hours=1)).isoformat()
    for number in range(3):
        for box in boxes:
            mail = {"to": ["ann@other.test"], "subject": f"{number}", "markdown": "Hello"}
            accepted(server.agent.post(f"{box}/send", json={**mail, "send_at": hour}), 202)
    both = threading.Barrier(2, timeout=60)
    relay.on_message = lambda _: (both.wait(), None)[1]
    clock.advance(timedelta(hours=1))
    taken = [relay.next() for _ in range(6)]
    for sender in {message.mail_from for message in taken}:
        own = [message.parsed["Subject"] for message in taken if message.mail_from == sender]
        assert own == ["0", "1", "2"]
