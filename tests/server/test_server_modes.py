"""Oversight end to end: what each mode lets through, who decides, and what time does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
HOLDS = {"gated_all", "gated_send"}


def send(client: httpx.Client, mailbox: str, **more: Any) -> httpx.Response:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello *Ann*", **more}
    return client.post(f"/v1/mailboxes/{mailbox}/send", json=body)


def decide(client: httpx.Client, email_id: str, action: str, **more: Any) -> httpx.Response:
    return client.post(
        "/v1/oversight/decide", json={"email_id": email_id, "action": action, **more}
    )


def new_mailbox(admin: httpx.Client, name: str, mode: str) -> str:
    reply = admin.post("/v1/mailboxes", json={"address_local": name, "oversight_mode": mode})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def status_of(client: httpx.Client, mailbox: str, email_id: str) -> str:
    return str(client.get(f"/v1/mailboxes/{mailbox}/emails/{email_id}").json()["status"])


@pytest.mark.parametrize("mode", ["gated_all", "gated_send", "monitored", "autonomous"])
def test_a_mode_holds_or_sends(
    server: ServerUnderTest,
    agent: httpx.Client,
    reviewer: httpx.Client,
    admin: httpx.Client,
    mode: str,
) -> None:
    mailbox = new_mailbox(admin, f"box-{mode.replace('_', '-')}", mode)
    sent = send(agent, mailbox)
    assert sent.status_code == 202
    answer = sent.json()
    assert answer["status"] == "pending_scan"
    assert answer["held"] is (mode in HOLDS)
    assert answer["oversight_mode"] == mode
    if mode in HOLDS:
        assert status_of(agent, mailbox, answer["id"]) == "pending_send_approval"
        assert not [mail for mail in server.outbox() if mail["id"] == answer["id"]]
        decided = decide(reviewer, answer["id"], "approve").json()
        assert decided["status"] == "approved_and_sent"
        assert decided["delivered_at"]
    server.wait_for_message(
        lambda mail: mail["id"] == answer["id"] and mail["status"] == "sent", direction="outbound"
    )
    assert server.outbox()[0]["id"] == answer["id"]


def test_a_read_only_mailbox_sends_nothing(agent: httpx.Client, admin: httpx.Client) -> None:
    mailbox = new_mailbox(admin, "quiet", "read_only")
    refused = send(agent, mailbox)
    assert (refused.status_code, refused.json()["code"]) == (403, "read_only")
    assert agent.get(f"/v1/mailboxes/{mailbox}/emails").json()["emails"] == []


def test_what_is_transmitted_is_what_was_frozen(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    mailbox = server.mailbox.id
    sent = send(agent, mailbox, bcc=["hidden@example.com"]).json()
    before = agent.get(f"/v1/mailboxes/{mailbox}/emails/{sent['id']}/raw").content
    decide(reviewer, sent["id"], "approve")
    delivered = next(mail for mail in server.outbox() if mail["id"] == sent["id"])
    raw = delivered["raw"].encode()
    assert raw.endswith(before)
    # What vouches for it is put on top only when it leaves: before, nobody has approved it.
    assert raw.removesuffix(before).startswith(b"X-MultiMail-Identity: v=1;")
    assert b"X-MultiMail-Identity" not in before
    assert agent.get(f"/v1/mailboxes/{mailbox}/emails/{sent['id']}/raw").content == raw
    assert b"hidden@example.com" not in before
    assert set(delivered["recipients"]) == {"ann@example.com", "hidden@example.com"}


def test_the_queue_shows_all_that_is_decided_about(
    start: Start,
) -> None:
    server = start()
    agent, reviewer, admin = (server.http(role) for role in ("agent", "reviewer", "admin"))
    mailbox = server.mailbox.id
    admin.patch(f"/v1/mailboxes/{mailbox}", json={"auto_bcc": "boss@example.com"})
    sent = send(agent, mailbox, cc=["cc@example.com"]).json()
    reply = reviewer.get("/v1/oversight/pending").json()
    assert reply["emails"] == reply["pending"]
    item = reply["pending"][0]
    assert item["id"] == sent["id"]
    assert item["body_markdown"] == "Hello *Ann*"
    assert item["recipients"] == ["ann@example.com", "cc@example.com", "boss@example.com"]
    assert item["content_hash"] == sent["content_hash"]
    assert item["expires_at"] > item["created_at"]


def test_a_decision_is_made_once(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    approved = send(agent, server.mailbox.id).json()["id"]
    rejected = send(agent, server.mailbox.id).json()["id"]
    assert decide(reviewer, approved, "approve").status_code == 200
    assert decide(reviewer, approved, "approve").json()["status"] == "approved_and_sent"
    assert decide(reviewer, approved, "reject").json()["code"] == "already_decided"
    assert decide(reviewer, rejected, "reject", reason="no").json()["status"] == "rejected"
    assert decide(reviewer, rejected, "reject").status_code == 200
    assert decide(reviewer, rejected, "approve").status_code == 409
    told = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{rejected}").json()
    assert (told["status"], told["decision_reason"]) == ("rejected", "no")


def test_a_decision_on_other_content_is_refused(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    sent = send(agent, server.mailbox.id).json()
    refused = decide(reviewer, sent["id"], "approve", content_hash="0" * 64)
    assert (refused.status_code, refused.json()["code"]) == (409, "content_changed")
    taken = decide(reviewer, sent["id"], "approve", content_hash=sent["content_hash"])
    assert taken.status_code == 200


def test_a_key_never_decides_on_its_own_message(
    server: ServerUnderTest, agent: httpx.Client, admin: httpx.Client
) -> None:
    made = admin.post("/v1/api-keys", json={"name": "turncoat", "scopes": ["read", "send"]}).json()
    with server.http(made["key"]) as turncoat:
        sent = send(turncoat, server.mailbox.id).json()
        changed = admin.patch(f"/v1/api-keys/{made['id']}", json={"scopes": ["read", "oversight"]})
        assert changed.status_code == 200
        refused = decide(turncoat, sent["id"], "approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "self_approval")
    assert status_of(agent, server.mailbox.id, sent["id"]) == "pending_send_approval"


def test_loosening_a_mailbox_later_releases_nothing(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    agent, admin = server.http("agent"), server.http("admin")
    held = send(agent, server.mailbox.id, oversight_mode="gated_send").json()
    assert held["held"] is True
    loosened = admin.patch(
        f"/v1/mailboxes/{server.mailbox.id}", json={"oversight_mode": "gated_send"}
    )
    assert loosened.status_code == 200
    refused = admin.patch(
        f"/v1/mailboxes/{server.mailbox.id}", json={"oversight_mode": "autonomous"}
    )
    assert refused.status_code == 403
    assert "request-upgrade" in refused.json()["error"]
    looser = send(agent, server.mailbox.id, oversight_mode="monitored")
    assert (looser.status_code, looser.json()["code"]) == (400, "looser_oversight_mode")
    assert status_of(agent, server.mailbox.id, held["id"]) == "pending_send_approval"


def test_a_pending_message_expires_and_cannot_be_approved(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, pending_ttl=timedelta(hours=1))
    agent, reviewer = server.http("agent"), server.http("reviewer")
    sent = send(agent, server.mailbox.id).json()
    clock.advance(timedelta(minutes=59))
    assert status_of(agent, server.mailbox.id, sent["id"]) == "pending_send_approval"
    clock.advance(timedelta(minutes=1))
    refused = decide(reviewer, sent["id"], "approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "expired")
    assert status_of(agent, server.mailbox.id, sent["id"]) == "expired"
    assert reviewer.get("/v1/oversight/pending").json()["pending"] == []
    assert server.outbox() == []


def test_expiry_needs_nobody_to_look(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, pending_ttl=timedelta(hours=1))
    sent = send(server.http("agent"), server.mailbox.id).json()
    clock.advance(timedelta(hours=2))
    server.wait_for_message(
        lambda mail: mail["id"] == sent["id"] and mail["status"] == "expired",
        direction="outbound",
    )


def test_cancelling_and_approving_at_once_has_one_winner(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    barrier = threading.Barrier(2)
    mailbox = server.mailbox.id

    def cancel(email_id: str) -> int:
        barrier.wait(10)
        return agent.post(f"/v1/mailboxes/{mailbox}/emails/{email_id}/cancel").status_code

    def approve(email_id: str) -> int:
        barrier.wait(10)
        return decide(reviewer, email_id, "approve").status_code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            email_id = send(agent, mailbox).json()["id"]
            codes = pool.submit(cancel, email_id), pool.submit(approve, email_id)
            cancelled, approved = (code.result(30) for code in codes)
            assert sorted((cancelled, approved)) == [200, 409]
            left = [mail for mail in server.outbox() if mail["id"] == email_id]
            assert len(left) == (1 if approved == 200 else 0)


def test_two_approvers_at_once_have_one_winner(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    email_id = send(agent, server.mailbox.id).json()["id"]
    barrier = threading.Barrier(2)

    def vote(action: str) -> int:
        barrier.wait(10)
        return decide(reviewer, email_id, action).status_code

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(vote, ["approve", "reject"]))
    assert sorted(codes) == [200, 409]


def test_cancelling_twice_is_one_cancellation(
    server: ServerUnderTest, agent: httpx.Client, reviewer: httpx.Client
) -> None:
    sent = send(agent, server.mailbox.id).json()
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}/cancel"
    assert agent.post(path).json()["status"] == "cancelled"
    assert agent.post(path).status_code == 200
    assert decide(reviewer, sent["id"], "approve").status_code == 409


def test_gated_all_hides_what_came_in_until_it_is_approved(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    agent, reviewer = server.http("agent"), server.http("reviewer")
    server.deliver("The secret is xylophone.", subject="Secret subject", sender="eve@example.com")
    box = f"/v1/mailboxes/{server.mailbox.id}"
    row = agent.get(f"{box}/emails").json()["emails"][0]
    assert row["status"] == "pending_inbound_approval"
    shown = [
        agent.get(f"{box}/emails"),
        agent.get(f"{box}/emails/{row['id']}"),
        agent.get(f"{box}/emails/{row['id']}/raw"),
        agent.get(f"{box}/threads/{row['thread_id']}", params={"include": "bodies"}),
        agent.post(f"{box}/reply/{row['id']}", json={"markdown": "What?"}),
        agent.get("/v1/audit-log"),
    ]
    for reply in shown:
        assert not any(word in reply.text for word in ("xylophone", "Secret subject", "eve@"))
    guesses: list[dict[str, str]] = [{"subject_contains": "secret"}, {"sender": "eve"}]
    for guess in guesses:
        assert agent.get(f"{box}/emails", params=guess).json()["emails"] == []
    queue = reviewer.get("/v1/oversight/pending").json()["pending"]
    assert "xylophone" in queue[0]["body_markdown"]
    assert decide(reviewer, row["id"], "approve").json()["status"] == "approved"
    opened = agent.get(f"{box}/emails/{row['id']}").json()
    assert opened["subject"] == "Secret subject"
    assert "xylophone" in opened["markdown"]


def test_rejected_inbound_mail_stays_hidden(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    server.deliver("The secret is xylophone.", subject="Secret subject")
    held = server.wait_for_message("Secret subject")
    assert decide(server.http("reviewer"), held["id"], "reject").status_code == 200
    read = server.http("agent").get(f"/v1/mailboxes/{server.mailbox.id}/emails/{held['id']}")
    assert read.json()["status"] == "rejected"
    assert "xylophone" not in read.text
