"""Approval links: one approver, one content, one use, and nothing by looking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.pages import Person, get_status, get_text

from multimail import MultiMail
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def send(server: ServerUnderTest, **more: Any) -> str:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello", **more}
    with server.http("agent") as agent:
        reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)
    return str(reply.json()["id"])


def make(server: ServerUnderTest, email: str, key: str = "reviewer", **body: Any) -> httpx.Response:
    with server.http(key) as client:
        return client.post(f"/v1/oversight/{email}/approval-link", json=body)


@pytest.fixture
def anonymous(server: ServerUnderTest) -> Person:
    """A browser without any key or session."""
    return Person(server)


def test_a_link_shows_the_item_and_decides_once(server: ServerUnderTest, anonymous: Person) -> None:
    email = send(server)
    created = make(server, email)
    assert created.status_code == 201
    link = created.json()
    path = link["url"].removeprefix(server.url)
    assert path == f"/v1/approve/{link['token']}"
    for _ in range(3):
        page = anonymous.get(path)
        assert page.status_code == 200
        assert "To ann@example.com new" in get_text(page)
        assert "This link decides as “reviewer”, once" in get_text(page)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert get_status(server, email) == "pending_send_approval"
    fields = {**anonymous.form(path, path), "action": "approve"}
    decided = anonymous.post(path, fields)
    assert "Approved: “Offer” was sent." in get_text(decided)
    assert get_status(server, email) == "sent"
    for again in (anonymous.get(path), anonymous.post(path, fields)):
        assert again.status_code == 410
        assert "was used" in get_text(again)


@pytest.mark.parametrize("key", ["agent", "admin"])
def test_only_an_approver_gets_a_link(server: ServerUnderTest, key: str) -> None:
    email = send(server)
    refused = make(server, email, key)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    with server.http("agent") as agent:
        seen = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email}").text
    assert "/v1/approve/" not in seen


def test_programs_use_it_too(server: ServerUnderTest) -> None:
    email = send(server)
    token = make(server, email).json()["token"]
    with MultiMail("mm_test_none", base_url=server.url) as client:
        shown = client.get_approval(token)
        assert (shown.id, shown.subject, shown.status) == (email, "Offer", "pending_send_approval")
        assert get_status(server, email) == "pending_send_approval"
        done = client.approve_by_token(token, "reject", reason="no")
    assert done.model_dump()["status"] == "rejected"
    assert get_status(server, email) == "rejected"
    reply = httpx.post(f"{server.url}/v1/approve/{token}", json={"action": "reject"})
    assert (reply.status_code, reply.json()["code"]) == (410, "link_used")


def test_the_audit_log_names_the_approver(server: ServerUnderTest) -> None:
    email = send(server)
    link = make(server, email).json()
    httpx.get(link["url"])
    httpx.post(link["url"], json={"action": "approve"})
    with server.http("admin") as admin:
        entries = admin.get("/v1/audit-log").json()["entries"]
    lines = [entry for entry in entries if entry["resource_id"] == email]
    by_action = {entry["action"]: entry for entry in lines}
    for action in ("oversight.link", "email.read", "oversight.approve"):
        assert by_action[action]["actor_key_id"] == link["approver"]
    assert by_action["email.read"]["metadata"]["via"] == "approval_link"
    assert link["token"] not in str(entries)


def test_the_token_is_not_in_the_data_file(start: Start, tmp_path: Path) -> None:
    server = start(data=tmp_path / "data.db")
    token = make(server, send(server)).json()["token"]
    assert len(token) * 6 >= 128
    server.stop()
    for file in tmp_path.iterdir():
        assert token.encode() not in file.read_bytes()


def test_a_link_ends(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    short = make(server, send(server), expires_in=3600).json()["url"]
    usual = make(server, send(server)).json()["url"]
    clock.advance(timedelta(hours=1))
    assert httpx.get(usual).status_code == 200
    for method in ("GET", "POST"):
        gone = httpx.request(method, short, json={"action": "approve"})
        assert (gone.status_code, gone.json()["code"]) == (410, "link_expired")
    clock.advance(timedelta(hours=23))
    assert httpx.get(usual).json()["code"] == "link_expired"


def test_a_link_never_outlives_its_message(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock, pending_ttl=timedelta(hours=2))
    link = make(server, send(server)).json()
    assert link["expires_at"] == "2026-01-01T02:00:00.000Z"


def test_a_link_is_for_one_content(server: ServerUnderTest, anonymous: Person) -> None:
    email = send(server)
    link = make(server, email).json()
    editor = Person(server)
    editor.sign_in(server.keys.reviewer)
    form = editor.form(f"/review/{email}/edit", f"/review/{email}/edit")
    editor.post(f"/review/{email}/edit", {**form, "subject": "Other"})
    for reply in (httpx.get(link["url"]), httpx.post(link["url"], json={"action": "approve"})):
        assert (reply.status_code, reply.json()["code"]) == (409, "content_changed")
    assert get_status(server, email) == "pending_send_approval"
    stale = make(server, email, content_hash=link["content_hash"])
    assert (stale.status_code, stale.json()["code"]) == (409, "content_changed")


@pytest.mark.parametrize("change", ["revoke", "send"])
def test_a_link_dies_with_its_approver(start: Start, change: str) -> None:
    server = start()
    email = send(server)
    with server.http("admin") as admin:
        body = {"name": "eve", "scopes": ["read", "oversight"]}
        key = admin.post("/v1/api-keys", json=body).json()
        url = make(server, email, key["key"]).json()["url"]
        if change == "revoke":
            admin.delete(f"/v1/api-keys/{key['id']}")
        else:
            admin.patch(f"/v1/api-keys/{key['id']}", json={"scopes": ["read", "send"]})
    for reply in (httpx.get(url), httpx.post(url, json={"action": "approve"})):
        assert (reply.status_code, reply.json()["code"]) == (410, "link_void")
    assert get_status(server, email) == "pending_send_approval"


def test_a_link_needs_something_that_waits(server: ServerUnderTest) -> None:
    email = send(server)
    with server.http("reviewer") as reviewer:
        reviewer.post("/v1/oversight/decide", json={"email_id": email, "action": "reject"})
    refused = make(server, email)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_held")
    assert make(server, "msg_nothing").status_code == 404
    for wrong in (0, 59, 10**9, "x"):
        assert make(server, send(server), expires_in=wrong).status_code == 400


@pytest.mark.parametrize("token", ["x", "é", "A" * 22, "..", "A" * 5000])
def test_an_unknown_token_is_a_404(server: ServerUnderTest, token: str) -> None:
    for method in ("GET", "POST"):
        reply = httpx.request(
            method, f"{server.url}/v1/approve/{token}/", json={"action": "approve"}
        )
        assert reply.status_code == 404
    reply = httpx.get(f"{server.url}/v1/approve/{token.replace('..', 'no')}")
    assert (reply.status_code, reply.json()["code"]) == (404, "link_unknown")


@pytest.mark.parametrize("origin", [None, "null", "https://evil.test"])
def test_a_form_from_elsewhere_decides_nothing(
    server: ServerUnderTest, anonymous: Person, origin: str | None
) -> None:
    email = send(server)
    path = make(server, email).json()["url"].removeprefix(server.url)
    fields = {**anonymous.form(path, path), "action": "approve"}
    assert anonymous.post(path, fields, origin).status_code == 403
    assert anonymous.post(path, {**fields, "csrf": "x"}).status_code == 403
    assert anonymous.post(path, {**fields, "mark": "x"}).status_code == 409
    assert anonymous.client.get(path, headers={"Host": "evil.test"}).status_code == 421
    if origin is not None:
        sent = httpx.post(server.url + path, json={"action": "approve"}, headers={"Origin": origin})
        assert sent.status_code == 403
    assert get_status(server, email) == "pending_send_approval"


def test_of_two_uses_at_once_one_counts(server: ServerUnderTest) -> None:
    for _ in range(8):
        url = make(server, send(server)).json()["url"]
        barrier = threading.Barrier(2)

        def use(action: str, url: str = url, barrier: Any = barrier) -> int:
            barrier.wait(10)
            return httpx.post(url, json={"action": action}).status_code

        with ThreadPoolExecutor(2) as pool:
            codes = sorted(pool.map(use, ("approve", "reject")))
        assert codes == [200, 410]
