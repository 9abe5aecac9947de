"""A sender edits a scheduled message, a reviewer a held one: each time a revision of its own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import httpx
import pytest

from multimail import MultiMail, ValidationError
from multimail_server import VirtualClock
from multimail_server.oversight import (
    FREE,
    GATED,
    Direction,
    Event,
    Mode,
    State,
    Transition,
    transition,
)
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
Json = dict[str, Any]
LATER = "2026-01-01T10:00:00Z"


def send(server: ServerUnderTest, **more: Any) -> Json:
    body = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello", "send_at": LATER}
    with server.http("agent") as agent:
        reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json={**body, **more})
    assert reply.status_code == 202, reply.text
    return dict(reply.json())


def edit(server: ServerUnderTest, email: str, key: str = "agent", **body: Any) -> httpx.Response:
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{email}/schedule"
    with server.http(key) as client:
        return client.patch(path, json=body)


def decide(server: ServerUnderTest, email: str, seen: str | None = None) -> httpx.Response:
    body = {"email_id": email, "action": "approve", "content_hash": seen}
    with server.http("reviewer") as reviewer:
        return reviewer.post("/v1/oversight/decide", json=body)


def revise(server: ServerUnderTest, **body: Any) -> httpx.Response:
    with server.http("reviewer") as reviewer:
        return reviewer.post("/v1/oversight/revise", json=body)


def mail(server: ServerUnderTest, email: str) -> Json:
    with server.http("reviewer") as reviewer:
        reply = reviewer.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email}")
    return dict(reply.json())


def settings(server: ServerUnderTest, **changes: Any) -> None:
    with server.http("admin") as admin:
        reply = admin.patch(f"/v1/mailboxes/{server.mailbox.id}", json=changes)
    assert reply.status_code == 200, reply.text


def lines(server: ServerUnderTest, email: str, action: str) -> list[Json]:
    with server.http("admin") as admin:
        entries = admin.get("/v1/audit-log").json()["entries"]
    return [one for one in entries if (one["resource_id"], one["action"]) == (email, action)]


def delivered(server: ServerUnderTest, email: str) -> list[Json]:
    return [one for one in server.outbox() if one["id"] == email]


def refused(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("state", State)
def test_what_was_approved_is_never_edited(mode: Mode, state: State) -> None:
    result = transition(Direction.OUTBOUND, mode, state, Event.EDITED)
    waiting = {State.PENDING_SEND_APPROVAL, State.SCHEDULED_FIRST}
    may = state in waiting if mode in GATED else mode in FREE and state is State.SCHEDULED
    assert isinstance(result, Transition) is may
    if isinstance(result, Transition):
        assert result.state is state
    assert not isinstance(transition(Direction.INBOUND, mode, state, Event.EDITED), Transition)


def test_an_edit_is_a_new_revision_that_waits_for_its_own_decision(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    settings(server, auto_bcc="boss@own.test", signature_block="The agent")
    file = {"name": "a.txt", "content_base64": base64.b64encode(b"old").decode()}
    sent = send(server, cc=["cy@other.test"], attachments=[file])
    clock.advance(timedelta(hours=1))
    other = {"name": "b.txt", "content_base64": base64.b64encode(b"new").decode()}
    done = edit(
        server, sent["id"], to="bob@other.test", cc=[], subject="Better", markdown="Dear Bob",
        attachments=[other], send_at="2026-01-01T11:00:00Z", content_hash=sent["content_hash"],
    )  # fmt: skip
    assert done.status_code == 200, done.text
    assert done.json()["status"] == "pending_send_approval"
    assert done.json()["expires_at"] == "2026-01-04T01:00:00.000Z"
    now = mail(server, sent["id"])
    assert now["content_hash"] == done.json()["content_hash"] != sent["content_hash"]
    assert (now["to"], now["cc"], now["bcc"]) == (["bob@other.test"], [], ["boss@own.test"])
    assert (now["subject"], now["markdown"]) == ("Better", "Dear Bob\n\n-- \nThe agent")
    assert [one["name"] for one in now["attachments"]] == ["b.txt"]
    assert now["send_at"] == "2026-01-01T11:00:00.000Z"

    assert refused(decide(server, sent["id"], sent["content_hash"])) == (409, "content_changed")
    assert refused(decide(server, sent["id"])) == (409, "content_hash_needed")
    assert decide(server, sent["id"], now["content_hash"]).status_code == 200
    clock.advance(timedelta(hours=12))
    server.wait_for_message(lambda row: row["status"] == "sent", direction="outbound")
    (left,) = delivered(server, sent["id"])
    assert left["recipients"] == ["bob@other.test", "boss@own.test"]
    parsed = message_from_string(left["raw"], policy=policy.default)
    assert (parsed["Subject"], parsed["To"]) == ("Better", "bob@other.test")
    (attached,) = parsed.iter_attachments()
    assert attached.get_content() == b"new"
    (line,) = lines(server, sent["id"], "email.edit")
    assert line["metadata"]["content_hash_before"] == sent["content_hash"]
    assert (line["metadata"]["revision"], line["metadata"]["recipients"]) == (2, 2)


def test_the_content_of_an_approved_message_stays(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="gate_first")
    assert decide(server, sent["id"]).json()["status"] == "approved"
    late = "2026-01-01T12:00:00Z"
    assert refused(edit(server, sent["id"], markdown="Other", send_at=late)) == (
        409,
        "content_frozen",
    )
    now = mail(server, sent["id"])
    assert (now["status"], now["content_hash"]) == ("scheduled", sent["content_hash"])
    clock.advance(timedelta(hours=10))
    server.wait_for_message(lambda row: row["status"] == "sent", direction="outbound")
    assert "Hello" in delivered(server, sent["id"])[0]["raw"]


def test_what_is_decided_on_later_can_be_edited_until_then(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    sent = send(server, gate_timing="schedule_first")
    done = edit(server, sent["id"], to=["ann@other.test", "bob@other.test"], markdown="Dear both")
    assert done.json()["status"] == "scheduled"
    clock.advance(timedelta(hours=10))
    held = server.wait_for_message(
        lambda row: row["status"] == "pending_send_approval", direction="outbound"
    )
    assert held["markdown"] == "Dear both"
    decide(server, sent["id"], held["content_hash"])
    (left,) = delivered(server, sent["id"])
    assert left["recipients"] == ["ann@other.test", "bob@other.test"]


@pytest.mark.parametrize("mode", FREE)
def test_a_free_mailbox_s_message_leaves_as_it_was_edited_last(
    start: Start, clock: VirtualClock, mode: Mode
) -> None:
    server = start(clock=clock, oversight_mode=mode)
    sent = send(server)
    done = edit(server, sent["id"], markdown="Twice", subject="New")
    assert done.json()["status"] == "scheduled"
    clock.advance(timedelta(hours=10))
    server.wait_for_message(lambda row: row["status"] == "sent", direction="outbound")
    assert "Twice" in delivered(server, sent["id"])[0]["raw"]
    with server.http("reviewer") as reviewer:
        notices = reviewer.get("/v1/notifications").json()["notifications"]
    told = [(one["message_id"], one["details"]["subject"]) for one in notices]
    assert told == ([(sent["id"], "New")] if mode is Mode.MONITORED else [])


def test_a_mailbox_that_was_tightened_lets_no_new_content_out(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent = send(server)
    settings(server, oversight_mode="gated_send")
    assert refused(edit(server, sent["id"], markdown="Other")) == (409, "content_frozen")
    settings(server, oversight_mode="read_only")
    assert refused(edit(server, sent["id"], markdown="Other")) == (403, "read_only")


def test_a_stale_editor_overwrites_nothing(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server)
    first = edit(server, sent["id"], subject="One", content_hash=sent["content_hash"])
    stale = edit(server, sent["id"], subject="Two", content_hash=sent["content_hash"])
    assert refused(stale) == (409, "content_changed")
    moved = edit(server, sent["id"], send_at="2026-01-02T00:00:00Z", content_hash="other")
    assert refused(moved) == (409, "content_changed")
    again = edit(server, sent["id"], subject="One", content_hash=sent["content_hash"])
    assert again.json()["content_hash"] == first.json()["content_hash"]
    assert mail(server, sent["id"])["subject"] == "One"
    assert len(lines(server, sent["id"], "email.edit")) == 1


def test_of_two_edits_at_once_none_is_lost_silently(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server)
    together = threading.Barrier(4)

    def one(number: int) -> httpx.Response:
        together.wait()
        return edit(server, sent["id"], subject=f"S{number}", content_hash=sent["content_hash"])

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(one, range(4)))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    won = next(number for number, reply in enumerate(replies) if reply.status_code == 200)
    assert mail(server, sent["id"])["subject"] == f"S{won}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"to": []}, 400, "invalid_request"),
        ({"to": ["no address"]}, 400, "invalid_request"),
        ({"subject": "a\nb"}, 400, "invalid_request"),
        ({"markdown": "x", "send_at": "2001-01-01T00:00:00Z"}, 400, "invalid_request"),
        ({"markdown": "x", "send_at": "2099-01-01T00:00:00Z"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_edit_changes_nothing(
    start: Start, clock: VirtualClock, body: Json, status: int, code: str
) -> None:
    server = start(clock=clock)
    sent = send(server)
    assert refused(edit(server, sent["id"], **body)) == (status, code)
    assert mail(server, sent["id"])["content_hash"] == sent["content_hash"]


def test_only_a_scheduled_message_of_one_s_own_kind_is_edited(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    now = send(server, send_at=None)
    assert refused(edit(server, now["id"], markdown="Other")) == (409, "not_scheduled")
    sent = send(server)
    with server.http("admin") as admin:
        wish = {"name": "live", "scopes": ["read", "send"], "live": True}
        live = admin.post("/v1/api-keys", json=wish).json()
    assert refused(edit(server, sent["id"], live["key"], markdown="x")) == (
        403,
        "other_kind_of_key",
    )
    assert refused(edit(server, sent["id"], "reviewer", markdown="x")) == (403, "missing_scope")


def test_what_a_revoked_key_wrote_last_does_not_leave(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    sent = send(server)
    with server.http("admin") as admin:
        wish = {"name": "second", "scopes": ["read", "send"]}
        second = admin.post("/v1/api-keys", json=wish).json()
        assert edit(server, sent["id"], second["key"], markdown="By another").status_code == 200
        admin.delete(f"/v1/api-keys/{second['id']}")
    clock.advance(timedelta(hours=10))
    server.wait_for_message(lambda row: row["status"] == "send_failed", direction="outbound")
    assert server.outbox() == []


def test_the_client_edits_too(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    with MultiMail(server.keys.agent, base_url=server.url, mailbox=server.mailbox.id) as client:
        sent = client.send_email("ann@other.test", "Offer", "Hello", send_at=LATER)
        done = client.reschedule_email(sent.id, subject="Better", content_hash=sent.content_hash)
        with pytest.raises(ValidationError, match="give send_at"):
            client.reschedule_email(sent.id)
    assert done.content_hash == mail(server, sent.id)["content_hash"] != sent.content_hash


def test_a_reviewer_edits_by_the_api(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, send_at=None, cc=["cy@other.test"], bcc=["di@other.test"])
    seen = sent["content_hash"]
    done = revise(
        server, email_id=sent["id"], content_hash=seen, markdown="Dear Ann", drop="CY@other.test"
    )
    assert done.status_code == 200, done.text
    new = done.json()["content_hash"]
    assert (done.json()["status"], new == seen) == ("pending_send_approval", False)
    now = mail(server, sent["id"])
    assert (now["subject"], now["markdown"], now["cc"]) == ("Offer", "Dear Ann", [])
    assert refused(decide(server, sent["id"], seen)) == (409, "content_changed")
    assert decide(server, sent["id"], new).json()["status"] == "approved_and_sent"
    assert delivered(server, sent["id"])[0]["recipients"] == ["ann@other.test", "di@other.test"]
    (line,) = lines(server, sent["id"], "oversight.revise")
    assert line["metadata"]["content_hash"] == new


def test_a_reviewer_names_what_was_read(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    sent = send(server, send_at=None)
    email, seen = sent["id"], sent["content_hash"]
    assert refused(revise(server, email_id=email, subject="B")) == (400, "invalid_request")
    wrong = revise(server, email_id=email, content_hash="x", subject="B")
    assert refused(wrong) == (409, "content_changed")
    same = revise(server, email_id=email, content_hash=seen, drop=["not@there.test"])
    assert refused(same) == (400, "nothing_changed")
    nobody = revise(server, email_id=email, content_hash=seen, drop=["ann@other.test"])
    assert nobody.status_code == 400
    with server.http("agent") as agent:
        body = {"email_id": email, "content_hash": seen, "subject": "B"}
        assert refused(agent.post("/v1/oversight/revise", json=body)) == (403, "missing_scope")
    assert mail(server, email)["content_hash"] == seen
    decide(server, email)
    late = revise(server, email_id=email, content_hash=seen, subject="B")
    assert late.status_code == 409
