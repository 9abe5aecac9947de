"""API keys: shown once, revoked for good, and never able to both send and approve."""

from __future__ import annotations

import httpx
import pytest
from tests.support.server import ServerFixture, Start, refusal


def create(client: httpx.Client, *scopes: str) -> httpx.Response:
    return client.post("/v1/api-keys", json={"name": "k", "scopes": list(scopes)})


def own_id(client: httpx.Client) -> str:
    return str(client.get("/v1/account").json()["key"]["id"])


def test_a_key_is_shown_once_and_revoked_for_good(
    server: ServerFixture, admin: httpx.Client
) -> None:
    key = server.create_key("read")
    client = server.http(key["key"])
    assert client.get("/v1/account").json()["key"]["scopes"] == ["read"]
    assert key["key"] not in admin.get("/v1/api-keys").text
    assert admin.delete(f"/v1/api-keys/{key['id']}").json()["status"] == "revoked"
    assert admin.delete(f"/v1/api-keys/{key['id']}").status_code == 200
    assert client.get("/v1/account").status_code == 401


def test_the_last_admin_key_cannot_be_revoked(admin: httpx.Client) -> None:
    refused = admin.delete(f"/v1/api-keys/{own_id(admin)}")
    assert refusal(refused) == (409, "last_admin_key")
    assert admin.get("/v1/account").status_code == 200


@pytest.mark.parametrize(
    ("scopes", "code"),
    [
        (["read", "send", "oversight"], "self_approval"),
        (["oversight", "send", "send", "admin"], "self_approval"),
        (["root"], "invalid_scopes"),
        ([], "invalid_scopes"),
    ],
)
def test_scopes_that_no_key_can_have(
    server: ServerFixture, admin: httpx.Client, scopes: list[str], code: str
) -> None:
    path = f"/v1/api-keys/{server.create_key('read', 'send')['id']}"
    assert refusal(admin.patch(path, json={"scopes": scopes})) == (400, code)
    assert refusal(create(admin, *scopes)) == (400, code)
    assert admin.patch(path, json={"name": "renamed"}).json()["scopes"] == ["read", "send"]


@pytest.mark.parametrize("mine", ["send", "oversight"])
@pytest.mark.parametrize("theirs", ["send", "oversight", "admin"])
def test_a_key_gives_no_key_the_other_half(server: ServerFixture, mine: str, theirs: str) -> None:
    """By creation, by update of another key, and by update of itself."""
    other = server.create_key("read")["id"]
    mixed = server.http(server.create_key("admin", mine)["key"])
    replies = [
        create(mixed, "read", theirs),
        mixed.patch(f"/v1/api-keys/{other}", json={"scopes": ["read", theirs]}),
        mixed.patch(f"/v1/api-keys/{own_id(mixed)}", json={"scopes": ["admin", theirs]}),
    ]
    if mine == theirs:
        assert [reply.status_code for reply in replies] == [201, 200, 403]
    else:
        assert {refusal(reply) for reply in replies} == {(403, "self_approval")}


def test_a_key_never_decides_on_its_own_send_whatever_its_scopes_become(
    server: ServerFixture, admin: httpx.Client
) -> None:
    key = server.create_key("read", "send")
    composer = server.http(key["key"])
    sent = server.sent(by=composer)
    changed = admin.patch(f"/v1/api-keys/{key['id']}", json={"scopes": ["read", "oversight"]})
    assert changed.status_code == 200
    assert refusal(server.decide(sent["id"], by=composer)) == (403, "self_approval")
    assert server.status(sent["id"]) == "pending_send_approval"


def test_a_key_that_sends_and_administers_cannot_loosen_oversight(server: ServerFixture) -> None:
    mixed = server.http(server.create_key("admin", "send")["key"])
    assert server.configure(mixed, oversight_mode="autonomous").status_code == 403
    for mode, status in (("autonomous", 403), ("monitored", 403), ("gated_send", 201)):
        body = {"address": f"mixed-{mode.replace('_', '-')}", "oversight_mode": mode}
        assert mixed.post("/v1/mailboxes", json=body).status_code == status
    assert mixed.get("/v1/oversight/upgrade-requests").status_code == 403
    assert mixed.get("/v1/oversight/approval-codes").status_code == 403


def test_what_a_revoked_key_composed_is_not_sent(start: Start) -> None:
    server = start()
    key = server.create_key("read", "send")
    sent = server.sent(by=server.http(key["key"]))
    server.admin.delete(f"/v1/api-keys/{key['id']}")
    assert server.decide(sent["id"]).json()["message_status"] == "send_failed"
    assert "revoked" in server.wait_for_status(sent["id"], "send_failed")["bounce_reason"]
    assert server.outbox() == []
