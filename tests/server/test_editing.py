"""A sender edits a scheduled message, a reviewer a held one: each edit is a new revision."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_string, policy

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal

from multimail import MultiMail, ValidationError
from multimail_server.oversight import FREE, Mode
from multimail_server.testing import VirtualClock

LATER = "2026-01-01T10:00:00Z"


@pytest.fixture
def gated(start: Start, clock: VirtualClock) -> ServerFixture:
    return start(clock=clock)


def sent_later(server: ServerFixture, **more: object) -> Json:
    return server.sent(**{"send_at": LATER, **more})


def delivered(server: ServerFixture, email: str) -> list[Json]:
    return [row for row in server.outbox() if row["id"] == email]


def revise(server: ServerFixture, **body: object) -> httpx.Response:
    return server.reviewer.post("/v1/oversight/revise", json=body)


def attach(name: str, content: bytes) -> Json:
    return {"name": name, "content_base64": base64.b64encode(content).decode()}


def test_an_edit_is_a_new_revision_that_waits_for_its_own_decision(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    server = gated
    server.configure(auto_bcc="boss@own.test", signature_block="The agent")
    sent = sent_later(server, cc=["cy@other.test"], attachments=[attach("a.txt", b"old")])
    clock.advance(timedelta(hours=1))
    done = accepted(
        server.reschedule(
            sent["id"],
            to="bob@other.test",
            cc=[],
            subject="Better",
            markdown="Dear Bob",
            attachments=[attach("b.txt", b"new")],
            send_at="2026-01-01T11:00:00Z",
            content_hash=sent["content_hash"],
        )
    )
    assert done["status"] == "pending_send_approval"
    assert done["expires_at"] == "2026-01-04T01:00:00.000Z"
    now = server.email(sent["id"])
    assert now["content_hash"] == done["content_hash"] != sent["content_hash"]
    assert (now["to"], now["cc"], now["bcc"]) == (["bob@other.test"], [], ["boss@own.test"])
    assert (now["subject"], now["markdown"]) == ("Better", "Dear Bob\n\n-- \nThe agent")
    assert [file["name"] for file in now["attachments"]] == ["b.txt"]
    assert now["send_at"] == "2026-01-01T11:00:00.000Z"

    old = server.decide(sent["id"], content_hash=sent["content_hash"])
    assert refusal(old) == (409, "content_changed")
    assert refusal(server.decide(sent["id"])) == (409, "content_hash_needed")
    assert server.decide(sent["id"], content_hash=now["content_hash"]).status_code == 200
    clock.advance(timedelta(hours=12))
    server.wait_for_status(sent["id"], "sent")
    [left] = delivered(server, sent["id"])
    assert left["recipients"] == ["bob@other.test", "boss@own.test"]
    parsed = message_from_string(left["raw"], policy=policy.default)
    assert (parsed["Subject"], parsed["To"]) == ("Better", "bob@other.test")
    [attached] = parsed.iter_attachments()
    assert attached.get_content() == b"new"
    [entry] = server.audit("email.edit", email_id=sent["id"])
    assert entry["metadata"]["content_hash_before"] == sent["content_hash"]
    assert (entry["metadata"]["revision"], entry["metadata"]["recipients"]) == (2, 2)


def test_the_content_of_an_approved_message_cannot_be_edited(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    sent = sent_later(gated, gate_timing="gate_first")
    assert gated.decide(sent["id"]).json()["status"] == "approved"
    edited = gated.reschedule(sent["id"], markdown="Other", send_at="2026-01-01T12:00:00Z")
    assert refusal(edited) == (409, "content_frozen")
    now = gated.email(sent["id"])
    assert (now["status"], now["content_hash"]) == ("scheduled", sent["content_hash"])
    clock.advance(timedelta(hours=10))
    gated.wait_for_status(sent["id"], "sent")
    assert "Hello" in delivered(gated, sent["id"])[0]["raw"]


def test_what_enters_the_queue_later_can_be_edited_until_then(
    gated: ServerFixture, clock: VirtualClock
) -> None:
    sent = sent_later(gated, gate_timing="schedule_first")
    to = ["ann@other.test", "bob@other.test"]
    done = gated.reschedule(sent["id"], to=to, markdown="Dear both")
    assert done.json()["status"] == "scheduled"
    clock.advance(timedelta(hours=10))
    held = gated.wait_for_status(sent["id"], "pending_send_approval")
    assert held["markdown"] == "Dear both"
    gated.decide(sent["id"], content_hash=held["content_hash"])
    assert delivered(gated, sent["id"])[0]["recipients"] == to


@pytest.mark.parametrize("mode", FREE)
def test_a_free_mailbox_sends_what_was_edited_last(
    start: Start, clock: VirtualClock, mode: Mode
) -> None:
    server = start(clock=clock, oversight_mode=mode)
    sent = sent_later(server)["id"]
    assert server.reschedule(sent, markdown="Twice", subject="New").json()["status"] == "scheduled"
    clock.advance(timedelta(hours=10))
    server.wait_for_status(sent, "sent")
    assert "Twice" in delivered(server, sent)[0]["raw"]
    rows = server.reviewer.get("/v1/notifications").json()["notifications"]
    subjects = [(row["message_id"], row["details"]["subject"]) for row in rows]
    assert subjects == ([(sent, "New")] if mode is Mode.MONITORED else [])


def test_a_tightened_mailbox_lets_no_new_content_out(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent = sent_later(server)["id"]
    server.configure(oversight_mode="gated_send")
    assert refusal(server.reschedule(sent, markdown="Other")) == (409, "content_frozen")
    server.configure(oversight_mode="read_only")
    assert refusal(server.reschedule(sent, markdown="Other")) == (403, "read_only")


def test_a_stale_editor_overwrites_nothing(gated: ServerFixture) -> None:
    sent = sent_later(gated)
    email, seen = sent["id"], sent["content_hash"]
    first = gated.reschedule(email, subject="One", content_hash=seen)
    stale = gated.reschedule(email, subject="Two", content_hash=seen)
    assert refusal(stale) == (409, "content_changed")
    moved = gated.reschedule(email, send_at="2026-01-02T00:00:00Z", content_hash="other")
    assert refusal(moved) == (409, "content_changed")
    again = gated.reschedule(email, subject="One", content_hash=seen)
    assert again.json()["content_hash"] == first.json()["content_hash"]
    assert gated.email(email)["subject"] == "One"
    assert len(gated.audit("email.edit", email_id=email)) == 1


def test_of_edits_at_once_one_wins_and_the_others_are_refused(gated: ServerFixture) -> None:
    sent = sent_later(gated)
    barrier = threading.Barrier(4)

    def edit(number: int) -> int:
        barrier.wait(60)
        seen = sent["content_hash"]
        return gated.reschedule(sent["id"], subject=f"S{number}", content_hash=seen).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(edit, range(4)))
    assert sorted(codes) == [200, 409, 409, 409]
    assert gated.email(sent["id"])["subject"] == f"S{codes.index(200)}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to": []},
        {"to": ["no address"]},
        {"subject": "a\nb"},
        {"markdown": "x", "send_at": "2001-01-01T00:00:00Z"},
        {"markdown": "x", "send_at": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_wrong_edit_changes_nothing(gated: ServerFixture, body: Json) -> None:
    sent = sent_later(gated)
    assert refusal(gated.reschedule(sent["id"], **body)) == (400, "invalid_request")
    assert gated.email(sent["id"])["content_hash"] == sent["content_hash"]


def test_only_a_scheduled_message_can_be_edited_by_a_key_of_its_kind(gated: ServerFixture) -> None:
    now = sent_later(gated, send_at=None)["id"]
    assert refusal(gated.reschedule(now, markdown="Other")) == (409, "not_scheduled")
    sent = sent_later(gated)["id"]
    live = gated.http(gated.create_key("read", "send", live=True)["key"])
    assert refusal(gated.reschedule(sent, live, markdown="x")) == (403, "other_kind_of_key")
    assert refusal(gated.reschedule(sent, gated.reviewer, markdown="x")) == (403, "missing_scope")


def test_what_a_revoked_key_wrote_last_does_not_leave(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent = sent_later(server)["id"]
    second = server.create_key("read", "send")
    client = server.http(second["key"])
    assert server.reschedule(sent, client, markdown="By another").status_code == 200
    server.admin.delete(f"/v1/api-keys/{second['id']}")
    clock.advance(timedelta(hours=10))
    server.wait_for_status(sent, "send_failed")
    assert server.outbox() == []


def test_the_client_edits_too(gated: ServerFixture) -> None:
    with MultiMail(gated.keys.agent, base_url=gated.url, mailbox=gated.mailbox.id) as client:
        sent = client.send_email("ann@other.test", "Offer", "Hello", send_at=LATER)
        done = client.reschedule_email(sent.id, subject="Better", content_hash=sent.content_hash)
        with pytest.raises(ValidationError, match="give send_at"):
            client.reschedule_email(sent.id)
    assert done.content_hash == gated.email(sent.id)["content_hash"] != sent.content_hash


def test_a_reviewer_edits_by_the_api(gated: ServerFixture) -> None:
    sent = gated.sent(cc=["cy@other.test"], bcc=["di@other.test"])
    email, seen = sent["id"], sent["content_hash"]
    done = accepted(
        revise(gated, email_id=email, content_hash=seen, markdown="Dear Ann", drop="CY@other.test")
    )
    new = done["content_hash"]
    assert (done["status"], new == seen) == ("pending_send_approval", False)
    now = gated.email(email)
    assert (now["subject"], now["markdown"], now["cc"]) == ("Offer", "Dear Ann", [])
    assert refusal(gated.decide(email, content_hash=seen)) == (409, "content_changed")
    assert gated.decide(email, content_hash=new).json()["status"] == "approved_and_sent"
    assert delivered(gated, email)[0]["recipients"] == ["ann@other.test", "di@other.test"]
    [entry] = gated.audit("oversight.revise", email_id=email)
    assert entry["metadata"]["content_hash"] == new


def test_a_reviewer_s_edit_names_the_content_that_was_read(gated: ServerFixture) -> None:
    sent = gated.sent()
    email, seen = sent["id"], sent["content_hash"]
    assert refusal(revise(gated, email_id=email, subject="B")) == (400, "invalid_request")
    wrong = revise(gated, email_id=email, content_hash="x", subject="B")
    assert refusal(wrong) == (409, "content_changed")
    same = revise(gated, email_id=email, content_hash=seen, drop=["not@there.test"])
    assert refusal(same) == (400, "nothing_changed")
    no_recipient = revise(gated, email_id=email, content_hash=seen, drop=["ann@other.test"])
    assert no_recipient.status_code == 400
    body = {"email_id": email, "content_hash": seen, "subject": "B"}
    by_agent = gated.agent.post("/v1/oversight/revise", json=body)
    assert refusal(by_agent) == (403, "missing_scope")
    assert gated.email(email)["content_hash"] == seen
    gated.decide(email)
    assert revise(gated, **body).status_code == 409
