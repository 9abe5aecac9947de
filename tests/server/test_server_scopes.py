"""Scopes: every route, with every kind of key."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from multimail_server.api.routes import ALL
from multimail_server.api.routing import RouteSpec
from multimail_server.testing.server import ServerUnderTest

KEYED = [spec for spec in ALL if spec.scopes]


@pytest.fixture(scope="module")
def nobody(server: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def by_scope(server: ServerUnderTest) -> dict[str, str]:
    """A key for each single scope."""
    with server.http("admin") as admin:
        return {
            scope: admin.post("/v1/api-keys", json={"name": scope, "scopes": [scope]}).json()["key"]
            for scope in ("read", "send", "oversight", "admin")
        }


def name_of(spec: RouteSpec) -> str:
    return f"{spec.method} {spec.path}"


def path_of(spec: RouteSpec) -> str:
    """Fill the path with ids that nothing has, so that no route gets as far as doing anything."""
    return re.sub(r"\{[^}]+\}", "nothing", spec.path)


@pytest.mark.parametrize("spec", KEYED, ids=name_of)
def test_a_route_without_a_key_is_a_401(nobody: httpx.Client, spec: RouteSpec) -> None:
    reply = nobody.request(spec.method, path_of(spec))
    assert reply.status_code == 401
    assert reply.json()["code"] == "missing_key"
    assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("spec", KEYED, ids=name_of)
def test_a_route_refuses_a_key_without_its_scope(
    nobody: httpx.Client, by_scope: dict[str, str], spec: RouteSpec
) -> None:
    for scope in by_scope.keys() - set(spec.scopes):
        headers = {"X-API-Key": by_scope[scope]}
        reply = nobody.request(spec.method, path_of(spec), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "missing_scope")
        assert spec.scopes[0] in reply.json()["error"]


def test_both_headers_carry_a_key(server: ServerUnderTest) -> None:
    assert server.keys is not None
    for headers in (
        {"Authorization": f"Bearer {server.keys.agent}"},
        {"authorization": f"bearer  {server.keys.agent}"},
        {"X-API-Key": server.keys.agent},
    ):
        assert httpx.get(f"{server.url}/v1/mailboxes", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["mm_test_wrong", "Basic x", "é"])
def test_an_unknown_key_is_a_401(server: ServerUnderTest, key: str) -> None:
    headers = [(b"Authorization", f"Bearer {key}".encode("latin-1"))]
    reply = httpx.get(f"{server.url}/v1/mailboxes", headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"].endswith(".")


def test_a_key_of_one_mailbox_sees_no_other(
    server: ServerUnderTest, agent: httpx.Client, admin: httpx.Client
) -> None:
    first = server.mailbox.id
    other = admin.post("/v1/mailboxes", json={"address": "other"}).json()["id"]
    made = admin.post(
        "/v1/api-keys",
        json={"name": "bound", "scopes": ["read", "send"], "mailbox_id": other},
    ).json()
    mail = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    theirs = agent.post(f"/v1/mailboxes/{first}/send", json=mail).json()
    with server.http(made["key"]) as bound:
        assert [row["id"] for row in bound.get("/v1/mailboxes").json()["mailboxes"]] == [other]
        for reply in (
            bound.get(f"/v1/mailboxes/{first}"),
            bound.get(f"/v1/mailboxes/{server.mailbox.address}"),
            bound.get(f"/v1/mailboxes/{first}/emails"),
            bound.get(f"/v1/mailboxes/{first}/emails/{theirs['id']}"),
            bound.get(f"/v1/mailboxes/{other}/emails/{theirs['id']}"),
            bound.get(f"/v1/mailboxes/{first}/threads/{theirs['thread_id']}"),
            bound.get(f"/v1/mailboxes/{other}/threads/{theirs['thread_id']}"),
            bound.post(f"/v1/mailboxes/{first}/send", json=mail),
            bound.post(f"/v1/mailboxes/{other}/reply/{theirs['id']}", json={"markdown": "m"}),
            bound.post(f"/v1/mailboxes/{other}/emails/{theirs['id']}/cancel"),
            bound.get(f"/v1/test/outbox/{theirs['id']}/raw"),
        ):
            assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
        assert bound.post(f"/v1/mailboxes/{other}/send", json=mail).status_code == 202
        log = bound.get("/v1/audit-log").json()["entries"]
    assert {entry["mailbox_id"] for entry in log} == {other}


def test_unknown_paths_and_methods_are_json(server: ServerUnderTest) -> None:
    missing = httpx.get(f"{server.url}/v1/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_path")
    assert "embedded server" in missing.json()["error"]
    wrong = httpx.put(f"{server.url}/v1/mailboxes")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["x-request-id"] == wrong.json()["request_id"]
