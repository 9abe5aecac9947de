"""Approval codes: nothing sensitive is made before the human has handed on a code for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from multimail import ApprovalRequiredError, MultiMail
from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
KEY = {"name": "new", "scopes": ["read"]}


@pytest.fixture
def strict(start: Start, clock: VirtualClock) -> ServerUnderTest:
    return start(clock=clock, approval_codes=True)


@pytest.fixture
def owner(strict: ServerUnderTest) -> Iterator[httpx.Client]:
    with strict.http("admin") as client:
        yield client


def codes(server: ServerUnderTest) -> list[dict[str, Any]]:
    reply = server.http("reviewer").get("/v1/oversight/approval-codes")
    rows: list[dict[str, Any]] = reply.json()["approval_codes"]
    return rows


def names(owner: httpx.Client) -> set[str]:
    return {row["name"] for row in owner.get("/v1/api-keys").json()["keys"]}


def test_first_202_and_nothing_made_then_the_same_call_with_the_code(
    strict: ServerUnderTest, owner: httpx.Client
) -> None:
    first = owner.post("/v1/api-keys", json=KEY)
    assert (first.status_code, first.json()["status"]) == (202, "approval_required")
    assert names(owner) == {"agent", "reviewer", "admin"}
    row = codes(strict)[0]
    assert (row["request"], row["body"]) == ("POST /v1/api-keys", KEY)
    assert row["code"] not in first.text
    second = owner.post("/v1/api-keys", json={**KEY, "approval_code": row["code"]})
    assert second.status_code == 201
    assert second.json()["key"].startswith("mm_test_")
    assert codes(strict) == []
    third = owner.post("/v1/api-keys", json={**KEY, "approval_code": row["code"]})
    assert (third.status_code, third.json()["code"]) == (403, "wrong_code")


def test_a_code_is_for_one_request_and_one_key(
    strict: ServerUnderTest, owner: httpx.Client
) -> None:
    owner.post("/v1/api-keys", json=KEY)
    code = codes(strict)[0]["code"]
    more = {"name": "new", "scopes": ["admin"], "approval_code": code}
    refused = owner.post("/v1/api-keys", json=more)
    assert refused.json()["code"] == "code_for_another_request"
    box = owner.post("/v1/mailboxes", json={"address": "new", "approval_code": code})
    assert box.status_code == 403
    done = owner.post("/v1/api-keys", json={**KEY, "approval_code": code})
    assert done.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/mailboxes", {"address": "new"}),
        ("PATCH", "/v1/api-keys/{agent}", {"scopes": ["read"]}),
        ("PATCH", "/v1/mailboxes/{mailbox}", {"webhook_url": "https://example.com/hook"}),
        ("PATCH", "/v1/mailboxes/{mailbox}/configure", {"webhook_url": "https://example.com/h"}),
    ],
)
def test_every_way_to_the_same_change_asks_for_a_code(
    strict: ServerUnderTest, owner: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    rows = owner.get("/v1/api-keys").json()["keys"]
    agent = next(row["id"] for row in rows if row["name"] == "agent")
    where = path.format(agent=agent, mailbox=strict.mailbox.id)
    assert owner.request(method, where, json=body).status_code == 202
    code = codes(strict)[0]["code"]
    done = owner.request(method, where, json={**body, "approval_code": code})
    assert done.status_code in (200, 201)


def test_what_is_not_sensitive_needs_no_code(strict: ServerUnderTest, owner: httpx.Client) -> None:
    path = f"/v1/mailboxes/{strict.mailbox.id}"
    assert owner.patch(path, json={"oversight_mode": "read_only"}).status_code == 200
    assert codes(strict) == []


def test_a_code_ends_after_a_day_or_five_wrong_ones(
    strict: ServerUnderTest, owner: httpx.Client, clock: VirtualClock
) -> None:
    owner.post("/v1/api-keys", json=KEY)
    old = codes(strict)[0]["code"]
    clock.advance(timedelta(hours=24))
    assert owner.post("/v1/api-keys", json={**KEY, "approval_code": old}).status_code == 403
    owner.post("/v1/api-keys", json=KEY)
    code = codes(strict)[0]["code"]
    for guess in ("0000-0000-0000-0000", "", "x", old, "ABCD"):
        assert owner.post("/v1/api-keys", json={**KEY, "approval_code": guess}).status_code == 403
    assert owner.post("/v1/api-keys", json={**KEY, "approval_code": code}).status_code == 403
    assert "new" not in names(owner)
    assert owner.post("/v1/api-keys", json={**KEY, "approval_code": 7}).status_code == 400


def test_twenty_codes_an_hour(strict: ServerUnderTest, owner: httpx.Client) -> None:
    answers = [owner.post("/v1/api-keys", json=KEY).status_code for _ in range(21)]
    assert answers == [202] * 20 + [429]


def test_the_client_says_what_to_do(strict: ServerUnderTest) -> None:
    with MultiMail(strict.keys.admin, base_url=strict.url) as client:
        with pytest.raises(ApprovalRequiredError, match="approval_code") as caught:
            client.create_api_key("new", ["read"])
        assert caught.value.status_code == 202
        code = codes(strict)[0]["code"]
        assert client.create_api_key("new", ["read"], approval_code=code).key
        with pytest.raises(ApprovalRequiredError):
            client.create_mailbox("another")
        code = codes(strict)[0]["code"]
        assert client.create_mailbox("another", approval_code=code).address.startswith("another@")


def test_without_the_switch_no_code_is_asked_for(admin: httpx.Client) -> None:
    assert admin.post("/v1/api-keys", json=KEY).status_code == 201


def test_a_hostile_path_is_not_printed_as_it_is(start: Start) -> None:
    told: list[str] = []
    server = start(approval_codes=True, notify_operator=told.append)
    path = "/v1/api-keys/%1b%5b31m%0aYour%20code"
    assert server.http("admin").patch(path, json={"scopes": ["read"]}).status_code == 202
    assert told[0].isprintable()
