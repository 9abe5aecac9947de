"""The review page: an edit is a new revision, which needs a decision of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_string
from typing import Any

import pytest
from tests.server.pages import Person, get_text

from multimail_server.oversight import GATED, Direction, Event, Mode, State, Transition, transition
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


@pytest.fixture
def person(server: ServerUnderTest) -> Person:
    """Somebody who is signed in."""
    browser = Person(server)
    browser.sign_in(server.keys.reviewer)
    return browser


def send(server: ServerUnderTest, **more: Any) -> dict[str, Any]:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello *Ann*", **more}
    with server.http("agent") as agent:
        reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)
    return dict(reply.json())


def edit_form(person: Person, email: str) -> dict[str, Any]:
    return dict(person.form(f"/review/{email}/edit", f"/review/{email}/edit"))


def mail(server: ServerUnderTest, email: str) -> dict[str, Any]:
    with server.http("reviewer") as reviewer:
        reply = reviewer.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email}")
    return dict(reply.json())


def delivered(server: ServerUnderTest, email: str) -> list[dict[str, Any]]:
    return [mail for mail in server.outbox() if mail["id"] == email]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("state", State)
def test_only_a_held_send_can_be_edited(mode: Mode, state: State) -> None:
    result = transition(Direction.OUTBOUND, mode, state, Event.REVISED)
    may = mode in GATED and state is State.PENDING_SEND_APPROVAL
    assert isinstance(result, Transition) is may
    if isinstance(result, Transition):
        assert result.state is State.PENDING_SEND_APPROVAL
    assert not isinstance(transition(Direction.INBOUND, mode, state, Event.REVISED), Transition)


def test_an_edit_is_a_new_revision_that_is_decided_by_itself(
    server: ServerUnderTest, person: Person
) -> None:
    file = {"name": "a.txt", "content_base64": "eA=="}
    sent = send(server, idempotency_key="k1", attachments=[file], bcc=["boss@example.com"])
    email = sent["id"]
    old = person.form(f"/review/{email}", f"/review/{email}/decide")
    form = edit_form(person, email)
    assert (form["subject"], form["markdown"]) == ("Offer", "Hello *Ann*")
    saved = person.post(
        f"/review/{email}/edit", {**form, "subject": "Better", "markdown": "Dear Ann\r\n\r\nHi"}
    )
    assert saved.headers["location"] == f"/review/{email}"
    now = mail(server, email)
    assert now["status"] == "pending_send_approval"
    assert now["content_hash"] != sent["content_hash"]
    assert (now["subject"], now["markdown"]) == ("Better", "Dear Ann\n\nHi")
    assert delivered(server, email) == []

    page = get_text(person.get(f"/review/{email}"))
    assert "Saved. It still needs a decision." in page
    assert "edited, version 2" in page
    assert "Version 1, until" in page
    assert "replaced by “reviewer”" in page
    assert "Hello *Ann*" in page

    stale = person.post(f"/review/{email}/decide", {**old, "action": "approve"})
    assert stale.status_code == 409
    assert delivered(server, email) == []

    person.decide(email, "approve")
    (left,) = delivered(server, email)
    parsed = message_from_string(left["raw"])
    assert parsed["Subject"] == "Better"
    assert parsed["Message-ID"] == now["rfc_message_id"]
    assert "Dear Ann" in left["raw"]
    assert "a.txt" in left["raw"]
    assert "Hello *Ann*" not in left["raw"]
    assert left["recipients"] == ["ann@example.com", "boss@example.com"]
    again = send(server, idempotency_key="k1", attachments=[file], bcc=["boss@example.com"])
    assert (again["id"], again["idempotent"]) == (email, True)


def test_audit_log_records_both_contents(server: ServerUnderTest, person: Person) -> None:
    sent = send(server)
    person.post(f"/review/{sent['id']}/edit", {**edit_form(person, sent["id"]), "subject": "B"})
    with server.http("admin") as admin:
        entries = admin.get("/v1/audit-log").json()["entries"]
    about = [entry for entry in entries if entry["resource_id"] == sent["id"]]
    (line,) = [entry for entry in about if entry["action"] == "oversight.revise"]
    assert line["metadata"]["content_hash_before"] == sent["content_hash"]
    assert line["metadata"]["content_hash"] == mail(server, sent["id"])["content_hash"]
    assert line["metadata"]["revision"] == 2


def test_a_recipient_can_be_dropped_and_none_added(start: Start) -> None:
    server = start()
    with server.http("admin") as admin:
        settings = {"auto_bcc": ["archive@example.com"]}
        admin.patch(f"/v1/mailboxes/{server.mailbox.id}", json=settings)
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    email = send(server, cc=["Cleo@example.com"], bcc=["boss@example.com"])["id"]
    form = edit_form(person, email)
    assert form["shown"] == ["ann@example.com", "Cleo@example.com", "boss@example.com"]
    keep = ["ann@example.com", "cleo@example.com", "eve@evil.test"]
    person.post(f"/review/{email}/edit", {**form, "keep": keep})
    now = mail(server, email)
    assert now["bcc"] == ["archive@example.com"]
    assert now["cc"] == ["Cleo@example.com"]
    person.decide(email, "approve")
    (left,) = delivered(server, email)
    assert left["recipients"] == ["ann@example.com", "Cleo@example.com", "archive@example.com"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keep": ""}, "No recipient would be left"),
        ({}, "changes nothing"),
        ({"subject": "a\nb"}, "The subject is wrong"),
        ({"subject": "x" * 999}, "The subject is wrong"),
        ({"markdown": "a\0b"}, "The markdown is wrong"),
        ({"markdown": "x" * 262_145}, "The markdown is wrong"),
        ({"mark": "0" * 64, "subject": "New"}, "changed"),
        ({"mark": "", "subject": "New"}, "changed"),
    ],
)
def test_an_edit_that_cannot_be_changes_nothing(
    server: ServerUnderTest, person: Person, change: dict[str, str], says: str
) -> None:
    sent = send(server)
    form = {**edit_form(person, sent["id"]), **change}
    refused = person.post(f"/review/{sent['id']}/edit", form)
    assert refused.status_code in (400, 409)
    assert says in get_text(refused)
    assert mail(server, sent["id"])["content_hash"] == sent["content_hash"]


def test_the_mailboxs_own_copy_cannot_be_dropped(start: Start) -> None:
    server = start()
    with server.http("admin") as admin:
        settings = {"auto_bcc": ["archive@example.com"]}
        admin.patch(f"/v1/mailboxes/{server.mailbox.id}", json=settings)
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    email = send(server)["id"]
    form = edit_form(person, email)
    forged = {**form, "shown": [form["shown"], "archive@example.com"]}
    refused = person.post(f"/review/{email}/edit", forged)
    assert refused.status_code == 400
    assert "auto_bcc" in get_text(refused)


def test_what_was_typed_is_still_there_after_a_refusal(
    server: ServerUnderTest, person: Person
) -> None:
    email = send(server)["id"]
    form = {**edit_form(person, email), "subject": "My words", "markdown": "Mine", "mark": "x"}
    refused = person.post(f"/review/{email}/edit", form)
    assert 'value="My words"' in refused.text
    assert ">\nMine</textarea>" in refused.text


def test_a_new_revision_has_its_own_time(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    person = Person(server)
    email = send(server)["id"]
    clock.advance(timedelta(hours=71))
    person.sign_in(server.keys.reviewer)
    person.post(f"/review/{email}/edit", {**edit_form(person, email), "subject": "New"})
    clock.advance(timedelta(hours=2))
    assert mail(server, email)["status"] == "pending_send_approval"
    form = edit_form(person, email)
    clock.advance(timedelta(hours=71))
    person.sign_in(server.keys.reviewer)
    late = person.post(f"/review/{email}/edit", {**form, "csrf": person.csrf(), "subject": "C"})
    assert late.status_code == 409
    server.wait_for_message(lambda row: row["id"] == email, direction="outbound", status="expired")


def test_an_edit_against_an_approval_has_one_outcome(
    server: ServerUnderTest, person: Person
) -> None:
    other = Person(server)
    other.sign_in(server.keys.reviewer)
    for _ in range(8):
        sent = send(server)
        email = sent["id"]
        form = {**edit_form(person, email), "subject": "Edited"}
        decision = {**other.form(f"/review/{email}", f"/review/{email}/decide")}
        barrier = threading.Barrier(2)

        def edit(email: str = email, form: Any = form, barrier: Any = barrier) -> int:
            barrier.wait(10)
            return person.post(f"/review/{email}/edit", form).status_code

        def approve(email: str = email, form: Any = decision, barrier: Any = barrier) -> int:
            barrier.wait(10)
            return other.post(f"/review/{email}/decide", {**form, "action": "approve"}).status_code

        with ThreadPoolExecutor(2) as pool:
            codes = [pool.submit(edit), pool.submit(approve)]
            edited, approved = (code.result(30) for code in codes)
        assert {edited, approved} == {303, 409}
        left = delivered(server, email)
        assert [mail["subject"] for mail in left] == (["Offer"] if approved == 303 else [])
