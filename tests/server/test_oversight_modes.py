"""Oversight end to end: what each mode lets through, who decides, and what time does."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.support.server import ServerFixture, Start, refusal

from multimail_server.oversight import FREE, GATED, Mode
from multimail_server.services.decisions import NewLink
from multimail_server.testing import VirtualClock


@pytest.mark.parametrize("mode", [*GATED, *FREE])
def test_a_mode_holds_or_sends(start: Start, mode: Mode) -> None:
    server = start(oversight_mode=mode)
    answer = server.sent()
    assert (answer["status"], answer["oversight_mode"]) == ("pending_scan", mode)
    assert answer["held"] is (mode in GATED)
    if mode in GATED:
        assert server.status(answer["id"]) == "pending_send_approval"
        assert server.outbox() == []
        decided = server.decide(answer["id"]).json()
        assert decided["status"] == "approved_and_sent"
        assert decided["delivered_at"]
    server.wait_for_status(answer["id"], "sent")
    assert [mail["id"] for mail in server.outbox()] == [answer["id"]]


def test_a_read_only_mailbox_sends_nothing(start: Start) -> None:
    server = start(oversight_mode="read_only")
    assert refusal(server.send()) == (403, "read_only")
    assert server.emails() == []


def test_what_is_transmitted_is_what_was_approved(server: ServerFixture) -> None:
    sent = server.sent(bcc=["hidden@example.com"])["id"]
    before = server.raw(sent)
    server.decide(sent)
    delivered = next(mail for mail in server.outbox() if mail["id"] == sent)
    raw = delivered["raw"].encode()
    assert raw.endswith(before)
    # What vouches for it is put on top only when it leaves: before, it is not approved.
    assert raw.removesuffix(before).startswith(b"X-MultiMail-Identity: v=1;")
    assert b"X-MultiMail-Identity" not in before
    assert server.raw(sent) == raw
    assert b"hidden@example.com" not in before
    assert set(delivered["recipients"]) == {"ann@other.test", "hidden@example.com"}


def test_the_queue_shows_all_that_is_decided_about(start: Start) -> None:
    server = start()
    server.configure(auto_bcc="boss@example.com")
    sent = server.sent(cc=["cc@example.com"], markdown="Hello *Ann*")
    reply = server.reviewer.get("/v1/oversight/pending").json()
    assert reply["emails"] == reply["pending"]
    [item] = reply["pending"]
    assert item["id"] == sent["id"]
    assert item["body_markdown"] == "Hello *Ann*"
    assert item["recipients"] == ["ann@other.test", "cc@example.com", "boss@example.com"]
    assert item["content_hash"] == sent["content_hash"]
    assert item["expires_at"] > item["created_at"]


def test_a_decision_is_made_once(server: ServerFixture) -> None:
    approved, rejected = server.sent()["id"], server.sent()["id"]
    assert server.decide(approved).status_code == 200
    assert server.decide(approved).json()["status"] == "approved_and_sent"
    assert server.decide(approved, "reject").json()["code"] == "already_decided"
    assert server.decide(rejected, "reject", reason="no").json()["status"] == "rejected"
    assert server.decide(rejected, "reject").status_code == 200
    assert server.decide(rejected).status_code == 409
    row = server.email(rejected)
    assert (row["status"], row["decision_reason"]) == ("rejected", "no")


def test_a_decision_on_other_content_is_refused(server: ServerFixture) -> None:
    sent = server.sent()
    refused = server.decide(sent["id"], content_hash="0" * 64)
    assert refusal(refused) == (409, "content_changed")
    assert server.decide(sent["id"], content_hash=sent["content_hash"]).status_code == 200


def test_loosening_a_mailbox_needs_an_upgrade_and_a_send_cannot_be_looser(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    held = server.sent(oversight_mode="gated_send")
    assert held["held"] is True
    assert server.configure(oversight_mode="gated_send").status_code == 200
    assert server.configure(oversight_mode="autonomous").status_code == 403
    looser = server.send(oversight_mode="monitored")
    assert refusal(looser) == (400, "looser_oversight_mode")
    assert server.status(held["id"]) == "pending_send_approval"


def test_a_held_message_expires_by_itself_and_cannot_be_approved(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, pending_ttl=timedelta(hours=1))
    sent = server.sent()["id"]
    clock.advance(timedelta(minutes=59))
    assert server.status(sent) == "pending_send_approval"
    clock.advance(timedelta(minutes=1))
    assert refusal(server.decide(sent)) == (409, "expired")
    server.wait_for_status(sent, "expired")
    assert server.pending() == server.outbox() == []


def test_of_a_cancellation_and_an_approval_at_once_one_wins(server: ServerFixture) -> None:
    barrier = threading.Barrier(2)

    def cancel(email_id: str) -> int:
        barrier.wait(60)
        return server.cancel(email_id).status_code

    def approve(email_id: str) -> int:
        barrier.wait(60)
        return server.decide(email_id).status_code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(8):
            email_id = server.sent()["id"]
            codes = pool.submit(cancel, email_id), pool.submit(approve, email_id)
            cancelled, approved = (code.result(60) for code in codes)
            assert sorted((cancelled, approved)) == [200, 409]
            left = [mail for mail in server.outbox() if mail["id"] == email_id]
            assert len(left) == (1 if approved == 200 else 0)


def test_of_two_opposite_decisions_at_once_one_wins(server: ServerFixture) -> None:
    email_id = server.sent()["id"]
    barrier = threading.Barrier(2)

    def decide(action: str) -> int:
        barrier.wait(60)
        return server.decide(email_id, action).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, ["approve", "reject"])) == [200, 409]


def test_cancelling_twice_is_one_cancellation(server: ServerFixture) -> None:
    sent = server.sent()["id"]
    assert server.cancel(sent).json()["status"] == "cancelled"
    assert server.cancel(sent).status_code == 200
    assert server.decide(sent).status_code == 409


def test_gated_all_hides_inbound_mail_until_it_is_approved(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    agent, box = server.agent, server.box
    server.deliver("The secret is xylophone.", subject="Secret subject", sender="eve@example.com")
    [row] = server.emails()
    assert row["status"] == "pending_inbound_approval"
    shown = [
        agent.get(f"{box}/emails"),
        agent.get(f"{box}/emails/{row['id']}"),
        agent.get(f"{box}/emails/{row['id']}/raw"),
        agent.get(f"{box}/threads/{row['thread_id']}", params={"include": "bodies"}),
        server.reply(row["id"], "What?"),
        agent.get("/v1/audit-log"),
    ]
    for reply in shown:
        assert not any(word in reply.text for word in ("xylophone", "Secret subject", "eve@"))
    assert server.emails(subject_contains="secret") == server.emails(sender="eve") == []
    assert "xylophone" in server.pending()[0]["body_markdown"]
    assert server.decide(row["id"]).json()["status"] == "approved"
    opened = agent.get(f"{box}/emails/{row['id']}").json()
    assert opened["subject"] == "Secret subject"
    assert "xylophone" in opened["markdown"]


def test_rejected_inbound_mail_stays_hidden(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    held = server.receive("The secret is xylophone.", subject="Secret subject")["id"]
    assert server.decide(held, "reject").status_code == 200
    shown = server.agent.get(f"{server.box}/emails/{held}")
    assert shown.json()["status"] == "rejected"
    assert "xylophone" not in shown.text


def test_an_approval_link_keeps_its_token_out_of_its_repr(server: ServerFixture) -> None:
    path = f"/v1/oversight/{server.sent()['id']}/approval-link"
    token = server.reviewer.post(path).json()["token"]
    link = server.read(lambda tx: tx.approval_link(hashlib.sha256(token.encode()).hexdigest()))
    assert link is not None
    assert token not in repr(NewLink(token, link))
    assert token not in repr(link)
