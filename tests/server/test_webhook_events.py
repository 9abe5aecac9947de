"""Webhook events: which are posted, when, with which fields, and how they are signed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal
from tests.support.webhook_receiver import WebhookReceiver

from multimail import MultiMail
from multimail.trust import TrustPolicy
from multimail.webhooks import MessageReceived, OversightPending, WebhookError, verify
from multimail_server.services.events import EVENT_KINDS, EventKind, announce
from multimail_server.testing import VirtualClock

EVERY = list(EVENT_KINDS)


def subscribe(server: ServerFixture, endpoint: WebhookReceiver, *events: str, **more: Any) -> Json:
    body = {"url": endpoint.url, "events": list(events or EVERY), **more}
    return accepted(server.admin.post("/v1/webhooks", json=body), 201)


def test_received_event_has_text_and_evidence(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    hook = subscribe(server, endpoint, "message.received")
    server.deliver("Are you there?", subject="Hello", sender="ann@example.org")
    [posted] = endpoint.wait(1)
    stored = server.wait_for_message("Hello")
    event = posted.event
    assert event["type"] == "message.received"
    assert event["id"] == posted.id
    for fields in (event, event["data"]):
        assert fields["message_id"] == fields["email_id"] == stored["id"]
        assert fields["thread_id"] == stored["thread_id"]
        assert (fields["mailbox"], fields["mailbox_id"]) == (
            server.mailbox.address,
            server.mailbox.id,
        )
        assert (fields["from"], fields["subject"]) == ("ann@example.org", "Hello")
        assert fields["body_text"].strip() == "Are you there?"
        assert fields["authentication"] == stored["authentication"]
        assert fields["dkim_valid"] is False
    assert posted.headers["content-type"] == "application/json"
    typed = verify(posted.raw, posted.headers, hook["signing_secret"])
    assert isinstance(typed, MessageReceived)
    assert typed.replay_protected
    assert TrustPolicy("standard").admit(typed.payload).action == "hold"


@pytest.mark.parametrize("form", ["sha256=hex", "hex"])
def test_the_signature_is_written_as_the_subscription_asks(
    start: Start, endpoint: WebhookReceiver, form: str
) -> None:
    server = start()
    secret = subscribe(server, endpoint, signature_format=form)["signing_secret"]
    server.deliver()
    [posted] = endpoint.wait(1)
    legacy = {"X-MultiMail-Signature": posted.headers["x-multimail-signature"]}
    assert legacy["X-MultiMail-Signature"].startswith("sha256=") is (form == "sha256=hex")
    assert verify(posted.raw, legacy, secret).replay_protected is False
    standard = {name: value for name, value in posted.headers.items() if "webhook-" in name}
    assert verify(posted.raw, standard, secret).replay_protected is True
    with pytest.raises(WebhookError):
        verify(posted.raw + b" ", standard, secret)


def test_the_time_that_is_signed_is_the_servers(
    start: Start, endpoint: WebhookReceiver, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    secret = subscribe(server, endpoint)["signing_secret"]
    server.deliver()
    [posted] = endpoint.wait(1)
    assert verify(posted.raw, posted.headers, secret, now=clock.now()).signed_at == clock.now()


@pytest.mark.parametrize(
    ("names", "types"),
    [
        (["message.received"], ["message.received"]),
        (["email.received"], ["email.received"]),
        (["email.received", "message.received"], ["email.received", "message.received"]),
    ],
)
def test_an_event_has_the_name_that_was_subscribed_to(
    start: Start, endpoint: WebhookReceiver, names: list[str], types: list[str]
) -> None:
    server = start()
    subscribe(server, endpoint, *names)
    server.deliver()
    posted = endpoint.wait(len(types))
    assert [request.event["type"] for request in posted] == types
    assert len({request.id for request in posted}) == len(types)


def test_gated_send_emits_events_from_pending_to_delivered(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start()
    secret = subscribe(server, endpoint)["signing_secret"]
    sent = server.sent(subject="Held")
    [pending] = endpoint.wait(1)
    typed = verify(pending.raw, pending.headers, secret)
    assert isinstance(typed, OversightPending)
    assert (typed.message_id, typed.subject, typed.to) == (sent["id"], "Held", ["ann@other.test"])
    assert typed.expires_at is not None
    assert typed.content_hash == sent["content_hash"]
    assert "body_text" not in pending.event
    server.decide(sent["id"], "approve", reason="fine")
    events = [request.event for request in endpoint.wait(6)]
    assert [event["type"] for event in events] == [
        "oversight.pending",
        "oversight.approved",
        "email.approved",
        "message.sent",
        "message.delivered",
        "email.delivered",
    ]
    assert events[1]["decision_reason"] == "fine"
    assert events[-1]["data"]["delivered_at"]


def test_rejection_event_has_the_reason(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    subscribe(server, endpoint, "email.rejected")
    server.decide(server.sent()["id"], "reject", reason="too blunt")
    [posted] = endpoint.wait(1)
    assert posted.event["type"] == "email.rejected"
    assert posted.event["data"]["decision_reason"] == "too blunt"


def test_repeated_decision_emits_one_event(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    subscribe(server, endpoint, "oversight.rejected", "message.received")
    sent = server.sent()
    for _ in range(3):
        assert server.decide(sent["id"], "reject").status_code == 200
    server.deliver()
    assert [request.event["type"] for request in endpoint.wait(2)] == [
        "oversight.rejected",
        "message.received",
    ]


def test_a_refused_recipient_is_a_bounce(start: Start, endpoint: WebhookReceiver) -> None:
    other = start(domain="other.test")
    server = start(
        live=True,
        webhook_networks="127.0.0.1",
        relay=f"smtp://{other.smtp}",
        oversight_mode="autonomous",
    )
    subscribe(server, endpoint, "email.bounced", "message.delivered")
    server.sent("nobody@other.test")
    [posted] = endpoint.wait(1)
    data = posted.event["data"]
    assert (posted.event["type"], data["code"], data["bounce_type"]) == (
        "email.bounced",
        550,
        "hard",
    )
    assert data["recipients"] == ["nobody@other.test"]
    assert data["reason"]
    # The first address is suppressed by now, so that nothing is tried there again.
    server.sent("no.one@other.test", "agent@other.test", subject="Both")
    assert sorted(request.event["type"] for request in endpoint.wait(3)[1:]) == [
        "email.bounced",
        "message.delivered",
    ]


def test_held_inbound_event_has_no_content(start: Start, endpoint: WebhookReceiver) -> None:
    server = start(oversight_mode="gated_all")
    subscribe(server, endpoint, "oversight.pending", "oversight.approved", "message.received")
    server.deliver("the secret plan", subject="Plan", sender="ann@example.org")
    [pending] = endpoint.wait(1)
    assert pending.event["content_hidden"] is True
    for word in (b"secret", b"Plan", b"ann@example.org", b"example.org"):
        assert word not in pending.raw
    server.decide(pending.event["message_id"], "approve")
    posted = endpoint.wait(3)
    assert [request.event["type"] for request in posted] == [
        "oversight.pending",
        "oversight.approved",
        "message.received",
    ]
    assert "the secret plan" in posted[2].event["body_text"]


def test_rejected_inbound_mail_is_never_shown(start: Start, endpoint: WebhookReceiver) -> None:
    server = start(oversight_mode="gated_all")
    subscribe(server, endpoint)
    server.deliver("the secret plan", subject="Plan", sender="ann@example.org")
    server.decide(endpoint.wait(1)[0].event["message_id"], "reject")
    posted = endpoint.wait(3)
    assert sorted(endpoint.types) == ["email.rejected", "oversight.pending", "oversight.rejected"]
    assert not any(b"Plan" in request.raw or b"example.org" in request.raw for request in posted)


def test_a_bound_webhook_gets_only_its_mailboxs_events(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start()
    admin = server.admin
    other = admin.post("/v1/mailboxes", json={"address": "other"}).json()
    subscribe(server, endpoint, "message.received", mailbox=other["address"])
    server.deliver(subject="Not this")
    server.deliver(subject="This", to=other["address"])
    [posted] = endpoint.wait(1)
    assert (posted.event["subject"], posted.event["mailbox_id"]) == ("This", other["id"])
    rows = admin.get("/v1/webhook-deliveries").json()["deliveries"]
    assert [row["mailbox_id"] for row in rows] == [other["id"]]


def test_a_long_body_is_cut(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    subscribe(server, endpoint, "message.received")
    server.deliver("long line\n" * 20_000, subject="s" * 900)
    [posted] = endpoint.wait(1)
    assert len(posted.event["body_text"]) == 65_536
    assert posted.event["body_truncated"] is True
    assert len(posted.raw) < 512 * 1024


def test_the_settings_of_a_mailbox_are_subscriptions(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start(oversight_mode="monitored")
    admin, box = server.admin, server.mailbox.id
    with WebhookReceiver() as human:
        urls = {"webhook_url": endpoint.url, "oversight_webhook_url": human.url}
        changed = admin.patch(f"/v1/mailboxes/{box}", json=urls).json()
        assert changed["oversight_webhook_url"] == human.url
        secrets = changed["signing_secrets"]
        assert "signing_secrets" not in admin.get(f"/v1/mailboxes/{box}").json()
        sent = server.sent(subject="Watched")
        watched = human.wait_for("message.sent")
        assert watched.event["message_id"] == sent["id"]
        assert (
            verify(watched.raw, watched.headers, secrets["oversight_webhook_url"]).id == watched.id
        )
        server.deliver(subject="In")
        received = endpoint.wait_for("message.received")
        assert verify(received.raw, received.headers, secrets["webhook_url"]).id == received.id
        held = server.sent(subject="Held", oversight_mode="gated_send")
        assert human.wait(2)[1].event["type"] == "oversight.pending"
        server.decide(held["id"], "approve")
        endpoint.wait(5)
        rows = admin.get("/v1/webhook-deliveries").json()["deliveries"]
        ours = {row["id"]: row["source"] for row in admin.get("/v1/webhooks").json()["webhooks"]}
        assert sorted(
            row["event"] for row in rows if ours[row["webhook_id"]] == "oversight_webhook_url"
        ) == ["message.sent", "oversight.approved", "oversight.pending"]


def test_a_setting_that_is_removed_ends_its_subscription(
    start: Start, endpoint: WebhookReceiver
) -> None:
    server = start()
    admin, path = server.admin, server.box
    first = admin.patch(path, json={"webhook_url": endpoint.url}).json()["signing_secrets"]
    again = admin.patch(path, json={"webhook_url": endpoint.url}).json()["signing_secrets"]
    assert first != again
    [hook] = admin.get("/v1/webhooks").json()["webhooks"]
    assert admin.patch(path, json={"display_name": "A"}).json()["webhook_url"] == endpoint.url
    assert admin.patch(path, json={"webhook_url": None}).json()["webhook_url"] is None
    assert admin.get("/v1/webhooks").json()["webhooks"] == []
    admin.patch(path, json={"webhook_url": endpoint.url})
    [hook] = admin.get("/v1/webhooks").json()["webhooks"]
    assert admin.delete(f"/v1/webhooks/{hook['id']}").status_code == 200
    assert admin.get(path).json()["webhook_url"] is None


def test_a_mailbox_can_be_made_with_its_webhook(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    body = {"address": "second", "webhook_url": endpoint.url}
    mailbox = server.admin.post("/v1/mailboxes", json=body).json()
    server.deliver(subject="Elsewhere")
    server.deliver(subject="Here", to=mailbox["address"])
    [posted] = endpoint.wait(1)
    secret = mailbox["signing_secrets"]["webhook_url"]
    assert verify(posted.raw, posted.headers, secret).subject == "Here"


def test_a_bad_url_in_a_setting_changes_nothing(start: Start) -> None:
    server = start()
    admin, path = server.admin, server.box
    body = {"webhook_url": "http://elsewhere.example/x", "display_name": "New"}
    refused = admin.patch(path, json=body)
    assert refusal(refused) == (400, "invalid_webhook_url")
    assert "webhook_url" in refused.json()["error"]
    assert admin.get(path).json()["display_name"] is None


def test_other_code_can_announce_what_it_learned(start: Start, endpoint: WebhookReceiver) -> None:
    server = start(oversight_mode="autonomous")
    subscribe(server, endpoint, "message.complained")
    sent = server.sent()
    context = server.services.context

    def complain(tx: Any) -> None:
        message = tx.message(sent["id"])
        announce(tx, EventKind.COMPLAINED, message, context.now(), feedback_type="abuse")

    context.write(complain)
    [posted] = endpoint.wait(1)
    assert posted.event["data"]["feedback_type"] == "abuse"


def test_rolled_back_change_emits_no_event(start: Start, endpoint: WebhookReceiver) -> None:
    server = start(oversight_mode="autonomous")
    subscribe(server, endpoint, "message.complained", "message.received")
    sent = server.sent()
    context = server.services.context

    def fail(tx: Any) -> None:
        announce(tx, EventKind.COMPLAINED, tx.message(sent["id"]), context.now())
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        context.write(fail)
    server.deliver()
    assert [request.event["type"] for request in endpoint.wait(1)] == ["message.received"]


def test_the_clients_verbs_work(start: Start, endpoint: WebhookReceiver) -> None:
    server = start()
    with MultiMail(server.keys.admin, base_url=server.url) as client:
        webhook = client.create_webhook(
            endpoint.url, ["email.received"], mailbox=server.mailbox.address
        )
        assert webhook.signing_secret.startswith("whsec_")
        assert webhook.mailbox_id == server.mailbox.id
        assert [hook.id for hook in client.list_webhooks()] == [webhook.id]
        assert client.get_webhook(webhook.id).events == ["email.received"]
        server.deliver(subject="Read me")
        [posted] = endpoint.wait(1)
        event = verify(posted.raw, posted.headers, webhook.signing_secret)
        read = client.read_email(event.message_id, mailbox=event.mailbox_id)
        assert read.subject == "Read me"
        server.wait_until(lambda: list(client.list_webhook_deliveries(status="delivered")))
        [delivery] = client.list_webhook_deliveries(status="delivered")
        assert (delivery.id, delivery.attempts, delivery.response_status) == (event.id, 1, 200)
        assert not client.list_webhook_deliveries(status="failed").items
        client.delete_webhook(webhook.id)
        assert client.list_webhooks() == []
