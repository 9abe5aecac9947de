"""Every route with every kind of key: what it refuses, and the audit entry that it leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, refusal

from multimail_server.api.routing import Route
from multimail_server.testing.routes import ALL_ROUTES

KEYED = [spec for spec in ALL_ROUTES if spec.scopes]
CLOSES = ("DELETE", "/v1/account")


@pytest.fixture(scope="module")
def no_key(server: ServerFixture) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def by_scope(server: ServerFixture) -> dict[str, dict[str, Any]]:
    """A key for each single scope."""
    return {scope: server.create_key(scope) for scope in ("read", "send", "oversight", "admin")}


def get_name(spec: Route) -> str:
    return f"{spec.method} {spec.path}"


def get_path(spec: Route) -> str:
    """Return the path with an id that nothing has, so that no route gets as far as an effect."""
    return re.sub(r"\{[^}]+\}", "nothing", spec.path)


def newest_entry(server: ServerFixture, key_id: str) -> dict[str, Any]:
    return next(entry for entry in server.audit() if entry["actor_key_id"] == key_id)


@pytest.mark.parametrize("spec", KEYED, ids=get_name)
def test_a_route_needs_a_key_of_its_scope(
    server: ServerFixture,
    no_key: httpx.Client,
    by_scope: dict[str, dict[str, Any]],
    spec: Route,
) -> None:
    reply = no_key.request(spec.method, get_path(spec))
    assert refusal(reply) == (401, "missing_key")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    for scope in by_scope.keys() - set(spec.scopes):
        headers = {"X-API-Key": by_scope[scope]["key"]}
        reply = no_key.request(spec.method, get_path(spec), headers=headers)
        assert refusal(reply) == (403, "missing_scope")
        assert spec.scopes[0] in reply.json()["error"]
        entry = newest_entry(server, by_scope[scope]["id"])
        assert entry["metadata"]["code"] == "missing_scope"
        assert entry["metadata"]["request"] == get_name(spec)


@pytest.mark.parametrize(
    "spec", [spec for spec in KEYED if (spec.method, spec.path) != CLOSES], ids=get_name
)
def test_a_route_leaves_an_audit_entry_when_it_refuses_too(
    server: ServerFixture, by_scope: dict[str, dict[str, Any]], spec: Route
) -> None:
    key = by_scope[spec.scopes[0]]
    with server.http(key["key"]) as client:
        reply = client.request(spec.method, get_path(spec))
    entry = newest_entry(server, key["id"])
    if reply.is_success:
        assert entry["outcome"] == "done"
        return
    assert (entry["action"], entry["outcome"]) == ("request.refused", "refused")
    assert entry["metadata"]["request"] == get_name(spec)
    assert (entry["metadata"]["status"], entry["metadata"]["code"]) == refusal(reply)


def test_both_headers_carry_a_key(server: ServerFixture, no_key: httpx.Client) -> None:
    for headers in (
        {"Authorization": f"Bearer {server.keys.agent}"},
        {"authorization": f"bearer  {server.keys.agent}"},
        {"X-API-Key": server.keys.agent},
    ):
        assert no_key.get("/v1/mailboxes", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["mm_test_wrong", "Basic x", "é"])
def test_an_unknown_key_is_a_401(no_key: httpx.Client, key: str) -> None:
    headers = [(b"Authorization", f"Bearer {key}".encode("latin-1"))]
    assert no_key.get("/v1/mailboxes", headers=headers).status_code == 401


def test_a_key_of_one_mailbox_reaches_no_other(server: ServerFixture) -> None:
    first = server.mailbox.id
    other = server.create_mailbox("other")["id"]
    theirs = server.sent()
    bound = server.http(server.create_key("read", "send", mailbox_id=other)["key"])
    mail = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    assert [row["id"] for row in bound.get("/v1/mailboxes").json()["mailboxes"]] == [other]
    email, thread = theirs["id"], theirs["thread_id"]
    for reply in (
        bound.get(f"/v1/mailboxes/{first}"),
        bound.get(f"/v1/mailboxes/{server.mailbox.address}"),
        bound.get(f"/v1/mailboxes/{first}/emails"),
        bound.get(f"/v1/mailboxes/{first}/emails/{email}"),
        bound.get(f"/v1/mailboxes/{other}/emails/{email}"),
        bound.get(f"/v1/mailboxes/{first}/threads/{thread}"),
        bound.get(f"/v1/mailboxes/{other}/threads/{thread}"),
        bound.post(f"/v1/mailboxes/{first}/send", json=mail),
        bound.post(f"/v1/mailboxes/{other}/reply/{email}", json={"markdown": "m"}),
        bound.post(f"/v1/mailboxes/{other}/emails/{email}/cancel"),
        bound.get(f"/v1/test/outbox/{email}/raw"),
    ):
        assert refusal(reply) == (404, "not_found")
    assert bound.post(f"/v1/mailboxes/{other}/send", json=mail).status_code == 202
    entries = bound.get("/v1/audit-log").json()["entries"]
    assert {entry["mailbox_id"] for entry in entries} == {other}


def test_unknown_paths_and_methods_are_json(no_key: httpx.Client) -> None:
    missing = no_key.get("/v1/nowhere")
    assert refusal(missing) == (404, "unknown_path")
    wrong = no_key.put("/v1/mailboxes")
    assert refusal(wrong) == (405, "method_not_allowed")
    assert wrong.headers["x-request-id"] == wrong.json()["request_id"]
