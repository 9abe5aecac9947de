"""Nobody sends and approves: every way in which one holder could come to both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def make(client: httpx.Client, *scopes: str, **more: Any) -> httpx.Response:
    return client.post("/v1/api-keys", json={"name": "k", "scopes": list(scopes), **more})


def own(client: httpx.Client) -> str:
    return str(client.get("/v1/account").json()["key"]["id"])


@pytest.mark.parametrize("mine", ["send", "oversight"])
@pytest.mark.parametrize("theirs", ["send", "oversight", "admin"])
def test_a_key_gives_no_key_the_other_half(
    server: ServerUnderTest, admin: httpx.Client, mine: str, theirs: str
) -> None:
    """By creation, by update of another key, and by update of itself."""
    other = make(admin, "read").json()["id"]
    with server.http(make(admin, "admin", mine).json()["key"]) as mixed:
        replies = [
            make(mixed, "read", theirs),
            mixed.patch(f"/v1/api-keys/{other}", json={"scopes": ["read", theirs]}),
            mixed.patch(f"/v1/api-keys/{own(mixed)}", json={"scopes": ["admin", theirs]}),
        ]
        if mine == theirs:
            assert [reply.status_code for reply in replies] == [201, 200, 403]
            return
        assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {
            (403, "self_approval")
        }


def test_both_together_are_refused_to_the_admin_too(admin: httpx.Client) -> None:
    made = make(admin, "read", "send").json()
    path = f"/v1/api-keys/{made['id']}"
    assert make(admin, "send", "oversight").status_code == 400
    assert make(admin, "oversight", "send", "send", "admin").status_code == 400
    assert admin.patch(path, json={"scopes": ["oversight", "send"]}).status_code == 400
    assert admin.patch(path, json={"name": "renamed"}).json()["scopes"] == ["read", "send"]


def test_the_composer_never_decides_whatever_its_scopes_become(
    server: ServerUnderTest, admin: httpx.Client
) -> None:
    made = make(admin, "read", "send").json()
    body = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    with server.http(made["key"]) as composer:
        sent = composer.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()
        admin.patch(f"/v1/api-keys/{made['id']}", json={"scopes": ["oversight"]})
        decision = {"email_id": sent["id"], "action": "approve"}
        refused = composer.post("/v1/oversight/decide", json=decision)
    assert (refused.status_code, refused.json()["code"]) == (403, "self_approval")
    assert not [mail for mail in server.outbox() if mail["id"] == sent["id"]]


def test_a_sender_cannot_loosen_what_an_admin_could_not(
    server: ServerUnderTest, admin: httpx.Client
) -> None:
    with server.http(make(admin, "admin", "send").json()["key"]) as mixed:
        path = f"/v1/mailboxes/{server.mailbox.id}"
        assert mixed.patch(path, json={"oversight_mode": "autonomous"}).status_code == 403
        for mode, status in (("autonomous", 403), ("monitored", 403), ("gated_send", 201)):
            body = {"address": f"mixed-{mode.replace('_', '-')}", "oversight_mode": mode}
            assert mixed.post("/v1/mailboxes", json=body).status_code == status
        assert mixed.get("/v1/oversight/upgrade-requests").status_code == 403
        assert mixed.get("/v1/oversight/approval-codes").status_code == 403


def test_a_key_revoked_before_dispatch_sends_nothing(start: Start) -> None:
    server = start()
    admin, reviewer = server.http("admin"), server.http("reviewer")
    made = make(admin, "read", "send").json()
    body = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    sent = server.http(made["key"]).post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)
    admin.delete(f"/v1/api-keys/{made['id']}")
    reviewer.post("/v1/oversight/decide",
                  json={"email_id": sent.json()["id"], "action": "approve"})  # fmt: skip
    failed = server.wait_for_message(
        lambda mail: mail["status"] == "send_failed", direction="outbound"
    )
    assert "revoked" in failed["bounce_reason"]
    assert server.outbox() == []
